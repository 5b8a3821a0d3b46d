// Package dialect is the seam between persistent connections and the wire of
// one client family. A [Dialect] turns HTTP requests and frames into the verbs
// of a [Host] and its [Connection] values, and puts outgoing messages into the
// envelopes that its clients read. A new family is a new implementation and one
// option at start-up; nothing above has to know.
package dialect

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/messagelog"
	"github.com/hubwire/hubwire/transports"
)

// A Dialect serves the requests of one client family. Its methods are called
// from many goroutines at the same time.
type Dialect interface {
	// Name is a short word for logs and for programs, for example "classic".
	Name() string

	// Serve answers r and returns true, or returns false and leaves w alone
	// where r is not a request of this family.
	Serve(w http.ResponseWriter, r *http.Request, h Host) bool
}

// IdleTimeout is how long a WebSocket may be silent until its dialect goes on
// reading on a new goroutine. A new one costs a microsecond, and has a smaller
// stack than one that has handled a message.
const IdleTimeout = time.Second

// A Patient is a Dialect with a time of its own for which clients may be away, in
// the place of Settings.DisconnectTimeout.
type Patient interface {
	// Away is how long the host has to keep messages for them.
	Away() time.Duration
}

// Settings are the times and limits of a host, defaults filled in. A duration
// of 0 in KeepAlive and LongPollDelay means none.
type Settings struct {
	KeepAlive               time.Duration
	DisconnectTimeout       time.Duration
	ConnectionTimeout       time.Duration
	TransportConnectTimeout time.Duration
	LongPollDelay           time.Duration
	SendTimeout             time.Duration
	MaxMessageSize          int64
	MaxConnectionData       int
	JSONP                   bool
	Transports              map[transports.Kind]bool
}

// A Host is what a dialect drives: the endpoint that owns the connections.
type Host interface {
	Settings() *Settings
	Keyring() *negotiate.Keyring
	Logger() *slog.Logger

	// BodyTimeout is how long a client may take for the body of r, 0 for ever.
	// The host has set the deadline for it. A dialect that stops reading a body
	// lifts it, and sets it anew when it goes on.
	BodyTimeout(r *http.Request) time.Duration

	// PublicPath is the path of r as the client sees it, before any router
	// or proxy cut a prefix off.
	PublicPath(r *http.Request) string

	// Authenticate tells who makes the request. The error is a
	// *negotiate.Refusal.
	Authenticate(r *http.Request) (user string, err error)

	// Admit asks the application what a request that names these endpoints
	// (hubs) may listen to. The error is a *negotiate.Refusal.
	Admit(r *http.Request, user string, names []string) (Admission, error)

	// Instance is a random word for this host, to be put into tokens: see
	// Opening.Own. It holds letters and digits only.
	Instance() string

	// Open returns the connection with o's id. One that is not known yet is
	// made; created reports it. The error is a *negotiate.Refusal: ErrEnded
	// where the client has nothing to come back to, others for example while
	// the host shuts down.
	Open(o Opening) (c Connection, created bool, err error)

	// Resumable tells whether an exchange may go on from the cursor, before
	// anything is opened for it. The error is a *negotiate.Refusal.
	Resumable(cursor string) error

	// MayReturn tells whether a client whose token this very host made has
	// anything to come back to. The error is ErrEnded, or another
	// *negotiate.Refusal where that is not known.
	MayReturn(id string) error

	// Find returns the live connection with the id, or nil.
	Find(id string) Connection

	// Go runs f on a goroutine that the host's Shutdown waits for.
	Go(f func())

	// Do is Go for an f that is soon done, as a rule: the goroutine is one that
	// has done such things before, and its stack has grown for them.
	Do(f func())

	// Context ends when the host is shut down, for what a dialect keeps beside
	// the connections.
	Context() context.Context
}

// ErrEnded refuses a client that wants to come back to a connection that has
// ended for good, or that never was.
var ErrEnded = &negotiate.Refusal{
	Status: http.StatusNotFound,
	Reason: "connection_ended",
	Text:   "The connection has ended.",
}

// An Admission is what the application lets a connection listen to.
type Admission struct {
	// Topics are the topics that the connection subscribes to, beside its own
	// and its groups'.
	Topics []string

	// Value is the application's own.
	Value any
}

// An Opening describes the connection that a request belongs to.
type Opening struct {
	ID       string
	User     string
	Dialect  string
	Protocol *messagelog.Protocol
	Request  *http.Request
	Admission

	// Transport is that of the first exchange, for what the application asks
	// before it is attached.
	Transport transports.Kind

	// Restored says that the client has been connected before, to this host
	// or to another one, and does not start anew.
	Restored bool

	// Own says that this very host made the client's token, and so knows
	// whether it has been connected before.
	Own bool

	// DisconnectTimeout takes the place of the host's for this connection. 0
	// means the host's.
	DisconnectTimeout time.Duration

	// OneChannel says that replies travel with the messages, and that clients
	// do not ask for either twice. Replies are then kept while no exchange is
	// attached, and what was written counts as received from the start.
	OneChannel bool

	// Ended, if it is not nil, is called once, when the connection has ended.
	// Rest is what no exchange took any more, of a connection with OneChannel.
	Ended func(why Ending, rest []*messagelog.Entry)
}

// An Ending is why a connection ended.
type Ending int

// The endings.
const (
	Aborted  Ending = iota // by the server
	Stopped                // by the client
	TimedOut               // the client did not come back
	Refused                // the application's connected handler failed
	ShutDown               // the host is shut down
	Lost                   // its final exchange is gone
	Failed                 // the client broke the protocol
	Expired                // the client may come back, but has to prove anew who it is
)

// A Connection is a logical connection: it outlives the HTTP exchanges that
// serve it. Its methods may be called from any goroutine.
type Connection interface {
	ID() string
	User() string

	// Start raises the connected event, once however often it is called, and
	// waits for it. It returns what the application's handler returned.
	Start() error

	// Attach makes x the exchange that carries the connection's outgoing
	// messages, and ends the one before. The error is a *negotiate.Refusal.
	Attach(x Exchange) (Attachment, error)

	// Receive hands one incoming payload to the application. Payloads are
	// handled in the order of the calls. It does not block.
	Receive(in Incoming)

	// Held returns nil where the application takes payloads. While it has more
	// than it can take, Held returns a channel that is closed when it takes
	// them again, and when the connection has ended: a dialect waits for that
	// between two payloads, and reads no more until then, so that TCP holds the
	// client back. The client is not silent, slow or late by its own fault in
	// the meantime.
	Held() <-chan struct{}

	// Reply writes a payload outside of the log, behind everything that is
	// queued already, to the exchange that is attached. Without one it waits
	// for the next, if the connection was opened with OneChannel.
	Reply(p messagelog.Payload)

	// Stop ends the connection as its client asked for.
	Stop()

	// End ends the connection for a reason that the dialect found.
	End(why Ending)
}

// An Exchange is one transport request that carries outgoing messages.
type Exchange struct {
	Request *http.Request
	Stream  transports.Stream
	Framer  Framer

	// Admission takes the place of the one that the connection had.
	Admission Admission

	// Cursor is how far the client has got. Empty means that it did not say:
	// the exchange then goes on after what was written so far.
	Cursor string

	// Connect says that the client starts anew, Reconnect that it lost its
	// transport and comes back: the application is then told.
	Connect, Reconnect bool

	// AnyWriter says that any goroutine may write to the stream, one at a
	// time: the attachment is then started by Spawn. Others belong to the
	// goroutine of an HTTP handler, which calls Run.
	AnyWriter bool

	// Once ends the exchange after its first batch (long polling).
	Once bool

	// Final ends the connection with the exchange.
	Final bool

	// KeepAlive takes the place of the host's for this exchange. 0 means the
	// host's, negative none.
	KeepAlive time.Duration

	// MaxBatch bounds the payload bytes of a batch that has several entries.
	// 0 means the host's choice.
	MaxBatch int

	// IdleTimeout ends the exchange, with an empty batch, when it is this
	// old. 0 means never.
	IdleTimeout time.Duration

	// Groups are the groups that the client proved to be in. They count for a
	// restored connection, of which the host knows nothing else. The
	// application's rejoin filter has the last word.
	Groups []string
}

// An Attachment is an exchange in use.
type Attachment interface {
	// Run writes batches on the calling goroutine until the exchange ends or
	// the client is gone: for streams that belong to an HTTP handler. It
	// returns why it ended.
	Run(ctx context.Context) error

	// Spawn starts an exchange with AnyWriter. The host writes from goroutines
	// of its own, which exist only while there is something to write.
	Spawn()

	// Reply writes one payload outside of the log, behind everything that is
	// queued already.
	Reply(payload []byte)

	// Pause stops the taking of messages until Resume: they wait in the
	// outbox, within its limits. Keep-alives go on. The client is not held back
	// meanwhile.
	Pause()
	Resume()

	// Detach ends the exchange: the transport is gone, for the given reason.
	// The connection lives on and waits for its client, unless the exchange
	// is a final one.
	Detach(reason error)
}

// A Framer puts batches into the envelope of one exchange. One goroutine at a
// time calls it.
type Framer interface {
	// Opening returns the frames that must be written before the first batch
	// and without waiting for one, or nil. At is where the exchange starts.
	Opening(at messagelog.Cursor) [][]byte

	// Frames appends the frames of a batch, in order, to dst. It may build
	// them in buf, which it returns, grown, for the next call; the frames are
	// used up by then.
	Frames(dst [][]byte, buf []byte, b Batch) (frames [][]byte, scratch []byte)

	// KeepAlive returns the frame that shows an idle client that the server
	// is there, or nil where the transport has its own way.
	KeepAlive() []byte
}

// A Sharer is a Framer whose frames for a batch are often those of other
// connections too, as after a broadcast. They are then built once. A Framer
// that counts what it frames does not implement it.
type Sharer interface {
	// Shares reports whether the frames of b depend on nothing but its
	// entries and the shape: all framers that return an equal shape, which
	// must be comparable, build the same frames from the same entries.
	Shares(b Batch) (shape any, ok bool)
}

// A Parter is a Framer of a family that has a word for the end of a connection.
// What is queued is then written before the exchange is closed, and the word
// last. Families whose clients learn of the end in another way, by the last Batch
// for example, or are to find out by themselves, do not implement it.
type Parter interface {
	// Parting returns the frames that say why the connection ends, or nil.
	Parting(why Ending) [][]byte
}

// A Batch is a run of outgoing messages of one connection, in order.
type Batch struct {
	// Entries are the messages. An entry with Seq 0 is a reply.
	Entries []*messagelog.Entry

	// At is the connection's place in the log after the batch.
	At messagelog.Cursor

	// Gap says that messages before this batch are lost.
	Gap bool

	// Over says that this is the last batch of the exchange because the
	// connection has ended, for the reason Why.
	Over bool
	Why  Ending
}

// Incoming is one payload from a client.
type Incoming struct {
	// Payload is the message. The receiver owns it.
	Payload []byte

	// Request is the HTTP request that carried it: the send request, or the
	// one that opened the transport.
	Request *http.Request

	// Replier takes the answer.
	Replier
}

// A Replier takes the one answer to an incoming payload: one of its methods is
// called once, from any goroutine. Until then the client may wait.
type Replier interface {
	// Reply answers with a payload in the connection's protocol. An empty
	// payload says that there is nothing to answer.
	Reply(payload []byte)

	// Reject says that the payload makes no sense at all. It costs the client
	// its transport where the payload cannot be answered by itself.
	Reject(r *negotiate.Refusal)
}
