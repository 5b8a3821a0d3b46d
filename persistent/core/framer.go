package core

import (
	"slices"

	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A framer puts whole records one behind the other: there is no envelope.
type framer struct {
	link  *link
	once  bool     // for a poll
	first [][]byte // what goes before everything else, beside the greeting
	track *track   // nil unless the exchange is of a stateful connection
	att   dialect.Attachment
}

// A sharer is the framer of an exchange that numbers nothing: records are the
// same for all connections of a protocol.
type sharer struct{ framer }

var (
	_ dialect.Framer = (*framer)(nil)
	_ dialect.Parter = (*framer)(nil)
	_ dialect.Sharer = (*sharer)(nil)
)

// Shares reports whether b is nothing but messages.
func (f *sharer) Shares(b dialect.Batch) (shape any, ok bool) {
	if b.Gap || f.link.torn.Load() || slices.ContainsFunc(b.Entries, reply) {
		return nil, false
	}
	return f.link.format.protocol, true
}

func reply(m *messagelog.Entry) bool { return m.Seq == 0 }

// Opening returns the answer to the handshake, in the first exchange.
func (f *framer) Opening(messagelog.Cursor) [][]byte {
	if f.once && f.link.at() == ended {
		return nil // a poll says it all at once
	}
	if hello := f.link.greeting(); hello != nil {
		return [][]byte{hello}
	}
	return f.first
}

// Frames joins the records of a batch. An empty batch is a ping, where there
// are pings.
func (f *framer) Frames(dst [][]byte, buf []byte, b dialect.Batch) ([][]byte, []byte) {
	if b.Gap {
		f.lost()
	}
	if f.link.torn.Load() {
		return dst, buf // nothing but the end
	}
	if f.track != nil && !f.track.number(f, b) {
		return dst, buf
	}
	start, p := len(buf), f.link.format.protocol
	if f.once {
		buf = append(buf, f.link.greeting()...)
	}
	if len(b.Entries) == 0 {
		if ping := f.KeepAlive(); ping != nil {
			dst = append(dst, ping)
		}
		return dst, buf
	}
	if len(b.Entries) == 1 && len(buf) == start { // a broadcast is not copied for each receiver
		if m := b.Entries[0]; m.Payload != nil {
			if record := m.Payload.Bytes(p); len(record) > 0 {
				dst = append(dst, record)
			}
		}
		return dst, buf
	}
	for _, m := range b.Entries {
		if m.Payload != nil {
			buf = append(buf, m.Payload.Bytes(p)...)
		}
	}
	if len(buf) > start {
		dst = append(dst, buf[start:len(buf):len(buf)])
	}
	return dst, buf
}

// lost ends a connection that the log cannot give everything any more. Clients
// have no other way to hear of it: they come back with nothing.
func (f *framer) lost() {
	l := f.link
	l.torn.Store(true)
	l.host.Go(func() { l.finish(dialect.Failed) })
}

// KeepAlive returns a ping. A poll has none.
func (f *framer) KeepAlive() []byte {
	if f.once {
		return nil
	}
	return f.link.format.ping
}

// Parting returns the Close message.
func (f *framer) Parting(why dialect.Ending) [][]byte {
	if words := f.link.parting(why); words != nil {
		return [][]byte{words}
	}
	return nil
}

// A control is a record that is about the connection: it has no number.
type control []byte

// Bytes returns c.
func (c control) Bytes(*messagelog.Protocol) []byte { return c }

// Size returns the length of c.
func (c control) Size() int { return len(c) }
