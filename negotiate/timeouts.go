package negotiate

import (
	"fmt"
	"time"
)

// Timeouts are the times that a server tells its clients. Zero means the
// default, so the order in which they are set does not matter, unlike with the
// reference server, which refuses a DisconnectTimeout after a KeepAlive.
type Timeouts struct {
	// KeepAlive is how long the server stays silent. Default: a third of
	// DisconnectTimeout. It is at least 2 s and at most that third. Negative
	// turns keep-alives off: clients then notice a lost server late or never.
	KeepAlive time.Duration

	// DisconnectTimeout is how long a client may be away. Default 30 s, at
	// least 6 s.
	DisconnectTimeout time.Duration

	// ConnectionTimeout is how long a poll is held. Default 110 s.
	ConnectionTimeout time.Duration

	// TransportConnectTimeout is how long clients wait for a transport.
	// Default 5 s.
	TransportConnectTimeout time.Duration

	// LongPollDelay is the pause between polls. Default none.
	LongPollDelay time.Duration
}

// WithDefaults returns t with the defaults filled in, or an error that names
// what is out of range. A negative KeepAlive stays negative.
func (t Timeouts) WithDefaults() (Timeouts, error) {
	t.DisconnectTimeout = or(t.DisconnectTimeout, 30*time.Second)
	t.ConnectionTimeout = or(t.ConnectionTimeout, 110*time.Second)
	t.TransportConnectTimeout = or(t.TransportConnectTimeout, 5*time.Second)
	t.KeepAlive = or(t.KeepAlive, t.DisconnectTimeout/3)
	return t, t.check()
}

func or(d, byDefault time.Duration) time.Duration {
	if d == 0 {
		return byDefault
	}
	return d
}

// The first three texts are the reference server's.
func (t Timeouts) check() error {
	switch {
	case t.DisconnectTimeout < 6*time.Second:
		return outOfRange("DisconnectTimeout must be at least six seconds", t.DisconnectTimeout)
	case t.KeepAlive >= 0 && t.KeepAlive < 2*time.Second:
		return outOfRange("KeepAlive value must be greater than two seconds", t.KeepAlive)
	case t.KeepAlive > t.DisconnectTimeout/3:
		return outOfRange("KeepAlive value must be no more than a third of the DisconnectTimeout", t.KeepAlive)
	case t.ConnectionTimeout < 0:
		return outOfRange("ConnectionTimeout must not be negative", t.ConnectionTimeout)
	case t.TransportConnectTimeout < 0:
		return outOfRange("TransportConnectTimeout must not be negative", t.TransportConnectTimeout)
	case t.LongPollDelay < 0:
		return outOfRange("LongPollDelay must not be negative", t.LongPollDelay)
	}
	return nil
}

func outOfRange(rule string, d time.Duration) error {
	return fmt.Errorf("negotiate: %s, and it is %v", rule, d)
}

// KeepAliveTimeout is how long a client waits for a sign of the server, twice
// KeepAlive. 0 means that keep-alives are off.
func (t Timeouts) KeepAliveTimeout() time.Duration { return 2 * max(t.KeepAlive, 0) }
