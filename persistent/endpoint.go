package persistent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
	"github.com/hubwire/hubwire/transports"
)

// Errors of sends and of changes of groups.
var (
	ErrNoConnection  = errors.New("persistent: no connection has this id")
	ErrTooManyGroups = errors.New("persistent: the connection is in too many groups")
	ErrNoGroup       = errors.New("persistent: a group needs a name")
	ErrClosed        = errors.New("persistent: the endpoint is shut down")
)

// An Endpoint serves the connections of one [Application]: it is the
// http.Handler that clients talk to and the place that messages are published
// at. All methods may be called from any goroutine.
type Endpoint struct {
	// Immutable after New.
	opts     Options
	settings *dialect.Settings
	app      Application
	log      messagelog.Log
	keyring  *negotiate.Keyring
	handler  http.Handler
	instance string          // a random word for this endpoint
	ctx      context.Context // ends when the endpoint is shut down
	cancel   context.CancelFunc

	// delivered is the newest entry that has reached every outbox.
	delivered atomic.Uint64
	counters  counters

	mu     sync.RWMutex // guards what follows
	phase  phase
	conns  map[string]*Conn
	topics map[string]*topic
	owners map[string]int // how many connections count for whom

	transports [transports.LongPolling + 1]TransportStats

	// departed are the connections that timed out, which may come back.
	departed departed

	workers workers
	sharing sharing
	flusher flusher

	// work counts connections and goroutines that Shutdown waits for.
	work sync.WaitGroup
}

// A phase is where an endpoint is on its way to the end.
type phase int

const (
	serving  phase = iota
	draining       // no new connections; the application finishes its calls
	closed
)

// New returns an endpoint for app.
func New(o Options, app Application) (*Endpoint, error) {
	settings, err := o.settings()
	if err != nil {
		return nil, fmt.Errorf("persistent: %w", err)
	}
	o = o.withDefaults(settings)
	keyring, err := negotiate.NewKeyring(o.Keys...)
	if err != nil {
		return nil, fmt.Errorf("persistent: %w", err)
	}
	origins, err := negotiate.NewOrigins(o.AllowedOrigins)
	if err != nil {
		return nil, fmt.Errorf("persistent: %w", err)
	}
	if keyring.Random() {
		o.Logger.Info("hubwire: tokens are sealed with a random key: clients cannot come back after a restart or to another process; set Options.Keys there")
	}
	e := &Endpoint{
		opts:     o,
		settings: settings,
		app:      app,
		log:      o.Log,
		keyring:  keyring,
		conns:    make(map[string]*Conn),
		topics:   make(map[string]*topic),
		owners:   make(map[string]int),
		instance: rand.Text(),
	}
	e.flusher.width, e.flusher.work = runtime.GOMAXPROCS(0), &e.work
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.delivered.Store(e.log.Head())
	e.log.Deliver(e.deliver)
	e.handler = origins.Handler(http.HandlerFunc(e.serve))
	return e, nil
}

// ServeHTTP serves one request of a client.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = room(0)
	w.Header()["X-Content-Type-Options"] = nosniff
	e.timeBody(w, r)
	e.handler.ServeHTTP(w, r)
}

// room makes room on the stack of a new goroutine for what a request takes, if
// it is given 0. To move the stack here, where there is little on it, is cheaper
// than twenty calls further down.
//
//go:noinline
func room(at int) (b byte) {
	if at > 0 {
		var frame [3 << 10]byte
		b = frame[at]
	}
	return b
}

var nosniff = []string{"nosniff"} // never changed

func (e *Endpoint) serve(w http.ResponseWriter, r *http.Request) {
	for _, d := range e.opts.Dialects {
		if d.Serve(w, r, host{e}) {
			return
		}
	}
	(&negotiate.Refusal{Status: http.StatusNotFound, Reason: "not_found", Text: "Not found."}).Write(w)
}

// A Publication is one message for the subscribers of some topics.
type Publication struct {
	// Topics are where it goes: an application's own, a ConnTopic, a
	// GroupTopic. Who subscribes to several of them gets one copy.
	Topics []string

	// Except holds the ids of connections that are left out.
	Except []string

	Payload messagelog.Payload
}

// Publish puts p into the log and, from there, on its way to everyone who
// subscribes. It does not wait for clients. Publications arrive everywhere in
// the order of the calls.
func (e *Endpoint) Publish(p Publication) error {
	if len(p.Topics) == 0 {
		return nil
	}
	return e.append(&messagelog.Entry{Topics: p.Topics, Except: p.Except, Payload: p.Payload})
}

func (e *Endpoint) append(m *messagelog.Entry) error {
	if err := e.log.Append(m); err != nil {
		if errors.Is(err, messagelog.ErrClosed) {
			return ErrClosed
		}
		return fmt.Errorf("persistent: publish: %w", err)
	}
	return nil
}

// Conn returns the live connection with the id.
func (e *Endpoint) Conn(id string) (*Conn, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	c, ok := e.conns[id]
	return c, ok
}

// Options returns the options that are in force, defaults filled in.
func (e *Endpoint) Options() Options { return e.opts }

const (
	connPrefix  = "c-"
	groupPrefix = "g-"
)

// ConnTopic is the topic of the connection with the id.
func ConnTopic(id string) string { return connPrefix + id }

// GroupTopic is the topic of a group. The topics of an application must not
// look like it, or like a ConnTopic.
func GroupTopic(group string) string { return groupPrefix + group }

func connOf(topic string) (id string, ok bool) { return strings.CutPrefix(topic, connPrefix) }
