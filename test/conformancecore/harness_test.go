// Package conformancecore_test checks the lines of the conformance checklist of
// protocols/core.md, section 9. The tests have the numbers of the lines in their
// names. Where Hubwire means to differ from the reference server, the test says
// what it does instead.
package conformancecore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/hub/classic"
	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/hub/core"
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/core/coretest"
	"github.com/hubwire/hubwire/test/leaks"
)

func TestMain(m *testing.M) { leaks.VerifyTestMain(m) }

const (
	webSockets       = "webSockets"
	serverSentEvents = "serverSentEvents"
	longPolling      = "longPolling"
)

var all = []string{webSockets, serverSentEvents, longPolling}

// A lab is a server with one hub, whose clients are in memory.
type lab struct {
	*testing.T
	server *hub.Server
	hub    *hub.Hub[labClient]
	other  *hub.Hub[otherClient]
	client func(path string) *coretest.Client

	mu      sync.Mutex
	events  []string
	changed chan struct{}
	refuse  error
	greet   string
	gate    chan struct{} // Wait waits for it
	once    sync.Once
}

type labClient struct {
	hub.Sender
	Got func(text string) error
}

// config is what a test wants to be different.
type config struct {
	persistent.Options
	core     core.Options
	detailed bool // DetailedErrors
	register []hub.RegisterOption
}

// try runs f with a server in a bubble of fake time.
func try(t *testing.T, c config, f func(l *lab)) {
	synctest.Test(t, func(t *testing.T) {
		l := &lab{T: t, changed: make(chan struct{}), gate: make(chan struct{})}
		o := hub.Options{
			Options: c.Options, DetailedErrors: c.detailed, Families: []codec.Family{core.Family(c.core), classic.Family()},
		}
		if o.Logger == nil {
			o.Logger = slog.New(slog.DiscardHandler)
		}
		l.server = hub.NewServer(o)
		l.hub = hub.Register[labClient](l.server, "lab", &labHub{l}, c.register...)
		l.other = hub.Register[otherClient](l.server, "other", &otherHub{l})
		var stop func()
		l.client, stop = coretest.Serve(t, l.server)
		defer stop()
		defer func() {
			if err := l.server.Shutdown(context.Background()); err != nil {
				t.Error("shutdown:", err)
			}
		}()
		defer l.release()
		f(l)
	})
}

// each runs f for each transport.
func each(t *testing.T, c config, f func(l *lab, transport string)) {
	for _, transport := range all {
		t.Run(transport, func(t *testing.T) { try(t, c, func(l *lab) { f(l, transport) }) })
	}
}

func (l *lab) new() *coretest.Client { return l.client("/signalr/lab") }

func (l *lab) open(transport string) *coretest.Stream { return l.new().Open(transport) }

// binary opens a connection that speaks MessagePack.
func (l *lab) binary(transport string) *coretest.Stream {
	c := l.new()
	c.Protocol = "messagepack"
	return c.Open(transport)
}

// framed puts the lengths before MessagePack messages.
func framed(bodies ...string) string {
	var b []byte
	for _, body := range bodies {
		b = append(binary.AppendUvarint(b, uint64(len(body))), body...)
	}
	return string(b)
}

func (l *lab) note(event string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, event)
	close(l.changed)
	l.changed = make(chan struct{})
}

// wait returns when the event has been noted.
func (l *lab) wait(event string) {
	l.Helper()
	deadline := time.After(10 * time.Minute)
	for {
		l.mu.Lock()
		seen, changed := strings.Contains(strings.Join(l.events, ";"), event), l.changed
		l.mu.Unlock()
		if seen {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			l.Fatalf("no event %q: %q", event, l.events)
		}
	}
}

// release lets the calls of Wait return.
func (l *lab) release() { l.once.Do(func() { close(l.gate) }) }

func (l *lab) count(event string) int { return len(l.noted(event)) }

// noted returns the events that begin with one of the words.
func (l *lab) noted(words ...string) (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		first, _, _ := strings.Cut(e, " ")
		if slices.Contains(words, first) {
			list = append(list, e)
		}
	}
	return list
}

type labHub struct{ lab *lab }

func (h *labHub) OnConnected(c *hub.Call[labClient]) error {
	h.lab.mu.Lock()
	refuse, greet := h.lab.refuse, h.lab.greet
	h.lab.mu.Unlock()
	if refuse != nil {
		return refuse
	}
	if greet != "" {
		if err := c.Clients.Caller().Got(greet); err != nil {
			return err
		}
		time.Sleep(time.Second)
	}
	h.lab.note("connected " + c.ConnectionID)
	return nil
}

func (h *labHub) OnReconnected(c *hub.Call[labClient]) error {
	h.lab.note("reconnected " + c.ConnectionID)
	return nil
}

func (h *labHub) OnDisconnected(c *hub.Call[labClient], stopCalled bool) {
	if stopCalled {
		h.lab.note("stopped " + c.ConnectionID)
	} else {
		h.lab.note("lost " + c.ConnectionID)
	}
}

func (h *labHub) Echo(_ *hub.Call[labClient], s string) string        { return s }
func (h *labHub) Any(_ *hub.Call[labClient], v any) any               { return v }
func (h *labHub) Bytes(_ *hub.Call[labClient], b []byte) []byte       { return append(b, '!') }
func (h *labHub) Later(_ *hub.Call[labClient], t time.Time) time.Time { return t.Add(time.Second) }
func (h *labHub) Sum(_ *hub.Call[labClient], a, b int) int            { return a + b }
func (h *labHub) Void(*hub.Call[labClient])                           {}
func (h *labHub) Fail(*hub.Call[labClient]) error                     { return errors.New("secret") }
func (h *labHub) Tell(*hub.Call[labClient]) error                     { return &hub.Error{Message: "boom"} }
func (h *labHub) ID(c *hub.Call[labClient]) string                    { return c.ConnectionID }
func (h *labHub) User(c *hub.Call[labClient]) string                  { return c.User }
func (h *labHub) Join(c *hub.Call[labClient], g string) error         { return c.Groups.Add(c.ConnectionID, g) }
func (h *labHub) Say(c *hub.Call[labClient], g, text string) error {
	return c.Clients.Group(g).Got(text)
}
func (h *labHub) Shout(c *hub.Call[labClient], text string) error { return c.Clients.All().Got(text) }
func (h *labHub) Note(_ *hub.Call[labClient], text string)        { h.lab.note("note " + text) }
func (h *labHub) AbortMe(c *hub.Call[labClient])                  { c.Abort() }
func (h *labHub) AnswerFirst(c *hub.Call[labClient], text string) (string, error) {
	return text, c.Clients.Caller().Got(text)
}

// Wait returns when the lab says so.
func (h *labHub) Wait(_ *hub.Call[labClient], text string) string {
	h.lab.note("waiting " + text)
	<-h.lab.gate
	h.lab.note("done " + text)
	return text
}

// want fails the test unless the answer is as it should be.
func (l *lab) want(why string, r coretest.Reply, status int, body string) {
	l.Helper()
	if r.Status != status || r.Body != body {
		l.Errorf("%s: got %d %q, want %d %q", why, r.Status, r.Body, status, body)
	}
}

// do makes a request for the lab hub.
func (l *lab) do(method string, pairs ...string) coretest.Reply {
	l.Helper()
	c := l.new()
	r, err := c.Do(method, c.Address("", pairs...), "")
	if err != nil {
		l.Fatal(err)
	}
	return r
}

// byUser authenticates by a token that is the user's name.
func byUser(r *http.Request) (string, error) {
	token := negotiate.BearerToken(r)
	if token == "" {
		return "", errors.New("no token")
	}
	return token, nil
}

// socketRefused dials a WebSocket that must be refused.
func (l *lab) socketRefused(why string, c *coretest.Client) coretest.Reply {
	l.Helper()
	_, err := c.TryDial(webSockets)
	refused, ok := errors.AsType[*coretest.Refused](err)
	if !ok {
		l.Fatalf("%s: the upgrade was not refused but for %v", why, err)
	}
	return refused.Reply
}

func expiresSoon(*http.Request) time.Time { return time.Now().Add(10 * time.Second) }

var errRefused = &hub.Error{Message: "no"}
