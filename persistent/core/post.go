package core

import (
	"errors"
	"io"

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
	l.mu.Unlock()
	switch {
	case kind == transports.WebSockets:
		return errPost
	case at == ended:
		return errUnknownID
	}
	select {
	case l.posts <- struct{}{}:
		defer func() { <-l.posts }()
	case <-q.r.Context().Done():
		return errBody
	}
	if err := q.copy(l); err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "text/plain")
	q.w.Header().Set("Content-Length", "0")
	return nil
}

// copy feeds the body to the link.
func (q *request) copy(l *link) *negotiate.Refusal {
	b := readBuffers.Get().(*[largeRead]byte)
	defer readBuffers.Put(b)
	for {
		n, err := q.r.Body.Read(b[:])
		if n > 0 {
			if err := l.feed(q.r.Context(), nil, b[:n]); err != nil {
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
