package core

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/transports"
)

// A poll is one request of long polling that is held.
type poll struct {
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when it is answered
}

var (
	errSuperseded = errors.New("core: a newer poll came")
	errHeld       = errors.New("core: the poll was held for long enough")
)

// servePoll answers a poll (protocols/core.md 2.6). The first one tells the
// client that the transport works, and carries nothing.
func (q *request) servePoll() *negotiate.Refusal {
	if q.query.Get("id") == "" {
		return errMissingID
	}
	if err := q.enabled(transports.LongPolling); err != nil {
		return err
	}
	l, err := q.link()
	if err != nil {
		return err
	}
	err = l.bind(q, transports.LongPolling)
	if err == nil {
		noCache(q.w.Header())
		q.respondPoll(nil)
		q.host.Go(l.attached) // what came before may have to wait, the client not
		return nil
	}
	if err == errSwitch {
		return err
	}
	noCache(q.w.Header())
	q.hold(l)
	return nil
}

func noCache(h http.Header) {
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")
}

// respondPoll answers with bytes, or none.
func (q *request) respondPoll(body []byte) {
	h := q.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = q.w.Write(body)
}

// endPoll answers a poll that was replaced, or has nothing to wait for.
func (q *request) endPoll() {
	q.w.Header().Set("Content-Type", "text/plain")
	q.w.WriteHeader(http.StatusNoContent)
}

// hold answers a poll when there is something to say. The one before it has
// been answered by then.
func (q *request) hold(l *link) {
	ctx, cancel := context.WithCancelCause(q.r.Context())
	defer cancel(nil)
	p := &poll{cancel: cancel, done: make(chan struct{})}
	defer close(p.done)
	if before := l.held(p, q); before != nil {
		before.cancel(errSuperseded)
		<-before.done
	}
	held := time.Now()
	wait, stop := context.WithTimeoutCause(ctx, l.opts.PollTimeout, errHeld)
	defer stop()
	if l.shaken(wait) && q.carry(ctx, l, l.opts.PollTimeout-time.Since(held)) {
		return
	}
	at := l.at()
	switch {
	case context.Cause(ctx) == errSuperseded:
		q.endPoll()
	case at == ended:
		if words := l.collect(); len(words) > 0 {
			q.respondPoll(words)
			return
		}
		q.endPoll()
	case ctx.Err() == nil:
		q.respondPoll(nil)
	}
}

// held makes p the poll that is held, and returns the one before.
func (l *link) held(p *poll, q *request) (before *poll) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, l.poll = l.poll, p
	l.admission = q.admission
	if l.phase != ended {
		l.watchExpiry(q.r)
	}
	return before
}

// carry lets the connection write its messages to the poll. It reports whether
// the poll is answered.
func (q *request) carry(ctx context.Context, l *link, left time.Duration) bool {
	stream, err := transports.NewLongPoll(q.w, q.r, transports.LongPollOptions{
		Options:     transports.Options{WriteTimeout: q.host.Settings().SendTimeout},
		ContentType: "application/octet-stream",
		Late:        true,
	})
	if err != nil {
		q.host.Logger().Error("hubwire: cannot open a transport", "transport", transports.LongPolling, "err", err)
		return false
	}
	noCache(q.w.Header())
	l.mu.Lock()
	conn, request := l.conn, l.request
	l.mu.Unlock()
	a, err := conn.Attach(dialect.Exchange{
		Request:     request,
		Admission:   q.admission,
		Stream:      stream,
		Framer:      &framer{link: l, once: true},
		Once:        true,
		IdleTimeout: max(left, time.Millisecond),
		KeepAlive:   -1,
	})
	if err != nil {
		return false
	}
	_ = a.Run(ctx)
	return stream.Done()
}

// delete ends a connection of long polling as its client asks for. A poll that
// is held is not told more than that.
func (q *request) delete() *negotiate.Refusal {
	l, err := q.link()
	if err != nil {
		return err
	}
	l.mu.Lock()
	polls := l.kind == transports.LongPolling
	if polls {
		l.end.said = true
	}
	l.mu.Unlock()
	if !polls {
		return errDelete
	}
	l.finish(dialect.Stopped)
	q.w.Header().Set("Content-Type", "text/plain")
	q.w.WriteHeader(http.StatusAccepted)
	return nil
}
