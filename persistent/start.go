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
	restored bool // immutable: the client was connected before

	mu      sync.Mutex
	done    chan struct{} // made by the first raiseConnected, closed after the event
	started bool          // calls may run
	told    bool          // the application knows of the connection
	err     error
	early   []Incoming
}

// maxEarly bounds what a client may send before it has started.
const maxEarly = 64

// raiseConnected raises the connected event and waits for it. Later calls get the
// outcome of the first.
func (c *Conn) raiseConnected() error {
	s := &c.start
	s.mu.Lock()
	if s.done != nil {
		s.mu.Unlock()
		<-s.done
		return s.err
	}
	s.done = make(chan struct{})
	s.mu.Unlock()

	c.queue.Do(func() {
		defer close(s.done)
		if c.ctx.Err() != nil {
			s.err = ErrNoConnection
			return
		}
		s.err = c.endpoint.guard("connected", func() error { return c.endpoint.app.Connected(c) })
		if s.err == nil {
			c.begin()
		}
	})
	<-s.done
	if s.err != nil {
		c.end(dialect.Refused)
	}
	return s.err
}

// raiseReconnected raises the reconnected event, behind what runs already.
func (c *Conn) raiseReconnected(missed Missed) {
	c.queue.Do(func() {
		if c.ctx.Err() != nil || !c.start.raised() && !c.start.restored {
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

// raised reports whether the application was told of the connection.
func (s *startState) raised() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}

// unknown reports whether the connection was restored and the application has
// not been told yet.
func (s *startState) unknown() bool { return s.restored && !s.raised() }

// hold keeps in until the connection has started. It reports false if it has.
func (s *startState) hold(in Incoming) (held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started || s.restored {
		return false
	}
	if len(s.early) >= maxEarly {
		in.Reject(errTooEarly)
		return true
	}
	s.early = append(s.early, in)
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
