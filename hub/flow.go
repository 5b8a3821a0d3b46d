package hub

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/hubwire/hubwire/persistent/messagelog"
)

// What streams may have under way to one connection. A stream that yields
// faster than the client reads waits, and never costs the client its transport
// as a full outbox does.
const (
	maxFlowItems = 64
	maxFlowBytes = 64 << 10
)

// A flow counts what the streams of a connection have sent and no writer has
// taken yet. The zero value is ready for use.
type flow struct {
	mu    sync.Mutex
	items int
	bytes int
	room  chan struct{} // non-nil while somebody waits; closed when there is room
}

// enter counts a payload, when there is room for it. One that is too large
// for any room goes alone. The error is ctx's.
func (f *flow) enter(ctx context.Context, size int) error {
	for {
		f.mu.Lock()
		if f.items == 0 || f.items < maxFlowItems && f.bytes+size <= maxFlowBytes {
			f.items++
			f.bytes += size
			f.mu.Unlock()
			return nil
		}
		if f.room == nil {
			f.room = make(chan struct{})
		}
		room := f.room
		f.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// leave takes a payload off the count.
func (f *flow) leave(size int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.items = max(f.items-1, 0)
	f.bytes = max(f.bytes-size, 0)
	f.wake()
}

// reset counts from zero: what was under way is lost.
func (f *flow) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.items, f.bytes = 0, 0
	f.wake()
}

func (f *flow) wake() {
	if f.room != nil {
		close(f.room)
		f.room = nil
	}
}

// A paced payload leaves its flow when a writer takes it.
type paced struct {
	single
	flow  *flow
	taken atomic.Bool
}

// Bytes returns the payload.
func (p *paced) Bytes(protocol *messagelog.Protocol) []byte {
	if !p.taken.Swap(true) {
		p.flow.leave(len(p.payload))
	}
	return p.single.Bytes(protocol)
}

// sendPaced sends a payload to the connection alone, when there is room.
func (c *connection) sendPaced(ctx context.Context, payload []byte) error {
	if err := c.flow.enter(ctx, len(payload)); err != nil {
		return err
	}
	return c.conn.Reply(&paced{single: single{c.codec.Protocol(), payload}, flow: &c.flow})
}
