package core

import (
	"context"
	"errors"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/transports"
)

// serveEvents opens an event stream, which lasts as long as the connection.
func (q *request) serveEvents() *negotiate.Refusal {
	if err := q.enabled(transports.ServerSentEvents); err != nil {
		return err
	}
	l, err := q.link()
	if err != nil {
		return err
	}
	if err := l.bind(q, transports.ServerSentEvents); err != nil {
		return err
	}
	stream, openErr := q.openEvents()
	if openErr != nil {
		l.abandon()
		if !errors.Is(openErr, transports.ErrNoFlush) {
			return nil // the client is gone
		}
		q.host.Logger().Error("hubwire: cannot open a transport", "transport", transports.ServerSentEvents, "err", openErr)
		return errStreaming
	}
	l.attached()
	l.streamEvents(q.r.Context(), stream)
	return nil
}

func (q *request) openEvents() (*transports.EventStream, error) {
	h := q.w.Header()
	h.Set("Pragma", "no-cache")
	h.Set("Content-Encoding", "identity")
	s, err := transports.NewServerSentEvents(q.w, q.r, transports.Options{WriteTimeout: q.host.Settings().SendTimeout})
	if err != nil {
		h.Del("Content-Encoding")
		return nil, err
	}
	return s, s.Comment("")
}

// streamEvents writes on the handler's goroutine, once the handshake is done.
func (l *link) streamEvents(ctx context.Context, stream *transports.EventStream) {
	if !l.shaken(ctx) {
		l.abandon()
		if words := l.collect(); len(words) > 0 {
			_ = stream.Send([][]byte{words})
		}
		return
	}
	l.mu.Lock()
	x := dialect.Exchange{
		Request:   l.request,
		Admission: l.admission,
		Stream:    stream,
		Framer:    &sharer{framer{link: l}},
		Final:     true,
		KeepAlive: l.opts.KeepAlive,
	}
	conn := l.conn
	l.mu.Unlock()
	a, err := conn.Attach(x)
	if err != nil {
		return // it has ended since
	}
	l.start()
	_ = a.Run(ctx)
}

// shaken waits for the end of the handshake. It reports whether there is a
// connection.
func (l *link) shaken(ctx context.Context) bool {
	for {
		at := l.at()
		if at > shaking {
			return at != ended
		}
		select {
		case <-l.past(at):
		case <-ctx.Done():
			return false
		}
	}
}
