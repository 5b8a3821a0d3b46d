package persistent

import (
	"sync/atomic"
	"time"

	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/transports"
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

// TransportStats are counts of the connections of one transport, since the
// endpoint was made. A connection counts once, from its first exchange to its
// end, for the transport of that exchange, however often it comes back and in
// whatever way. One that was given up and comes back counts anew.
//
// They are what ASP.NET Core has as signalr.server.active_connections and
// signalr.server.connection.duration (protocols/core.md 6).
type TransportStats struct {
	Live     int           // now
	Ended    int64         // ever, for any reason
	TimedOut int64         // of those that ended: the client did not come back
	ShutDown int64         // of those that ended: the endpoint was shut down
	Lifetime time.Duration // of those that ended, all together
}

// Transports returns the counts by the name of the transport, such as
// "webSockets". Transports that nobody has used are not there.
func (e *Endpoint) Transports() map[string]TransportStats {
	e.mu.RLock()
	defer e.mu.RUnlock()
	stats := make(map[string]TransportStats)
	for k, s := range e.transports {
		if s != (TransportStats{}) {
			stats[transports.Kind(k).String()] = s
		}
	}
	return stats
}

// A usage is since when a connection counts for a transport.
type usage struct {
	kind  transports.Kind // 0 before the first exchange
	since time.Time
}

// began counts a connection that has its first exchange. Called with the
// endpoint's mu held.
func (c *Conn) began(a *attachment) {
	if c.usage.kind == 0 {
		c.usage = usage{a.x.Stream.Kind(), a.since}
		c.endpoint.transports[c.usage.kind].Live++
	}
}

// ceased counts the end of a connection. Called with the endpoint's mu held.
func (c *Conn) ceased(why dialect.Ending) {
	if c.usage.kind == 0 {
		return
	}
	s := &c.endpoint.transports[c.usage.kind]
	s.Live--
	s.Ended++
	s.Lifetime += time.Since(c.usage.since)
	switch why {
	case dialect.TimedOut:
		s.TimedOut++
	case dialect.ShutDown:
		s.ShutDown++
	}
}
