package main

import (
	"fmt"
	"io"
	"log"
	"time"
)

// A growth is what a delivery costs Hubwire as something grows, one run each.
type growth struct {
	name   string
	load   string // with the value
	values []int
}

const saturated = "-scenario broadcast -dialect classic "

// growths end where the project's goals do, or where 20,000 descriptors for a
// process do.
var growths = []growth{
	{"growth with connections", saturated + "-warmup 3s -n %d", []int{1000, 2000, 5000, 10_000, 19_800}},
	{"growth with bytes of text, 500 connections, 4 on their way", saturated + "-n 500 -window 4 -size %d", []int{16, 256, 4096, 65_536}},
	{"growth with groups, 5,000 connections, 50 of them in the one that is sent to", saturated + "-n 5000 -members 50 -groups %d", []int{1, 10, 100, 1000, 10_000, 100_000}},
}

// print writes a line for each value.
func (g growth) print(w io.Writer, b *builder, d time.Duration) {
	fmt.Fprintf(w, "%s\n", g.name)
	for _, n := range g.values {
		f, err := b.try(side{"hubwire", fmt.Sprintf(g.load, n)}, d)
		if err != nil {
			log.Printf("%s, %d: %v", g.name, n, err)
			continue
		}
		fmt.Fprintf(w, "    %7d  %s us CPU a delivery\n", n, short(f[cpu.key]))
	}
}
