package hub_test

import (
	"testing"

	"github.com/hubwire/hubwire/hub"
)

type benchClient struct {
	hub.Sender
	Two   func(from, text string) error
	Other func(from string, n int64) error // no common signature
}

// One typed call to a group without members: binding, encoding, publishing.
func BenchmarkTypedCall(b *testing.B) {
	h := hub.Register[benchClient](newServer(b, hub.Options{}), "bench", struct{}{})
	b.Run("common", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = h.Clients.Group("room").Two("ann", "hello")
		}
	})
	b.Run("reflected", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = h.Clients.Group("room").Other("ann", 5)
		}
	})
}

func BenchmarkUntypedCall(b *testing.B) {
	h := hub.Register[benchClient](newServer(b, hub.Options{}), "bench", struct{}{})
	b.ReportAllocs()
	for b.Loop() {
		_ = h.Clients.Group("room").Send("two", "ann", "hello")
	}
}

func BenchmarkProxy(b *testing.B) {
	h := hub.Register[benchClient](newServer(b, hub.Options{}), "bench", struct{}{})
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.Clients.Group("room")
		}
	})
	b.Run("made", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.Clients.GroupExcept("room", "x")
		}
	})
}

// One call from payload to result over HTTP, without a socket.
func BenchmarkInvoke(b *testing.B) {
	s := newSite(b, hub.Options{})
	hub.Register[RoomClient](s.Server, "room", newRoom())
	c := s.client("", "room")
	c.Open("longPolling")
	g := c
	payload, _ := g.Invocation("room", "add", 40, 2)
	b.Run("http", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g.Send("longPolling", payload)
		}
	})
}
