package persistent

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/hubwire/hubwire/persistent/dialect"
)

// aliveState is the one timer of a connection. It goes off when a keep-alive is
// due, when an exchange is too old, or when a client has been away too long.
type aliveState struct {
	mu    sync.Mutex
	timer *time.Timer // nil when the connection has ended
}

// tick is what the timer calls.
func (c *Conn) tick() {
	now := time.Now()
	if c.overdue(now) {
		c.end(dialect.TimedOut)
		return
	}
	if a, since := c.out.current(); a != nil {
		keepAlive, idle := a.dues(since)
		c.out.poke(due(keepAlive, now), due(idle, now))
	}
	c.schedule(now)
}

// schedule sets the timer to what the connection waits for as it is. Whoever
// changes that calls it afterwards: two exchanges that end and begin at the same
// time may do so in any order.
func (c *Conn) schedule(now time.Time) {
	s := &c.alive
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer == nil {
		return
	}
	a, since := c.out.current()
	if a != nil {
		s.timer.Reset(a.next(now, since))
		return
	}
	s.timer.Reset(since.Add(c.patience).Sub(now))
}

// overdue reports whether the client has been away for too long.
func (c *Conn) overdue(now time.Time) bool {
	a, since := c.out.current()
	return a == nil && due(since.Add(c.patience), now)
}

func due(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// dues returns when a keep-alive is due and when the exchange is too old, or
// zero times for never.
func (a *attachment) dues(lastFrame time.Time) (keepAlive, idle time.Time) {
	if a.keepAlive > 0 {
		keepAlive = lastFrame.Add(a.keepAlive - a.conn.jitter(a.keepAlive))
	}
	if a.x.IdleTimeout > 0 {
		idle = a.since.Add(a.x.IdleTimeout)
	}
	return keepAlive, idle
}

// next returns how long the timer may sleep.
func (a *attachment) next(now, lastFrame time.Time) time.Duration {
	wait := time.Hour
	keepAlive, idle := a.dues(lastFrame)
	for _, at := range []time.Time{keepAlive, idle} {
		if at.After(now) {
			wait = min(wait, at.Sub(now))
		} else if !at.IsZero() {
			wait = min(wait, max(a.keepAlive, time.Second), time.Minute)
		}
	}
	return max(wait, 10*time.Millisecond) // never spin
}

var jitterSeed = maphash.MakeSeed()

// jitter is up to a twentieth of d, always the same for one connection. It
// keeps the keep-alives after a broadcast from falling due all at once.
func (c *Conn) jitter(d time.Duration) time.Duration {
	return d / 20 * time.Duration(maphash.String(jitterSeed, c.id)%64) / 64
}

// attached sets the timer for a new exchange.
func (c *Conn) attached(a *attachment) {
	c.kind.Store(uint32(a.x.Stream.Kind()))
	c.schedule(a.since)
}

func (s *aliveState) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer.Stop()
	s.timer = nil
}
