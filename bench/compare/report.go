package main

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"math"
	"slices"
)

// A result is the runs of both sides of a measure.
type result struct {
	measure
	runs [2][]figures
}

// A spread is the median of several runs, with the least and the most.
type spread struct{ median, low, high float64 }

// values returns the figure of each run that came to its end.
func (r result) values(c figure, side int) []float64 {
	var vs []float64
	for _, f := range r.runs[side] {
		v := f[c.key]
		if c == perCPU && f["cpu_us"] > 0 {
			v = 1e6 / f["cpu_us"]
		}
		if v > 0 {
			vs = append(vs, v)
		}
	}
	return vs
}

func spreadOf(vs []float64) spread {
	if len(vs) == 0 {
		return spread{}
	}
	vs = slices.Sorted(slices.Values(vs))
	return spread{vs[len(vs)/2], vs[0], vs[len(vs)-1]}
}

// ratios returns the ratio of each round, candidate to reference. The two runs
// of a round lie next to each other, so that they saw the same machine.
func (r result) ratios(c figure) spread {
	a, b := r.values(c, 0), r.values(c, 1)
	var vs []float64
	for i := range min(len(a), len(b)) {
		vs = append(vs, b[i]/a[i])
	}
	return spreadOf(vs)
}

func (s spread) String() string {
	return fmt.Sprintf("%s (%s-%s)", short(s.median), short(s.low), short(s.high))
}

func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2fM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.1fk", v/1e3)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// met tells whether the goal is reached, if there is one.
func (c check) met(ratio float64) string {
	switch {
	case c.goal == 0:
		return ""
	case ratio == 0:
		return "no figures"
	case c.figure.less && ratio <= c.goal, !c.figure.less && ratio >= c.goal:
		return fmt.Sprintf("goal %g: met", c.goal)
	}
	return fmt.Sprintf("goal %g: not met", c.goal)
}

// print writes a few lines: the name, both sides, the ratio.
func (r result) print(w io.Writer) {
	fmt.Fprintf(w, "%s\n", r.name)
	for _, c := range r.checks {
		ratio := r.ratios(c.figure)
		fmt.Fprintf(w, "    %-16s", c.figure.name)
		for i, s := range r.sides {
			fmt.Fprintf(w, "%s %s %s; ", s.server, spreadOf(r.values(c.figure, i)), c.figure.unit)
		}
		fmt.Fprintf(w, "ratio %s  %s\n", ratio, c.met(ratio.median))
	}
}

// drawChart draws a bar for the first ratio of each measure, from 1 and on a
// logarithmic scale, with a line from the least to the most: green where the
// candidate does better than the reference, orange where it does worse.
func drawChart(results []result) []byte {
	const row, left, width, least, most = 26, 510, 940, 0.25, 64
	at := func(ratio float64) float64 {
		ratio = min(max(ratio, least), most)
		return left + math.Log(ratio/least)/math.Log(most/least)*(width-left-60)
	}
	height := row*len(results) + 30
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n", width, height)
	fmt.Fprintln(&b, `<rect width="100%" height="100%" fill="#fff"/>`)
	fmt.Fprintf(&b, `<text x="%d" y="18" text-anchor="end" fill="#555">times the reference</text>`+"\n", left-30)
	for _, ratio := range []float64{0.25, 0.5, 1, 2, 4, 8, 16, 32, 64} {
		fmt.Fprintf(&b, `<text x="%.1f" y="18" text-anchor="middle" fill="#555">%g</text>`, at(ratio), ratio)
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%[1]f" y1="24" y2="%d" stroke="#ddd"/>`+"\n", at(ratio), height)
	}
	for i, r := range results {
		c, y := r.checks[0].figure, 30+row*i
		s := r.ratios(c)
		colour := "#2e8b57"
		if c.less && s.median > 1 || !c.less && s.median < 1 {
			colour = "#d9822b"
		}
		from, to := min(at(1), at(s.median)), max(at(1), at(s.median))
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s: %s</text>`, left-8, y+15, html.EscapeString(r.name), c.name)
		fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="16" fill="%s"/>`, from, y+3, to-from, colour)
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#123"/>`, at(s.low), at(s.high), y+11, y+11)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%s</text>`+"\n", max(to, at(s.high))+6, y+15, short(s.median))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
