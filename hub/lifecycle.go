package hub

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
)

// application is the Server as persistent connections see it.
type application struct{ *Server }

var _ persistent.Application = application{}

// Admit looks up the hubs that a request names. One that the caller may not
// listen to is left out; if none remains the request is refused
// (classic.md 3.4).
func (a application) Admit(r *http.Request, user string, names []string) (persistent.Admission, error) {
	if len(names) == 0 {
		return persistent.Admission{Value: listening(nil)}, nil
	}
	if len(names) > a.opts.MaxHubs {
		return persistent.Admission{}, &negotiate.Refusal{Status: http.StatusBadRequest, Reason: "too_many_hubs",
			Text: fmt.Sprintf("The request names %d hubs; %d are allowed.", len(names), a.opts.MaxHubs)}
	}
	hubs := make(listening, 0, len(names))
	for _, name := range names {
		h, ok := a.hub(name)
		if !ok {
			return persistent.Admission{}, &negotiate.Refusal{Status: http.StatusBadRequest, Reason: "unknown_hub",
				Text: fmt.Sprintf("There is no hub %q.", name)}
		}
		if slices.Contains(hubs, h) {
			return persistent.Admission{}, &negotiate.Refusal{Status: http.StatusBadRequest, Reason: "duplicate_hub",
				Text: fmt.Sprintf("Hub %q is named twice.", name)}
		}
		hubs = append(hubs, h)
	}
	return a.authorize(r, user, hubs)
}

// authorize leaves out the hubs that the caller may not listen to.
func (a application) authorize(r *http.Request, user string, hubs listening) (persistent.Admission, error) {
	var denial error
	allowed := hubs[:0]
	for _, h := range hubs {
		if err := h.admit(r, user); err != nil {
			a.opts.Logger.Debug("hubwire: hub left out", "hub", h.name, "user", user, "err", err)
			denial = err
			continue
		}
		allowed = append(allowed, h)
	}
	switch {
	case len(allowed) == 0:
		return persistent.Admission{}, unauthorized(user, denial)
	case len(allowed) == 1 && user == "":
		return allowed[0].alone, nil
	}
	topics := make([]string, 0, 2*len(allowed))
	for _, h := range allowed {
		topics = append(topics, h.all[0])
		if user != "" {
			topics = append(topics, h.userTopic(user))
		}
	}
	return persistent.Admission{Topics: topics, Value: allowed}, nil
}

func (h *core) admit(r *http.Request, user string) error {
	if h.pipeline.authorize == nil {
		return nil
	}
	return guard(func() error { return h.pipeline.authorize(&Attempt{Hub: h.name, User: user, Request: r}) })
}

// unauthorized refuses a request that may listen to none of its hubs, with
// what the rule said if that is for clients.
func unauthorized(user string, err error) *negotiate.Refusal {
	if r, ok := errors.AsType[*negotiate.Refusal](err); ok {
		return r
	}
	r := &negotiate.Refusal{Status: http.StatusForbidden, Reason: "forbidden"}
	if user == "" {
		r.Status, r.Reason = http.StatusUnauthorized, "unauthenticated"
	}
	if e, ok := errors.AsType[*Error](err); ok {
		r.Text = e.Message
	}
	return r
}

// Opened prepares a new connection.
func (a application) Opened(c *persistent.Conn) {
	own := a.codecs[c.Protocol()]
	if v, ok := own.(codec.Varying); ok {
		own = v.For(c.Request())
	}
	a.use(own.Encoding())
	c.SetValue(&connection{server: a.Server, conn: c, codec: own, beside: beside{conn: c}})
}

// Rejoining asks each hub of the connection about its own groups. Those of
// other hubs are dropped.
func (a application) Rejoining(pc *persistent.Conn, r *http.Request, groups []string) []string {
	c := connectionOf(pc)
	var rejoined []string
	for _, h := range c.hubs() {
		k := newEvent(h, c)
		k.request = r
		before := h.own(groups)
		after := slices.DeleteFunc(k.rejoining(slices.Clone(before)), func(g string) bool { return g == "" })
		c.rejoined(h, before, after)
		for _, g := range after {
			rejoined = append(rejoined, h.prefix+g)
		}
	}
	return rejoined
}

// rejoining asks the hub. If that panics, nothing is rejoined.
func (k *call) rejoining(groups []string) []string {
	err := guard(func() error {
		groups = k.hub.pipeline.rejoin(k.event(), groups)
		return nil
	})
	if err != nil {
		k.log("hubwire: OnRejoiningGroups failed", err)
		return nil
	}
	return groups
}

// Connected tells the connection's hubs, in order. The first that refuses
// refuses the connection: those that were told get their OnDisconnected.
func (a application) Connected(pc *persistent.Conn) error {
	c := connectionOf(pc)
	for _, h := range c.hubs() {
		k := newEvent(h, c)
		k.opening.Store(true)
		err := guard(func() error { return h.pipeline.connect(k.event()) })
		k.opening.Store(false)
		if err != nil {
			c.disconnect(false)
			return k.refusal("OnConnected", err)
		}
		c.begin(h)
	}
	return nil
}

// Reconnected tells the connection's hubs that it came back.
func (a application) Reconnected(pc *persistent.Conn, missed persistent.Missed) error {
	c := connectionOf(pc)
	if missed.Gap {
		c.flow.reset()
	}
	var errs []error
	for _, h := range c.hubs() {
		c.begin(h)
		k := newEvent(h, c)
		k.missed = missed
		if err := guard(func() error { return h.pipeline.reconnect(k.event()) }); err != nil {
			errs = append(errs, k.refusal("OnReconnected", err))
		}
	}
	return errors.Join(errs...)
}

// Disconnected tells the hubs that know of the connection, when its last call
// has returned.
func (a application) Disconnected(pc *persistent.Conn, stopCalled bool) {
	c := connectionOf(pc)
	c.settle()
	c.disconnect(stopCalled)
}

func (c *connection) disconnect(stopCalled bool) {
	c.absent()
	for _, h := range c.end() {
		k := newEvent(h, c)
		err := guard(func() error {
			h.pipeline.disconnect(k.event(), stopCalled)
			return nil
		})
		if err != nil {
			k.log("hubwire: OnDisconnected failed", err)
		}
	}
}

// refusal is what the client is told of a life-cycle method's error.
func (k *call) refusal(event string, err error) error {
	if r, ok := errors.AsType[*negotiate.Refusal](err); ok {
		return r
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return &negotiate.Refusal{Status: http.StatusForbidden, Reason: "connect_refused", Text: oneLine(e.Message)}
	}
	k.log("hubwire: "+event+" failed", err)
	r := &negotiate.Refusal{Status: http.StatusInternalServerError, Reason: "connect_failed", Text: "The connection was not accepted."}
	if k.hub.server.opts.DetailedErrors {
		r.Text = oneLine(err.Error())
	}
	return r
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
