package persistent

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
	"github.com/hubwire/hubwire/transports"
)

// An attachment is an exchange in use by a connection, from Attach to its end.
//
// What each small write looks at stands first, here as in outbox and in Conn: of
// thousands of them nothing is in the cache of the processor.
type attachment struct {
	// Immutable after Attach.
	conn  *Conn
	trier transports.Trier // not nil: the flusher writes, and they only where it would wait
	x     exchange

	behind *attachment // guarded by the flusher's mu

	told uint64 // the place in the log that the client was told last; owned by the writer

	// Guarded by the outbox's mu.
	lastFrame     time.Time
	replayed      int // entries that were missed: they do not count as slow
	replayedBytes int
	held          bool // the client has been shown that it has to wait, or need not be

	// Immutable after Attach.
	from      uint64 // where in the log it starts
	since     time.Time
	keepAlive time.Duration // 0 for none
	spawned   bool          // writers are goroutines of ours
	writer    func()        // nil: what they do, made once, since a go statement with a receiver allocates
	signal    chan struct{} // nil: wakes Run; holds one, so that a wake is never lost

	once  sync.Once
	ended atomic.Bool   // by end
	done  chan struct{} // nil: closed by end, for Run
	err   error         // set before that
}

// An exchange is what stays of a dialect.Exchange while it is attached.
type exchange struct {
	Stream                 transports.Stream
	Framer                 dialect.Framer
	Once, Final, Reconnect bool
	MaxBatch               int
	IdleTimeout            time.Duration
}

func newAttachment(c *Conn, x dialect.Exchange, from uint64) *attachment {
	now := time.Now()
	a := &attachment{
		keepAlive: max(or(x.KeepAlive, c.endpoint.settings.KeepAlive), 0),
		conn:      c,
		x:         exchange{x.Stream, x.Framer, x.Once, x.Final, x.Reconnect, x.MaxBatch, x.IdleTimeout},
		spawned:   x.AnyWriter,
		from:      from,
		told:      from,
		since:     now,
		lastFrame: now,
	}
	a.trier = trier(x)
	_, holder := x.Stream.(transports.Holder)
	a.held = !holder
	switch {
	case a.trier != nil:
	case a.spawned:
		a.writer = a.spawnedDrain
	default:
		a.signal, a.done = make(chan struct{}, 1), make(chan struct{})
	}
	return a
}

// wake makes a writer look at the outbox. The caller has claimed the outbox.
func (a *attachment) wake() {
	switch {
	case a.trier != nil:
		a.conn.endpoint.flusher.add(a)
	case a.spawned:
		a.conn.endpoint.work.Add(1) // the connection holds it above 0
		go a.writer()
	default:
		select {
		case a.signal <- struct{}{}:
		default:
		}
	}
}

// Spawn starts the exchange: at once where that takes no waiting, and otherwise
// on a goroutine of its own.
func (a *attachment) Spawn() {
	e := a.conn.endpoint
	if a.trier == nil || !e.begin() {
		e.spawn(func() {
			if a.open() {
				a.drain()
			}
		})
		return
	}
	defer e.work.Done()
	a.tryOpen()
}

// tryOpen is open for a stream that can be tried, and what follows goes the way
// of everything else.
func (a *attachment) tryOpen() {
	frames := a.opening()
	if frames == nil {
		if a.conn.out.more(a) {
			a.wake()
		}
		return
	}
	if rest := a.trier.TryPrepared(a.trier.Prepare(nil, frames)); rest != nil {
		a.goOn(func() bool { return a.opened(rest()) })
	} else if a.opened(nil) {
		a.wake()
	}
}

// spawnedDrain is what a writer of ours does.
func (a *attachment) spawnedDrain() {
	defer a.conn.endpoint.work.Done()
	a.drain()
}

// Run starts the exchange and writes for it until it ends.
func (a *attachment) Run(ctx context.Context) error {
	if a.open() {
		a.drain()
	}
	for {
		select {
		case <-a.signal:
			a.drain()
		case <-ctx.Done():
			a.Detach(context.Cause(ctx))
			return a.err
		case <-a.done:
			a.farewell()
			return a.err
		}
	}
}

// open writes what comes before the first batch. It reports whether there may be
// more.
func (a *attachment) open() bool {
	frames := a.opening()
	if frames == nil {
		return !a.ended.Load()
	}
	if a.x.Once {
		a.conn.out.answer(a)
	}
	return a.opened(a.x.Stream.Send(frames))
}

// opening returns what comes before the first batch, if anything.
func (a *attachment) opening() [][]byte {
	if a.ended.Load() { // it came too late
		return nil
	}
	return a.x.Framer.Opening(a.cursor(a.from))
}

// opened notes what came of writing that. It reports whether there is more.
func (a *attachment) opened(err error) bool {
	if err != nil {
		a.end(err)
		return false
	}
	more := a.conn.out.wrote(a, a.from, true)
	if a.x.Once {
		a.end(errAnswered)
	}
	return more
}

// drain writes until there is nothing more to write.
func (a *attachment) drain() {
	for a.step() {
	}
}

// step writes one batch. It reports whether there was one.
func (a *attachment) step() bool {
	b, ok := a.conn.out.take(a)
	return ok && a.handle(b)
}

// handle writes b. It reports whether there may be more.
func (a *attachment) handle(b batch) bool {
	if b.parting {
		a.end(a.part(b.why))
		return false
	}
	if b.hold {
		return a.hold()
	}
	if b.keepAlive && (a.x.Once || a.told >= b.at) {
		err := a.x.Stream.KeepAlive(a.x.Framer.KeepAlive())
		return a.sent(b, a.told, true, err)
	}
	at, frame := a.after(b)
	err := a.send(dialect.Batch{Entries: b.entries, At: a.cursor(at), Gap: b.gap, Over: b.over, Why: b.why})
	return a.sent(b, at, frame, err)
}

// hold shows the client that it has to wait.
func (a *attachment) hold() bool {
	if err := a.x.Stream.(transports.Holder).Hold(); err != nil {
		a.end(err)
		return false
	}
	return true
}

// sent notes what came of writing b. It reports whether there is more.
func (a *attachment) sent(b batch, at uint64, frame bool, err error) bool {
	if err != nil {
		a.end(err)
		return false
	}
	a.told = at
	more := a.conn.out.wrote(a, at, frame)
	if b.whole {
		giveBack(b.entries)
	}
	if b.last {
		a.end(errAnswered)
	}
	return more
}

// after returns where a client is that has had b, and whether b tells it so:
// replies do not.
func (a *attachment) after(b batch) (at uint64, frame bool) {
	if len(b.entries) == 0 {
		return b.at, true
	}
	for _, m := range slices.Backward(b.entries) {
		if m.Seq > 0 {
			return m.Seq, true
		}
	}
	return a.told, false
}

// A scratch is memory for building frames.
type scratch struct {
	frames [][]byte
	buf    []byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// maxScratch bounds what the pool keeps of a large frame.
const maxScratch = 64 << 10

func (a *attachment) send(b dialect.Batch) error {
	if sent, err := a.sendShared(b); sent {
		return err
	}
	s := scratches.Get().(*scratch)
	s.frames, s.buf = a.x.Framer.Frames(s.frames[:0], s.buf[:0], b)
	var err error
	if len(s.frames) > 0 {
		err = a.x.Stream.Send(s.frames)
	}
	clear(s.frames)
	if cap(s.buf) <= maxScratch {
		scratches.Put(s)
	}
	return err
}

// Reply writes a payload outside of the log, on this goroutine where nobody
// else is writing.
func (a *attachment) Reply(payload []byte) {
	a.conn.answer(a, messagelog.JSON(payload))
}

// reply writes a payload outside of the log, to whatever exchange there is.
func (c *Conn) reply(p messagelog.Payload) { c.answer(nil, p) }

func (c *Conn) answer(only *attachment, p messagelog.Payload) {
	a, write, over := c.out.reply(only, &messagelog.Entry{Payload: p}, c.endpoint.delivered.Load())
	switch {
	case over && c.oneChannel:
		c.end(dialect.Lost)
	case over:
		a.tooSlow()
	case !write:
	case !a.spawned:
		a.wake()
	case a.step():
		a.wake()
	}
}

// Pause stops the taking of messages.
func (a *attachment) Pause() {
	a.conn.out.pause(a)
	a.conn.reconsider()
}

// Resume lets them be taken again.
func (a *attachment) Resume() {
	if a.conn.out.resume(a) {
		a.wake()
	}
}

// Detach ends the exchange because its transport is gone.
func (a *attachment) Detach(reason error) { a.end(reason) }

// end ends the exchange, once. The connection stays, unless the exchange is a
// final one.
func (a *attachment) end(reason error) {
	first := false
	a.once.Do(func() {
		first = true
		if a.conn.out.detach(a) {
			a.conn.schedule(time.Now())
		}
		a.err = reason
		a.conn.endpoint.opts.Logger.Debug("hubwire: transport ended",
			"connection", a.conn.id, "transport", a.x.Stream.Kind(), "reason", reason)
		a.ended.Store(true)
		if a.done != nil {
			close(a.done)
		}
	})
	if first && (a.spawned || !a.parting()) {
		a.x.Stream.Close() // which may take a moment: others need not wait
	}
	if a.x.Final && reason != errReplaced {
		a.conn.end(dialect.Lost)
	}
}

// part writes the word for the end of the connection, unless Run does, and
// returns the reason that the exchange ends for.
func (a *attachment) part(why dialect.Ending) (err error) {
	p, parts := a.x.Framer.(dialect.Parter)
	switch {
	case parts:
		if frames := p.Parting(why); len(frames) > 0 {
			err = a.x.Stream.Send(frames)
		}
	case a.spawned:
		err = a.send(dialect.Batch{At: a.cursor(a.told), Over: true, Why: why})
	}
	if err != nil {
		return err
	}
	return endReasons[why]
}

// partingTimeout bounds how long a client may keep the end of its connection
// from being written: it is what the reference server waits for the other half
// of a close.
const partingTimeout = 5 * time.Second

// hurry ends the exchange of a connection that is no more, in case the writer
// does not come to it.
func (a *attachment) hurry(why dialect.Ending) {
	time.AfterFunc(partingTimeout, func() { a.end(endReasons[why]) })
}

// tooSlow ends the exchange of a client that does not keep up. The outbox has
// let go of it already. It may be called with locks held, since closing a
// stream may take a moment.
func (a *attachment) tooSlow() {
	e := a.conn.endpoint
	e.counters.slow.Add(1)
	e.work.Add(1) // the connection holds it above 0
	go func() {
		defer e.work.Done()
		a.end(errSlow)
	}()
}

// parting reports whether there is a last word to write.
func (a *attachment) parting() bool {
	if _, parter := a.x.Framer.(dialect.Parter); parter {
		return false // it has been written
	}
	return a.err == errGoingAway || a.err == errAborted || a.x.Once && a.err != errAnswered
}

// farewell answers a poll that ends without messages, and tells any client that
// the server shuts down or has ended the connection.
func (a *attachment) farewell() {
	if a.parting() {
		why := slices.Index(endReasons[:], a.err)
		_ = a.send(dialect.Batch{At: a.cursor(a.told), Over: why >= 0, Why: dialect.Ending(why)})
	}
}

func (a *attachment) cursor(seq uint64) messagelog.Cursor {
	return messagelog.Cursor{Epoch: a.conn.endpoint.log.Epoch(), Seq: seq}
}
