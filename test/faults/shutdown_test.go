package faults_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A handle is one server's handle of a log that outlives it.
type handle struct {
	messagelog.Log
	closed atomic.Bool
}

// Append appends until the handle is closed.
func (h *handle) Append(e *messagelog.Entry) error {
	if h.closed.Load() {
		return messagelog.ErrClosed
	}
	return h.Log.Append(e)
}

// Close leaves the log to the next server.
func (h *handle) Close() error {
	h.closed.Store(true)
	return nil
}

// A server shuts down under load and another one takes its port. The calls that
// run come to their end, the clients are told to come back, and do. Where the log
// is handed on nothing is lost to SignalR 2 clients; where it dies with its server
// each of them that missed something is told. Core clients begin anew, and have by
// then what was sent before the shutdown, unless they were between two polls.
func TestShutdownUnderLoad(t *testing.T) {
	kept := messagelog.NewMemory(messagelog.MemoryOptions{Retention: time.Hour})
	for name, log := range map[string]func() messagelog.Log{
		"log handed on": func() messagelog.Log { return &handle{Log: kept} },
		"log lost":      func() messagelog.Log { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testShutdown(t, log, name == "log lost")
		})
	}
}

func testShutdown(t *testing.T, log func() messagelog.Log, lost bool) {
	settings := func() persistent.Options {
		o := patient()
		o.Log = log()
		return o
	}
	w := hubWorld(settings())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	first := serveOn(l, w.handler)
	r := &run{TB: t, base: "http://" + address, worlds: []*world{w}}
	r.enlist(60, func(m *member) { m.method, m.quiet = "think", giveUp })
	r.settle()
	publishing, stop := context.WithCancel(t.Context())
	published := make(chan struct{})
	go func() {
		defer close(published)
		w.publishing(publishing, 50, rand.New(rand.NewPCG(*seed, 1)))
	}()
	for before := w.now(); w.begun.Load() == 0 || w.now() < before+50; {
		time.Sleep(20 * time.Millisecond)
	}

	ctx, cancel := context.WithTimeout(t.Context(), giveUp)
	defer cancel()
	old := w.endpoint
	r.sure(w.now())
	started := time.Now()
	if err := errors.Join(w.shutdown(ctx), first.Shutdown(ctx)); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	took := time.Since(started)
	if b, e := w.begun.Load(), w.thought.Load(); b == 0 || b != e {
		t.Errorf("of %d calls that began %d came to their end", b, e)
	}
	if left := w.lives(); left > 0 {
		t.Errorf("%d connections have had no disconnected event after the shutdown", left)
	}
	w.serveHub(settings())
	if l, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	second := serveOn(l, w.handler)
	time.Sleep(time.Second)
	stop()
	<-published
	r.settle()
	r.finish()
	if err := second.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	rows := r.audit()
	t.Logf("shut down in %v; gaps counted %d, %d\n%s", took, old.Stats().Gaps, w.endpoint.Stats().Gaps, table(rows))
	for _, row := range rows {
		if !row.clean() || len(row.wrong) > 0 {
			t.Errorf("%s: something went wrong: %q %q", row.family.name, row.trouble, row.wrong)
		}
		if row.called == 0 {
			t.Errorf("%s: no client was told to come back", row.family.name)
		}
		if told := row.family == classicFamily && lost; told != (row.gaps > 0) {
			t.Errorf("%s: gaps were told %d times", row.family.name, row.gaps)
		}
		want := 20
		if row.family != classicFamily {
			want = 40
		}
		if row.lives != want {
			t.Errorf("%s: there were %d connections, want %d", row.family.name, row.lives, want)
		}
	}
}

// sure makes it a mistake if the current connections of clients that do not poll
// lose a message up to n, whatever their end.
func (r *run) sure(n int64) {
	for _, m := range r.members {
		m.mu.Lock()
		if l := m.lives[len(m.lives)-1]; l.began != "longPolling" {
			l.sure = n
		}
		m.mu.Unlock()
	}
}

func serveOn(l net.Listener, h http.Handler) *http.Server {
	s := &http.Server{Handler: h}
	go func() { _ = s.Serve(l) }()
	return s
}

// lives returns how many connections the program knows of.
func (w *world) lives() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.live)
}

// Calls that do not end before the deadline see their context end, and Shutdown
// says so. What they do then is waited for by nobody, but the process goes on.
func TestShutdownDeadline(t *testing.T) {
	begun, let := make(chan struct{}), make(chan struct{})
	var saw atomic.Bool
	s, err := persistent.NewServer(persistent.Handler{OnReceived: func(c *persistent.Conn, _ []byte) error {
		close(begun)
		<-c.Context().Done()
		saw.Store(true)
		<-let
		return nil
	}}, options())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld("/raw")
	w.handler = s
	r := launchBare(t, w)
	st := classictest.New(t, r.base+"/raw").Open("webSockets")
	st.Write("a call that hangs")
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown returns %v", err)
	}
	close(let)
	if err := s.Shutdown(t.Context()); err != nil || !saw.Load() {
		t.Errorf("a second Shutdown returns %v; the call saw the end of its context: %v", err, saw.Load())
	}
}
