package hub

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/hubwire/hubwire/hub/codec"
)

// A ClientError is what a client said when it failed: in place of an answer, or
// at the end of a stream that it sent. Returned from a method that the same
// client called, it is shown to it.
type ClientError struct {
	// ConnectionID is the connection that said it.
	ConnectionID string

	// Message is what it said. Do not trust it.
	Message string
}

// Error returns the message.
func (e *ClientError) Error() string { return "hub: the client failed: " + e.Message }

// Errors of calls that wait for the answer of a client.
var (
	// ErrCannotAnswer: the client has no answers. The official clients of
	// SignalR 2 have none; that of this project has, on the same wire.
	ErrCannotAnswer = errors.New("hub: this client cannot answer")

	// ErrManyClients: only one connection can be asked, through Client or
	// Caller.
	ErrManyClients = errors.New("hub: only a single client can be asked for an answer")

	// ErrNotListening: the connection does not listen to the hub.
	ErrNotListening = errors.New("hub: the client does not listen to the hub")

	// ErrTooEarly: OnConnected asked its own client, which answers nothing
	// before that has returned.
	ErrTooEarly = errors.New("hub: a client cannot answer before OnConnected has returned")
)

// ask calls the method on the one client that t stands for, and decodes its
// answer into the pointer.
func (t *target) ask(ctx context.Context, method string, args []any, answer any) error {
	if t.err != nil {
		return t.err
	}
	if send := t.hub.pipeline.send; send != nil {
		c := t.clientCall(method, args)
		c.Answer, c.ctx = answer, ctx
		return send(c)
	}
	return t.inquire(ctx, method, args, answer)
}

// inquire is ask behind the filters.
func (t *target) inquire(ctx context.Context, method string, args []any, answer any) error {
	k := t.from
	switch {
	case ctx != nil:
		if of, ok := ctx.Value(callKey{}).(*call); ok {
			k = of
		}
	case k != nil:
		ctx = k
	default:
		ctx = context.Background()
	}
	c, err := t.single()
	if err != nil {
		return err
	}
	if k != nil && k.opening.Load() && k.conn == c {
		return ErrTooEarly
	}
	m, err := c.question(ctx, k, codec.Call{Hub: t.hub.name, Method: method, State: t.state()}, args)
	switch {
	case err != nil:
		return fmt.Errorf("hub: call of %s.%s: %w", t.hub.name, method, err)
	case m.Failed:
		return &ClientError{ConnectionID: c.id(), Message: m.Error}
	case !m.HasResult:
		return nil
	}
	if err := c.codec.Encoding().Unmarshal(m.Result, answer); err != nil {
		return fmt.Errorf("hub: answer of client %q to %s.%s: %w", c.id(), t.hub.name, method, err)
	}
	return nil
}

// single returns the one connection that t stands for.
func (t *target) single() (*connection, error) {
	if t.kind != ToConnections || len(t.names) != 1 {
		return nil, ErrManyClients
	}
	conn, ok := t.hub.server.endpoint.Conn(t.names[0])
	switch {
	case !ok:
		return nil, fmt.Errorf("hub: client %q: %w", t.names[0], ErrNoConnection)
	case !listens(conn, t.hub):
		return nil, fmt.Errorf("hub: client %q: %w", t.names[0], ErrNotListening)
	}
	return connectionOf(conn), nil
}

// question calls the client and waits for its answer. K is the call that asks,
// nil for none.
func (c *connection) question(ctx context.Context, k *call, m codec.Call, args []any) (*codec.Answer, error) {
	encoded, err := codec.EncodeArgs([]codec.Encoding{c.codec.Encoding()}, args)
	if err != nil {
		return nil, err
	}
	id, answer := c.beside.expect()
	defer c.beside.forget(id)
	m.ID, m.Args = id, encoded
	payload, err := c.codec.Encode(&m)
	switch {
	case err != nil:
		return nil, err
	case payload == nil:
		return nil, ErrCannotAnswer
	}
	if err := c.conn.Send(single{c.codec.Protocol(), payload}); err != nil {
		return nil, err
	}
	if k != nil {
		k.giveWay()
	}
	select {
	case a := <-answer:
		return a, nil
	case <-c.conn.Context().Done():
		return nil, c.lost()
	case <-ctx.Done():
		if c.conn.Context().Err() != nil {
			return nil, c.lost()
		}
		return nil, ctx.Err()
	}
}

// expect returns a new id, and where the answer to it will come.
func (b *beside) expect() (id string, answer <-chan *codec.Answer) {
	b.mu.Lock()
	defer b.unlock()
	b.asks++
	id = "s" + strconv.Itoa(b.asks)
	ch := make(chan *codec.Answer, 1) // who waited may have gone
	if b.asked == nil {
		b.asked = make(map[string]chan<- *codec.Answer)
	}
	b.asked[id] = ch
	return id, ch
}

// forget gives up waiting for an answer.
func (b *beside) forget(id string) {
	b.mu.Lock()
	defer b.unlock()
	delete(b.asked, id)
}
