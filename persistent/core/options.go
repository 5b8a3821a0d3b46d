package core

import (
	"errors"
	"net/http"
	"time"
)

// Options configure a [Dialect]. The zero value is that of the reference
// server. They are copied.
type Options struct {
	// HandshakeTimeout is how long a client may take from the start of its
	// transport to the end of its handshake. Default 15 s.
	HandshakeTimeout time.Duration

	// KeepAlive is how long the server stays silent towards a client. Clients
	// are set to twice that at least, 30 s by default, and their own pings
	// follow the server's. Default 15 s; negative turns it off.
	KeepAlive time.Duration

	// ClientTimeout is how long a client that has sent a ping may then be
	// silent. Default 30 s; negative means for ever.
	ClientTimeout time.Duration

	// DisconnectTimeout is how long a connection is kept without a transport:
	// after negotiate, between two polls, and until a stateful reconnect, for
	// which a shorter ClientTimeout counts as well. Default 15 s.
	DisconnectTimeout time.Duration

	// PollTimeout is how long a poll is held with nothing to say. Clients give
	// up after 100 s. Default 90 s.
	PollTimeout time.Duration

	// MaxMessageSize bounds one message from a client with its delimiter or
	// length, in bytes. Default 32,768; negative means no bound, which lets
	// any client fill the memory.
	MaxMessageSize int

	// StatefulReconnect lets clients that ask for it come back to their
	// connection after the loss of a WebSocket.
	StatefulReconnect bool

	// StatefulBuffer bounds the bytes that are kept of what such a client has
	// not acknowledged; beyond it messages wait. Default 100,000.
	StatefulBuffer int

	// MinVersion is the lowest version of negotiate that is answered, 0 or 1.
	// With version 0 the public id of a connection is its secret, too.
	MinVersion int

	// Redirect, if it is not nil, may send a client that negotiates to another
	// URL, with a token for it or "". An empty url means here.
	Redirect func(r *http.Request) (url, accessToken string)

	// Expires, if it is not nil, tells when the authentication of a request
	// ends. The connection is then closed, and the client may come back with a
	// new token. The zero time means never.
	Expires func(r *http.Request) time.Time
}

// Validate returns what is wrong with o, or nil.
func (o Options) Validate() error {
	for _, d := range []time.Duration{o.HandshakeTimeout, o.DisconnectTimeout, o.PollTimeout} {
		if d < 0 {
			return errors.New("core: a timeout is negative")
		}
	}
	if o.StatefulBuffer < 0 {
		return errors.New("core: StatefulBuffer is negative")
	}
	return nil
}

func (o Options) withDefaults() Options {
	o.HandshakeTimeout = or(o.HandshakeTimeout, 15*time.Second)
	o.KeepAlive = or(o.KeepAlive, 15*time.Second)
	o.ClientTimeout = or(o.ClientTimeout, 30*time.Second)
	o.DisconnectTimeout = or(o.DisconnectTimeout, 15*time.Second)
	o.PollTimeout = or(o.PollTimeout, 90*time.Second)
	o.MaxMessageSize = or(o.MaxMessageSize, 32768)
	o.StatefulBuffer = or(o.StatefulBuffer, 100_000)
	return o
}

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
