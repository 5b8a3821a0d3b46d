package persistent

import (
	"io"
	"net/http"
	"time"
)

// timeBody bounds how long the client may take to send the body of the request.
// What a request's handler waits for later has no bound of this kind: transports
// and calls take their time.
func timeBody(w http.ResponseWriter, r *http.Request, limit time.Duration) *http.Request {
	if r.ContentLength == 0 || limit <= 0 {
		return r
	}
	control := http.NewResponseController(w)
	if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); !ok || s.ReadTimeout <= 0 || s.ReadTimeout > limit {
		_ = control.SetReadDeadline(time.Now().Add(limit))
	}
	timed := *r
	timed.Body = &timedBody{r.Body, control}
	return &timed
}

// A timedBody takes the deadline away when all of the body has come: net/http
// goes on reading, to see whether the client is still there.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
