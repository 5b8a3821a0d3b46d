package hub_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/hub/hubtest"
)

// Diary notes its life cycle.
type Diary struct {
	notebook
	name   string
	refuse error
}

func (d *Diary) OnConnected(c *hub.Call[RoomClient]) error {
	d.add(d.name + " connected " + c.User)
	if d.refuse != nil {
		return d.refuse
	}
	return c.Clients.Caller().Message("welcome")
}

func (d *Diary) OnReconnected(c *hub.Call[RoomClient]) error {
	d.add(d.name + " reconnected " + c.User)
	return nil
}

func (d *Diary) OnDisconnected(c *hub.Call[RoomClient], stopCalled bool) {
	if stopCalled {
		d.add(d.name + " stopped " + c.User)
		return
	}
	d.add(d.name + " lost " + c.User)
}

func (d *Diary) OnRejoiningGroups(_ *hub.Call[RoomClient], groups []string) []string {
	d.add(d.name + " rejoining " + strings.Join(groups, ","))
	var keep []string
	for _, g := range groups {
		if g != "secret" {
			keep = append(keep, g)
		}
	}
	return keep
}

func (d *Diary) Join(c *hub.Call[RoomClient], group string) error {
	return c.Groups.Add(c.ConnectionID, group)
}

func (d *Diary) Groups(c *hub.Call[RoomClient]) ([]string, error) { return c.Groups.Of(c.ConnectionID) }

func (d *Diary) Note(_ *hub.Call[RoomClient], s string) { d.add(d.name + " " + s) }

func TestLifeCycle(t *testing.T) {
	s := newSite(t, hub.Options{})
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		a, b, quiet := &Diary{name: "a"}, &Diary{name: "b"}, &Diary{name: "quiet"}
		hub.Register[RoomClient](s.Server, "a"+transport, a)
		hub.Register[RoomClient](s.Server, "b"+transport, b)
		hub.Register[RoomClient](s.Server, "quiet"+transport, quiet)
		g := s.connect(transport, "ann", "A"+transport, "b"+transport)
		for _, name := range []string{"a", "b"} {
			g.want("sent in OnConnected", `{"H":"`+name+transport+`","M":"message","A":["welcome"]}`)
		}
		g.ok("a"+transport, "note", "called")
		g.ok("quiet"+transport, "note", "called")
		g.Abort(transport)
		if got := strings.Join(a.wait(t, 3), ", "); got != "a connected ann, a called, a stopped ann" {
			t.Errorf("got %s", got)
		}
		if got := strings.Join(b.wait(t, 2), ", "); got != "b connected ann, b stopped ann" {
			t.Errorf("got %s", got)
		}
		if got := strings.Join(quiet.wait(t, 1), ", "); got != "quiet called" {
			t.Errorf("a hub outside of the list: got %s", got)
		}
	})
}

func TestRefusedConnection(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		status int
		body   string
	}{
		{"for the client", &hub.Error{Message: "no more\nroom"}, 403, "no more room"},
		{"other", errors.New("the secret reason"), 500, "The connection was not accepted."},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, hub.Options{})
			first, second, third := &Diary{name: "first"}, &Diary{name: "second", refuse: test.err}, &Diary{name: "third"}
			hub.Register[RoomClient](s.Server, "first", first)
			hub.Register[RoomClient](s.Server, "second", second)
			hub.Register[RoomClient](s.Server, "third", third)
			c := s.client("ann", "first", "second", "third").Negotiate()
			c.Connect("serverSentEvents")
			if r := c.Get("start", "transport", "serverSentEvents"); r.Status != test.status || r.Body != test.body {
				t.Errorf("got %d %q", r.Status, r.Body)
			}
			if got := strings.Join(first.wait(t, 2), ", "); got != "first connected ann, first lost ann" {
				t.Errorf("a hub that was told: got %s", got)
			}
			if got := strings.Join(second.wait(t, 1), ", "); got != "second connected ann" {
				t.Errorf("the hub that refused: got %s", got)
			}
			if len(third.wait(t, 0)) > 0 {
				t.Error("a hub after the one that refused was told")
			}
		})
	}
}

func TestReconnect(t *testing.T) {
	s := newSite(t, hub.Options{})
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		d := &Diary{name: "d"}
		name := "d" + transport
		h := hub.Register[RoomClient](s.Server, name, d)
		g := s.connect(transport, "ann", name)
		g.want("", `{"H":"`+name+`","M":"message","A":["welcome"]}`)
		g.ok(name, "join", "open")
		g.ok(name, "join", "secret")
		if transport != "longPolling" {
			g.Drop()
		}
		if err := h.Clients.Group("open").Message("missed"); err != nil {
			t.Fatal(err)
		}
		g.Stream = g.Reconnect(transport)
		g.kept = nil
		for len(g.kept) == 0 { // group changes come as frames of their own
			g.keep(g.Frame("what was missed"))
			if transport == "longPolling" && len(g.kept) == 0 {
				g.Stream = g.Poll()
			}
		}
		g.want("what was missed", `{"H":"`+name+`","M":"message","A":["missed"]}`)
		lines := d.wait(t, 3)
		if got := strings.Join(lines, ", "); got != "d connected ann, d rejoining open,secret, d reconnected ann" {
			t.Errorf("got %s", got)
		}
		if r := g.ok(name, "groups"); string(r.R) != `["open"]` {
			t.Errorf("groups after OnRejoiningGroups: got %s", r.Raw)
		}
	})
}

func TestOneDisconnectedPerConnection(t *testing.T) {
	s := hubtest.NewServer(t, hub.Options{})
	d := &Diary{name: "d"}
	hub.Register[RoomClient](s.Server, "d", d)
	c := s.Connect("ann", "d")
	for range 3 {
		c.Lose()
		c.Return()
	}
	d.wait(t, 7)
	c.Stop()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var ends int
	for _, line := range d.wait(t, 8) {
		if line == "d stopped ann" || line == "d lost ann" {
			ends++
		}
	}
	if ends != 1 {
		t.Errorf("got %d in %q", ends, d.wait(t, 8))
	}
}

func TestDisconnectedComesAfterTheLastCall(t *testing.T) {
	for name, opts := range map[string][]hub.RegisterOption{"in order": nil, "on lanes": {hub.Concurrently(2)}} {
		t.Run(name, func(t *testing.T) {
			s := hubtest.NewServer(t, hub.Options{})
			room := newRoom()
			hub.Register[RoomClient](s.Server, "room", room, append(opts, hub.Use(hub.Filter{
				Invoke: func(i *hub.Invocation, next func(*hub.Invocation) (any, error)) (any, error) {
					_, err := next(i)
					<-room.release
					room.events.add("returned")
					return nil, err
				},
				Disconnect: func(*hub.Event, bool, func(*hub.Event, bool)) { room.events.add("disconnected") },
			}))...)
			c := s.Connect("", "room")
			c.Begin("room", "hold", "a")
			<-room.entered
			c.Stop()
			room.events.wait(t, 2) // the call has seen its context end
			close(room.release)
			if got := strings.Join(room.events.wait(t, 4), ", "); got != "hold a, ended a, returned, disconnected" {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestAdmission(t *testing.T) {
	members := hub.Use(hub.Authorization(hub.Authenticated))
	ann := hub.Use(hub.Authorization(hub.Users("ANN")))
	s := newSite(t, hub.Options{MaxHubs: 3})
	hub.Register[RoomClient](s.Server, "open", newRoom())
	hub.Register[RoomClient](s.Server, "members", newRoom(), members)
	hub.Register[RoomClient](s.Server, "ann", newRoom(), ann)
	hub.Register[RoomClient](s.Server, "why", newRoom(), hub.Use(hub.Authorization(
		func(string, *http.Request) error { return &hub.Error{Message: "Come back on Monday."} })))
	for _, test := range []struct {
		name, user   string
		hubs         []string
		status       int
		reason, text string
	}{
		{"no hubs", "", nil, 200, "", ""},
		{"one", "", []string{"OPEN"}, 200, "", ""},
		{"unknown", "", []string{"open", "nope"}, 400, "unknown_hub", `There is no hub "nope".`},
		{"twice", "", []string{"open", "Open"}, 400, "duplicate_hub", `Hub "Open" is named twice.`},
		{"too many", "", []string{"open", "members", "ann", "why"}, 400, "too_many_hubs", "The request names 4 hubs; 3 are allowed."},
		{"one of two denied", "", []string{"open", "members"}, 200, "", ""},
		{"all denied", "", []string{"ann", "members"}, 401, "unauthenticated", ""},
		{"all denied to bob", "bob", []string{"ann"}, 403, "forbidden", ""},
		{"with a reason", "bob", []string{"why"}, 403, "forbidden", "Come back on Monday."},
		{"allowed", "ann", []string{"ann", "members"}, 200, "", ""},
	} {
		r := s.client(test.user, test.hubs...).Get("negotiate")
		if r.Status != test.status || r.Header.Get("Hubwire-Reason") != test.reason || test.status != 200 && r.Body != test.text {
			t.Errorf("%s: got %d %q %q", test.name, r.Status, r.Header.Get("Hubwire-Reason"), r.Body)
		}
	}
}

func TestDeniedHubIsNotHeard(t *testing.T) {
	s := newSite(t, hub.Options{})
	open := hub.Register[RoomClient](s.Server, "open", newRoom())
	secret := hub.Register[RoomClient](s.Server, "secret", newRoom(), hub.Use(hub.Authorization(hub.Authenticated)))
	g := s.connect("webSockets", "", "open", "secret")
	if err := secret.Clients.All().Message("secret"); err != nil {
		t.Fatal(err)
	}
	g.wantQuiet("nothing of the hub that was denied", func(id, text string) error { return open.Clients.Client(id).Message(text) })
	r := g.invoke("secret", "add", 1, 2)
	if r.E != "There was an error invoking Hub method 'secret.add'. Caller is not authorized to invoke the Add method on secret." {
		t.Errorf("got %s", r.Raw)
	}
}

func TestOldStyleStart(t *testing.T) {
	s := newSite(t, hub.Options{})
	d := &Diary{name: "d"}
	hub.Register[RoomClient](s.Server, "d", d)
	c := s.client("ann", "d")
	c.Protocol = ""
	c.Negotiate()
	c.Connect("serverSentEvents") // OnConnected runs before the init frame
	if got := d.wait(t, 1); got[0] != "d connected ann" {
		t.Errorf("got %q", got)
	}
	c.Abort("serverSentEvents")
	d.wait(t, 2)
}

func TestPanicInAnEvent(t *testing.T) {
	s := newSite(t, hub.Options{})
	hub.Register[RoomClient](s.Server, "p", panics{})
	c := s.client("", "p").Negotiate()
	c.Connect("webSockets")
	if r := c.Get("start", "transport", "webSockets"); r.Status != 500 {
		t.Errorf("got %d %q", r.Status, r.Body)
	}
}

type panics struct{}

func (panics) OnConnected(*hub.Call[RoomClient]) error { panic("on purpose") }
