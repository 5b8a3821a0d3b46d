package persistent

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/hubwire/hubwire/persistent/dialect"
)

// startState is how far a connection has come: new, starting, started, or
// refused. What a client sends before it has started waits for it.
type startState struct {
	mu       sync.Mutex
	restored bool      // immutable: the client was connected before
	started  bool      // calls may run
	told     bool      // the application knows of the connection
	raised   bool      // the connected event is over, and good
	event    *starting // from the first raiseConnected until then
	early    []Incoming
}

// A starting is a connected event, and what came of it if that is bad.
type starting struct {
	over chan struct{} // nil unless somebody else waits for it
	err  error
}

// maxEarly bounds what a client may send before it has started.
const maxEarly = 64

// raiseConnected raises the connected event and waits for it. Later calls get the
// outcome of the first.
func (c *Conn) raiseConnected() error {
	event, first := c.start.raise()
	if !first {
		if event == nil {
			return nil
		}
		<-event.over
		return event.err
	}
	c.queue.Run(func() {
		if c.ctx.Err() != nil {
			event.err = ErrNoConnection
			return
		}
		event.err = c.endpoint.guard("connected", func() error { return c.endpoint.app.Connected(c) })
		if event.err == nil {
			c.begin()
		}
	})
	c.start.settle(event)
	if event.err != nil {
		c.end(dialect.Refused)
	}
	return event.err
}

// raise returns the event that the caller has to raise, if it is the first, or
// to wait for: nil if it is over, and good.
func (s *startState) raise() (event *starting, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.raised:
		return nil, false
	case s.event == nil:
		s.event = new(starting)
		return s.event, true
	case s.event.over == nil:
		s.event.over = make(chan struct{})
	}
	return s.event, false
}

// settle notes that the event is over.
func (s *startState) settle(event *starting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if event.over == nil {
		event.over = overAlready
	} else {
		close(event.over)
	}
	if event.err == nil {
		s.raised, s.event = true, nil
	}
}

// overAlready is closed.
var overAlready = func() chan struct{} {
	over := make(chan struct{})
	close(over)
	return over
}()

// raiseReconnected raises the reconnected event, behind what runs already.
func (c *Conn) raiseReconnected(missed Missed) {
	c.queue.Do(func() {
		if c.ctx.Err() != nil || !c.start.known() && !c.start.restored {
			return // gone, or the client has yet to start
		}
		c.begin()
		err := c.endpoint.guard("reconnected", func() error { return c.endpoint.app.Reconnected(c, missed) })
		if err != nil {
			c.out.drop(err)
		}
	})
}

// begin lets the connection's calls run, those first that came too early.
func (c *Conn) begin() {
	c.start.mu.Lock()
	c.start.told = true
	c.start.mu.Unlock()
	c.out.settle()
	for early := c.start.release(); len(early) > 0; early = c.start.release() {
		for _, in := range early {
			c.endpoint.app.Received(c, in)
		}
	}
}

// release returns what came too early and still waits. When nothing does, the
// connection has started.
func (s *startState) release() []Incoming {
	s.mu.Lock()
	defer s.mu.Unlock()
	early := s.early
	s.early = nil
	s.started = s.started || len(early) == 0
	return early
}

// reject turns away what waits for a start that will not come.
func (s *startState) reject() {
	for _, in := range s.release() {
		in.Reject(dialect.ErrEnded)
	}
}

// known reports whether the application was told of the connection.
func (s *startState) known() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}

// begun reports whether the client has started, or has not to.
func (s *startState) begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restored || s.told || s.event != nil
}

// mayReturn reports whether the client may come back after it timed out: it was
// let in, here or before.
func (s *startState) mayReturn() bool { return s.restored || s.known() }

// unknown reports whether the connection was restored and the application has
// not been told yet.
func (s *startState) unknown() bool { return s.restored && !s.known() }

// hold keeps in until the connection has started. It reports false if it has.
func (s *startState) hold(in Incoming) (held bool) {
	s.mu.Lock()
	if s.started || s.restored {
		s.mu.Unlock()
		return false
	}
	full := len(s.early) >= maxEarly
	if !full {
		s.early = append(s.early, in)
	}
	s.mu.Unlock()
	if full {
		in.Reject(errTooEarly) // which may end the connection
	}
	return true
}

// receive hands a payload to the application.
func (c *Conn) receive(in Incoming) {
	if c.pace != nil && !c.pace.Allow() {
		in.Reject(errTooFast)
		return
	}
	if !c.start.hold(in) {
		c.endpoint.app.Received(c, in)
	}
}

// guard runs a callback of the application. A panic becomes an error.
func (e *Endpoint) guard(event string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e.opts.Logger.Error("hubwire: panic in an event handler", "event", event, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return f()
}

var errPanic = errors.New("persistent: the handler panicked")
