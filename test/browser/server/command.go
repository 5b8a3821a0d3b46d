package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"sync"
	"sync/atomic"
	"time"
)

// A command is what a test asks for while the server runs.
type command struct {
	Number int    `json:"command"`
	Do     string `json:"do"`

	// Of publish, publishRaw and stream.
	Group    string `json:"group"`
	From, To int
	Every    duration

	// Of ask.
	ID string `json:"id"`
}

type answer struct {
	Number int    `json:"command"`
	Error  string `json:"error,omitempty"`

	// Last is the last number that stream sent: until its end, or until the cut.
	Last int `json:"last,omitempty"`

	// Choice is what the client answered that was asked.
	Choice string `json:"choice,omitempty"`
}

// A commander carries out commands.
type commander struct {
	network *network
	hubs    *hubs
	out     *printer

	// streamed is the last number of stream so far.
	streamed atomic.Int64
}

// obey carries out the commands on in until it ends, several at a time.
func (c *commander) obey(in io.Reader) {
	var running sync.WaitGroup
	defer running.Wait()
	decoder := json.NewDecoder(in)
	for {
		var cmd command
		switch err := decoder.Decode(&cmd); err {
		case nil:
		case io.EOF:
			return
		default:
			log.Fatalf("reading a command: %v", err)
		}
		running.Go(func() {
			a := answer{Number: cmd.Number}
			if err := c.do(&cmd, &a); err != nil {
				a.Error = err.Error()
			}
			c.out.print(a)
		})
	}
}

func (c *commander) do(cmd *command, a *answer) (err error) {
	switch cmd.Do {
	case "cut":
		c.network.cut()
		a.Last = int(c.streamed.Load())
	case "down":
		c.network.setDown(true)
		c.network.cut()
	case "up":
		c.network.setDown(false)
	case "publish":
		return publish(cmd, c.hubs.room.Clients.Group(cmd.Group).Numbered)
	case "publishRaw":
		return publish(cmd, func(n int) error { return c.hubs.raw.SendGroup(cmd.Group, n) })
	case "stream":
		err = c.stream(cmd)
		a.Last = int(c.streamed.Load())
		return err
	case "ask":
		a.Choice, err = c.hubs.room.Clients.Client(cmd.ID).Choose(context.Background(), "tea?")
		return err
	case "expire":
		c.hubs.term.Add(1)
	case "release":
		close(c.hubs.release)
	default:
		return fmt.Errorf("unknown command %q", cmd.Do)
	}
	return nil
}

// publish sends the numbers from From to To, from outside of any hub method.
func publish(cmd *command, send func(n int) error) error {
	for n := cmd.From; n <= cmd.To; n++ {
		if err := send(n); err != nil {
			return err
		}
	}
	return nil
}

// stream sends numbers from 1 on, one in a while, until release.
func (c *commander) stream(cmd *command) error {
	tick := time.NewTicker(time.Duration(cmd.Every))
	defer tick.Stop()
	for {
		// Counted first: what a cut does not count, comes after it.
		n := c.streamed.Add(1)
		if err := c.hubs.room.Clients.Group(cmd.Group).Numbered(int(n)); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-c.hubs.release:
			return nil
		}
	}
}

// A duration is written as Go writes it, for example "2ms".
type duration time.Duration

func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = duration(parsed)
	return err
}
