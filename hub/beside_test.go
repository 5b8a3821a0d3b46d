package hub_test

import (
	"iter"
	"testing"

	"github.com/hubwire/hubwire/hub"
)

type explosive struct{}

func (*explosive) UnmarshalJSON([]byte) error { panic("on purpose") }

// Mines takes items whose decoding panics.
type Mines struct{ notes notebook }

func (m *Mines) Chan(_ *hub.Call[RoomClient], in <-chan explosive) {
	for range in {
		m.notes.add("an item")
	}
}

func (m *Mines) Seq(_ *hub.Call[RoomClient], in iter.Seq2[explosive, error]) error {
	for _, err := range in {
		if err != nil {
			return err
		}
	}
	return nil
}

// A panic of the program's decoding costs the stream, not the process.
func TestUploadPanics(t *testing.T) {
	s := newSite(t, hub.Options{})
	hub.Register[RoomClient](s.Server, "mines", new(Mines))
	c := s.core("", "mines").Open("webSockets")
	c.Send(invocation("a", "chan", "[]", "0"), itemOf("0", 1))
	c.WantExactly("the channel is closed", `{"type":3,"invocationId":"a","result":null}`)
	c.Send(invocation("b", "seq", "[]", "0"), itemOf("0", 1))
	c.Want("the error names the item", "Item 1 of stream 1")
}

// Streams of one connection are bounded as its waiting calls are.
func TestTooManyStreams(t *testing.T) {
	o := hub.Options{}
	o.MaxQueuedCalls = 2
	s, _ := newPipeSite(t, o)
	c := s.core("", "pipes").Open("webSockets")
	c.Send(stream("a", "silent", "[]"))
	c.WantExactly("the first", itemOf("a", 1))
	c.Send(stream("b", "silent", "[]"))
	c.WantExactly("the second", itemOf("b", 1))
	c.Send(stream("c", "silent", "[]"))
	c.WantExactly("one too many", failed("c",
		"Failed to invoke 'silent' due to an error on the server. HubException: Too many calls of this connection are waiting."))
}
