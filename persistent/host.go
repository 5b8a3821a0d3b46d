package persistent

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A host shows an endpoint to the dialects.
type host struct{ *Endpoint }

func (h host) Settings() *dialect.Settings       { return h.settings }
func (h host) Keyring() *negotiate.Keyring       { return h.keyring }
func (h host) Instance() string                  { return h.instance }
func (h host) Logger() *slog.Logger              { return h.opts.Logger }
func (h host) PublicPath(r *http.Request) string { return h.opts.PublicPath(r) }

func (h host) BodyTimeout(r *http.Request) time.Duration { return h.bodyTimeout(r) }

// Authenticate implements dialect.Host.
func (h host) Authenticate(r *http.Request) (user string, err error) {
	err = h.guard("authenticate", func() (err error) {
		user, err = h.opts.Authenticate(r)
		return err
	})
	if err != nil {
		return "", h.refusal(err, http.StatusUnauthorized, "unauthenticated")
	}
	return user, nil
}

// Admit implements dialect.Host.
func (h host) Admit(r *http.Request, user string, names []string) (adm dialect.Admission, err error) {
	err = h.guard("admit", func() (err error) {
		adm, err = h.app.Admit(r, user, names)
		return err
	})
	if err != nil {
		return adm, h.refusal(err, http.StatusInternalServerError, "internal")
	}
	return adm, nil
}

// refusal makes an error of the program's a refusal. What it says stays here
// unless it is one.
func (h host) refusal(err error, status int, reason string) *negotiate.Refusal {
	if r, ok := errors.AsType[*negotiate.Refusal](err); ok {
		return r
	}
	if errors.Is(err, errPanic) {
		return &negotiate.Refusal{Status: http.StatusInternalServerError, Reason: "internal"}
	}
	h.opts.Logger.Info("hubwire: request refused", "reason", reason, "err", err)
	return &negotiate.Refusal{Status: status, Reason: reason}
}

// Open implements dialect.Host.
func (h host) Open(o dialect.Opening) (dialect.Connection, bool, error) {
	c, created, err := h.open(o)
	if err != nil {
		return nil, false, err
	}
	return connection{c, c.tickets.Add(1)}, created, nil
}

// Resumable implements dialect.Host.
func (h host) Resumable(cursor string) error {
	if cursor == "" {
		return nil
	}
	_, _, err := h.place(cursor)
	return err
}

// MayReturn implements dialect.Host.
func (h host) MayReturn(id string) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	switch {
	case h.conns[id] != nil || h.departed.has(id):
		return nil
	case h.phase != serving: // all connections end then: it says nothing about this one
		return errShuttingDown
	}
	return dialect.ErrEnded
}

// Find implements dialect.Host.
func (h host) Find(id string) dialect.Connection {
	if c, ok := h.Conn(id); ok {
		return connection{Conn: c}
	}
	return nil
}

// Context implements dialect.Host.
func (h host) Context() context.Context { return h.ctx }

// Go implements dialect.Host.
func (h host) Go(f func()) { h.spawn(f) }

// Do implements dialect.Host.
func (h host) Do(f func()) {
	if !h.begin() {
		f()
		return
	}
	h.workers.run(job{first: func() {
		defer h.work.Done()
		f()
	}})
}

// spawn runs f on a goroutine that Shutdown waits for. What a late f serves has
// ended, so that it is run at once.
func (e *Endpoint) spawn(f func()) {
	if !e.begin() {
		f()
		return
	}
	go func() {
		defer e.work.Done()
		f()
	}()
}

// begin has Shutdown wait until work is told that it is done. It returns false
// if it is too late for that.
func (e *Endpoint) begin() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.phase == closed {
		return false
	}
	e.work.Add(1)
	return true
}

// A connection shows a Conn to the dialects: the verbs that are not for
// applications. The ticket says which request came first.
type connection struct {
	*Conn
	ticket uint64
}

func (c connection) Start() error                { return c.raiseConnected() }
func (c connection) Receive(in dialect.Incoming) { c.receive(in) }
func (c connection) Stop()                       { c.end(dialect.Stopped) }
func (c connection) End(why dialect.Ending)      { c.end(why) }
func (c connection) Reply(p messagelog.Payload)  { c.reply(p) }

// Attach implements dialect.Connection.
func (c connection) Attach(x dialect.Exchange) (dialect.Attachment, error) {
	a, err := c.attach(x, c.ticket)
	if err != nil {
		return nil, err
	}
	return a, nil
}
