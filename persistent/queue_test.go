package persistent_test

import (
	"strings"
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

// Run is a function among others: it waits for those before it, and those after
// it for it, also where it runs on the goroutine of the caller.
func TestQueueRun(t *testing.T) {
	var q persistent.Queue
	var order []string
	note := func(what string) func() { return func() { order = append(order, what) } }
	q.Run(func() {
		q.Do(note("behind"))
		note("run at once")()
	})
	<-q.Idle()
	release := make(chan struct{})
	q.Do(func() { <-release; note("before")() })
	go close(release)
	q.Run(note("run in turn"))
	q.Run(note("run again"))
	<-q.Idle()
	if want := "run at once, behind, before, run in turn, run again"; strings.Join(order, ", ") != want {
		t.Errorf("order: %s, want %s", strings.Join(order, ", "), want)
	}
}

// A function that panics holds nobody up.
func TestQueueRunPanics(t *testing.T) {
	var q persistent.Queue
	func() {
		defer func() { _ = recover() }()
		q.Run(func() { panic("ours") })
	}()
	q.Run(func() {})
}
