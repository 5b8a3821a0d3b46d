package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
)

// Received takes one payload from a client. It decodes the envelope at once
// and queues the call. What is no call is handled at once: a call may wait for
// it.
func (a application) Received(pc *persistent.Conn, in persistent.Incoming) {
	c := connectionOf(pc)
	m, err := c.codec.Decode(in.Payload)
	if err != nil {
		c.malformed(in, err)
		return
	}
	switch m := m.(type) {
	case *codec.Invocation:
		c.invoke(in, m)
		return
	case *codec.Cancel:
		c.beside.cancelled(m)
		in.Reply(c.receipt(m.ID))
		return
	case *codec.StreamItem:
		c.beside.item(m)
	case *codec.Answer:
		c.answered(m)
		in.Reply(c.receipt(m.ID))
		return
	}
	in.Reply(nil)
}

// receipt tells the client that what has the id has come. It is nil where the
// protocol has no such thing.
func (c *connection) receipt(id string) []byte {
	payload, err := c.codec.Encode(&codec.Receipt{ID: id})
	if err != nil { // cannot happen: an id encodes
		c.server.opts.Logger.Error("hubwire: a receipt does not encode", "err", err)
	}
	return payload
}

// malformed answers a payload that cannot be read: as a failed call where it
// says which, else at the cost of the transport.
func (c *connection) malformed(in persistent.Incoming, err error) {
	m, ok := errors.AsType[*codec.Malformed](err)
	if !ok || !m.HasID {
		in.Reject(&negotiate.Refusal{Status: http.StatusBadRequest, Reason: "bad_payload", Text: "The payload is not a message of the protocol."})
		return
	}
	inv := &codec.Invocation{ID: m.ID, HasID: true, Hub: m.Hub, Method: m.Method}
	c.refuse(in, inv, codec.BadMessage, m.Text)
}

// invoke queues the call that a client asks for.
func (c *connection) invoke(in persistent.Incoming, inv *codec.Invocation) {
	h, ok := c.find(inv.Hub)
	if !ok {
		c.refuse(in, inv, codec.NotFound, fmt.Sprintf("There is no hub %q.", inv.Hub))
		return
	}
	if !c.server.calls.begin() {
		c.refuse(in, inv, codec.Busy, errStopping.Message)
		return
	}
	if err := c.accept(newInvocation(h, c, in, inv)); err != nil {
		c.server.calls.end()
		c.refuse(in, inv, err.kind, err.text)
	}
}

// accept lets the call run in its turn.
func (c *connection) accept(k *call) *callError {
	serve := k.serve
	if k.hub.client.asks {
		serve = k.serveInTurn
	}
	queue := c.conn.Queue()
	switch {
	case k.method != nil && k.method.streams():
		return c.acceptBeside(k)
	case k.hub.width > 1:
		queue = c.lane(k.hub)
	}
	if !queue.Offer(serve) {
		return errBusy
	}
	return nil
}

var errBusy = &callError{codec.Busy, "Too many calls of this connection are waiting."}

// find returns the hub of that name, or the connection's one hub where the
// protocol does not name it.
func (c *connection) find(name string) (*core, bool) {
	if name != "" {
		return c.server.hub(name)
	}
	if hubs := c.hubs(); len(hubs) == 1 {
		return hubs[0], true
	}
	return nil, false
}

// refuse answers a call that does not come to run.
func (c *connection) refuse(in persistent.Incoming, inv *codec.Invocation, kind codec.Kind, text string) {
	f := &codec.Fault{Kind: kind, Hub: inv.Hub, Method: inv.Method, Text: text}
	payload, err := c.codec.Encode(&codec.Completion{ID: inv.ID, HasID: inv.HasID, Fault: f})
	if err != nil { // cannot happen: a fault without data encodes
		c.server.opts.Logger.Error("hubwire: a fault does not encode", "err", err)
	}
	c.server.opts.Logger.Debug("hubwire: call refused", "connection", c.id(), "hub", inv.Hub, "method", inv.Method, "reason", text)
	in.Reply(payload)
}

func newInvocation(h *core, c *connection, in persistent.Incoming, inv *codec.Invocation) *call {
	k := &call{
		Context: c.conn.Context(),
		hub:     h,
		conn:    c,
		request: in.Request,
		inv:     inv,
		answer:  in.Replier,
	}
	k.state.sent = inv.State
	k.method, _ = h.methods.find(inv.Method)
	return k
}

// serve runs the call and answers it.
func (k *call) serve() {
	result, err := k.run()
	k.reply(result, err)
}

func (k *call) reply(result any, err error) {
	defer k.conn.server.calls.end()
	k.returned.Store(true)
	k.answer.Reply(k.complete(result, err))
}

// run calls the method, through the filters where there are any.
func (k *call) run() (any, error) {
	if k.hub.pipeline.invoke != nil {
		return k.filtered()
	}
	args, err := k.arguments()
	if err != nil {
		return nil, err
	}
	return k.enter(args)
}

// enter calls the method with the call and the arguments from the wire, and
// with what else it takes.
func (k *call) enter(args []reflect.Value) (any, error) {
	if err := k.checkMode(); err != nil {
		return nil, err
	}
	args, err := k.withUploads(args)
	if err != nil {
		return nil, err
	}
	if k.method.progress != nil {
		args = append(args, k.method.progress.of(k))
	}
	return k.method.call(args)
}

// arguments decodes what the client sent, behind the call.
func (k *call) arguments() ([]reflect.Value, error) {
	m := k.method
	if m == nil {
		return nil, &callError{codec.NotFound, fmt.Sprintf("There is no method %q on hub %q.", k.inv.Method, k.hub.name)}
	}
	args := make([]reflect.Value, 0, len(k.inv.Args)+2)
	args = append(args, k.hub.newCall(k))
	return m.decode(k.conn.codec.Encoding(), k.inv.Args, args)
}

// complete returns the payload that answers the call.
func (k *call) complete(result any, err error) []byte {
	c := &codec.Completion{ID: k.inv.ID, HasID: k.inv.HasID, Stream: k.streams != nil && k.streams.begun, State: k.state.changes()}
	if err == nil {
		c.Result = result
		c.HasResult = result != nil || k.method != nil && k.method.result != nil
	} else {
		c.Fault = k.fault(err)
	}
	payload, err := k.encode(c)
	if err == nil {
		return payload
	}
	k.log("hubwire: a result does not encode", err)
	c.Result, c.HasResult = nil, false
	c.Fault = &codec.Fault{Hub: k.inv.Hub, Method: k.inv.Method}
	payload, _ = k.conn.codec.Encode(c)
	return payload
}

// encode encodes what is of the program's types.
func (k *call) encode(c *codec.Completion) (payload []byte, err error) {
	defer catch(&err)
	return k.conn.codec.Encode(c)
}

// fault is what the client is told of err.
func (k *call) fault(err error) *codec.Fault {
	f := &codec.Fault{Hub: k.inv.Hub, Method: k.inv.Method}
	if e, ok := errors.AsType[*Error](err); ok {
		f.Kind, f.Text, f.Data = codec.Refused, e.Message, e.Data
		return f
	}
	if e, ok := errors.AsType[*callError](err); ok {
		f.Kind, f.Text = e.kind, e.text
		return f
	}
	if e, ok := errors.AsType[*ClientError](err); ok && e.ConnectionID == k.conn.id() {
		f.Kind, f.Text = codec.Refused, e.Message // its own words
		return f
	}
	k.log("hubwire: a hub method failed", err)
	o := &k.hub.server.opts
	if !o.DetailedErrors {
		return f
	}
	f.Text = err.Error()
	if p, ok := errors.AsType[*panicError](err); ok && o.StackTraces {
		f.Stack = string(p.stack)
	}
	return f
}

// log writes an error of the program's code to the log. That of a call whose
// connection has ended is no news.
func (k *call) log(text string, err error) {
	l := k.hub.server.opts.Logger.With("hub", k.hub.name, "connection", k.conn.id(), "err", err)
	if k.inv != nil {
		l = l.With("method", k.inv.Method)
	}
	if p, ok := errors.AsType[*panicError](err); ok {
		l = l.With("stack", string(p.stack))
	}
	if errors.Is(err, context.Canceled) && k.Err() != nil {
		l.Debug(text)
		return
	}
	l.Error(text)
}
