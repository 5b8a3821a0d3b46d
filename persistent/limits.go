package persistent

import (
	"net"
	"net/http"

	"golang.org/x/time/rate"

	"github.com/hubwire/hubwire/negotiate"
)

// Refusals of what is over a limit.
var (
	errFull = &negotiate.Refusal{
		Status: http.StatusServiceUnavailable,
		Reason: "too_many_connections",
		Text:   "The server has as many connections as it takes.",
	}
	errOwnerFull = &negotiate.Refusal{
		Status: http.StatusTooManyRequests,
		Reason: "too_many_connections_of_owner",
		Text:   "You have as many connections as you may.",
	}
	errTooFast = &negotiate.Refusal{
		Status: http.StatusTooManyRequests,
		Reason: "too_many_messages",
		Text:   "You send more messages than you may.",
	}
)

// userOrAddress is the default of Options.Owner. Behind a proxy every address is
// that of the proxy.
func userOrAddress(r *http.Request, user string) string {
	if user != "" {
		return "user " + user
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return "address " + host
}

// owner returns whom a connection that the request opens counts for, or "".
func (e *Endpoint) owner(r *http.Request, user string) string {
	if e.opts.MaxPerOwner == 0 {
		return ""
	}
	return e.opts.Owner(r, user)
}

// room returns why there is no room for one more connection, or nil. Called with
// mu held.
func (e *Endpoint) room(owner string) *negotiate.Refusal {
	switch {
	case e.opts.MaxConnections > 0 && len(e.conns) >= e.opts.MaxConnections:
		return errFull
	case owner != "" && e.owners[owner] >= e.opts.MaxPerOwner:
		return errOwnerFull
	}
	return nil
}

// count counts a connection of the owner, or with -1 discounts it. Called with mu
// held.
func (e *Endpoint) count(owner string, n int) {
	if owner == "" {
		return
	}
	if e.owners[owner] += n; e.owners[owner] == 0 {
		delete(e.owners, owner)
	}
}

// newPace returns what bounds the messages of one connection, nil for no bound.
func (o Options) newPace() *rate.Limiter {
	if o.MaxRate <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(o.MaxRate), o.MaxBurst)
}
