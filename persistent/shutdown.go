package persistent

import (
	"context"
	"maps"
	"slices"

	"github.com/hubwire/hubwire/persistent/dialect"
)

// Shutdown ends the endpoint in good order: it takes no new connections and no
// new calls, lets the calls that run finish, tells clients to come back, runs
// the disconnected events, and returns when nothing is left running. If ctx
// ends first, the calls that still run see their context end, and Shutdown
// returns ctx's error.
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

// stopping reports whether calls are turned away.
func (e *Endpoint) stopping() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.phase != serving
}
