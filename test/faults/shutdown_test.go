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
// is handed on nothing is lost; where it dies with its server every client that
// missed something is told.
func TestShutdownUnderLoad(t *testing.T) {
	kept := messagelog.NewMemory(messagelog.MemoryOptions{})
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
		o := options()
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
	r.enlist(60, func(m *member) { m.method = "think" })
	r.settle(time.Minute)
	publishing, stop := context.WithCancel(t.Context())
	published := make(chan struct{})
	go func() {
		defer close(published)
		w.publishing(publishing, 50, rand.New(rand.NewPCG(*seed, 1)))
	}()
	time.Sleep(time.Second)

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	old := w.endpoint
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
	r.settle(time.Minute)
	r.finish()
	if err := second.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	v, b := r.verdict(w)
	t.Logf("shut down in %v; %v; gaps counted %d, %d; %+v", took, v, old.Stats().Gaps, w.endpoint.Stats().Gaps, b)
	if !v.clean() || b.wrong > 0 {
		t.Error("something went wrong")
	}
	if b.called == 0 {
		t.Error("no client was told to come back")
	}
	if lost != (v.gaps > 0) {
		t.Errorf("gaps were told %d times", v.gaps)
	}
	if v.lives != 60 {
		t.Errorf("%d clients had to begin anew", v.lives-60)
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
