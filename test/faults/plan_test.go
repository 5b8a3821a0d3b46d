package faults_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// A fault is something that a network does to a connection.
type fault int

const (
	none fault = iota

	// What lasts as long as the connection does.
	delayed   // each piece comes later
	throttled // bytes come slowly
	buffered  // held back until there is much, or nothing comes any more
	sliced    // torn into the smallest packets
	late      // the first bytes come late: requests overtake each other

	// What strikes once.
	cut       // closed in good order, in the middle of what is on its way
	reset     // closed with a reset
	halfCut   // closed towards the client only, and then cut
	stalled   // nothing passes for a while
	blackHole // nothing passes any more, and nobody is told

	faults // how many there are
)

var faultNames = [faults]string{
	"none", "delay", "throttle", "buffering", "slicing", "late request",
	"cut", "reset", "half-closed", "stall", "black hole",
}

func (f fault) String() string { return faultNames[f] }

// A plan is what will happen to one connection.
type plan struct {
	shape  fault         // what lasts
	strike fault         // what strikes
	after  time.Duration // when
	pause  time.Duration // for how long, of a stall
	rng    *rand.Rand    // for what goes on from there
}

var (
	shapes  = []fault{none, none, none, delayed, throttled, buffered, sliced, late}
	strikes = []fault{none, cut, cut, reset, reset, halfCut, stalled, blackHole}
)

// newPlan draws the plan of the n-th connection.
func newPlan(seed, n uint64) plan {
	rng := rand.New(rand.NewPCG(seed, n))
	return plan{
		shape:  shapes[rng.IntN(len(shapes))],
		strike: strikes[rng.IntN(len(strikes))],
		after:  between(rng, 20*time.Millisecond, 4*time.Second),
		pause:  between(rng, 100*time.Millisecond, 3*time.Second),
		rng:    rng,
	}
}

func between(rng *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(rng.Int64N(int64(most-least)))
}

// A tally counts how often each fault was injected.
type tally [faults]atomic.Int64

func (t *tally) add(f fault) { t[f].Add(1) }

// String lists the counts, one below the other.
func (t *tally) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nfault\ttimes\t")
	for f := none + 1; f < faults; f++ {
		fmt.Fprintf(w, "%s\t%d\t\n", f, t[f].Load())
	}
	_ = w.Flush()
	return b.String()
}
