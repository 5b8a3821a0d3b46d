package faults_test

import (
	"context"
	"flag"
	"log/slog"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hubwire/hubwire/persistent/messagelog"
)

var storm = flag.Int("faults.storm", 500, "how many connections TestReconnectStorm cuts")

// A stopwatch takes the times that messages take.
type stopwatch struct {
	mu    sync.Mutex
	sent  map[int64]time.Time
	times []time.Duration
}

func (s *stopwatch) start(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[n] = time.Now()
}

func (s *stopwatch) stop(got []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range got {
		if at, ok := s.sent[n]; ok {
			s.times = append(s.times, time.Since(at))
		}
	}
}

// lap returns the median and the 99th percentile since the last lap.
func (s *stopwatch) lap() (median, high time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.times)
	if n := len(s.times); n > 0 {
		median, high = s.times[n/2], s.times[n*99/100]
	}
	s.times = nil
	return median, high
}

const (
	sizeOfLong = 20 << 10 // of what is sent to the slow one
	long       = 100      // how many of them
)

// One client in a hundred stops reading, while much is sent to it. The others get
// what is for them; the slow one is cut off when as much waits for it as may, and
// gets it all when it comes back. BenchmarkSlowConsumers measures how little the
// others feel of it.
func TestSlowConsumers(t *testing.T) {
	o := options()
	o.MaxQueuedBytes = 256 << 10
	o.Log = messagelog.NewMemory(messagelog.MemoryOptions{Retention: time.Hour}) // however long it takes
	w := rawWorld(t, o)
	r := launchBare(t, w)
	watch := &stopwatch{sent: make(map[int64]time.Time)}
	r.enlist(100, func(m *member) {
		m.mute = true
		m.kinds = []string{"webSockets", "serverSentEvents"}
		if m.no > 0 {
			m.seen = watch.stop
		}
	})
	slow, others := r.members[0], r.members[1:]
	broadcasts := func() {
		last := int64(0)
		for range long / 2 {
			_ = w.ledger.send(address{all: true}, func(n int64) error {
				watch.start(n)
				last = n
				return w.send(address{all: true}, n)
			})
			for range 2 {
				w.postLong(address{conn: slow.id()}, sizeOfLong)
			}
			time.Sleep(20 * time.Millisecond)
		}
		upTo(others, last, giveUp)
	}
	r.settle()
	broadcasts()
	median, high := watch.lap()
	r.settle()
	before := heap()
	slow.gate.Lock()
	broadcasts()
	cut := w.endpoint.Stats().SlowConsumers
	for end := time.Now().Add(giveUp); cut == 0 && time.Now().Before(end); cut = w.endpoint.Stats().SlowConsumers {
		time.Sleep(20 * time.Millisecond)
	}
	after := heap()
	slow.gate.Unlock()
	slowMedian, slowHigh := watch.lap()
	r.settle()
	r.finish()
	v, _ := r.verdict()
	t.Logf("delivery to the others: median %v, 99th percentile %v; with the slow one %v, %v", median, high, slowMedian, slowHigh)
	t.Logf("heap %d KiB, with the slow one %d KiB; cut off %d times; %v", before>>10, after>>10, cut, v)
	if !v.clean() || v.gaps > 0 {
		t.Error("the slow one did not catch up")
	}
	if cut == 0 {
		t.Error("nobody was cut off")
	}
	if most := before + long*sizeOfLong + uint64(o.MaxQueuedBytes) + 4<<20; after > most {
		t.Errorf("the slow one takes %d KiB more than what the log keeps and may wait for it", (after-most)>>10)
	}
}

// BenchmarkSlowConsumers measures how long a broadcast takes to all of 99 clients
// while the hundredth reads, and while it stops reading again and again, is cut
// off, comes back and catches up. Both get as much to read.
func BenchmarkSlowConsumers(b *testing.B) {
	for name, stops := range map[string]bool{"reads": false, "stops": true} {
		b.Run(name, func(b *testing.B) {
			o := options()
			o.MaxQueuedBytes = 256 << 10
			o.Logger = slog.New(slog.DiscardHandler)
			w := rawWorld(b, o)
			r := launchBare(b, w)
			var got, due atomic.Int64
			all := make(chan struct{}, 1) // holds one: who waits looks again anyway
			r.enlist(100, func(m *member) {
				m.mute, m.eager, m.kinds = true, true, []string{"webSockets"}
				if m.no > 0 {
					m.seen = func(n []int64) {
						if got.Add(int64(len(n))) >= due.Load() {
							select {
							case all <- struct{}{}:
							default:
							}
						}
					}
				}
			})
			r.settle()
			slow := r.members[0]
			ctx, cancel := context.WithCancel(b.Context())
			var stopping sync.WaitGroup
			if stops {
				stopping.Go(func() { slow.stopAndGo(ctx, w) })
			}
			got.Store(0)
			for b.Loop() {
				w.postLong(address{conn: slow.id()}, sizeOfLong)
				n := due.Add(99)
				w.post(address{all: true})
				for got.Load() < n {
					<-all
				}
			}
			b.ReportMetric(float64(w.endpoint.Stats().SlowConsumers), "cuts")
			cancel()
			stopping.Wait()
			r.finish()
		})
	}
}

// stopAndGo stops reading until the member is cut off, reads until it is up to
// date, and so on.
func (m *member) stopAndGo(ctx context.Context, w *world) {
	for cuts := int64(0); ctx.Err() == nil; cuts = w.endpoint.Stats().SlowConsumers {
		m.gate.Lock()
		for ctx.Err() == nil && w.endpoint.Stats().SlowConsumers == cuts {
			time.Sleep(time.Millisecond)
		}
		m.gate.Unlock()
		for behind := w.now(); ctx.Err() == nil && !m.current(behind); {
			time.Sleep(time.Millisecond)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// All connections are cut at the same moment. All come back, and get what was
// sent meanwhile.
func TestReconnectStorm(t *testing.T) {
	w := hubWorld(patient())
	r := launchBare(t, w)
	r.enlist(*storm, func(m *member) { m.mute, m.eager, m.quiet = true, true, giveUp })
	r.settle()
	quiet, spent := memory(), processor()
	before := w.now()
	n := r.listener.sever()
	start := time.Now()
	w.post(address{all: true})
	peak := quiet
	for !r.returned(before) && time.Since(start) < giveUp {
		peak = max(peak, memory())
		time.Sleep(20 * time.Millisecond)
	}
	took := time.Since(start)
	spent = processor() - spent
	r.settle()
	r.finish()
	rows := r.audit()
	t.Logf("%d connections of %d clients cut; all back, with what was sent, after %v; processor time %v; memory %d MiB before, %d MiB at the peak; all with the clients\n%s",
		n, *storm, took, spent, quiet>>20, peak>>20, table(rows))
	for _, row := range rows {
		if !row.clean() || row.gaps > 0 {
			t.Errorf("%s: something went wrong: %q", row.family.name, row.trouble)
		}
		if row.family.lasting && row.lives > row.members {
			t.Errorf("%s: %d clients had to begin anew", row.family.name, row.lives-row.members)
		}
	}
	if n < *storm/2 {
		t.Errorf("only %d connections were cut", n)
	}
}

// returned reports whether all members have a connection that began after event n
// or has got a later message.
func (r *run) returned(n int64) bool {
	return !slices.ContainsFunc(r.members, func(m *member) bool {
		since, got := m.place()
		return since < n && got <= n
	})
}

// memory returns how much memory the process has from the system.
func memory() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

// processor returns the processor time that the process has taken.
func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
