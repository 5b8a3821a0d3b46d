package core

import (
	"errors"
	"sync"
	"time"

	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

const (
	// ackDelay is how long a client waits at most for an Ack.
	ackDelay = time.Second

	// sequenceTimeout is how long a client that came back may take for its
	// Sequence. One that has given the connection up already, which happens,
	// says nothing at all.
	sequenceTimeout = 5 * time.Second

	// trustDelay is how long messages are held back at the start for a sign
	// that the client counts them (protocols/core.md 5.11).
	trustDelay = time.Second
)

// A track numbers the messages of a stateful connection in both directions, and
// keeps what the client has not acknowledged.
type track struct {
	link *link // immutable

	// attaching is held while the exchange is changed: the newest one must be
	// the last. It is taken before mu.
	attaching sync.Mutex

	mu sync.Mutex // guards what follows

	// Outgoing.
	current *framer            // of the exchange that may number
	delayed func()             // attaches the first exchange, until it has
	sent    uint64             // the number of the newest message
	kept    [][]byte           // the newest messages, not acknowledged
	bytes   int                // in kept
	cursor  *messagelog.Cursor // behind the newest message, nil before the first batch
	paused  bool

	// Incoming.
	next     uint64 // the number of the message to come
	handled  uint64 // the newest message that was handled
	awaiting bool   // for a Sequence: nothing else counts
	acking   bool   // an Ack is due
}

func newTrack(l *link) *track { return &track{link: l, next: 1} }

// number gives the messages of a batch their numbers and keeps them. It reports
// false if another exchange took over: nothing may be written then. Replies of
// the batch are not in the log, and queue for that exchange.
func (t *track) number(f *framer, b dialect.Batch) bool {
	t.mu.Lock()
	if t.current != f {
		t.mu.Unlock()
		for _, m := range b.Entries {
			if m.Seq == 0 {
				t.link.conn.Reply(m.Payload)
			}
		}
		return false
	}
	defer t.mu.Unlock()
	for _, m := range b.Entries {
		if m.Payload == nil {
			continue
		}
		if _, ok := m.Payload.(control); ok {
			continue
		}
		if record := m.Payload.Bytes(t.link.format.protocol); len(record) > 0 {
			t.sent++
			t.kept = append(t.kept, record)
			t.bytes += len(record)
		}
	}
	t.cursor = &b.At
	t.press()
	return true
}

// press stops and starts the taking of messages, by how much is kept. Called
// with mu held.
func (t *track) press() {
	full := t.bytes > t.link.opts.StatefulBuffer
	switch {
	case full == t.paused || t.current == nil || t.current.att == nil:
		return
	case full:
		t.current.att.Pause()
	default:
		t.current.att.Resume()
	}
	t.paused = full
}

// acknowledged forgets what the client has.
func (t *track) acknowledged(n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.kept) > 0 && t.oldest() <= n {
		t.bytes -= len(t.kept[0])
		t.kept[0] = nil
		t.kept = t.kept[1:]
	}
	t.press()
}

// oldest is the number of the first message in kept, or of the next one.
func (t *track) oldest() uint64 { return t.sent - uint64(len(t.kept)) + 1 }

// resuming reports whether the client has yet to say where it goes on.
func (t *track) resuming() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.awaiting
}

// awaits reports whether a message of this kind is passed over, since the
// client has yet to say where it goes on.
func (t *track) awaits(kind int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.awaiting && kind != typeSequence
}

// accept counts an incoming message. It reports false for one that has been
// handled already.
func (t *track) accept() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.acking {
		t.acking = true
		time.AfterFunc(ackDelay, t.acknowledge)
	}
	n := t.next
	t.next++
	if n <= t.handled {
		return false
	}
	t.handled = n
	return true
}

// acknowledge sends an Ack.
func (t *track) acknowledge() {
	t.mu.Lock()
	t.acking = false
	n := t.handled
	t.mu.Unlock()
	t.link.conn.Reply(control(t.link.format.number(typeAck, n)))
}

// resume takes the client's Sequence. It reports false for one that leaves
// messages out.
func (t *track) resume(n int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n < 1 || uint64(n) > t.handled+1 {
		return false
	}
	t.next, t.awaiting = uint64(n), false
	return true
}

// takeOver makes f, of a new exchange, the one that numbers. It returns where
// in the log it goes on, with what the client may not have got before that.
func (t *track) takeOver(f *framer) (cursor string, first []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current, t.paused, t.awaiting, t.delayed = f, false, true, nil
	first = t.link.format.number(typeSequence, t.oldest())
	for _, record := range t.kept {
		first = append(first, record...)
	}
	if t.cursor != nil {
		cursor = t.cursor.String()
	}
	return cursor, first
}

// start makes f, of the first exchange, the one that numbers. It reports false
// if there is another one already.
func (t *track) start(f *framer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil {
		return false
	}
	t.current = f
	return true
}

// cancel keeps the first exchange from coming. It reports false if there is one.
func (t *track) cancel() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.delayed = nil
	if t.current != nil {
		return false
	}
	t.current = new(framer)
	return true
}

// began notes the attachment of f, before it writes.
func (t *track) began(f *framer, a dialect.Attachment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f.att = a
	if t.current == f {
		t.press()
	}
}

// hold puts the first exchange off until attach, or for a moment.
func (t *track) hold(attach func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.delayed = attach
	time.AfterFunc(trustDelay, t.attach)
}

// attach attaches the first exchange, unless that is done.
func (t *track) attach() {
	t.mu.Lock()
	attach := t.delayed
	t.delayed = nil
	t.mu.Unlock()
	if attach != nil {
		attach()
	}
}

// watch takes the exchange of a client that came back without a word. The
// connection is not over for that: its word may be stuck on the way, and the
// client come back once more.
func (t *track) watch(f *framer) {
	time.AfterFunc(sequenceTimeout, func() {
		t.mu.Lock()
		zombie, att := t.awaiting && t.current == f, f.att
		t.mu.Unlock()
		if zombie && att != nil {
			att.Detach(errSilent)
		}
	})
}

var errSilent = errors.New("core: the client came back without a word")
