package persistent

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/classic"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
	"github.com/hubwire/hubwire/transports"
)

// Options configure an [Endpoint]. The zero value works and is safe for one
// process. They are copied; later changes have no effect.
type Options struct {
	// Transports are the transports that clients may use, in any order. By
	// default all are allowed.
	Transports []transports.Kind

	// KeepAlive is how long the server stays silent towards a connected
	// client: a third of DisconnectTimeout by default. It is at least 2 s and
	// at most a third of DisconnectTimeout. Negative turns keep-alives off.
	KeepAlive time.Duration

	// DisconnectTimeout is how long a client may be without a transport before
	// it counts as gone. Default 30 s, at least 6 s. It bounds as well, with
	// four times TransportConnectTimeout, how long one may listen without having
	// started.
	DisconnectTimeout time.Duration

	// ConnectionTimeout is how long a poll is held open with nothing to say.
	// Default 110 s.
	ConnectionTimeout time.Duration

	// TransportConnectTimeout is how long clients wait for a transport before
	// they try the next one. Default 5 s.
	TransportConnectTimeout time.Duration

	// LongPollDelay makes long-polling clients wait between polls. Default 0.
	LongPollDelay time.Duration

	// SendTimeout bounds one write to a client that does not read. The
	// client then loses its transport, not its messages. Default 10 s.
	SendTimeout time.Duration

	// BodyTimeout bounds how long a client may take to send the body of a
	// request. Default 30 s. A shorter ReadTimeout of the http.Server counts
	// instead; its ReadHeaderTimeout bounds what comes before the body.
	BodyTimeout time.Duration

	// MaxMessageSize bounds one incoming message, in bytes. Default 65,536;
	// negative means no bound, which lets any client fill the memory.
	MaxMessageSize int64

	// MaxConnectionData bounds the list of hubs that a request names, in
	// bytes. Default 8,192.
	MaxConnectionData int

	// MaxGroups bounds the groups of one connection. Default 1,000.
	MaxGroups int

	// MaxQueued and MaxQueuedBytes bound the messages that wait for a client
	// that reads slower than they come, the answers to its calls among them.
	// Beyond it the client loses its transport and, when it comes back, is given
	// from the log what is there: the messages. Defaults 4,096 messages and
	// 4 MiB.
	MaxQueued      int
	MaxQueuedBytes int

	// MaxQueuedCalls bounds the calls of one connection that wait for an
	// earlier one. Default 256.
	MaxQueuedCalls int

	// MaxConnections bounds the live connections, those that have not started
	// included. Beyond it new ones are refused with 503. Default 0: no bound.
	MaxConnections int

	// MaxPerOwner bounds the live connections of one owner, beyond which new
	// ones are refused with 429. Default 0: no bound. Owner names whom a new
	// connection counts for, "" for nobody: by default the user, or the address
	// of a request of nobody. Behind a proxy set Owner, since every address is
	// that of the proxy there.
	MaxPerOwner int
	Owner       func(r *http.Request, user string) string

	// MaxRate bounds how many messages a second a connection may send, over
	// time; at most MaxBurst come at once, by default two seconds' worth.
	// Beyond it a send is refused with 429, and a WebSocket closed with the
	// code 1008. Default 0: no bound.
	MaxRate  float64
	MaxBurst int

	// Keys seal the tokens that clients carry. The first one seals, all are
	// good for opening, so that keys can change without dropping anyone. By
	// default there is one random key, which means that clients cannot come
	// back after a restart or to another process.
	Keys []negotiate.Key

	// Authenticate tells who makes a request, "" for nobody. An error refuses
	// the request: a *negotiate.Refusal as it is, any other with 401. By
	// default nobody is known.
	Authenticate func(*http.Request) (user string, err error)

	// AllowedOrigins are the origins, beside the server's own, whose pages may
	// connect, for example "https://app.example.com". See
	// [negotiate.NewOrigins].
	AllowedOrigins []string

	// JSONP turns JSONP on, for pages of other origins in browsers that know
	// nothing of CORS. It lets every page on the web read what its visitors
	// are sent: leave it off.
	JSONP bool

	// Log keeps the messages. By default it is a messagelog.Memory, whose
	// retention outlasts every time that a client may be away.
	Log messagelog.Log

	// Logger is where the endpoint logs. Default slog.Default().
	Logger *slog.Logger

	// PublicPath tells the path of a request as the client sees it. By default
	// it is that of the request line, which is right below any router but not
	// behind a proxy that rewrites paths.
	PublicPath func(*http.Request) string

	// Dialects are the client families that are served, the first that
	// recognises a request. Default: SignalR 2.
	Dialects []dialect.Dialect
}

// Validate returns what is wrong with o, or nil.
func (o Options) Validate() error {
	_, err := o.settings()
	if err != nil {
		return fmt.Errorf("persistent: %w", err)
	}
	if _, err := negotiate.NewOrigins(o.AllowedOrigins); err != nil {
		return fmt.Errorf("persistent: %w", err)
	}
	if _, err := negotiate.NewKeyring(o.Keys...); err != nil {
		return fmt.Errorf("persistent: %w", err)
	}
	return nil
}

func (o Options) settings() (*dialect.Settings, error) {
	t, err := negotiate.Timeouts{
		KeepAlive:               o.KeepAlive,
		DisconnectTimeout:       o.DisconnectTimeout,
		ConnectionTimeout:       o.ConnectionTimeout,
		TransportConnectTimeout: o.TransportConnectTimeout,
		LongPollDelay:           o.LongPollDelay,
	}.WithDefaults()
	if err != nil {
		return nil, err
	}
	if !(o.MaxRate >= 0) {
		return nil, errors.New("a limit is negative")
	}
	for _, n := range []int{o.MaxConnectionData, o.MaxGroups, o.MaxQueued, o.MaxQueuedBytes, o.MaxQueuedCalls, o.MaxConnections, o.MaxPerOwner, o.MaxBurst} {
		if n < 0 {
			return nil, errors.New("a limit is negative")
		}
	}
	s := &dialect.Settings{
		KeepAlive:               max(t.KeepAlive, 0),
		DisconnectTimeout:       t.DisconnectTimeout,
		ConnectionTimeout:       t.ConnectionTimeout,
		TransportConnectTimeout: t.TransportConnectTimeout,
		LongPollDelay:           t.LongPollDelay,
		SendTimeout:             or(o.SendTimeout, 10*time.Second),
		MaxMessageSize:          or(o.MaxMessageSize, 65536),
		MaxConnectionData:       or(o.MaxConnectionData, 8192),
		JSONP:                   o.JSONP,
		Transports:              make(map[transports.Kind]bool),
	}
	kinds := o.Transports
	if len(kinds) == 0 {
		kinds = []transports.Kind{transports.WebSockets, transports.ServerSentEvents, transports.ForeverFrame, transports.LongPolling}
	}
	for _, k := range kinds {
		if k.String() == "" {
			return nil, fmt.Errorf("unknown transport %d", k)
		}
		s.Transports[k] = true
	}
	return s, nil
}

// withDefaults returns o with everything filled in that settings leaves.
func (o Options) withDefaults(s *dialect.Settings) Options {
	o.MaxGroups = or(o.MaxGroups, 1000)
	o.MaxQueued = or(o.MaxQueued, 4096)
	o.MaxQueuedBytes = or(o.MaxQueuedBytes, 4<<20)
	o.MaxQueuedCalls = or(o.MaxQueuedCalls, 256)
	o.BodyTimeout = or(o.BodyTimeout, 30*time.Second)
	o.MaxBurst = or(o.MaxBurst, max(1, int(2*o.MaxRate)))
	if o.Owner == nil {
		o.Owner = userOrAddress
	}
	if o.Authenticate == nil {
		o.Authenticate = func(*http.Request) (string, error) { return "", nil }
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.PublicPath == nil {
		o.PublicPath = requestPath
	}
	if len(o.Dialects) == 0 {
		o.Dialects = []dialect.Dialect{classic.New()}
	}
	o.Dialects = slices.Clone(o.Dialects)
	if o.Log == nil {
		o.Log = messagelog.NewMemory(messagelog.MemoryOptions{Retention: o.away(s)})
	}
	return o
}

// away is for how long a client may be away at most, and a while longer.
func (o Options) away(s *dialect.Settings) time.Duration {
	away := max(2*(s.DisconnectTimeout+2*s.KeepAlive), s.ConnectionTimeout+s.DisconnectTimeout)
	for _, d := range o.Dialects {
		if p, ok := d.(dialect.Patient); ok {
			away = max(away, p.Away())
		}
	}
	return away
}

// requestPath is the path of the request line: routers that cut prefixes off
// leave it alone.
func requestPath(r *http.Request) string {
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		return u.Path
	}
	return r.URL.Path
}

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
