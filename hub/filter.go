package hub

import (
	"context"
	"fmt"
	"net/http"
	"reflect"

	"github.com/hubwire/hubwire/hub/codec"
)

// A Filter stands around what happens on hubs, as HTTP middleware stands around
// handlers. Each func may look at or change what it is given, call next, once
// or not at all, and look at or change what comes back. Funcs that are nil are
// passed over at no cost. They are called from many goroutines.
//
// The server's filters are outside of a hub's, and the first one of each is
// outermost.
type Filter struct {
	// Invoke stands around the calls of hub methods, unknown ones too.
	Invoke func(i *Invocation, next func(*Invocation) (any, error)) (any, error)

	// Authorize stands before listening to a hub. It is asked on each request
	// that names the hub, before anything is done. An error leaves the hub out
	// or, if none remains, refuses the request with 401 or 403: see
	// [Authorization].
	Authorize func(a *Attempt) error

	// Connect, Reconnect, Disconnect and Rejoin stand around the life-cycle
	// methods, whether a hub has them or not.
	Connect    func(e *Event, next func(*Event) error) error
	Reconnect  func(e *Event, next func(*Event) error) error
	Disconnect func(e *Event, stopCalled bool, next func(e *Event, stopCalled bool))
	Rejoin     func(e *Event, groups []string, next func(e *Event, groups []string) []string) []string

	// Send stands around the calls of client methods.
	Send func(c *ClientCall, next func(*ClientCall) error) error
}

// An Event is what filters see of a life-cycle event.
type Event = Call[Sender]

// An Invocation is what filters see of a call.
type Invocation struct {
	// Call is what the method gets, with client calls by name.
	*Call[Sender]

	// Args are the arguments, decoded for the method, without the streams that
	// the client sends. Those of an unknown
	// method are decoded as encoding/json does into an any. They may be
	// replaced by values of the same type.
	Args []any

	err error // why next will fail
}

// Err returns why next will fail: ErrUnknownMethod or ErrBadArguments, or nil.
func (i *Invocation) Err() error { return i.err }

// A ClientCall is what filters see of a call of a client method.
type ClientCall struct {
	Hub    string
	Method string
	Args   []any

	// To says what Names are names of. Except are the ids of connections that
	// are left out. They are for reading.
	To     TargetKind
	Names  []string
	Except []string

	// Answer points to where the client's answer goes. It is nil for a call
	// that waits for none.
	Answer any

	ctx    context.Context // of the wait, nil if the program gave none
	target *target
}

// An Attempt is a request to listen to a hub.
type Attempt struct {
	Hub     string
	User    string // "" for nobody
	Request *http.Request
}

// A pipeline is a list of filters made into one func per stage. Invoke, send
// and authorize are nil where no filter has them.
type pipeline struct {
	invoke     func(*Invocation) (any, error)
	authorize  func(*Attempt) error
	connect    func(*Event) error
	reconnect  func(*Event) error
	disconnect func(*Event, bool)
	rejoin     func(*Event, []string) []string
	send       func(*ClientCall) error
}

func newPipeline(filters []Filter) pipeline {
	p := pipeline{
		connect:    func(e *Event) error { return e.call.hub.events.connected(e.call) },
		reconnect:  func(e *Event) error { return e.call.hub.events.reconnected(e.call) },
		disconnect: func(e *Event, stopCalled bool) { e.call.hub.events.disconnected(e.call, stopCalled) },
		rejoin:     func(e *Event, groups []string) []string { return e.call.hub.events.rejoining(e.call, groups) },
	}
	for i := len(filters) - 1; i >= 0; i-- {
		p.wrap(filters[i])
	}
	return p
}

// wrap puts f around p.
func (p *pipeline) wrap(f Filter) {
	inner := *p
	if f.Invoke != nil {
		if inner.invoke == nil {
			inner.invoke = (*Invocation).run
		}
		p.invoke = func(i *Invocation) (any, error) { return f.Invoke(i, inner.invoke) }
	}
	if f.Send != nil {
		if inner.send == nil {
			inner.send = (*ClientCall).send
		}
		p.send = func(c *ClientCall) error { return f.Send(c, inner.send) }
	}
	if f.Authorize != nil {
		p.authorize = func(a *Attempt) error { return both(a, f.Authorize, inner.authorize) }
	}
	if f.Connect != nil {
		p.connect = func(e *Event) error { return f.Connect(e, inner.connect) }
	}
	if f.Reconnect != nil {
		p.reconnect = func(e *Event) error { return f.Reconnect(e, inner.reconnect) }
	}
	if f.Disconnect != nil {
		p.disconnect = func(e *Event, stopCalled bool) { f.Disconnect(e, stopCalled, inner.disconnect) }
	}
	if f.Rejoin != nil {
		p.rejoin = func(e *Event, groups []string) []string { return f.Rejoin(e, groups, inner.rejoin) }
	}
}

func both(a *Attempt, outer, inner func(*Attempt) error) error {
	if err := outer(a); err != nil || inner == nil {
		return err
	}
	return inner(a)
}

// event returns the call as filters see it.
func (k *call) event() *Event { return newCall(k.hub.dynamic, k) }

// filtered runs the call through the filters.
func (k *call) filtered() (result any, err error) {
	err = guard(func() error {
		i := &Invocation{Call: k.event()}
		i.Args, i.err = k.values()
		result, err = k.hub.pipeline.invoke(i)
		return err
	})
	return result, err
}

// values returns the decoded arguments.
func (k *call) values() ([]any, error) {
	args, err := k.arguments()
	if err != nil {
		return k.looseValues(), err
	}
	args = args[1:]
	values := make([]any, len(args))
	for i, a := range args {
		values[i] = a.Interface()
	}
	return values, nil
}

// looseValues decodes the arguments of a call that fits no method.
func (k *call) looseValues() []any {
	values := make([]any, len(k.inv.Args))
	for i, raw := range k.inv.Args {
		if err := k.conn.codec.Encoding().Unmarshal(raw, &values[i]); err != nil {
			values[i] = nil
		}
	}
	return values
}

// run calls the method with the arguments that the filters left.
func (i *Invocation) run() (any, error) {
	if i.err != nil {
		return nil, i.err
	}
	k := i.call
	args := []reflect.Value{k.hub.newCall(k)}
	least, most := k.method.arity()
	if len(i.Args) < least || most >= 0 && len(i.Args) > most {
		return nil, k.method.wrongCount(len(i.Args))
	}
	for n, v := range i.Args {
		a, err := valueOf(v, k.method.param(n))
		if err != nil {
			return nil, fmt.Errorf("hub: a filter set argument %d of %s.%s: %w", n+1, k.hub.name, k.method.name, err)
		}
		args = append(args, a)
	}
	return k.enter(args)
}

// valueOf returns v as a value of type t.
func valueOf(v any, t reflect.Type) (reflect.Value, error) {
	if v == nil {
		return reflect.Zero(t), nil
	}
	r := reflect.ValueOf(v)
	if !r.Type().AssignableTo(t) {
		return r, fmt.Errorf("a %s is not a %s", r.Type(), t)
	}
	return r, nil
}

// send carries the call out.
func (c *ClientCall) send() error {
	if c.Answer != nil {
		return c.target.inquire(c.ctx, c.Method, c.Args, c.Answer)
	}
	return c.target.publish(c.Method, c.Args)
}

// unauthorizedCall is the error of a call that a rule denied.
func unauthorizedCall(i *Invocation) error {
	return &callError{codec.Unauthorized, fmt.Sprintf("Caller is not authorized to invoke the %s method on %s.", i.Method(), i.Hub())}
}
