package persistent

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/hubwire/hubwire/persistent/dialect"
)

// counters are what Stats reports.
type counters struct {
	opened, closed, slow, gaps atomic.Int64
}

// Stats are counts since the endpoint was made.
type Stats struct {
	Connections   int   // live now
	Opened        int64 // ever
	SlowConsumers int64 // exchanges ended since the client did not keep up
	Gaps          int64 // returning clients that may have missed messages
}

// Stats returns the counts.
func (e *Endpoint) Stats() Stats {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return Stats{
		Connections:   len(e.conns),
		Opened:        e.counters.opened.Load(),
		SlowConsumers: e.counters.slow.Load(),
		Gaps:          e.counters.gaps.Load(),
	}
}

// Dialects returns how many of the live connections each client family has, by
// the name of its dialect. Families that have none are not there.
func (e *Endpoint) Dialects() map[string]int {
	e.mu.RLock()
	defer e.mu.RUnlock()
	live := make(map[string]int)
	for _, c := range e.conns {
		live[c.dialect]++
	}
	return live
}

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
