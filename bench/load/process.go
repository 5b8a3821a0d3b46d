package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cpuTime is the time that the threads of a process have run, to the
// nanosecond.
func cpuTime(pid int) time.Duration {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	var sum time.Duration
	for _, f := range files {
		b, _ := os.ReadFile(f)
		first, _, _ := bytes.Cut(b, []byte(" "))
		ns, _ := strconv.ParseInt(string(first), 10, 64)
		sum += time.Duration(ns)
	}
	return sum
}

// memory is the resident memory of a process.
func memory(pid int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// A meter takes the time of a stretch of a run, and the CPU time of both sides.
type meter struct {
	run          *run
	at           time.Time
	server, self time.Duration
	reads        uint64
}

func (r *run) measure() meter {
	return meter{r, time.Now(), cpuTime(r.pid), cpuTime(os.Getpid()), r.loop.reads}
}

// done writes down what n events cost.
func (m meter) done(n uint64) {
	secs := time.Since(m.at).Seconds()
	server, self := cpuTime(m.run.pid)-m.server, cpuTime(os.Getpid())-m.self
	o := m.run.out
	o["events"], o["seconds"] = n, secs
	o["per_second"] = float64(n) / secs
	o["load_cpu"] = self.Seconds() / secs
	if m.run.pid > 0 && n > 0 {
		o["server_cpu"] = server.Seconds() / secs
		o["cpu_us"] = float64(server.Microseconds()) / float64(n)
	}
	if reads := m.run.loop.reads - m.reads; reads > 0 {
		o["per_read"] = float64(n) / float64(reads)
	}
}
