package faults_test

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/persistent/messagelog"
)

// kept is how long a witness keeps messages: what a log does by default with the
// times of options.
const kept = 20 * time.Second

// A witness is a log that knows when each of its entries came, and finds gaps
// that are told too early: of a place that is younger than what is to be kept.
type witness struct {
	messagelog.Log

	mu    sync.Mutex
	times []time.Time // of the entries, from number 1
	gaps  int64
	early []string
}

func newWitness() *witness {
	return &witness{Log: messagelog.NewMemory(messagelog.MemoryOptions{Retention: kept})}
}

// Append notes when the entry came.
func (w *witness) Append(m *messagelog.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now() // the log has it a moment later
	err := w.Log.Append(m)
	if err == nil {
		w.times = append(w.times, now)
	}
	return err
}

// Read looks at whether a gap may be.
func (w *witness) Read(spans []messagelog.Span) ([]*messagelog.Entry, bool, error) {
	found, gap, err := w.Log.Read(spans)
	if gap {
		w.judge(spans)
	}
	return found, gap, err
}

// judge notes a gap. The oldest entry that can be missing is the one behind the
// first place that is read from.
func (w *witness) judge(spans []messagelog.Span) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gaps++
	from := slices.MinFunc(spans, func(a, b messagelog.Span) int { return cmp.Compare(a.After, b.After) }).After
	if from >= uint64(len(w.times)) {
		w.early = append(w.early, fmt.Sprintf("behind %d there is nothing", from))
	} else if age := time.Since(w.times[from]); age <= kept {
		w.early = append(w.early, fmt.Sprintf("what comes behind %d is %v old", from, age))
	}
}

// verdict returns how many gaps there were, and those that came too early.
func (w *witness) verdict() (gaps int64, early []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gaps, w.early
}

// A log that lets messages go too early is found, and one that does not, is not.
func TestWitness(t *testing.T) {
	for retention, early := range map[time.Duration]int{kept: 0, kept / 2: 1} {
		synctest.Test(t, func(t *testing.T) {
			w := newWitness()
			w.Log = messagelog.NewMemory(messagelog.MemoryOptions{Retention: retention})
			_ = w.Append(&messagelog.Entry{Topics: []string{"a"}})
			time.Sleep(retention + time.Second)
			_ = w.Append(&messagelog.Entry{Topics: []string{"a"}})
			_, _, _ = w.Read([]messagelog.Span{{Topic: "a", UpTo: 2}})
			if gaps, found := w.verdict(); gaps != 1 || len(found) != early {
				t.Errorf("kept for %v: %d gaps, too early %q", retention, gaps, found)
			}
		})
	}
}
