package hubtest

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/persistent/dialect"
)

// patience bounds how long a test waits for the server.
const patience = 20 * time.Second

// A Server is a hub server with clients that live in the test. Hubs are
// registered with its Server field.
type Server struct {
	*hub.Server

	t    testing.TB
	host dialect.Host
	ids  atomic.Int64

	aside sync.WaitGroup // the answers and uploads of the clients
}

// NewServer returns a server, which is shut down when the test ends. The
// families of o stay reachable over HTTP. Without a Logger it logs nothing.
func NewServer(t testing.TB, o hub.Options) *Server {
	t.Helper()
	s := &Server{t: t}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	// First, since a dialect may take every request that it is shown.
	if len(o.Families) == 0 {
		o.Families = hub.DefaultFamilies()
	}
	o.Families = append([]codec.Family{s.family()}, o.Families...)
	s.Server = hub.NewServer(o)
	s.meetHost()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("hubtest: shutdown: %v", err)
		}
		s.aside.Wait()
	})
	return s
}

// meetHost makes the request by which the dialect gets to know its host.
func (s *Server) meetHost() {
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, introduction, nil))
}

// A Dial says who connects, and how.
type Dial struct {
	User   string   // "" for nobody
	Hubs   []string // to listen to
	Query  url.Values
	Header http.Header
}

// Connect connects a client that listens to the hubs. It fails the test if the
// client is refused.
func (s *Server) Connect(user string, hubs ...string) *Client {
	s.t.Helper()
	c, err := s.Dial(Dial{User: user, Hubs: hubs})
	if err != nil {
		s.t.Fatalf("hubtest: connect: %v", err)
	}
	return c
}

// Dial connects a client. The error is the *negotiate.Refusal of one that may
// not, or what a life-cycle method returned.
func (s *Server) Dial(d Dial) (*Client, error) {
	r := httptest.NewRequest(http.MethodGet, "/?"+d.Query.Encode(), nil)
	for k, v := range d.Header {
		r.Header[k] = v
	}
	adm, err := s.host.Admit(r, d.User, d.Hubs)
	if err != nil {
		return nil, err
	}
	id := "client-" + strconv.FormatInt(s.ids.Add(1), 10)
	conn, _, err := s.host.Open(dialect.Opening{
		ID: id, User: d.User, Dialect: name, Protocol: protocol, Request: r, Admission: adm,
	})
	if err != nil {
		return nil, err
	}
	c := &Client{
		ID: id, User: d.User, t: s.t, conn: conn, request: r, admission: adm, aside: &s.aside,
		pending: make(map[string]*Pending), marks: make(map[string]chan struct{}),
	}
	if err := c.attach(dialect.Exchange{Connect: true}); err != nil {
		return nil, err
	}
	if err := conn.Start(); err != nil {
		return nil, err
	}
	return c, nil
}
