package persistent

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
	"github.com/hubwire/hubwire/transports"
)

// sharing keeps the frames that were built last. After a broadcast most writers
// find the same entries in their outboxes: the first of them builds the frame,
// as it goes over the wire, and the others write it. The zero sharing is ready
// for use.
type sharing struct {
	mu    sync.Mutex
	slots [4]*sharedFrame // for batches of several lengths, and several dialects
	next  int
}

// A sharedFrame is the frames of a batch for all exchanges of one shape. It is
// immutable while anyone holds it.
type sharedFrame struct {
	shape   any
	kind    transports.Kind
	entries []*messagelog.Entry

	frames [][]byte
	buf    []byte // of the frames
	wire   []byte // what a Preparer made of them

	holders atomic.Int32
}

var sharedFrames = sync.Pool{New: func() any { return new(sharedFrame) }}

// sendShared sends b as others send it, or reports false if b is for this
// exchange only.
func (a *attachment) sendShared(b dialect.Batch) (sent bool, err error) {
	shape, ok := a.shape(b)
	if !ok {
		return false, nil
	}
	f := a.shared(shape, b)
	defer f.release()
	if p, ok := a.x.Stream.(transports.Preparer); ok {
		return true, p.SendPrepared(f.wire)
	}
	return true, a.x.Stream.Send(f.frames)
}

// shape returns the shape of b, if others may have the same frames.
func (a *attachment) shape(b dialect.Batch) (shape any, ok bool) {
	sharer, ok := a.x.Framer.(dialect.Sharer)
	if !ok || len(b.Entries) == 0 || !forMany(b.Entries[0]) {
		return nil, false
	}
	return sharer.Shares(b)
}

// shared returns the frames of b, made if need be. The caller must release them.
func (a *attachment) shared(shape any, b dialect.Batch) *sharedFrame {
	f := a.conn.endpoint.sharing.find(shape, a.x.Stream.Kind(), b.Entries)
	if f == nil {
		f = a.build(shape, b)
		a.conn.endpoint.sharing.keep(f)
	}
	return f
}

// framed returns the frames of b, shared or not. The caller must release them.
func (a *attachment) framed(b dialect.Batch) *sharedFrame {
	if shape, ok := a.shape(b); ok {
		return a.shared(shape, b)
	}
	return a.build(nil, b)
}

// forMany reports whether others than one connection may get the entry.
func forMany(m *messagelog.Entry) bool {
	if len(m.Topics) != 1 {
		return len(m.Topics) > 1
	}
	_, own := connOf(m.Topics[0])
	return !own
}

func (a *attachment) build(shape any, b dialect.Batch) *sharedFrame {
	f := sharedFrames.Get().(*sharedFrame)
	f.shape, f.kind = shape, a.x.Stream.Kind()
	f.entries = append(f.entries[:0], b.Entries...)
	f.frames, f.buf = a.x.Framer.Frames(f.frames[:0], f.buf[:0], b)
	if p, ok := a.x.Stream.(transports.Preparer); ok {
		f.wire = p.Prepare(f.wire[:0], f.frames)
	}
	f.holders.Store(1)
	return f
}

// find returns the frame of the batch, which the caller must release, or nil.
func (s *sharing) find(shape any, kind transports.Kind, entries []*messagelog.Entry) *sharedFrame {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.slots {
		if f != nil && f.kind == kind && f.shape == shape && slices.Equal(f.entries, entries) {
			f.holders.Add(1)
			return f
		}
	}
	return nil
}

// keep makes f known, in place of the oldest.
func (s *sharing) keep(f *sharedFrame) {
	f.holders.Add(1)
	s.mu.Lock()
	f, s.slots[s.next] = s.slots[s.next], f
	s.next = (s.next + 1) % len(s.slots)
	s.mu.Unlock()
	if f != nil {
		f.release()
	}
}

// release lets go of f. What nobody holds any more is used again.
func (f *sharedFrame) release() {
	if f.holders.Add(-1) > 0 {
		return
	}
	clear(f.entries)
	clear(f.frames)
	if cap(f.buf)+cap(f.wire) <= 2*maxScratch {
		sharedFrames.Put(f)
	}
}
