package persistent

import (
	"context"
	"maps"
	"slices"

	"github.com/hubwire/hubwire/persistent/dialect"
)

// Drain makes the endpoint take no new connections from here on, as Shutdown
// does. What the clients of the others send still reaches the application.
func (e *Endpoint) Drain() { e.enter(draining) }

// Draining reports whether Drain or Shutdown was called.
func (e *Endpoint) Draining() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.phase != serving
}

// Shutdown ends the endpoint in good order: it takes no new connections, lets
// what is on the queues of the others finish, tells clients to come back, runs
// the disconnected events, and returns when nothing is left running. If ctx
// ends first, the calls that still run see their context end, and Shutdown
// returns ctx's error. New calls are the application's to refuse.
//
// Call it before or beside http.Server.Shutdown, which waits for the requests
// that Shutdown ends.
func (e *Endpoint) Shutdown(ctx context.Context) error {
	for _, c := range e.enter(draining) {
		select {
		case <-c.queue.Idle():
		case <-ctx.Done():
		}
	}
	for _, c := range e.enter(closed) {
		c.end(dialect.ShutDown)
	}
	e.cancel()
	defer e.workers.close()
	done := make(chan struct{})
	go func() {
		e.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return e.log.Close()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter moves to a later phase and returns the connections there are.
func (e *Endpoint) enter(p phase) []*Conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.phase = max(e.phase, p)
	return slices.Collect(maps.Values(e.conns))
}
