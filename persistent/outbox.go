package persistent

import (
	"errors"
	"sync"
	"time"

	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// Why an exchange ends.
var (
	errReplaced  = errors.New("persistent: another transport took over")
	errSlow      = errors.New("persistent: the client reads too slowly")
	errAnswered  = errors.New("persistent: the poll is answered")
	errAborted   = errors.New("persistent: the server ended the connection")
	errStopped   = errors.New("persistent: the client ended the connection")
	errTimedOut  = errors.New("persistent: the client did not come back")
	errRefused   = errors.New("persistent: the application refused the connection")
	errGoingAway = errors.New("persistent: the server is shutting down")
	errLost      = errors.New("persistent: the transport of the connection is gone")
	errFailed    = errors.New("persistent: the client broke the protocol")
	errExpired   = errors.New("persistent: the client has to authenticate anew")
)

var endReasons = [...]error{
	dialect.Aborted:  errAborted,
	dialect.Stopped:  errStopped,
	dialect.TimedOut: errTimedOut,
	dialect.Refused:  errRefused,
	dialect.ShutDown: errGoingAway,
	dialect.Lost:     errLost,
	dialect.Failed:   errFailed,
	dialect.Expired:  errExpired,
}

type limits struct{ entries, bytes int }

// An outbox holds the messages between the fan-out and the writer of the
// exchange that is attached. Without one it holds nothing, the log has it all;
// but replies, which are not in the log, where clients do not ask twice.
//
// A writer is at work while busy is set. Who finds it unset and has something
// to write sets it and starts the writer; the writer unsets it when it finds
// nothing more. Both happen under mu, in claim and in rest: nothing is left
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

	paused bool // the exchange takes nothing for now
	keeps  bool // immutable: replies wait for an exchange

	// A deadline has passed: the writer has to say something.
	keepAlive, idle, hold bool

	// The connection is no more; the exchange ends when all is written.
	ending bool
	why    dialect.Ending

	// written is where the client is, as far as the server knows: what an
	// exchange without a cursor goes on from. It stands still until the
	// connection has started, since a transport that is given up before that
	// is no proof of anything.
	settled bool
	written uint64

	leaving *attachment // has taken its last batch, or was too slow, and has not ended yet
	kept    []kept      // replies without an exchange
	weight  int         // the bytes in kept

	// vacant is since when there is no exchange, if there is none.
	vacant time.Time
}

// push queues an entry of the log. It never blocks. A client that reads too
// slowly loses its exchange.
func (o *outbox) push(m *messagelog.Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.att
	if a == nil {
		return
	}
	o.add(m)
	if m.Payload != nil {
		o.bytes += m.Payload.Size()
	}
	switch {
	case o.overfull():
		o.leave(a)
		a.tooSlow()
	case !o.paused && o.claim():
		a.wake()
	}
}

// add appends m to the items. Called with mu held.
func (o *outbox) add(m *messagelog.Entry) {
	if cap(o.items) == 0 {
		o.items = lists.Get().(*[listSize]*messagelog.Entry)[:0]
	}
	o.items = append(o.items, m)
}

// listSize is how many entries fit into the lists that outboxes share. One
// that is idle holds none.
const listSize = 64

var lists = sync.Pool{New: func() any { return new([listSize]*messagelog.Entry) }}

// giveBack makes a list, of which nothing is in use any more, that of others.
func giveBack(list []*messagelog.Entry) {
	if cap(list) == listSize {
		clear(list)
		lists.Put((*[listSize]*messagelog.Entry)(list[:listSize]))
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

// poke makes the writer look at the deadlines that have passed.
func (o *outbox) poke(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.att
	if a == nil {
		return
	}
	d := a.deadlines()
	o.keepAlive = o.keepAlive || due(d.keepAlive, now)
	o.idle = o.idle || due(d.idle, now)
	if due(d.hold, now) {
		o.hold, a.held = true, true
	}
	if (o.keepAlive || o.idle || o.hold) && o.claim() {
		a.wake() // with mu held, so that the connection does not end before
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
	missed = merge(missed, o.kept)
	o.kept, o.weight = nil, 0
	a.replayed = len(missed)
	for _, m := range missed {
		if m.Payload != nil {
			a.replayedBytes += m.Payload.Size()
		}
	}
	o.items = append(missed, o.items...)
	o.bytes += a.replayedBytes
	o.gap, o.held, o.busy = gap, false, true
	if a.x.Reconnect && !a.held { // it wants to know at once
		o.hold, a.held = true, true
	}
}

// maxBatch bounds the payload bytes of one batch, unless the exchange does.
const maxBatch = 256 << 10

// A batch is what a writer takes at once.
type batch struct {
	entries   []*messagelog.Entry
	whole     bool   // entries has its memory for itself
	at        uint64 // the place in the log after it
	gap       bool
	keepAlive bool // nothing to say but that we are there
	hold      bool // nothing to say but that the client has to wait
	last      bool // the exchange ends with it

	parting bool // nothing to say but farewell
	over    bool // the connection has ended as well
	why     dialect.Ending
}

// take returns what there is to write next, or false if a has nothing to do any
// more for now.
func (o *outbox) take(a *attachment) (b batch, ok bool) {
	delivered := a.conn.endpoint.delivered.Load() // before a look at the items
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.att != a {
		return b, false
	}
	if o.paused && !o.ending {
		return o.takePaused(a)
	}
	n := o.fitting(or(a.x.MaxBatch, maxBatch))
	b = batch{entries: o.items[:n], whole: n == len(o.items), at: delivered, gap: o.gap}
	switch {
	case n > 0 || o.gap:
		b.last = a.x.Once
		b.over, b.why = b.last && b.whole && o.ending, o.why
	case o.ending:
		b.parting, b.why, b.last = true, o.why, true
	case o.idle:
		b.last = true
	case o.keepAlive:
		b.keepAlive = true
	case o.hold:
		b.hold = true
	default:
		o.rest()
		return b, false
	}
	if b.whole {
		o.items, o.bytes = nil, 0
	} else {
		b.entries = b.entries[:n:n]
		o.items = o.items[n:]
	}
	o.gap, o.keepAlive, o.idle, o.hold = false, false, false, false
	if b.last {
		at, _ := a.after(b)
		o.last(a, at)
	}
	return b, true
}

// answer makes a, which is a poll, leave before it is answered with something that
// is not in the outbox.
func (o *outbox) answer(a *attachment) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.att == a {
		o.last(a, a.from)
	}
}

// last lets a leave, for it is about to write the last that it ever will, up to
// a place in the log. The client may be back before that is noted. Called with
// mu held.
func (o *outbox) last(a *attachment, at uint64) {
	if o.keeps {
		o.written = max(o.written, at)
	}
	o.leave(a)
}

// leave makes room for the next exchange, while a has still to end. Called with
// mu held.
func (o *outbox) leave(a *attachment) {
	o.att, o.leaving = nil, a
	o.clear()
}

// takePaused returns a keep-alive, if one is due. Nothing else is taken.
func (o *outbox) takePaused(a *attachment) (b batch, ok bool) {
	if !o.keepAlive {
		o.rest()
		return b, false
	}
	o.keepAlive = false
	return batch{keepAlive: true}, true
}

// pause stops the taking of items.
func (o *outbox) pause(a *attachment) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.paused = o.att == a
}

func (o *outbox) isPaused() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.paused
}

// resume lets items be taken again. It reports whether the caller has to wake
// the writer.
func (o *outbox) resume(a *attachment) (wake bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.att != a || !o.paused {
		return false
	}
	o.paused = false
	return (len(o.items) > 0 || o.gap) && o.claim()
}

// more reports whether there is more to write, and otherwise lets the writer go.
func (o *outbox) more(a *attachment) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.goesOn(a)
}

// goesOn is more with mu held.
func (o *outbox) goesOn(a *attachment) bool {
	if o.att != a {
		return false
	}
	if o.paused && !o.ending {
		if o.keepAlive {
			return true
		}
	} else if len(o.items) > 0 || o.gap || o.idle || o.keepAlive || o.hold || o.ending {
		return true
	}
	o.rest()
	return false
}

// rest ends the work of the writer. An idle connection keeps no memory for
// items.
func (o *outbox) rest() {
	o.busy = false
	if len(o.items) == 0 {
		giveBack(o.items)
		o.items = nil
	}
}

// fitting returns how many items go into the next batch.
func (o *outbox) fitting(most int) int {
	if o.bytes <= most {
		return len(o.items)
	}
	size := 0
	for i, m := range o.items {
		n := 0
		if m.Payload != nil {
			n = m.Payload.Size()
		}
		if size += n; size > most && i > 0 {
			o.bytes -= size - n
			return i
		}
	}
	o.bytes = 0
	return len(o.items)
}

// reply queues a payload that is not in the log, for one exchange only or for
// whichever there is. Write tells the caller to write, for a. Over means that
// more waits than may: a client that does not ask twice loses its connection,
// any other its exchange, which is then let go of already.
func (o *outbox) reply(only *attachment, m *messagelog.Entry, delivered uint64) (a *attachment, write, over bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending || only != nil && o.att != only {
		return nil, false, false
	}
	if o.att == nil {
		if o.keeps {
			o.store(m, delivered)
		}
		return nil, false, len(o.kept) > o.limits.entries || o.weight > o.limits.bytes
	}
	o.add(m)
	o.bytes += m.Payload.Size()
	a = o.att
	if over = o.overfull(); over && !o.keeps {
		o.leave(a)
	}
	return a, !over && !o.paused && o.claim(), over
}

// overfull reports whether more waits for the exchange than may. Called with mu
// held.
func (o *outbox) overfull() bool {
	return !o.held && (len(o.items) > o.limits.entries+o.att.replayed || o.bytes > o.limits.bytes+o.att.replayedBytes)
}

// A kept is a reply that waits for an exchange, with the last entry of the log
// that comes before it.
type kept struct {
	entry *messagelog.Entry
	after uint64
}

// keep sees to the replies among items that nobody will write.
func (o *outbox) keep(items []*messagelog.Entry) {
	after := uint64(0)
	for _, m := range items {
		if m.Seq > 0 {
			after = m.Seq
		} else {
			o.store(m, after)
		}
	}
}

// store keeps one reply.
func (o *outbox) store(m *messagelog.Entry, after uint64) {
	o.kept = append(o.kept, kept{m, after})
	o.weight += m.Payload.Size()
}

// merge puts replies at their places between entries of the log.
func merge(entries []*messagelog.Entry, replies []kept) []*messagelog.Entry {
	if len(replies) == 0 {
		return entries
	}
	merged := make([]*messagelog.Entry, 0, len(entries)+len(replies))
	for _, r := range replies {
		for len(entries) > 0 && entries[0].Seq <= r.after {
			merged, entries = append(merged, entries[0]), entries[1:]
		}
		merged = append(merged, r.entry)
	}
	return append(merged, entries...)
}

// current returns the exchange that is in use, and what it waits for; or nil, and
// since when there is none.
func (o *outbox) current() (a *attachment, d deadlines, vacant time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a = o.att
	if a == nil {
		a = o.leaving
	}
	if a == nil {
		return nil, d, o.vacant
	}
	return a, a.deadlines(), vacant
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

// wrote notes that the client has been sent everything up to seq. It reports
// whether there is more to write, and otherwise lets the writer go.
func (o *outbox) wrote(a *attachment, seq uint64, frame bool) (more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.settled {
		o.written = max(o.written, seq)
	}
	if frame {
		a.lastFrame = time.Now()
	}
	return o.goesOn(a)
}

// detach takes a off. It reports whether a was in use.
func (o *outbox) detach(a *attachment) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch a {
	case o.att:
		o.att = nil
		o.clear()
	case o.leaving:
		o.leaving = nil
	default:
		return false
	}
	o.vacant = time.Now()
	return true
}

// drop ends the exchange that is attached, if any.
func (o *outbox) drop(why error) {
	o.mu.Lock()
	a := o.att
	o.mu.Unlock()
	if a != nil {
		a.end(why)
	}
}

// end ends the exchange that is attached, if any, for good. What is queued is
// written before where the family has a word for the end, and for every family
// where the end is ours.
func (o *outbox) end(why dialect.Ending) {
	o.mu.Lock()
	a := o.att
	o.ending, o.why = true, why
	if a == nil {
		o.mu.Unlock()
		return
	}
	if _, parts := a.x.Framer.(dialect.Parter); !parts && why != dialect.Aborted && why != dialect.ShutDown {
		o.mu.Unlock()
		a.end(endReasons[why])
		return
	}
	start := o.claim()
	o.mu.Unlock()
	a.hurry(why)
	if start {
		a.wake()
	}
}

// remains returns what nobody wrote, once the connection has ended: replies, and
// what the log has after the place. Vacant is false if an exchange writes it.
func (o *outbox) remains(place *uint64) (replies []kept, vacant bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.att != nil { // which may have yet to take the replies
		return nil, false
	}
	*place = o.written
	replies, o.kept, o.weight = o.kept, nil, 0
	return replies, true
}

func (o *outbox) clear() {
	if o.keeps {
		o.keep(o.items)
	}
	o.items, o.bytes = nil, 0
	o.busy, o.held, o.gap, o.paused = false, false, false, false
	o.keepAlive, o.idle, o.hold = false, false, false
}
