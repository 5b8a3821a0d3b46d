package persistent

import (
	"net/http"
	"time"
)

// timeBody bounds how long the client may take to send the body of the request.
// The bound goes away with the end of the body (net/http sees to it): transports
// and calls may take longer.
func timeBody(w http.ResponseWriter, r *http.Request, limit time.Duration) {
	if r.ContentLength == 0 || limit <= 0 {
		return
	}
	s, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if ok && 0 < s.ReadTimeout && s.ReadTimeout < limit {
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limit))
}
