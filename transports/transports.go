// Package transports moves frames between a connection and its client: over a
// WebSocket, an event stream, a held poll, or an endless HTML page. A transport
// knows HTTP and framing. It knows nothing of hubs, groups or tokens, nor what
// the frames mean.
//
// A handler makes the stream for its request, and sends:
//
//	s, err := transports.NewServerSentEvents(w, r, transports.Options{})
//	if err != nil {
//		http.Error(w, err.Error(), http.StatusInternalServerError)
//		return
//	}
//	err = s.Send([][]byte{[]byte(`{"C":"1","M":[]}`)})
//
// All frames of one Send leave in one write, unless they are large. Each Send
// has a deadline of its own; the server's ReadTimeout and WriteTimeout do not
// apply to a stream, nor does a WebSocket end with its request. Nothing is ever
// compressed, and the package starts no goroutine.
//
// A WebSocket belongs to the goroutine that receives; every other stream ends
// with its handler, whose goroutine alone may send. What closes any of them may
// be another goroutine: see [Stream].
//
// Not done here: the check of the origin, which comes before, and HTTP/2
// WebSockets (RFC 8441).
package transports

import "strings"

// A Kind is one of the transports.
type Kind uint8

// The transports.
const (
	WebSockets Kind = iota + 1
	ServerSentEvents
	ForeverFrame
	LongPolling
)

var kindNames = [...]string{"", "webSockets", "serverSentEvents", "foreverFrame", "longPolling"}

// String returns the name as SignalR clients spell it, for example
// "serverSentEvents".
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return ""
	}
	return kindNames[k]
}

// ParseKind returns the transport with the name, in any case.
func ParseKind(name string) (Kind, bool) {
	for k := WebSockets; k <= LongPolling; k++ {
		if strings.EqualFold(name, kindNames[k]) {
			return k, true
		}
	}
	return 0, false
}

// A Stream carries frames to one client. One goroutine at a time calls Send
// and KeepAlive. Close may be called at any time, from any goroutine.
type Stream interface {
	Kind() Kind

	// Send writes the frames in order and flushes them. It may use less
	// system calls than frames. The error means that the stream is broken.
	Send(frames [][]byte) error

	// KeepAlive shows the client that the server is there. Frame is the
	// dialect's own keep-alive; a transport with another way ignores it.
	KeepAlive(frame []byte) error

	// Close ends the stream in good order where the transport can say so, and
	// unblocks a Send that waits for the peer. It does not wait for the peer.
	Close()
}

// A Holder is a Stream that can show its client, before there is anything to
// send, that it is there. Whoever sends calls Hold before a long wait.
type Holder interface{ Hold() error }

// A Preparer is a Stream of which many carry the same bytes for the same frames:
// they are made once, and written as they are.
type Preparer interface {
	Stream

	// Prepare appends to b what Send would write.
	Prepare(b []byte, frames [][]byte) []byte

	// SendPrepared is Send for frames that were prepared by another stream of
	// the same kind, which for a WebSocket means text or binary messages, too.
	SendPrepared(b []byte) error
}

var (
	_ Holder   = (*LongPoll)(nil)
	_ Preparer = (*WebSocket)(nil)
	_ Preparer = (*EventStream)(nil)
)

var (
	_ Stream = (*WebSocket)(nil)
	_ Stream = (*EventStream)(nil)
	_ Stream = (*ForeverFrameStream)(nil)
	_ Stream = (*LongPoll)(nil)
)
