package hub_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
	"github.com/hubwire/hubwire/test/leaks"
)

func TestMain(m *testing.M) { leaks.VerifyTestMain(m) }

// newServer returns a server that is shut down when the test ends. Who makes a
// request is told by its query.
func newServer(t testing.TB, o hub.Options) *hub.Server {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Authenticate == nil {
		o.Authenticate = func(r *http.Request) (string, error) { return r.URL.Query().Get("user"), nil }
	}
	s := hub.NewServer(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), classictest.Patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return s
}

// A site is a server on a real port.
type site struct {
	*hub.Server
	t   testing.TB
	url string
}

func newSite(t testing.TB, o hub.Options) *site {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	t.Cleanup(web.Close)
	s := newServer(t, o) // shut down before web closes
	mux := http.NewServeMux()
	mux.Handle("/signalr/", s)
	web.Config.Handler = mux
	web.Start()
	return &site{s, t, web.URL + "/signalr"}
}

// client returns a client that is not connected yet.
func (s *site) client(user string, hubs ...string) *classictest.Client {
	s.t.Helper()
	c := classictest.New(s.t, s.url).Hubs(hubs...)
	if user != "" {
		c.Query.Set("user", user)
	}
	return c
}

// A guest is a client that is connected.
type guest struct {
	*classictest.Client
	*classictest.Stream
	t    testing.TB
	kept []string // messages that have come already
}

// connect connects a client that listens to the hubs.
func (s *site) connect(transport, user string, hubs ...string) *guest {
	s.t.Helper()
	c := s.client(user, hubs...)
	return &guest{Client: c, Stream: c.Open(transport), t: s.t}
}

func (g *guest) id() string { return g.Answer.ConnectionID }

// invoke calls a hub method.
func (g *guest) invoke(hub, method string, args ...any) classictest.Result {
	g.t.Helper()
	return g.Client.Invoke(g.Stream, hub, method, args...)
}

// ok calls a hub method, which must succeed.
func (g *guest) ok(hub, method string, args ...any) classictest.Result {
	g.t.Helper()
	r := g.invoke(hub, method, args...)
	if r.E != "" {
		g.t.Fatalf("%s.%s: %s", hub, method, r.Raw)
	}
	return r
}

// messages returns the next n messages. More may have come with them; they are
// kept.
func (g *guest) messages(why string, n int) []string {
	g.t.Helper()
	for len(g.kept) < n {
		g.keep(g.next(why))
	}
	m := g.kept[:n]
	g.kept = g.kept[n:]
	return m
}

// next returns the next frame. What connected by long polling is at its end.
func (g *guest) next(why string) classictest.Frame {
	g.t.Helper()
	if g.Transport != "longPolling" {
		return g.Frame(why)
	}
	return g.Poll().Frame(why)
}

func (g *guest) keep(f classictest.Frame) {
	for _, m := range f.M {
		g.kept = append(g.kept, string(m))
	}
}

// want checks the next message.
func (g *guest) want(why, message string) {
	g.t.Helper()
	if got := g.messages(why, 1)[0]; got != message {
		g.t.Fatalf("%s: got %s, want %s", why, got, message)
	}
}

// begin sends a call over a WebSocket and returns its id.
func (g *guest) begin(hub, method string, args ...any) string {
	g.t.Helper()
	payload, id := g.Invocation(hub, method, args...)
	g.Write(payload)
	return id
}

// results reads what comes over a WebSocket up to the results of the calls,
// in whatever order they come.
func (g *guest) results(ids ...string) map[string]classictest.Result {
	g.t.Helper()
	got := make(map[string]classictest.Result)
	for len(got) < len(ids) {
		text, err := g.Raw()
		if err != nil {
			g.t.Fatalf("results of %q: %v", ids, err)
		}
		if strings.Contains(text, `"I":`) && !strings.Contains(text, `"C":`) {
			r := classictest.ParseResult(g.t, text)
			got[*r.I] = r
			continue
		}
		var f classictest.Frame
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			g.t.Fatal(err)
		}
		g.keep(f)
	}
	return got
}

// wantQuiet sends a marker to the guest alone and checks that nothing else
// came before it.
func (g *guest) wantQuiet(why string, mark func(id, text string) error) {
	g.t.Helper()
	if err := mark(g.id(), "marker"); err != nil {
		g.t.Fatal(err)
	}
	if got := g.messages(why, 1)[0]; !strings.Contains(got, "marker") {
		g.t.Fatalf("%s: got %s", why, got)
	}
}

// transportNames are those that most tests run on.
var transportNames = []string{"webSockets", "serverSentEvents", "longPolling"}

// onEach runs a test on several transports.
func (s *site) onEach(t *testing.T, f func(t *testing.T, s *site, transport string)) {
	t.Helper()
	for _, name := range transportNames {
		t.Run(name, func(t *testing.T) { f(t, &site{s.Server, t, s.url}, name) })
	}
}

// A notebook collects lines from several goroutines.
type notebook struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{}
}

func (n *notebook) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
	if n.more != nil {
		close(n.more)
		n.more = nil
	}
}

// wait returns when there are count lines.
func (n *notebook) wait(t testing.TB, count int) []string {
	t.Helper()
	deadline := time.After(classictest.Patience)
	for {
		n.mu.Lock()
		lines := append([]string(nil), n.lines...)
		if n.more == nil {
			n.more = make(chan struct{})
		}
		more := n.more
		n.mu.Unlock()
		if len(lines) >= count {
			return lines
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("got %q, want %d lines", lines, count)
		}
	}
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// wrap returns a site whose requests go through a middleware.
func wrap(t testing.TB, s *hub.Server, middleware func(http.Handler) http.Handler) *site {
	t.Helper()
	web := httptest.NewServer(middleware(s))
	t.Cleanup(web.Close)
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	return &site{s, t, web.URL + "/signalr"}
}
