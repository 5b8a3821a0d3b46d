package hub

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A Server serves hubs to clients: an http.Handler for one path and all that
// lies below it. All methods may be called from any goroutine.
type Server struct {
	// Immutable after NewServer.
	opts      Options
	endpoint  *persistent.Endpoint
	codecs    map[*messagelog.Protocol]codec.Codec
	encodings []codec.Encoding // of all families
	assets    []asset
	stopping  context.Context // ends when Shutdown begins
	stop      context.CancelFunc

	calls     inFlight // the calls that were taken and are not over
	attending inFlight // the connections whose presence is tracked

	register sync.Mutex // held while hubs changes
	hubs     atomic.Pointer[hubTable]
	inUse    atomic.Pointer[[]codec.Encoding] // what client calls are encoded in
}

// A hubTable is the set of registered hubs. It is replaced, never changed.
type hubTable struct {
	names nameTable[*core]
	site  *codec.Site
}

// NewServer returns a server without hubs. It panics if the options are not
// valid; [Options.Validate] tells beforehand.
func NewServer(o Options) *Server {
	if err := o.Validate(); err != nil {
		panic(err)
	}
	s := &Server{opts: o.withDefaults(), codecs: make(map[*messagelog.Protocol]codec.Codec)}
	s.stopping, s.stop = context.WithCancel(context.Background())
	for _, f := range s.opts.Families {
		s.addFamily(f)
	}
	inUse := s.encodings[:1:1]
	if s.opts.Log != nil { // which may have readers that we know nothing of
		inUse = s.encodings
	}
	s.inUse.Store(&inUse)
	endpoint, err := persistent.New(s.opts.Options, application{s})
	if err != nil {
		panic(err)
	}
	s.endpoint = endpoint
	s.opts.Options = endpoint.Options()
	s.hubs.Store(&hubTable{site: s.site(nil)})
	return s
}

func (s *Server) addFamily(f codec.Family) {
	for _, c := range f.Codecs {
		s.codecs[c.Protocol()] = c
		if !slices.Contains(s.encodings, c.Encoding()) {
			s.encodings = append(s.encodings, c.Encoding())
		}
	}
	if f.Assets != nil {
		s.assets = append(s.assets, f.Assets)
	}
}

// ServeHTTP serves one request of a client, below whatever path it is mounted.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.serveAsset(w, r) {
		return
	}
	s.endpoint.ServeHTTP(w, r)
}

// Shutdown stops taking connections and calls, lets the calls that it has taken
// finish, tells clients to come back elsewhere, and returns when nothing is left
// running or ctx ends. A call may still wait for the answer of a client, or for
// a stream from it. A stream to a client, which may well have no end, ends at
// once, and tells it why.
func (s *Server) Shutdown(ctx context.Context) error {
	s.endpoint.Drain()
	idle := s.calls.close()
	s.stop()
	late := await(ctx, idle)
	if err := cmp.Or(s.endpoint.Shutdown(ctx), late, await(ctx, s.attending.close())); err != nil {
		return err
	}
	return s.settlePresence(ctx)
}

// settlePresence waits until all notices are given.
func (s *Server) settlePresence(ctx context.Context) error {
	for _, h := range s.hubs.Load().names.values() {
		if h.presence == nil {
			continue
		}
		if err := await(ctx, h.presence.notices.Idle()); err != nil {
			return err
		}
	}
	return nil
}

// Endpoint returns the connections below the hubs.
func (s *Server) Endpoint() *persistent.Endpoint { return s.endpoint }

// hub returns the hub with the name, in any case.
func (s *Server) hub(name string) (*core, bool) { return s.hubs.Load().names.find(name) }

// add makes a hub known.
func (s *Server) add(h *core) error {
	s.register.Lock()
	defer s.register.Unlock()
	old := s.hubs.Load()
	if other, ok := old.names.find(h.name); ok {
		return &RegistrationError{Hub: h.name, Text: "a hub named \"" + other.name + "\" is registered already"}
	}
	names := old.names.with(h.name, h)
	s.hubs.Store(&hubTable{names: names, site: s.site(names.values())})
	return nil
}

func (s *Server) site(hubs []*core) *codec.Site {
	site := &codec.Site{
		PublicPath: s.opts.PublicPath,
		JSONP:      s.opts.JSONP,
		NoProxies:  s.opts.DisableProxies,
	}
	for _, h := range hubs {
		site.Hubs = append(site.Hubs, h.describe())
	}
	slices.SortFunc(site.Hubs, func(a, b codec.HubDescriptor) int { return strings.Compare(a.Name, b.Name) })
	return site
}

// reserved reports whether a hub of that name would hide a path of a family or
// one of the server's files.
func (s *Server) reserved(name string) bool {
	for _, f := range s.opts.Families {
		if slices.ContainsFunc(f.Reserved, func(r string) bool { return strings.EqualFold(r, name) }) {
			return true
		}
	}
	return false
}
