package hub

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
)

// beside is what a connection has going on beside its queue: calls that stream,
// calls that wait for the answer of a client, and what clients send for them.
type beside struct {
	conn  *persistent.Conn
	calls inFlight

	mu      sync.Mutex // guards what follows
	streams map[string]*call
	uploads map[string]*upload
	asked   map[string]chan<- *codec.Answer
	asks    int
}

// unlock ends a change of what follows mu. It holds the client back while a
// method is behind with a stream of its, unless somebody waits for what may come
// behind the items: for the client's answer, or for another stream of the same
// call.
func (b *beside) unlock() {
	defer b.mu.Unlock()
	if len(b.asked) == 0 {
		for _, u := range b.uploads {
			if u.full && !u.ctx.starves() {
				b.conn.Hold()
				return
			}
		}
	}
	b.conn.Release()
}

// acceptBeside runs a call that streams beside the queue.
func (c *connection) acceptBeside(k *call) *callError {
	calls := &c.beside.calls
	if calls.count() >= c.server.opts.MaxQueuedCalls || !calls.begin() {
		return errBusy
	}
	ctx, cancel := context.WithCancelCause(c.conn.Context())
	k.Context, k.streams = ctx, &streams{cancel: cancel}
	if err := c.beside.open(k); err != nil {
		cancel(nil)
		calls.end()
		return err
	}
	if k.inv.Detached {
		k.detach()
	}
	go k.serveBeside()
	return nil
}

// detach answers the call with a receipt. What completes it will be a message
// to the connection.
func (k *call) detach() {
	k.answer.Reply(k.conn.receipt(k.inv.ID))
	k.answer = mailbox{k.conn}
}

// A mailbox sends an answer as a message, which outlives the transport.
type mailbox struct{ *connection }

// Reply sends the payload. A connection that has ended needs none.
func (m mailbox) Reply(payload []byte) { _ = m.conn.Send(single{m.codec.Protocol(), payload}) }

// Reject does nothing: a call that has a receipt is not rejected.
func (mailbox) Reject(*negotiate.Refusal) {}

// serveBeside runs a call, streams its result, and answers it.
func (k *call) serveBeside() {
	defer k.conn.beside.calls.end()
	stopped := func() bool { return false }
	if k.method.stream != nil {
		stopped = context.AfterFunc(k.hub.server.stopping, func() { k.streams.cancel(errStopping) })
	}
	result, err := k.run()
	if err == nil && k.method.stream != nil {
		err = k.pump(result)
		result = nil
	}
	err = k.outcome(err)
	stopped()
	k.conn.beside.close(k)
	k.streams.cancel(nil)
	k.streams.feeders.Wait()
	k.reply(result, err)
}

// open makes the call's streams known, before anything else of the client is
// read.
func (b *beside) open(k *call) *callError {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.streams == nil {
		b.streams, b.uploads = make(map[string]*call), make(map[string]*upload)
	}
	if k.inv.Stream && b.streams[k.inv.ID] != nil {
		return inUse(k.inv.ID)
	}
	for i, id := range k.inv.Streams {
		if b.uploads[id] != nil || slices.Contains(k.inv.Streams[:i], id) {
			return inUse(id)
		}
	}
	if k.inv.Stream {
		b.streams[k.inv.ID] = k
	}
	if len(k.inv.Streams) != len(k.method.uploads) {
		return nil // it will fail in its turn; what comes is for nobody
	}
	o := &k.hub.server.opts
	for i, id := range k.inv.Streams {
		u := &upload{
			id: id, ctx: k, method: k.method, number: i + 1, of: k.method.uploads[i].streamType,
			codec: k.conn.codec.Encoding(), limits: bounds{o.MaxQueued, o.MaxQueuedBytes},
		}
		b.uploads[id] = u
		k.streams.uploads = append(k.streams.uploads, u)
	}
	return nil
}

func inUse(id string) *callError {
	return &callError{codec.InUse, fmt.Sprintf("The id %q is in use already.", id)}
}

// close forgets the call's streams. What comes late is for nobody.
func (b *beside) close(k *call) {
	b.mu.Lock()
	defer b.unlock()
	if b.streams[k.inv.ID] == k {
		delete(b.streams, k.inv.ID)
	}
	for _, u := range k.streams.uploads {
		delete(b.uploads, u.id)
	}
}

// cancelled ends the stream that a client wants no more of.
func (b *beside) cancelled(m *codec.Cancel) {
	b.mu.Lock()
	k := b.streams[m.ID]
	b.mu.Unlock()
	if k != nil {
		k.streams.cancel(errCancelled)
	}
}

// item takes an item of an upload.
func (b *beside) item(m *codec.StreamItem) {
	b.mu.Lock()
	defer b.unlock()
	if u := b.uploads[m.ID]; u != nil {
		u.add(m.Item)
	}
}

// answered takes the end of an upload, or an answer. What nobody waits for is
// dropped.
func (c *connection) answered(m *codec.Answer) {
	b := &c.beside
	b.mu.Lock()
	defer b.unlock()
	u, asked := b.uploads[m.ID], b.asked[m.ID]
	switch {
	case u != nil && m.Failed:
		u.stop(&ClientError{ConnectionID: c.id(), Message: m.Error})
	case u != nil:
		u.stop(nil)
	case asked != nil:
		delete(b.asked, m.ID)
		asked <- m // has room for it
	}
}

// A turn is the place of a call on a queue, which it gives up when it waits for
// the answer of a client: what the client does before it answers may be another
// call.
type turn struct {
	given chan struct{} // closed when it is given up

	mu    sync.Mutex // guards what follows
	gone  bool
	ended bool
}

// serveInTurn runs the call on a goroutine of its own, so that the queue can go
// on without it.
func (k *call) serveInTurn() {
	k.turn = &turn{given: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.serve()
		if k.turn.end() {
			k.conn.beside.calls.end()
		}
	}()
	select {
	case <-done:
	case <-k.turn.given:
	}
}

// giveWay lets the queue go on while the call waits. The call runs beside it
// from then on. Its client gets a receipt: it too may hold its next call back
// until this one is answered.
func (k *call) giveWay() {
	if k.turn == nil || !k.turn.give(k.conn) {
		return
	}
	if payload := k.conn.receipt(k.inv.ID); payload != nil && k.inv.HasID {
		mailbox{k.conn}.Reply(payload)
	}
}

// give gives the place up. It reports whether that was still to be done.
func (t *turn) give(c *connection) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone || t.ended || !c.beside.calls.begin() {
		return false
	}
	t.gone = true
	close(t.given)
	return true
}

// end notes that the call has returned. It reports whether it gave way.
func (t *turn) end() (gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	return t.gone
}

// lost is the error of those who wait for a connection that has ended.
func (c *connection) lost() error {
	return fmt.Errorf("hub: client %q: %w", c.id(), persistent.ErrNoConnection)
}
