package classic

import (
	"strconv"
	"time"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A framer builds the frames of one transport request: an object with the
// cursor, the flags and the messages (protocols/classic.md 4).
type framer struct {
	keyring *negotiate.Keyring
	id      string
	connect bool          // the request is a connect: the first frame has S
	delay   time.Duration // L
	gaps    bool          // the client understands X: messages are lost
}

// Opening returns the init frame of a connect.
func (f *framer) Opening(at messagelog.Cursor) [][]byte {
	if !f.connect {
		return nil
	}
	b := f.open(nil, at)
	b = append(b, `,"S":1`...)
	return [][]byte{f.close(f.messages(b), 0)}
}

// Frames puts the messages of a batch into one frame. Replies go out bare, as
// frames of their own at their place.
func (f *framer) Frames(dst [][]byte, buf []byte, b dialect.Batch) ([][]byte, []byte) {
	if len(b.Entries) == 0 {
		return f.frame(dst, buf, b, nil, b.At)
	}
	for rest := b.Entries; len(rest) > 0; {
		if rest[0].Seq == 0 {
			dst = append(dst, rest[0].Payload.Bytes(JSON))
			rest = rest[1:]
			continue
		}
		n := run(rest)
		at := b.At
		at.Seq = rest[n-1].Seq
		dst, buf = f.frame(dst, buf, b, rest[:n], at)
		b.Gap = false
		rest = rest[n:]
	}
	return dst, buf
}

// Shares reports whether b has messages only, and nothing about the connection.
func (f *framer) Shares(b dialect.Batch) (shape any, ok bool) {
	if b.Over || b.Gap && f.gaps || f.delay > 0 {
		return nil, false
	}
	for _, m := range b.Entries {
		if m.Seq == 0 || m.Change() {
			return nil, false
		}
	}
	return JSON, true
}

// run returns how many entries come before the next reply.
func run(entries []*messagelog.Entry) int {
	for i, m := range entries {
		if m.Seq == 0 {
			return i
		}
	}
	return len(entries)
}

func (f *framer) frame(dst [][]byte, buf []byte, b dialect.Batch, entries []*messagelog.Entry, at messagelog.Cursor) ([][]byte, []byte) {
	start := len(buf)
	buf = f.open(buf, at)
	switch {
	case b.Over && b.Why == dialect.ShutDown:
		buf = append(buf, `,"T":1`...)
	case b.Over && b.Why == dialect.Aborted && len(entries) == 0:
		buf = append(buf, forGood...)
	}
	if change := lastChange(entries); change != nil {
		buf = append(buf, `,"G":"`...)
		buf = append(buf, f.keyring.GroupsToken(f.id, change.Groups)...)
		buf = append(buf, '"')
	}
	if b.Gap && f.gaps {
		buf = append(buf, `,"X":1`...)
	}
	buf = f.messages(buf)
	first := len(buf)
	for _, m := range entries {
		if m.Payload == nil {
			continue
		}
		if p := m.Payload.Bytes(JSON); p != nil {
			buf = append(buf, p...)
			buf = append(buf, ',')
		}
	}
	buf = f.close(buf, first)
	return append(dst, buf[start:len(buf):len(buf)]), buf
}

// forGood makes clients stop that would come back otherwise, again and again:
// the Java client by D, the others by E, the C++ client by neither
// (protocols/classic.md 4.1, 10.2). They pass over the messages of such a frame.
const forGood = `,"D":1,"E":"The connection has ended."`

// open begins a frame with its cursor.
func (f *framer) open(buf []byte, at messagelog.Cursor) []byte {
	buf = append(buf, `{"C":"`...)
	buf = at.Append(buf)
	return append(buf, '"')
}

// messages begins the list of messages.
func (f *framer) messages(buf []byte) []byte {
	if f.delay > 0 {
		buf = append(buf, `,"L":`...)
		buf = strconv.AppendInt(buf, f.delay.Milliseconds(), 10)
	}
	return append(buf, `,"M":[`...)
}

// close ends the list that begins at first, and the frame.
func (f *framer) close(buf []byte, first int) []byte {
	if n := len(buf); n > first && buf[n-1] == ',' {
		buf = buf[:n-1]
	}
	return append(buf, ']', '}')
}

// lastChange returns the newest change of groups among the entries.
func lastChange(entries []*messagelog.Entry) *messagelog.Entry {
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].Change() {
			return entries[i]
		}
	}
	return nil
}

// KeepAlive returns an empty object.
func (f *framer) KeepAlive() []byte { return keepAlive }

var keepAlive = []byte("{}")
