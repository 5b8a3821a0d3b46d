package faults_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// A bomb goes off when it is read or written.
type bomb struct{}

func (bomb) MarshalJSON() ([]byte, error) { panic("written") }
func (*bomb) UnmarshalJSON([]byte) error  { panic("read") }
func (bomb) Error() string                { panic("asked") }

// A listener is what the clients of the minefield can do.
type listener struct {
	Take func(bomb) error
	Hear func(text string) error
}

// A minefield is a hub all of whose methods panic, some of its events too, as
// the client's header asks for.
type minefield struct{}

func (minefield) Call(*hub.Call[listener]) error           { panic("called") }
func (minefield) Nil(*hub.Call[listener]) error            { var p *int; return hub.Errorf("%d", *p) }
func (minefield) Argument(*hub.Call[listener], bomb) error { return nil }
func (minefield) Result(*hub.Call[listener]) (bomb, error) { return bomb{}, nil }
func (minefield) Data(*hub.Call[listener]) error           { return &hub.Error{Message: "x", Data: bomb{}} }
func (minefield) Text(*hub.Call[listener]) error           { return bomb{} }
func (minefield) Send(c *hub.Call[listener]) error         { return c.Clients.All().Take(bomb{}) }
func (minefield) State(c *hub.Call[listener]) error        { return c.State().Set("x", bomb{}) }
func (minefield) Enter(c *hub.Call[listener], group string) error {
	return c.Groups.Add(c.ConnectionID, group)
}
func (minefield) Fine(_ *hub.Call[listener], v string) string { return v }
func (minefield) Progress(_ *hub.Call[listener], p hub.Progress[bomb]) error {
	return p.Report(bomb{})
}

func mined(c *hub.Call[listener], event string) { blow(c.Request(), event) }

func blow(r *http.Request, event string) {
	if strings.Contains(r.Header.Get("X-Mines"), event) {
		panic(event)
	}
}

func (minefield) OnConnected(c *hub.Call[listener]) error      { mined(c, "connect"); return nil }
func (minefield) OnReconnected(c *hub.Call[listener]) error    { mined(c, "return"); return nil }
func (minefield) OnDisconnected(c *hub.Call[listener], _ bool) { mined(c, "end") }
func (minefield) OnRejoiningGroups(c *hub.Call[listener], groups []string) []string {
	mined(c, "rejoin")
	return groups
}

// mines are filters that panic.
var mines = hub.Filter{
	Invoke: func(i *hub.Invocation, next func(*hub.Invocation) (any, error)) (any, error) {
		blow(i.Request(), "before")
		v, err := next(i)
		blow(i.Request(), "after")
		return v, err
	},
	Authorize: func(a *hub.Attempt) error { blow(a.Request, "authorize"); return nil },
	Connect: func(e *hub.Event, next func(*hub.Event) error) error {
		blow(e.Request(), "filtered")
		return next(e)
	},
	Disconnect: func(e *hub.Event, stopCalled bool, next func(*hub.Event, bool)) {
		next(e, stopCalled)
		blow(e.Request(), "late")
	},
}

// Panics in the program's code fail what they happen in, and nothing else.
func TestPanics(t *testing.T) {
	t.Parallel()
	s := besiege(t, func(o *persistent.Options) {
		o.Authenticate = func(r *http.Request) (string, error) {
			blow(r, "authenticate")
			return r.Header.Get("X-User"), nil
		}
		o.Owner = func(r *http.Request, _ string) string { blow(r, "owner"); return "" }
		o.PublicPath = func(r *http.Request) string { blow(r, "path"); return r.URL.Path }
		o.MaxPerOwner = 1
	})
	field := hub.Register[listener](s.server, "mines", minefield{}, hub.TrackPresence(func(hub.Notice) { panic("noticed") }))
	hub.Register[listener](s.server, "filtered", minefield{}, hub.Use(mines))
	hub.Register[listener](s.server, "lanes", minefield{}, hub.Concurrently(3))
	open := func(name, events string) (*classictest.Client, *classictest.Stream) {
		c := s.client("miner").Hubs(name)
		c.Header.Set("X-Mines", events)
		return c, c.Negotiate().Connect("webSockets")
	}
	for _, name := range []string{"mines", "filtered", "lanes"} {
		c, st := open(name, "end late")
		c.Start("webSockets")
		for _, method := range []string{"call", "nil", "argument", "result", "data", "text", "send", "state", "progress"} {
			var args []any
			if method == "argument" {
				args = []any{1}
			}
			s.wantFailed(name+"."+method, c.Invoke(st, name, method, args...).Raw)
		}
		if r := c.Invoke(st, name, "fine", "still"); string(r.R) != `"still"` {
			t.Errorf("%s: after the panics a call gets %s", name, r.Raw)
		}
		c.Invoke(st, name, "enter", "group")
		if name == "mines" {
			if in := field.Presence().In("group"); len(in) != 1 {
				t.Errorf("after a panic of the notice %v are present", in)
			}
		}
		st.Drop()
		c.Header.Set("X-Mines", "return rejoin end late")
		st = c.Reconnect("serverSentEvents")
		st.WantEnd("coming back with a panic")
		c.Header.Set("X-Mines", "")
		c.Reconnect("webSockets").Drop()
		c.Abort("webSockets")
		s.calm()
	}
	for _, where := range []string{"before", "after"} {
		c, st := open("filtered", where)
		c.Start("webSockets")
		s.wantFailed(where+" the call", c.Invoke(st, "filtered", "fine", "x").Raw)
		c.Abort("webSockets")
	}
	for _, where := range []string{"connect", "filtered"} {
		c, _ := open("filtered", where)
		s.wantReason(where, c.Get("start", "transport", "webSockets"), 500, "connect_failed")
	}
	for where, status := range map[string]int{"authenticate": 500, "authorize": 403} {
		c := s.client("miner").Hubs("filtered")
		c.Header.Set("X-Mines", where)
		s.wantReason(where, c.Get("negotiate"), status, map[int]string{500: "internal", 403: "forbidden"}[status])
	}
	for where, operation := range map[string]string{"path": "negotiate", "owner": "connect"} {
		c := s.client("miner").Negotiate()
		c.Header.Set("X-Mines", where)
		if r, err := c.Do("GET", c.Address(operation, "transport", "longPolling"), ""); err == nil { // net/http ends the request
			t.Errorf("%s gets %d", where, r.Status)
		}
	}
	s.calm()
}

// The same of raw connections.
func TestRawPanics(t *testing.T) {
	t.Parallel()
	in := make(chan string, 1)
	o := options()
	mine := func(c *persistent.Conn, event string) { blow(c.Request(), event) }
	s, err := persistent.NewServer(persistent.Handler{
		Authorize:     func(r *http.Request, _ string) bool { blow(r, "authorize"); return true },
		OnConnected:   func(c *persistent.Conn) error { mine(c, "connect"); return nil },
		OnReconnected: func(c *persistent.Conn, _ persistent.Missed) error { mine(c, "return"); return nil },
		OnReceived: func(_ *persistent.Conn, data []byte) error {
			if string(data) == "mine" {
				panic("received")
			}
			in <- string(data)
			return nil
		},
		OnDisconnected:    func(c *persistent.Conn, _ bool) { mine(c, "end") },
		OnRejoiningGroups: func(c *persistent.Conn, groups []string) []string { mine(c, "rejoin"); return groups },
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{path: "/raw", handler: s}
	r := launch(t, perfect, w)
	client := func(events string) *classictest.Client {
		c := classictest.New(t, r.proxy.url()+"/raw")
		c.Header.Set("X-Mines", events)
		return c
	}
	c := client("end")
	st := c.Open("webSockets")
	st.Write("mine")
	st.Write("fine")
	if got := <-in; got != "fine" {
		t.Errorf("after a panic %q is received", got)
	}
	if r := c.Post("send", url.Values{"data": {"mine"}}, "transport", "longPolling"); r.Status != http.StatusOK {
		t.Errorf("a send that panics gets %d", r.Status)
	}
	st.Drop()
	c.Header.Set("X-Mines", "return rejoin end")
	c.Reconnect("serverSentEvents").WantEnd("coming back with a panic")
	if r := client("authorize").Get("negotiate"); r.Status != 500 {
		t.Errorf("a panic of Authorize gets %d", r.Status)
	}
	refused := client("connect")
	refused.Negotiate().Connect("webSockets")
	if r := refused.Get("start", "transport", "webSockets"); r.Status != 500 {
		t.Errorf("a panic of OnConnected gets %d", r.Status)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
