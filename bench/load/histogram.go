package main

import (
	"math/bits"
	"time"
)

// A histogram counts durations in 32 steps for each power of two, so that what
// it returns is right to 3 %.
type histogram struct {
	counts [64 << 5]uint64
	count  uint64
}

func (h *histogram) add(d time.Duration) {
	h.counts[step(uint64(max(d, 0)))]++
	h.count++
}

func step(v uint64) int {
	exp := max(bits.Len64(v)-6, 0)
	return exp<<5 + int(v>>exp)
}

// quantile returns the duration that q of all are not longer than, in ms.
func (h *histogram) quantile(q float64) float64 {
	left := uint64(q * float64(h.count))
	for i, n := range h.counts {
		if n > left {
			exp := max(i>>5-1, 0)
			return float64(uint64(i-exp<<5)<<exp) / 1e6
		}
		left -= n
	}
	return 0
}
