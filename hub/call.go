package hub

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/transports"
)

// A Call is what a hub method gets first: who calls, and the way to answer
// more than once. It is the context of the call, which ends when the connection
// does, and carries the values of the request's context. It stays good after
// the method has returned, for goroutines that it started; but that of a call
// that streams, either way, ends with the call, and when its client cancels it.
type Call[C any] struct {
	context.Context

	// ConnectionID is the public id of the connection.
	ConnectionID string

	// User is who opened the connection, "" for nobody.
	User string

	// Clients calls the hub's clients.
	Clients CallerClients[C]

	// Groups changes the hub's groups.
	Groups Groups

	call *call
}

// A call is a Call without its type parameter: one invocation of a hub method,
// or one life-cycle event.
type call struct {
	context.Context // the connection's, or one that ends before

	// Immutable once made.
	hub     *core
	conn    *connection
	request *http.Request

	// inv is what the client asked for, nil for an event. method is nil for an
	// event, and where the hub has no such method.
	inv    *codec.Invocation
	method *method
	answer dialect.Replier

	streams *streams // nil for a call on the queue
	turn    *turn    // nil for a call that holds its place on the queue

	state State

	missed   persistent.Missed
	opening  atomic.Bool // true while OnConnected runs
	returned atomic.Bool
}

// streams is what a call has that runs beside the queue.
type streams struct {
	cancel  context.CancelCauseFunc // ends the call's context
	uploads []*upload               // from the client
	feeders sync.WaitGroup          // the goroutines that fill channels with them
	begun   bool                    // the result has begun to stream
}

// callKey is the key of a context that leads to its *call.
type callKey struct{}

func newCall[C any](b *binding[C], k *call) *Call[C] {
	return &Call[C]{
		Context:      k,
		ConnectionID: k.conn.id(),
		User:         k.conn.conn.User(),
		Clients:      CallerClients[C]{Clients[C]{b}, k},
		Groups:       Groups{k.hub},
		call:         k,
	}
}

// newEvent returns the call of a life-cycle event.
func newEvent(h *core, c *connection) *call {
	return &call{Context: c.conn.Context(), hub: h, conn: c, request: c.conn.Request()}
}

// Value looks in the request's context and then in the connection's.
func (k *call) Value(key any) any {
	if key == (callKey{}) {
		return k
	}
	if k.request != nil {
		// Its values only: context.Cause, and contexts that are made of the call,
		// find what ends them by a value.
		if v := context.WithoutCancel(k.request.Context()).Value(key); v != nil {
			return v
		}
	}
	return k.Context.Value(key)
}

// Hub returns the name of the hub.
func (c *Call[C]) Hub() string { return c.call.hub.name }

// Method returns the name of the method on the wire, "" in an event.
func (c *Call[C]) Method() string {
	switch k := c.call; {
	case k.method != nil:
		return k.method.name
	case k.inv != nil:
		return k.inv.Method
	}
	return ""
}

// Request returns the HTTP request that carried the call, or that opened the
// transport on which it came. Its body is read already.
func (c *Call[C]) Request() *http.Request { return c.call.request }

// Header returns the header of that request.
func (c *Call[C]) Header() http.Header { return c.call.request.Header }

// Query returns the query of that request, with what the client's program has
// put there.
func (c *Call[C]) Query() url.Values { return c.call.request.URL.Query() }

// Transport returns the connection's transport, or the last one.
func (c *Call[C]) Transport() transports.Kind { return c.call.conn.conn.Transport() }

// Dialect returns the name of the client family.
func (c *Call[C]) Dialect() string { return c.call.conn.conn.Dialect() }

// Items is for the program to keep things with the connection, whatever the
// hub, until it ends.
func (c *Call[C]) Items() *sync.Map { return c.call.conn.things() }

// State is what the client keeps for the hub and sends with its calls.
func (c *Call[C]) State() *State { return &c.call.state }

// Missed tells, in OnReconnected, whether messages are lost.
func (c *Call[C]) Missed() persistent.Missed { return c.call.missed }

// Abort ends the connection, behind what was sent to it before. The client is
// told, where its family has a word for it, and is not to come back to it.
func (c *Call[C]) Abort() { c.call.conn.conn.Abort() }
