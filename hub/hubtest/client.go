package hubtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
)

// A Client is one connected client. All methods may be called from any
// goroutine, but those that fail the test must be on the test's own.
type Client struct {
	// ID is the connection id, User who connected.
	ID, User string

	t         testing.TB
	conn      dialect.Connection
	request   *http.Request
	admission dialect.Admission
	aside     *sync.WaitGroup // the server's: what answers and uploads

	mu         sync.Mutex // guards what follows
	attachment dialect.Attachment
	cursor     string
	calls      []Call
	state      map[string]json.RawMessage
	ids        int
	pending    map[string]*Pending
	marks      map[string]chan struct{}
	answers    map[string]func(Call) (any, error)
}

// A Call is a call of a client method by the server.
type Call struct {
	Hub    string
	Method string
	Args   []json.RawMessage
}

// String returns the call as in chat.addMessage("ann","hi").
func (c Call) String() string {
	s := c.Hub + "." + c.Method + "("
	for i, a := range c.Args {
		if i > 0 {
			s += ","
		}
		s += string(a)
	}
	return s + ")"
}

// Decode decodes the arguments into as many pointers, in order.
func (c Call) Decode(args ...any) error {
	if len(args) != len(c.Args) {
		return fmt.Errorf("hubtest: %s has %d arguments, not %d", c, len(c.Args), len(args))
	}
	for i, a := range args {
		if err := json.Unmarshal(c.Args[i], a); err != nil {
			return fmt.Errorf("hubtest: argument %d of %s: %w", i+1, c, err)
		}
	}
	return nil
}

// A Result is the outcome of a call of a hub method.
type Result struct {
	// Value is the result as JSON, nil for a method without one.
	Value json.RawMessage

	// Progress are the reports, in order.
	Progress []json.RawMessage

	// Err is an *Error if the call failed, or a *negotiate.Refusal.
	Err error
}

// Decode decodes the result into v, a pointer. It returns Err if the call
// failed.
func (r *Result) Decode(v any) error {
	if r.Err != nil {
		return r.Err
	}
	if r.Value == nil {
		return errors.New("hubtest: the method has no result")
	}
	return json.Unmarshal(r.Value, v)
}

// An Error is what a client is told of a call that failed.
type Error struct {
	Kind    codec.Kind
	Message string
	Data    json.RawMessage // of a *hub.Error
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// SetState sets a value that the client keeps and sends with its calls.
func (c *Client) SetState(key string, v any) {
	c.t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		c.t.Fatalf("hubtest: state %q: %v", key, err)
	}
	c.merge(map[string]json.RawMessage{key: raw})
}

// State returns what the client keeps under the key, nil for nothing.
func (c *Client) State(key string) json.RawMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state[key]
}

func (c *Client) merge(state map[string]json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == nil {
		c.state = make(map[string]json.RawMessage)
	}
	for k, v := range state {
		c.state[k] = v
	}
}

// Invoke calls a hub method and waits for the result. An argument that is a
// channel, or an iter.Seq2[T, error], is a stream that the client sends, for a
// parameter that takes one: see Begin.
func (c *Client) Invoke(hub, method string, args ...any) *Result {
	c.t.Helper()
	return c.Begin(hub, method, args...).Wait()
}

// A Pending is a call whose result is not known yet.
type Pending struct {
	client   *Client
	id       string
	done     chan struct{} // closed when the result is known
	result   *Result       // ready when done is closed
	progress []json.RawMessage
	more     chan struct{} // holds one while there may be progress to be read
}

// Wait waits for the result.
func (p *Pending) Wait() *Result {
	p.client.t.Helper()
	select {
	case <-p.done:
		return p.result
	case <-time.After(patience):
		p.client.t.Fatal("hubtest: no result")
		return nil
	}
}

// Begin calls a hub method without waiting. A stream among the arguments is
// read until it ends, or the result is known: what comes out of a channel until
// it is closed, or what an iter.Seq2 yields until it yields an error, which ends
// the stream with that.
func (c *Client) Begin(hub, method string, args ...any) *Pending {
	c.t.Helper()
	return c.begin(wire{Type: "invoke", Hub: hub, Method: method}, args)
}

// begin sends the call m, to which it adds the arguments.
func (c *Client) begin(m wire, args []any) *Pending {
	c.t.Helper()
	p := &Pending{client: c, done: make(chan struct{}), more: make(chan struct{}, 1)}
	var uploads []*upload
	for i, a := range args {
		if source := asSource(a); source != nil {
			u := &upload{client: c, id: c.newID(), source: source, done: p.done}
			uploads = append(uploads, u)
			m.Streams = append(m.Streams, u.id)
			continue
		}
		raw, err := json.Marshal(a)
		if err != nil {
			c.t.Fatalf("hubtest: argument %d: %v", i+1, err)
		}
		m.Args = append(m.Args, raw)
	}
	m.ID = c.newID()
	p.id = m.ID
	c.mu.Lock()
	m.State = c.state
	c.pending[m.ID] = p
	payload := m.encode()
	c.mu.Unlock()
	c.conn.Receive(dialect.Incoming{Payload: payload, Request: c.request, Replier: replier{c, m.ID}})
	for _, u := range uploads {
		c.aside.Go(u.send)
	}
	return p
}

func (c *Client) newID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids++
	return strconv.Itoa(c.ids)
}

// A replier sends results the way that calls go, so that what a method sent
// before it returned has come when the result is there.
type replier struct {
	*Client
	id string
}

func (r replier) Reply(payload []byte) {
	if !r.reply(payload) {
		r.take(payload) // nothing else comes any more
	}
}

func (r replier) Reject(refusal *negotiate.Refusal) { r.finish(r.id, &Result{Err: refusal}) }

// reply puts a payload behind what is queued for the client. It reports false
// if the client has no transport.
func (c *Client) reply(payload []byte) bool {
	c.mu.Lock()
	a := c.attachment
	c.mu.Unlock()
	if a == nil {
		return false
	}
	a.Reply(payload)
	return true
}

// Calls returns the client calls that the server has made since the last time,
// in order. Everything that was sent before is among them.
func (c *Client) Calls() []Call {
	c.t.Helper()
	c.settle()
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

// settle waits until everything that was sent has come.
func (c *Client) settle() {
	c.t.Helper()
	m := wire{Type: "mark", ID: c.newID()}
	done := make(chan struct{})
	c.mu.Lock()
	c.marks[m.ID] = done
	c.mu.Unlock()
	if !c.reply(m.encode()) {
		return
	}
	select {
	case <-done:
	case <-time.After(patience):
		c.t.Fatal("hubtest: what was sent does not come")
	}
}

// Stop ends the connection as a client does that leaves.
func (c *Client) Stop() {
	c.detach()
	c.conn.Stop()
}

// Lose cuts the transport. The connection waits for its client.
func (c *Client) Lose() { c.detach() }

var errLost = errors.New("hubtest: the transport is lost")

func (c *Client) detach() {
	c.mu.Lock()
	a := c.attachment
	c.attachment = nil
	c.mu.Unlock()
	if a != nil {
		a.Detach(errLost)
	}
}

// Return comes back on a new transport after Lose. What was missed comes then.
func (c *Client) Return() {
	c.t.Helper()
	c.mu.Lock()
	x := dialect.Exchange{Reconnect: true, Cursor: c.cursor}
	c.mu.Unlock()
	if err := c.attach(x); err != nil {
		c.t.Fatalf("hubtest: return: %v", err)
	}
}

func (c *Client) attach(x dialect.Exchange) error {
	x.Request, x.Admission = c.request, c.admission
	x.Stream, x.Framer, x.AnyWriter = stream{c}, framer{}, true
	a, err := c.conn.Attach(x)
	if err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	c.mu.Lock()
	c.attachment = a
	c.mu.Unlock()
	a.Spawn()
	return nil
}

// report notes the progress of a call.
func (c *Client) report(id string, value json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.pending[id]; p != nil {
		p.progress = append(p.progress, value)
		select {
		case p.more <- struct{}{}:
		default:
		}
	}
}

// finish gives a call its result.
func (c *Client) finish(id string, r *Result) {
	c.mu.Lock()
	p := c.pending[id]
	delete(c.pending, id)
	c.mu.Unlock()
	if p != nil {
		r.Progress = p.progress
		p.result = r
		close(p.done)
	}
}

// take handles one payload from the server.
func (c *Client) take(payload []byte) {
	var m wire
	if err := json.Unmarshal(payload, &m); err != nil {
		c.t.Errorf("hubtest: payload %q: %v", payload, err)
		return
	}
	c.merge(m.State)
	switch m.Type {
	case "cursor":
		c.mu.Lock()
		c.cursor = m.ID
		c.mu.Unlock()
	case "call":
		call := Call{Hub: m.Hub, Method: m.Method, Args: m.Args}
		c.mu.Lock()
		c.calls = append(c.calls, call)
		c.mu.Unlock()
		if m.ID != "" {
			c.aside.Go(func() { c.answer(m.ID, call) })
		}
	case "mark":
		c.mu.Lock()
		close(c.marks[m.ID])
		delete(c.marks, m.ID)
		c.mu.Unlock()
	case "progress":
		c.report(m.ID, m.Value)
	case "result":
		c.finish(m.ID, m.result())
	}
}
