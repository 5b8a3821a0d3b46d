package persistent_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hubwire/hubwire/persistent"
)

func TestQueueRunsInOrderOneAtATime(t *testing.T) {
	var q persistent.Queue
	var running atomic.Int32
	var order []int
	for i := range 1000 {
		q.Do(func() {
			if running.Add(1) != 1 {
				t.Error("two functions run at once")
			}
			order = append(order, i)
			running.Add(-1)
		})
	}
	<-q.Idle()
	for i, n := range order {
		if n != i {
			t.Fatalf("function %d ran at place %d", n, i)
		}
	}
	if len(order) != 1000 {
		t.Errorf("%d functions ran", len(order))
	}
}

func TestQueueWidthAndMax(t *testing.T) {
	q := persistent.Queue{Width: 2, Max: 3}
	release := make(chan struct{})
	var started sync.WaitGroup
	started.Add(2)
	for range 2 {
		q.Do(func() { started.Done(); <-release })
	}
	started.Wait() // both run at the same time
	for i := range 3 {
		if !q.Offer(func() {}) {
			t.Errorf("function %d of 3 is refused", i)
		}
	}
	if q.Offer(func() {}) {
		t.Error("a function more than Max is accepted")
	}
	q.Do(func() {}) // is not bounded
	select {
	case <-q.Idle():
		t.Error("idle while functions run")
	default:
	}
	close(release)
	<-q.Idle()
}

func TestQueueIdleAtOnce(t *testing.T) {
	var q persistent.Queue
	<-q.Idle()
}

func BenchmarkQueue(b *testing.B) {
	var q persistent.Queue
	f := func() {}
	b.ReportAllocs()
	for b.Loop() {
		q.Do(f)
	}
	<-q.Idle()
}
