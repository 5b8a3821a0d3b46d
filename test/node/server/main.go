// Command server is the server under the tests of Core clients in Node. It
// prints its URL, and ends with its standard input: with 1 if it left anything
// running.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"go.uber.org/goleak"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/hub/classic"
	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/hub/core"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	leaks := goleak.IgnoreCurrent()
	o := hub.Options{Families: []codec.Family{core.Family(core.Options{StatefulReconnect: true}), classic.Family()}}
	o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server := hub.NewServer(o)
	hub.Register[client](server, "chat", &chat{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/signalr/", server)
	web := &http.Server{Handler: mux}
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	fmt.Printf("http://%s/signalr/chat\n", l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = errors.Join(server.Shutdown(ctx), web.Shutdown(ctx))
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return errors.Join(err, goleak.Find(leaks))
}

// client is what the tests listen to.
type client struct {
	hub.Sender
	Said  func(from, text string) error
	Tick  func(n int) error
	Value func(v any) error
}

type chat struct{}

type call = hub.Call[client]

// A Thing has a bit of everything.
type Thing struct {
	Name  string         `json:"name"`
	N     int            `json:"n"`
	F     float64        `json:"f"`
	On    bool           `json:"on"`
	List  []string       `json:"list"`
	Map   map[string]int `json:"map"`
	Maybe *int           `json:"maybe"`
}

func (*chat) Echo(_ *call, t Thing) Thing          { return t }
func (*chat) Bytes(_ *call, b []byte) []byte       { return append(b, 1) }
func (*chat) Later(_ *call, t time.Time) time.Time { return t.Add(time.Second) }
func (*chat) Add(_ *call, a, b int) int            { return a + b }
func (*chat) Nothing(*call)                        {}
func (*chat) Fail(*call) error                     { return &hub.Error{Message: "boom"} }
func (*chat) ID(c *call) string                    { return c.ConnectionID }
func (*chat) Join(c *call, room string) error      { return c.Groups.Add(c.ConnectionID, room) }
func (*chat) Leave(c *call, room string) error     { return c.Groups.Remove(c.ConnectionID, room) }
func (*chat) Say(c *call, room, text string) error {
	return c.Clients.Group(room).Said(c.ConnectionID, text)
}
func (*chat) Back(c *call, v any) error     { return c.Clients.Caller().Value(v) }
func (*chat) Abort(c *call)                 { c.Abort() }
func (*chat) Size(_ *call, text string) int { return len(text) }

// Count calls Tick with the numbers below n, and returns n.
func (*chat) Count(c *call, n int) (int, error) {
	for i := range n {
		if err := c.Clients.Caller().Tick(i); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// Slowly calls Tick with the numbers below n, one each millisecond, in the
// background.
func (*chat) Slowly(c *call, n int) {
	caller := c.Clients.Caller()
	go func() {
		for i := range n {
			if caller.Tick(i) != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
}
