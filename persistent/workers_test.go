package persistent

import (
	"testing"
	"time"
)

// The timer may go off while the workers are closed, and sweep after that.
func TestSweepAfterClose(t *testing.T) {
	p := workers{timer: time.NewTimer(time.Hour)} // which does nothing: the test sweeps
	q := Queue{workers: &p}
	done := make(chan struct{})
	q.Do(func() { close(done) })
	<-done
	for idle := 0; idle == 0; {
		p.mu.Lock()
		idle = len(p.idle)
		p.mu.Unlock()
	}
	p.sweep() // counts it as spare
	p.close()
	p.sweep()
}
