package persistent

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
	"github.com/hubwire/hubwire/transports"
)

// A Conn is a logical connection: one client from its start to its end, over
// however many transports one after another. All methods may be called from
// any goroutine.
type Conn struct {
	// Immutable after open.
	endpoint *Endpoint

	last uint64 // the newest entry that was delivered; guarded by the endpoint's mu
	out  outbox

	// Immutable after open.
	id       string
	owner    string        // whom it counts for
	pace     *rate.Limiter // of incoming messages, nil for no bound
	user     string
	dialect  string
	protocol *messagelog.Protocol
	topic    []string // the connection's own, as a list
	ctx      context.Context
	cancel   context.CancelFunc
	queue    Queue

	patience time.Duration // how long the client may be away
	ended    func(dialect.Ending, []*messagelog.Entry)

	// Guarded by the endpoint's mu.
	subs   []*subscription
	groups []string // never overwritten, only replaced
	newest uint64   // the ticket of the newest exchange
	usage  usage
	over   chan struct{} // made when it times out, closed when the program has been told

	alive aliveState
	start startState

	tickets   atomic.Uint64 // numbers the requests as they come
	request   atomic.Pointer[http.Request]
	admission atomic.Pointer[Admission]
	held      atomic.Pointer[chan struct{}]
	kind      atomic.Uint32 // transports.Kind

	oneChannel bool // immutable: replies travel with the messages
	returns    bool // immutable: it timed out before, and was in its groups then

	mu    sync.Mutex // guards value
	value any
}

// ID returns the public id of the connection.
func (c *Conn) ID() string { return c.id }

// User returns who opened the connection, "" for nobody.
func (c *Conn) User() string { return c.user }

// Dialect returns the name of the client family.
func (c *Conn) Dialect() string { return c.dialect }

// Protocol returns how payloads are put into bytes for this client.
func (c *Conn) Protocol() *messagelog.Protocol { return c.protocol }

// Transport returns the current transport, or the last one.
func (c *Conn) Transport() transports.Kind { return transports.Kind(c.kind.Load()) }

// Context ends when the connection does. It carries the values of the context
// of the request that opened the connection.
func (c *Conn) Context() context.Context { return c.ctx }

// Request returns the request that opened the current transport, for its
// header and its query. Its body and its context are of no use any more.
func (c *Conn) Request() *http.Request { return c.request.Load() }

// Admission returns what the application admitted the connection to.
func (c *Conn) Admission() Admission { return *c.admission.Load() }

// Queue returns the queue on which the life-cycle events of the connection run,
// for the application to run the connection's calls on.
func (c *Conn) Queue() *Queue { return &c.queue }

// Value returns what SetValue set last.
func (c *Conn) Value() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// SetValue keeps v, which is the application's own, with the connection.
func (c *Conn) SetValue(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value = v
}

// Send publishes a payload to this connection only.
func (c *Conn) Send(p messagelog.Payload) error {
	if c.ctx.Err() != nil {
		return ErrNoConnection
	}
	return c.endpoint.append(&messagelog.Entry{Topics: c.topic, Payload: p})
}

// Reply sends a payload to this connection only, as answers go: past the log,
// where answers travel with the messages and wait for a transport, and through
// it elsewhere.
func (c *Conn) Reply(p messagelog.Payload) error {
	if !c.oneChannel {
		return c.Send(p)
	}
	if c.ctx.Err() != nil {
		return ErrNoConnection
	}
	c.reply(p)
	return nil
}

// Abort ends the connection from the server's side, behind what was sent to it
// before. The client is not to come back to it.
func (c *Conn) Abort() { c.end(dialect.Aborted) }

// open returns the connection with o's id, made if need be.
func (e *Endpoint) open(o dialect.Opening) (c *Conn, created bool, err error) {
	if c, ok := e.Conn(o.ID); ok {
		return c, false, nil
	}
	left, returns := e.departure(o.ID)
	if returns { // the program is told of the end first
		select {
		case <-left.over:
		case <-o.Request.Context().Done():
			return nil, false, dialect.ErrEnded
		}
	}
	owner := e.owner(o.Request, o.User)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.phase != serving {
		return nil, false, errShuttingDown
	}
	if c := e.conns[o.ID]; c != nil {
		return c, false, nil
	}
	if o.Restored && o.Own && !returns {
		return nil, false, dialect.ErrEnded // never connected, refused, aborted, or stopped
	}
	if full := e.room(owner); full != nil {
		return nil, false, full
	}
	c = e.newConn(o)
	c.owner = owner
	if returns {
		c.returns, c.groups = true, slices.Clip(left.groups) // until it attaches, they do no more than be known
	}
	e.count(owner, 1)
	e.app.Opened(c)
	e.conns[c.id] = c
	e.admit(c, o.Admission)
	return c, true, nil
}

// departure returns what is left of a connection that timed out.
func (e *Endpoint) departure(id string) (left departure, ok bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.departed.find(id)
}

func (e *Endpoint) newConn(o dialect.Opening) *Conn {
	ctx, cancel := context.WithCancel(context.WithoutCancel(o.Request.Context()))
	topic := ConnTopic(o.ID)
	id, _ := connOf(topic) // one memory for both
	c := &Conn{
		endpoint: e,
		id:       id,
		pace:     e.opts.newPace(),
		user:     o.User,
		dialect:  o.Dialect,
		protocol: o.Protocol,
		topic:    []string{topic},
		ctx:      ctx,
		cancel:   cancel,
		queue:    Queue{Max: e.opts.MaxQueuedCalls, workers: &e.workers},

		oneChannel: o.OneChannel,
		patience:   or(o.DisconnectTimeout, e.settings.DisconnectTimeout),
		ended:      o.Ended,
	}
	c.request.Store(o.Request)
	c.kind.Store(uint32(o.Transport))
	c.out.written, c.out.vacant = e.delivered.Load(), time.Now()
	c.out.limits = limits{entries: e.opts.MaxQueued, bytes: e.opts.MaxQueuedBytes}
	c.out.keeps, c.out.settled = o.OneChannel, o.OneChannel
	c.start.restored = o.Restored
	c.alive.timer = time.AfterFunc(c.patience, c.tick)
	e.work.Add(1)
	e.counters.opened.Add(1)
	return c
}

// admit makes adm's topics those of c. Called with mu held.
func (e *Endpoint) admit(c *Conn, adm Admission) {
	if old := c.admission.Swap(&adm); old != nil {
		for _, name := range old.Topics {
			if i := c.subscription(name); i >= 0 && !contains(adm.Topics, name) {
				e.unsubscribe(c, i)
			}
		}
	}
	for _, name := range adm.Topics {
		e.subscribe(c, name)
	}
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// end ends the connection, once. Everything that is on its queue still runs,
// and then the disconnected event.
func (c *Conn) end(why dialect.Ending) {
	r, live := c.endpoint.forget(c, why)
	if !live {
		return
	}
	c.out.end(why)
	c.alive.stop()
	c.cancel()
	if c.ended != nil {
		c.ended(why, c.rest(r))
	}
	c.Release()
	c.queue.Do(func() {
		defer c.endpoint.work.Done()
		if c.over != nil {
			defer close(c.over)
		}
		c.start.reject()
		if c.start.known() {
			c.endpoint.guard("disconnected", func() error {
				c.endpoint.app.Disconnected(c, why == dialect.Stopped)
				return nil
			})
		}
		c.endpoint.counters.closed.Add(1)
	})
}

// rest returns what no exchange took of a connection that is no more: nothing if
// the log has not all of it.
func (c *Conn) rest(r resumption) []*messagelog.Entry {
	if !c.oneChannel {
		return nil
	}
	kept, vacant := c.out.remains(&r.from)
	if !vacant {
		return nil
	}
	e := c.endpoint
	missed, gap, err := e.missed(c, r, nil)
	if err != nil {
		e.opts.Logger.Error("hubwire: cannot read the message log", "connection", c.id, "err", err)
	}
	if gap {
		e.counters.gaps.Add(1)
		e.opts.Logger.Warn("hubwire: a connection ends without some of its messages", "connection", c.id)
		return nil
	}
	return merge(missed, kept)
}

// forget takes c out of everything, and reports false if it is out already, or if
// its client came back in the very moment that it was to be given up. The
// resumption is what the connection may have missed by then.
func (e *Endpoint) forget(c *Conn, why dialect.Ending) (r resumption, live bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conns[c.id] != c || why == dialect.TimedOut && !c.overdue(time.Now()) {
		return r, false
	}
	delete(e.conns, c.id)
	e.count(c.owner, -1)
	c.ceased(why)
	if why == dialect.TimedOut && c.start.mayReturn() {
		c.over = make(chan struct{})
		e.departed.add(c.id, departure{c.groups, c.over}, time.Now())
	} else {
		e.departed.remove(c.id)
	}
	for len(c.subs) > 0 {
		e.unsubscribe(c, len(c.subs)-1)
	}
	return resumption{upTo: e.delivered.Load(), topics: c.Admission().Topics, groups: c.groups}, true
}

// Refusals of requests that belong to a connection.
var (
	errTooEarly = &negotiate.Refusal{
		Status: http.StatusTooManyRequests,
		Reason: "not_started",
		Text:   "Too many messages before the connection has started.",
	}
	errBadCursor = &negotiate.Refusal{
		Status: http.StatusBadRequest,
		Reason: "bad_cursor",
		Text:   "The messageId is not one of this server.",
	}
)

var errShuttingDown = &negotiate.Refusal{
	Status: http.StatusServiceUnavailable,
	Reason: "shutting_down",
	Text:   "The server is shutting down.",
}
