package messagelog

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is returned by Append after Close.
var ErrClosed = errors.New("messagelog: closed")

// MemoryOptions bound what a Memory keeps.
type MemoryOptions struct {
	// Retention is how long entries are kept, 140 s by default. It must
	// outlast the time that a client may be away.
	Retention time.Duration

	// MaxBytes bounds the payload bytes that are kept, 64 MiB by default. An
	// entry that goes because of it may be missed by a client that is away;
	// that client is then told of a gap.
	MaxBytes int
}

// overhead is about what an entry takes beside its payload.
const overhead = 200

// Memory is the log of one process. Its epoch is random, so that cursors of an
// earlier process are recognised.
type Memory struct {
	// Immutable after NewMemory.
	epoch     string
	retention time.Duration
	maxBytes  int
	deliver   func(*Entry)

	head atomic.Uint64

	mu     sync.RWMutex // guards what follows; held while an entry is delivered
	closed bool
	all    deque
	bytes  int
	topics map[string]*deque

	// A topic whose entries are all gone leaves the number of the last of
	// them, so that a gap is told exactly. Graves are kept for two generations
	// of Retention each; forgotten is the newest number among those dropped.
	graves, oldGraves map[string]uint64
	forgotten         uint64
	generation        time.Time
}

// NewMemory returns an empty log.
func NewMemory(o MemoryOptions) *Memory {
	if o.Retention <= 0 {
		o.Retention = 140 * time.Second
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 64 << 20
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return &Memory{
		epoch:      hex.EncodeToString(id[:]),
		retention:  o.Retention,
		maxBytes:   o.MaxBytes,
		deliver:    func(*Entry) {},
		topics:     make(map[string]*deque),
		graves:     make(map[string]uint64),
		generation: time.Now(),
	}
}

// Epoch returns the random word that stands in this log's cursors.
func (m *Memory) Epoch() string { return m.epoch }

// Head returns the number of the newest entry.
func (m *Memory) Head() uint64 { return m.head.Load() }

// Deliver sets the function that is given each entry.
func (m *Memory) Deliver(f func(*Entry)) { m.deliver = f }

// Append implements Log.
func (m *Memory) Append(e *Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	e.Seq = m.head.Load() + 1
	e.At = time.Now()
	m.all.push(e)
	m.bytes += size(e)
	for _, name := range e.Topics {
		t := m.topics[name]
		if t == nil {
			t = &deque{evicted: m.buried(name)}
			m.topics[name] = t
		}
		t.push(e)
	}
	m.head.Store(e.Seq)
	m.deliver(e)
	m.evict(e.At)
	return nil
}

// Read implements Log.
func (m *Memory) Read(spans []Span) ([]*Entry, bool, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var found []*Entry
	gap, sources := false, 0
	for _, s := range spans {
		t := m.topics[s.Topic]
		if t == nil {
			gap = gap || s.After < min(m.buried(s.Topic), s.UpTo)
			continue
		}
		gap = gap || s.After < min(t.evicted, s.UpTo)
		if part := t.between(s.After, s.UpTo); len(part) > 0 {
			found = append(found, part...)
			sources++
		}
	}
	if sources > 1 {
		slices.SortFunc(found, bySeq)
		found = slices.Compact(found)
	}
	return found, gap, nil
}

// Close drops all entries.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.all, m.topics, m.bytes = deque{}, nil, 0
	return nil
}

// evict drops what is too old or too much. The newest entry always stays.
func (m *Memory) evict(now time.Time) {
	for m.all.len() > 1 {
		e := m.all.first()
		if m.bytes <= m.maxBytes && now.Sub(e.At) <= m.retention {
			break
		}
		m.all.pop()
		m.bytes -= size(e)
		for _, name := range e.Topics {
			m.bury(name, e.Seq)
		}
	}
	if now.Sub(m.generation) > m.retention {
		m.turn(now)
	}
}

// bury removes the entry with the number seq, the oldest of its topic.
func (m *Memory) bury(name string, seq uint64) {
	t := m.topics[name]
	if t == nil || t.len() == 0 || t.first().Seq != seq {
		return // an entry that names a topic twice
	}
	t.pop()
	t.evicted = seq
	if t.len() == 0 {
		delete(m.topics, name)
		m.graves[name] = seq
	}
}

// buried returns the number of the newest entry of a topic without entries
// that is gone, or a bound for it.
func (m *Memory) buried(name string) uint64 {
	if seq, ok := m.graves[name]; ok {
		return seq
	}
	if seq, ok := m.oldGraves[name]; ok {
		return seq
	}
	return m.forgotten
}

func (m *Memory) turn(now time.Time) {
	for _, seq := range m.oldGraves {
		m.forgotten = max(m.forgotten, seq)
	}
	m.oldGraves, m.graves = m.graves, make(map[string]uint64)
	m.generation = now
}

func size(e *Entry) int {
	if e.Payload == nil {
		return overhead
	}
	return overhead + e.Payload.Size()
}

func bySeq(a, b *Entry) int {
	switch {
	case a.Seq < b.Seq:
		return -1
	case a.Seq > b.Seq:
		return 1
	}
	return 0
}
