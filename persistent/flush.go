package persistent

import (
	"sync"

	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/transports"
)

// A flusher writes for the many exchanges that a broadcast wakes, one after
// another, as long as none of them has to wait for its client: that one gets a
// goroutine of its own.
//
// It has the order that the scheduler would not keep among thousands of
// goroutines. Who was written to last comes last, and is given all that has
// come in since: with 10,000 clients that is the difference between one message
// in a write and fifty.
type flusher struct {
	// Immutable.
	width int             // how many goroutines there may be
	work  *sync.WaitGroup // told of each

	mu          sync.Mutex // guards what follows, and behind of each attachment
	first, last *attachment
	running     int
}

// add puts a behind those that wait. It does not wait there already: who adds
// it has claimed its outbox. The caller holds work above 0.
func (f *flusher) add(a *attachment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == nil {
		f.first = a
	} else {
		f.last.behind = a
	}
	f.last = a
	if f.running < f.width {
		f.running++
		f.work.Add(1)
		go f.run()
	}
}

func (f *flusher) run() {
	defer f.work.Done()
	for a := f.take(); a != nil; a = f.take() {
		a.flush()
	}
}

// take returns who is first, or nil for the end of the work.
func (f *flusher) take() *attachment {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.first
	if a == nil {
		f.running--
		return nil
	}
	f.first, a.behind = a.behind, nil
	if f.first == nil {
		f.last = nil
	}
	return a
}

// trier returns the stream of x if a flusher can write to it. The framer must
// be a Sharer: of others it is not known that they do not write themselves.
func trier(x dialect.Exchange) transports.Trier {
	if _, ok := x.Framer.(dialect.Sharer); !ok || !x.AnyWriter {
		return nil
	}
	t, ok := x.Stream.(transports.Trier)
	if !ok || !t.Tries() {
		return nil
	}
	return t
}

// flush writes one batch, or has a goroutine do so that may wait. What comes
// after it waits for its turn.
func (a *attachment) flush() {
	b, ok := a.conn.out.take(a)
	if !ok {
		return // it has ended since
	}
	if b.parting || b.keepAlive || b.last {
		a.goOn(func() bool { return a.handle(b) })
		return
	}
	at, frame := a.after(b)
	f := a.framed(dialect.Batch{Entries: b.entries, At: a.cursor(at), Gap: b.gap})
	if rest := a.trier.TryPrepared(f.wire); rest != nil {
		a.goOn(func() bool {
			err := rest()
			f.release()
			return a.sent(b, at, frame, err)
		})
		return
	}
	f.release()
	if a.sent(b, at, frame, nil) {
		a.wake()
	}
}

// goOn runs f, which may wait for the client, and drains the outbox if f says
// that there may be more. Whoever flushes holds the work above 0.
func (a *attachment) goOn(f func() bool) {
	work := &a.conn.endpoint.work
	work.Add(1)
	go func() {
		defer work.Done()
		if f() {
			a.drain()
		}
	}()
}
