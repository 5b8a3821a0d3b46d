package core

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/transports"
)

// post takes bytes of the client's stream. The answer says no more than that
// they have come (protocols/core.md 2.5).
func (q *request) post() *negotiate.Refusal {
	l, err := q.link()
	if err != nil {
		return err
	}
	l.mu.Lock()
	kind, at := l.kind, l.phase
	if l.posts == nil {
		l.posts = make(chan struct{}, 1) // a lock that a request can stop waiting for
	}
	posts := l.posts
	l.mu.Unlock()
	switch {
	case kind == transports.WebSockets:
		return errPost
	case at == ended:
		return errUnknownID
	}
	if q.turn(posts) != nil {
		return errBody
	}
	defer func() { <-posts }()
	if err := q.copy(l); err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "text/plain")
	q.w.Header().Set("Content-Length", "0")
	return nil
}

// turn waits for the posts before this one.
func (q *request) turn(posts chan struct{}) error {
	select {
	case posts <- struct{}{}:
		return nil
	default:
	}
	defer q.pause(q.r.ContentLength != 0)()
	select {
	case posts <- struct{}{}:
		return nil
	case <-q.r.Context().Done():
		return q.r.Context().Err()
	}
}

// bodyBuffers are what bodies are read into.
var bodyBuffers = sync.Pool{New: func() any { return new([16 << 10]byte) }}

// copy feeds the body to the link.
func (q *request) copy(l *link) *negotiate.Refusal {
	b := bodyBuffers.Get().(*[16 << 10]byte)
	defer bodyBuffers.Put(b)
	for {
		n, err := q.r.Body.Read(b[:])
		if n > 0 {
			more := err == nil
			wait := func(ready <-chan struct{}) error { return q.untilReady(ready, more) }
			if err := l.feed(nil, b[:n], wait); err != nil {
				refusal, ok := errors.AsType[*negotiate.Refusal](err)
				if !ok {
					refusal = errBody
				}
				return refusal
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return errBody
		}
	}
}

// untilReady waits, with more of the body to come or not.
func (q *request) untilReady(ready <-chan struct{}, more bool) error {
	defer q.pause(more)()
	select {
	case <-ready:
		return nil
	case <-q.r.Context().Done():
		return q.r.Context().Err()
	}
}

// pause says that the body is not read for now. If there is more of it, the time
// that the client has for it starts anew with goOn.
func (q *request) pause(more bool) (goOn func()) {
	limit := q.host.BodyTimeout(q.r)
	if !more || limit == 0 {
		return func() {}
	}
	body := http.NewResponseController(q.w)
	_ = body.SetReadDeadline(time.Time{})
	return func() { _ = body.SetReadDeadline(time.Now().Add(limit)) }
}
