package persistent_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
	"github.com/hubwire/hubwire/test/leaks"
)

func TestMain(m *testing.M) { leaks.VerifyTestMain(m) }

// A server is a raw server on a real port, whose events are noted.
type server struct {
	*persistent.Server
	t      testing.TB
	url    string
	events events
}

// events notes what the application was told, in order.
type events struct {
	mu   sync.Mutex
	list []string
	more chan struct{}
}

func (e *events) add(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, fmt.Sprintf(format, args...))
	if e.more != nil {
		close(e.more)
		e.more = nil
	}
}

func (e *events) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.list...)
}

// wait returns when n events have been noted.
func (e *events) wait(n int) []string {
	for {
		e.mu.Lock()
		if len(e.list) >= n {
			defer e.mu.Unlock()
			return append([]string(nil), e.list...)
		}
		if e.more == nil {
			e.more = make(chan struct{})
		}
		more := e.more
		e.mu.Unlock()
		<-more
	}
}

// raw returns a raw server that is not reachable yet. Its functions note the
// events, and then do what h says.
func raw(t testing.TB, h persistent.Handler, o persistent.Options) *server {
	t.Helper()
	s := &server{t: t}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	noted := h
	noted.OnConnected = func(c *persistent.Conn) error {
		s.events.add("connected")
		if h.OnConnected != nil {
			return h.OnConnected(c)
		}
		return nil
	}
	noted.OnReconnected = func(c *persistent.Conn, m persistent.Missed) error {
		s.events.add("reconnected gap=%v", m.Gap)
		if h.OnReconnected != nil {
			return h.OnReconnected(c, m)
		}
		return nil
	}
	noted.OnDisconnected = func(c *persistent.Conn, stopCalled bool) {
		s.events.add("disconnected stop=%v", stopCalled)
		if h.OnDisconnected != nil {
			h.OnDisconnected(c, stopCalled)
		}
	}
	var err error
	if s.Server, err = persistent.NewServer(noted, o); err != nil {
		t.Fatal(err)
	}
	return s
}

// start makes the server reachable. It is shut down when the test ends.
func start(t testing.TB, h persistent.Handler, o persistent.Options) *server {
	t.Helper()
	s := raw(t, h, o)
	hs := httptest.NewServer(s.Server)
	s.url = hs.URL + "/raw"
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error("shutdown:", err)
		}
		hs.Close()
	})
	return s
}

func (s *server) client() *classictest.Client { return classictest.New(s.t, s.url) }

func (s *server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) wantEvents(why string, want ...string) {
	s.t.Helper()
	if got := s.events.all(); fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Errorf("%s: events are %q, want %q", why, got, want)
	}
}

// numbered returns the texts of n numbered messages.
func numbered(from, to int) []string {
	var list []string
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

func wantSame(t testing.TB, why string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %d messages, want %d: %.200v", why, len(got), len(want), got)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: message %d is %s, want %s", why, i, got[i], want[i])
		}
	}
}
