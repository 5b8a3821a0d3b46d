package persistent

import (
	"net/http"

	"github.com/hubwire/hubwire/persistent/dialect"
)

// Admission is what an Application lets a connection listen to.
type Admission = dialect.Admission

// Incoming is one payload from a client, with the way to answer it.
type Incoming = dialect.Incoming

// An Application stands on top of an [Endpoint] and gives its connections a
// meaning, as package hub does. Programs that want plain messages use
// [NewServer] and a [Handler] instead.
//
// Admit and Received are called from many goroutines. Connected, Reconnected
// and Disconnected of one connection run one after another, on its queue
// ([Conn.Queue]).
type Application interface {
	// Admit says what a request that names these endpoints (hubs) may listen
	// to. It is asked on negotiate and on every later request of a connection,
	// before anything is done. User is the authenticated user, or "". An error
	// refuses the request: a *negotiate.Refusal as it is, any other as 500.
	Admit(r *http.Request, user string, names []string) (Admission, error)

	// Opened is told of a new Conn before anybody else can see it. It must
	// not block and not call the endpoint.
	Opened(c *Conn)

	// Rejoining returns those of the groups, which a returning client was in,
	// that it is to be in again.
	Rejoining(c *Conn, r *http.Request, groups []string) []string

	// Connected is called once, when the client has started. An error refuses
	// the connection, which then ends without Disconnected.
	Connected(c *Conn) error

	// Reconnected is called when the client came back on a new transport.
	// Missed tells whether messages are lost.
	Reconnected(c *Conn, missed Missed) error

	// Received takes one incoming payload. Calls for one connection come in
	// the order in which the payloads arrived. It must not block. While the
	// endpoint drains ([Endpoint.Draining]) calls that run may still wait for
	// what comes; the application turns new ones away.
	Received(c *Conn, in Incoming)

	// Disconnected is called exactly once for a connection for which Connected
	// succeeded or Reconnected was called, after everything else on its queue.
	// StopCalled says that the client ended it.
	Disconnected(c *Conn, stopCalled bool)
}

// Missed tells what a returning client cannot be given any more.
type Missed struct {
	// Gap is true if messages may be lost: the client stayed away longer than
	// the log keeps them, or the log is another one since.
	Gap bool
}
