package hub

import (
	"context"
	"sync"
)

// inFlight counts what goes on, and tells when the last of it has ended. The zero
// value is ready for use.
type inFlight struct {
	mu      sync.Mutex
	running int
	idle    chan struct{} // non-nil when no more may begin; closed when nothing is left
}

// begin counts one more. It reports false when no more may begin.
func (f *inFlight) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.idle != nil {
		return false
	}
	f.running++
	return true
}

// count returns how many there are.
func (f *inFlight) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running
}

func (f *inFlight) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running--
	if f.idle != nil && f.running == 0 {
		close(f.idle)
	}
}

// close lets no more begin. The channel is closed when those that have are over.
func (f *inFlight) close() (idle <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.idle == nil {
		f.idle = make(chan struct{})
		if f.running == 0 {
			close(f.idle)
		}
	}
	return f.idle
}

// await waits until done is closed. The error is ctx's.
func await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
