package hub

import (
	"context"
	"sync"
)

// inFlight counts the calls that run beside the queues of their connections,
// and tells when the last has returned. The zero value is ready for use.
type inFlight struct {
	mu       sync.Mutex
	calls    int
	draining bool
	idle     chan struct{} // closed when draining and no call is left
}

// begin counts a call. It reports false when no more may begin.
func (f *inFlight) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.draining {
		return false
	}
	f.calls++
	return true
}

// count returns how many calls there are.
func (f *inFlight) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *inFlight) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls--
	if f.draining && f.calls == 0 {
		close(f.idle)
	}
}

// drain lets no more calls begin and waits for those that have. The error is
// ctx's.
func (f *inFlight) drain(ctx context.Context) error {
	f.mu.Lock()
	if !f.draining {
		f.draining, f.idle = true, make(chan struct{})
		if f.calls == 0 {
			close(f.idle)
		}
	}
	f.mu.Unlock()
	select {
	case <-f.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
