package transports

import (
	"errors"
	"time"
)

// Options are common to the transports. The zero value is safe.
type Options struct {
	// WriteTimeout bounds each Send and KeepAlive: a client that reads nothing
	// for so long loses its stream with [ErrWriteTimeout]. The default is 10
	// seconds; negative means none, and then a client that stops reading holds
	// its writer until the stream is closed.
	WriteTimeout time.Duration

	// ReadLimit is the size in bytes of the largest message that a WebSocket
	// takes; others carry nothing from the client. The default is 65,536;
	// negative means none, and then a client can fill the memory.
	ReadLimit int64

	// IdleTimeout is how long nothing may have come on a WebSocket until its
	// reader gets [ErrIdle]: once, until something comes again. The default, 0,
	// means never; nor does it happen where the connection is not a bare socket.
	IdleTimeout time.Duration

	// HoldAnswer has the answer to the upgrade to a WebSocket leave with what
	// is sent first, in one write, where no middleware has to see it. Who sets
	// it sends at once, or closes.
	HoldAnswer bool
}

const (
	defaultWriteTimeout = 10 * time.Second
	defaultReadLimit    = 64 << 10
)

// closeTimeout bounds what a Close may still write: the rest of a Send that is
// on its way, and the WebSocket's close frame. It is the time that the
// reference server gives its close frame.
const closeTimeout = 250 * time.Millisecond

func (o Options) withDefaults() Options {
	if o.WriteTimeout == 0 {
		o.WriteTimeout = defaultWriteTimeout
	}
	if o.ReadLimit == 0 {
		o.ReadLimit = defaultReadLimit
	}
	return o
}

// The errors that streams return. They may be wrapped.
var (
	// ErrClosed is what Send, KeepAlive and Receive return after Close.
	ErrClosed = errors.New("transports: stream is closed")

	// ErrWriteTimeout means that the client did not read in time.
	ErrWriteTimeout = errors.New("transports: client does not read")

	// ErrNoFlush means that the ResponseWriter can not flush, and nothing was
	// written to it. Some middleware hides the Flush method; an Unwrap method
	// brings it back.
	ErrNoFlush = errors.New("transports: response writer can not flush")

	// ErrNoHijack means that the ResponseWriter can not be taken over, as over
	// HTTP/2 or below middleware without an Unwrap method.
	ErrNoHijack = errors.New("transports: response writer can not be hijacked")

	// ErrMessageTooBig means that a message exceeded Options.ReadLimit. The
	// client got close code 1009.
	ErrMessageTooBig = errors.New("transports: message too big")

	// ErrInvalidUTF8 means that a text message was not UTF-8. The client got
	// close code 1007.
	ErrInvalidUTF8 = errors.New("transports: text message is not UTF-8")

	// ErrProtocol means that the client broke the WebSocket protocol. It got
	// close code 1002.
	ErrProtocol = errors.New("transports: websocket protocol violation")

	// ErrIdle means that nothing has come for Options.IdleTimeout. Nothing is
	// wrong: who receives on goes on. To do that on a new goroutine gives the
	// memory back by which handling messages has made the stack grow.
	ErrIdle = errors.New("transports: nothing has come for a while")

	// ErrOneFrame means that a poll was given more than one frame.
	ErrOneFrame = errors.New("transports: a poll carries one frame")
)
