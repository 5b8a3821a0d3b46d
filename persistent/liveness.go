package persistent

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/hubwire/hubwire/persistent/dialect"
)

// aliveState is the one timer of a connection. It goes off when a keep-alive is
// due, when a client that waits has to be shown something, when an exchange is too
// old, or when a client has been away too long.
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
	if c.lingers(now) {
		c.end(dialect.Refused)
		return
	}
	c.out.poke(now)
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
	a, d, vacant := c.out.current()
	if a != nil {
		s.timer.Reset(d.next(now, a.keepAlive))
		return
	}
	s.timer.Reset(vacant.Add(c.patience).Sub(now))
}

// overdue reports whether the client has been away for too long.
func (c *Conn) overdue(now time.Time) bool {
	a, _, vacant := c.out.current()
	return a == nil && due(vacant.Add(c.patience), now)
}

// lingers reports whether the client has a transport and does not start. It may
// try four of them, and is then as good as one that is gone.
func (c *Conn) lingers(now time.Time) bool {
	if c.start.begun() {
		return false
	}
	c.endpoint.mu.RLock()
	defer c.endpoint.mu.RUnlock()
	trying := 4 * c.endpoint.settings.TransportConnectTimeout
	return c.usage.kind != 0 && due(c.usage.since.Add(trying+c.patience), now)
}

func due(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// deadlines are when a keep-alive is due, when the exchange is too old, and when
// the client has to be shown that it has to wait, or zero times for never.
type deadlines struct{ keepAlive, idle, hold time.Time }

// holdPatience is how long a poll waits before its client is shown that it has
// to. On a busy server it is answered before: the sign costs as much as a small
// answer, and makes one of two writes more.
const holdPatience = 100 * time.Millisecond

// deadlines returns those of a. Called with the outbox's mu held.
func (a *attachment) deadlines() (d deadlines) {
	if a.keepAlive > 0 {
		d.keepAlive = a.lastFrame.Add(a.keepAlive - a.conn.jitter(a.keepAlive))
	}
	if a.x.IdleTimeout > 0 {
		d.idle = a.since.Add(a.x.IdleTimeout)
	}
	if !a.held {
		d.hold = a.since.Add(holdPatience)
	}
	return d
}

// next returns how long the timer may sleep.
func (d deadlines) next(now time.Time, keepAlive time.Duration) time.Duration {
	wait := time.Hour
	for _, at := range [...]time.Time{d.keepAlive, d.idle, d.hold} {
		if at.After(now) {
			wait = min(wait, at.Sub(now))
		} else if !at.IsZero() {
			wait = min(wait, max(keepAlive, time.Second), time.Minute)
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
