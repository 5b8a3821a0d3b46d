package persistent

import (
	"net/http"
	"time"
)

// timeBody bounds how long the client may take to send the body of the request.
// The bound goes away with the end of the body (net/http sees to it): transports
// and calls may take longer.
func (e *Endpoint) timeBody(w http.ResponseWriter, r *http.Request) {
	limit := e.bodyTimeout(r)
	if r.ContentLength == 0 || limit != e.opts.BodyTimeout {
		return // nothing to wait for, or the server's own deadline comes first
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limit))
}

// bodyTimeout is the shorter one of Options.BodyTimeout and the ReadTimeout of
// the server, 0 for none.
func (e *Endpoint) bodyTimeout(r *http.Request) time.Duration {
	limit := max(e.opts.BodyTimeout, 0)
	s, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if ok && s.ReadTimeout > 0 && (limit == 0 || s.ReadTimeout < limit) {
		return s.ReadTimeout
	}
	return limit
}
