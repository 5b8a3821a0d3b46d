package main

import (
	"encoding/json"
	"fmt"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent"
)

// rawMessage is what a client of the raw connection sends.
type rawMessage struct {
	Do, Group, Text string
}

// newRaw serves connections that understand a few words of their own.
func newRaw(options hub.Options, out *printer) (*persistent.Server, error) {
	var (
		raw      *persistent.Server
		reporter = reporter{"raw", out}
	)
	raw, err := persistent.NewServer(persistent.Handler{
		OnConnected: func(c *persistent.Conn) error {
			reporter.connected(c.ID(), c.Transport())
			return nil
		},
		OnReconnected: func(c *persistent.Conn, _ persistent.Missed) error {
			reporter.reconnected(c.ID(), c.Transport())
			return nil
		},
		OnDisconnected: func(c *persistent.Conn, stopCalled bool) {
			reporter.disconnected(c.ID(), stopCalled)
		},
		OnReceived: func(c *persistent.Conn, data []byte) error {
			var m rawMessage
			if err := json.Unmarshal(data, &m); err != nil {
				return err
			}
			return obeyRaw(raw, c.ID(), m)
		},
	}, options.Options)
	return raw, err
}

func obeyRaw(raw *persistent.Server, id string, m rawMessage) error {
	switch m.Do {
	case "echo":
		return raw.Send(id, m.Text)
	case "broadcast":
		return raw.Broadcast(m.Text)
	case "join":
		if err := raw.Join(id, m.Group); err != nil {
			return err
		}
		return raw.Send(id, "joined "+m.Group)
	case "group":
		return raw.SendGroup(m.Group, m.Text)
	}
	return fmt.Errorf("unknown message %q", m.Do)
}
