package main

import (
	"net/http"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/hub/classic"
	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/hub/core"
)

// A client is what the hub may call.
type client struct {
	Recv func(user, text string) error
}

// Bench is the hub that is measured.
type Bench struct{}

func (Bench) Join(c *hub.Call[client], group string) error {
	return c.Groups.Add(c.ConnectionID, group)
}

func (Bench) Broadcast(c *hub.Call[client], user, text string) error {
	return c.Clients.Group("g").Recv(user, text)
}

// To is Broadcast to another group than everyone's.
func (Bench) To(c *hub.Call[client], group, text string) error {
	return c.Clients.Group(group).Recv("alice", text)
}

func (Bench) Echo(_ *hub.Call[client], text string) string { return text }

// hubwire serves the hub to clients of both families, with every default but
// one: texts of 64 KB are to fit into a message.
func hubwire() http.Handler {
	o := hub.Options{Families: []codec.Family{core.Family(core.Options{}), classic.Family()}}
	o.MaxMessageSize = 128 << 10
	s := hub.NewServer(o)
	hub.Register[client](s, "Bench", Bench{})
	return s
}
