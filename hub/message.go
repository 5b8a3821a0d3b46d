package hub

import (
	"slices"
	"sync/atomic"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A message is a client call on its way to any number of receivers. Its
// arguments are encoded when it is made, its payload once per protocol, by
// whoever asks first.
type message struct {
	server *Server
	call   codec.Call
	wraps  atomic.Pointer[wrapped]
}

// wrapped is a payload of a message, in a list with those for other protocols.
// It does not change.
type wrapped struct {
	protocol *messagelog.Protocol
	payload  []byte
	next     *wrapped
}

// use makes the encoding one of those of client calls from here on. The endpoint
// tells of new connections one after the other, before they can be sent
// anything. A call that is on its way at that moment was made before the first
// connection with the encoding: it is not for it.
func (s *Server) use(e codec.Encoding) {
	inUse := *s.inUse.Load()
	if !slices.Contains(inUse, e) {
		inUse = append(slices.Clip(inUse), e)
		s.inUse.Store(&inUse)
	}
}

func (s *Server) newMessage(t *target, method string, args []any) (*message, error) {
	encoded, err := codec.EncodeArgs(*s.inUse.Load(), args)
	if err != nil {
		return nil, err
	}
	return &message{
		server: s,
		call:   codec.Call{Hub: t.hub.name, Method: method, Args: encoded, State: t.state()},
	}, nil
}

// Bytes returns the payload for clients of p.
func (m *message) Bytes(p *messagelog.Protocol) []byte {
	first := m.wraps.Load()
	for w := first; w != nil; w = w.next {
		if w.protocol == p {
			return w.payload
		}
	}
	c, ok := m.server.codecs[p]
	if !ok || m.call.Args.In(c.Encoding()) == nil {
		return nil // of no family of ours, or not there yet when the call was made
	}
	payload, err := c.Encode(&m.call)
	if err != nil {
		m.server.opts.Logger.Error("hubwire: a client call does not encode", "protocol", p.Name, "hub", m.call.Hub, "method", m.call.Method, "err", err)
	}
	// If another goroutine was first, its payload is as good as this one.
	m.wraps.CompareAndSwap(first, &wrapped{p, payload, first})
	return payload
}

// Size is about how long the payload is.
func (m *message) Size() int {
	return m.call.Args.Size() + len(m.call.Hub) + len(m.call.Method) + 24
}

// A single is a payload for the one connection whose protocol it was made for.
type single struct {
	protocol *messagelog.Protocol
	payload  []byte
}

func (s single) Bytes(p *messagelog.Protocol) []byte {
	if p != s.protocol {
		return nil
	}
	return s.payload
}

func (s single) Size() int { return len(s.payload) }
