// Command load puts load on a server of bench/server, or another one that
// speaks one of its dialects, and prints one line of JSON.
//
// Everything that is measured is read by one thread with epoll, so that the load
// costs less than the server; give each a core of its own. Linux only.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

// A run is what the flags ask for, and what comes out.
type run struct {
	addr      string
	dialect   dialect
	transport string // of the subscribers: ws, sse or lp
	n         int
	window    int
	rate      float64
	size      int
	messages  int
	groups    int
	members   int
	pid       int
	stats     string
	warmup    time.Duration
	duration  time.Duration

	loop    *loop
	latency histogram
	text    []byte
	out     map[string]any
}

var scenarios = map[string]func(*run) error{
	"broadcast": broadcast, "echo": echo, "idle": idle, "connect": connect, "reconnect": reconnect,
}

func main() {
	r := &run{out: make(map[string]any)}
	scenario := flag.String("scenario", "broadcast", "broadcast, echo, idle, connect or reconnect")
	name := flag.String("dialect", "raw", "raw, classic, core, core-msgpack or socketio")
	flag.StringVar(&r.addr, "addr", "127.0.0.1:8080", "`address` of the server")
	flag.StringVar(&r.transport, "transport", "ws", "of the subscribers: ws, sse or lp")
	flag.IntVar(&r.n, "n", 1000, "connections")
	flag.IntVar(&r.window, "window", 50, "broadcast: how many may be on their way")
	flag.Float64Var(&r.rate, "rate", 0, "broadcast: how many a second; 0 for as many as the window lets")
	flag.IntVar(&r.size, "size", 48, "bytes of a text")
	flag.IntVar(&r.messages, "messages", 100, "reconnect: how many each client missed")
	flag.IntVar(&r.groups, "groups", 0, "broadcast: spread the connections over so many groups, and send to one")
	flag.IntVar(&r.members, "members", 0, "broadcast: so many are in the one that is sent to, and one in each of the others")
	flag.IntVar(&r.pid, "pid", 0, "process of the server, for its time and memory")
	flag.StringVar(&r.stats, "stats", "", "idle: `path` that makes the server collect garbage")
	flag.DurationVar(&r.warmup, "warmup", time.Second, "before measuring")
	flag.DurationVar(&r.duration, "d", 5*time.Second, "measured time")
	flag.Parse()

	err := r.do(*scenario, *name)
	if err != nil {
		r.out["error"] = err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(r.out)
	if err != nil {
		os.Exit(1)
	}
}

func (r *run) do(scenario, name string) error {
	f, ok := scenarios[scenario]
	if !ok {
		return fmt.Errorf("there is no scenario %q", scenario)
	}
	if r.dialect, ok = dialects[name]; !ok {
		return fmt.Errorf("there is no dialect %q", name)
	}
	l, err := newLoop()
	if err != nil {
		return err
	}
	defer l.close()
	r.loop = l
	r.text = make([]byte, max(r.size, markLen))
	for i := range r.text {
		r.text[i] = 'x'
	}
	if err := f(r); err != nil {
		return err
	}
	if l.lost > 0 {
		return fmt.Errorf("the server closed %d connections", l.lost)
	}
	if r.latency.count > 0 {
		r.out["p50_ms"], r.out["p99_ms"] = r.latency.quantile(.5), r.latency.quantile(.99)
	}
	return nil
}
