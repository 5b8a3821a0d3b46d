package persistent

import (
	"errors"
	"sync"
	"time"

	"github.com/hubwire/hubwire/persistent/messagelog"
)

// Why an exchange ends.
var (
	errReplaced  = errors.New("persistent: another transport took over")
	errSlow      = errors.New("persistent: the client reads too slowly")
	errIdle      = errors.New("persistent: nothing to say for the connection timeout")
	errAnswered  = errors.New("persistent: the poll is answered")
	errAborted   = errors.New("persistent: the server ended the connection")
	errStopped   = errors.New("persistent: the client ended the connection")
	errTimedOut  = errors.New("persistent: the client did not come back")
	errRefused   = errors.New("persistent: the application refused the connection")
	errGoingAway = errors.New("persistent: the server is shutting down")
)

var endReasons = [...]error{
	endAborted:  errAborted,
	endStopped:  errStopped,
	endTimedOut: errTimedOut,
	endRefused:  errRefused,
	endShutdown: errGoingAway,
}

type limits struct{ entries, bytes int }

// An outbox holds the messages between the fan-out and the writer of the
// exchange that is attached. Without one it holds nothing: the log has it all.
//
// A writer is at work while busy is set. Who finds it unset and has something
// to write sets it and starts the writer; the writer unsets it when it finds
// nothing more. Both happen under mu, in push and in take: nothing is left
// lying, and there is one writer at a time.
type outbox struct {
	limits limits // immutable

	mu    sync.Mutex
	att   *attachment
	items []*messagelog.Entry
	bytes int
	busy  bool
	held  bool // what was missed is being read; items wait behind it
	gap   bool // the next batch must tell of lost messages

	// A deadline has passed: the writer has to say something.
	keepAlive, idle bool

	// written is where the client is, as far as the server knows: what an
	// exchange without a cursor goes on from. It stands still until the
	// connection has started, since a transport that is given up before that
	// is no proof of anything.
	written uint64
	settled bool
}

// push queues an entry of the log. It never blocks. A client that reads too
// slowly loses its exchange.
func (o *outbox) push(m *messagelog.Entry) {
	o.mu.Lock()
	a := o.att
	if a == nil {
		o.mu.Unlock()
		return
	}
	o.items = append(o.items, m)
	if m.Payload != nil {
		o.bytes += m.Payload.Size()
	}
	over := !o.held && (len(o.items) > o.limits.entries+a.replayed || o.bytes > o.limits.bytes+a.replayedBytes)
	if over {
		o.att = nil
		o.clear()
	}
	start := !over && o.claim()
	o.mu.Unlock()
	switch {
	case over:
		a.tooSlow()
	case start:
		a.wake()
	}
}

// claim makes the caller start a writer, if it returns true. Called with mu
// held.
func (o *outbox) claim() bool {
	if o.busy || o.held {
		return false
	}
	o.busy = true
	return true
}

// poke makes the writer look at the deadlines.
func (o *outbox) poke(keepAlive, idle bool) {
	o.mu.Lock()
	a := o.att
	if a == nil {
		o.mu.Unlock()
		return
	}
	o.keepAlive = o.keepAlive || keepAlive
	o.idle = o.idle || idle
	start := o.claim()
	o.mu.Unlock()
	if start {
		a.wake()
	}
}

// attach makes a the exchange, and returns the one before. The messages that
// come from here on wait until release.
func (o *outbox) attach(a *attachment) (before *attachment) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before = o.att
	o.clear()
	o.att, o.held, o.busy = a, true, false
	return before
}

// release puts what the client missed in front of what came since, and lets the
// writer go. The first writer is the one that starts the exchange.
func (o *outbox) release(a *attachment, missed []*messagelog.Entry, gap bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.att != a {
		return
	}
	a.replayed = len(missed)
	for _, m := range missed {
		if m.Payload != nil {
			a.replayedBytes += m.Payload.Size()
		}
	}
	o.items = append(missed, o.items...)
	o.bytes += a.replayedBytes
	o.gap, o.held, o.busy = gap, false, true
}

// maxBatch bounds the payload bytes of one batch.
const maxBatch = 256 << 10

// A batch is what a writer takes at once.
type batch struct {
	entries   []*messagelog.Entry
	whole     bool   // entries has its memory for itself
	at        uint64 // the place in the log after it
	gap       bool
	keepAlive bool // nothing to say but that we are there
	last      bool // the exchange ends with it
}

// take returns what there is to write next, or false if a has nothing to do any
// more for now. Spare is memory for the items to come.
func (o *outbox) take(a *attachment, spare []*messagelog.Entry) (b batch, ok bool) {
	delivered := a.conn.endpoint.delivered.Load() // before a look at the items
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.att != a {
		return b, false
	}
	n := o.fitting()
	b = batch{entries: o.items[:n:n], whole: n == len(o.items), at: delivered, gap: o.gap}
	switch {
	case n > 0 || o.gap:
		b.last = a.x.Once
	case o.idle:
		b.last = true
	case o.keepAlive:
		b.keepAlive = true
	default:
		o.rest(a)
		return b, false
	}
	if b.whole {
		o.items, o.bytes = spare[:0], 0
	} else {
		o.items = o.items[n:]
	}
	o.gap, o.keepAlive, o.idle = false, false, false
	if b.last {
		o.att = nil
		o.clear()
	}
	return b, true
}

// more reports whether there is more to write, and otherwise lets the writer go.
func (o *outbox) more(a *attachment) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.att != a {
		return false
	}
	if len(o.items) > 0 || o.gap || o.idle || o.keepAlive {
		return true
	}
	o.rest(a)
	return false
}

// rest ends the work of a's writer. An idle connection keeps little memory.
func (o *outbox) rest(a *attachment) {
	o.busy = false
	if cap(o.items) > maxSpare {
		o.items = nil
	}
	if cap(a.spare) > maxSpare {
		a.spare = nil
	}
}

// maxSpare is how many items an idle connection keeps memory for.
const maxSpare = 16

// fitting returns how many items go into the next batch.
func (o *outbox) fitting() int {
	if o.bytes <= maxBatch {
		return len(o.items)
	}
	size := 0
	for i, m := range o.items {
		n := 0
		if m.Payload != nil {
			n = m.Payload.Size()
		}
		if size += n; size > maxBatch && i > 0 {
			o.bytes -= size - n
			return i
		}
	}
	o.bytes = 0
	return len(o.items)
}

// reply queues a payload that is not in the log. It reports whether the caller
// has to write.
func (o *outbox) reply(a *attachment, m *messagelog.Entry) (write bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.att != a {
		return false
	}
	o.items = append(o.items, m)
	o.bytes += m.Payload.Size()
	return o.claim()
}

// current returns the exchange that is attached, and when it last said
// something.
func (o *outbox) current() (a *attachment, lastFrame time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.att == nil {
		return nil, time.Time{}
	}
	return o.att, o.att.lastFrame
}

// settle says that the connection has started.
func (o *outbox) settle() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settled = true
}

// place returns where an exchange without a cursor goes on.
func (o *outbox) place() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.written
}

// wrote notes that the client has been sent everything up to seq.
func (o *outbox) wrote(a *attachment, seq uint64, frame bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.settled {
		o.written = max(o.written, seq)
	}
	if frame {
		a.lastFrame = time.Now()
	}
}

// detach takes a off. It reports whether a was attached.
func (o *outbox) detach(a *attachment) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.att != a {
		return false
	}
	o.att = nil
	o.clear()
	return true
}

// end ends the exchange that is attached, if any.
func (o *outbox) end(why error) {
	o.mu.Lock()
	a := o.att
	o.mu.Unlock()
	if a != nil {
		a.end(why)
	}
}

func (o *outbox) clear() {
	o.items, o.bytes = nil, 0
	o.busy, o.held, o.gap, o.keepAlive, o.idle = false, false, false, false, false
}
