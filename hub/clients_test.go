package hub_test

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent/classic"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// Caster calls its clients in every way there is.
type Caster struct{}

func (Caster) Cast(c *hub.Call[RoomClient], how string, names ...string) error {
	one := func() string { return append(names, "")[0] }
	var to RoomClient
	switch how {
	case "all":
		to = c.Clients.All()
	case "all except":
		to = c.Clients.AllExcept(names...)
	case "caller":
		to = c.Clients.Caller()
	case "others":
		to = c.Clients.Others()
	case "client":
		to = c.Clients.Client(one())
	case "clients":
		to = c.Clients.Clients(names...)
	case "group":
		to = c.Clients.Group(one())
	case "group except":
		to = c.Clients.GroupExcept(one(), names[1:]...)
	case "groups":
		to = c.Clients.Groups(names...)
	case "others in group":
		to = c.Clients.OthersInGroup(one())
	case "others in groups":
		to = c.Clients.OthersInGroups(names...)
	case "user":
		to = c.Clients.User(one())
	case "users":
		to = c.Clients.Users(names...)
	}
	return to.Message(how)
}

func (Caster) Join(c *hub.Call[RoomClient], group string) error {
	return c.Groups.Add(c.ConnectionID, group)
}

func TestTargets(t *testing.T) {
	s := newSite(t, hub.Options{})
	caster := hub.Register[RoomClient](s.Server, "caster", Caster{})
	hub.Register[RoomClient](s.Server, "other", Caster{})
	guests := map[string]*guest{
		"ann1": s.connect("webSockets", "ann", "caster"),
		"ann2": s.connect("serverSentEvents", "ann", "caster", "other"),
		"bob":  s.connect("longPolling", "bob", "caster"),
		"eve":  s.connect("webSockets", "eve", "other"), // hears another hub
	}
	guests["ann1"].ok("caster", "join", "g")
	guests["ann2"].ok("caster", "join", "g")
	guests["ann1"].ok("caster", "join", "h")
	guests["bob"].ok("caster", "join", "h")
	guests["ann2"].ok("other", "join", "h") // the other hub's group
	id := func(name string) string { return guests[name].id() }

	for _, test := range []struct {
		how   string
		names []string
		want  string
	}{
		{"all", nil, "ann1 ann2 bob"},
		{"all except", []string{id("ann1"), "nobody"}, "ann2 bob"},
		{"caller", nil, "ann1"},
		{"others", nil, "ann2 bob"},
		{"client", []string{id("bob")}, "bob"},
		{"client", []string{id("eve")}, ""},
		{"clients", []string{id("bob"), id("ann2"), id("bob"), id("eve")}, "ann2 bob"},
		{"clients", nil, ""},
		{"group", []string{"g"}, "ann1 ann2"},
		{"group", []string{"h"}, "ann1 bob"},
		{"group", []string{"G"}, ""},
		{"group except", []string{"g", id("ann2")}, "ann1"},
		{"groups", []string{"g", "h"}, "ann1 ann2 bob"},
		{"groups", nil, ""},
		{"others in group", []string{"g"}, "ann2"},
		{"others in groups", []string{"g", "h"}, "ann2 bob"},
		{"user", []string{"ann"}, "ann1 ann2"},
		{"user", []string{"eve"}, ""},
		{"users", []string{"ann", "bob", "ann", "nobody"}, "ann1 ann2 bob"},
		{"users", nil, ""},
	} {
		guests["ann1"].ok("caster", "cast", append([]any{test.how}, anys(test.names)...)...)
		if err := caster.Clients.All().Send("marker"); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, name := range []string{"ann1", "ann2", "bob"} {
			for _, m := range untilMarker(guests[name]) {
				if want := `{"H":"caster","M":"message","A":["` + test.how + `"]}`; m != want {
					t.Errorf("%s %q: %s got %s, want %s", test.how, test.names, name, m, want)
				}
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s %q: got %q, want %q", test.how, test.names, got, test.want)
		}
	}

	guests["eve"].ok("other", "cast", "caller")
	if m := guests["eve"].messages("its own hub", 1)[0]; m != `{"H":"other","M":"message","A":["caller"]}` {
		t.Errorf("who hears another hub got %s", m)
	}
}

func untilMarker(g *guest) []string {
	g.t.Helper()
	var list []string
	for {
		m := g.messages("messages up to the marker", 1)[0]
		if strings.Contains(m, `"M":"marker"`) {
			return list
		}
		list = append(list, m)
	}
}

func anys(list []string) []any {
	var out []any
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

func TestTargetsThatAreWrong(t *testing.T) {
	s := newSite(t, hub.Options{})
	h := hub.Register[RoomClient](s.Server, "caster", Caster{})
	g := s.connect("webSockets", "", "caster")
	for name, test := range map[string]struct {
		to   RoomClient
		want error
	}{
		"unknown id":          {h.Clients.Client("nobody"), hub.ErrNoConnection},
		"unknown among known": {h.Clients.Clients(g.id(), "nobody"), hub.ErrNoConnection},
		"empty id":            {h.Clients.Client(""), hub.ErrEmptyName},
		"empty among ids":     {h.Clients.Clients(g.id(), ""), hub.ErrEmptyName},
		"empty group":         {h.Clients.Group(""), hub.ErrEmptyName},
		"empty among groups":  {h.Clients.Groups("a", ""), hub.ErrEmptyName},
		"empty user":          {h.Clients.User(""), hub.ErrEmptyName},
	} {
		if err := test.to.Message(name); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
	g.want("those who are there are called", `{"H":"caster","M":"message","A":["unknown among known"]}`)
	g.wantQuiet("nothing else came", func(id, text string) error { return h.Clients.Client(id).Message(text) })
	if err := (hub.Sender{}).Send("x"); err == nil {
		t.Error("a Sender from nowhere must be an error")
	}
}

func TestClientMethodNamesAndArguments(t *testing.T) {
	s := newSite(t, hub.Options{})
	h := hub.Register[RoomClient](s.Server, "caster", Caster{})
	g := s.connect("webSockets", "", "caster")
	all := h.Clients.All()
	for _, test := range []struct {
		err  error
		want string
	}{
		{all.Message("a<b"), `"message","A":["a\u003cb"]}`},
		{all.Pair(nil, point{1, 2}), `"pair","A":[null,{"X":1,"Y":2}]}`},
		{all.Many(1, "a", "b"), `"manyOfThem","A":[1,"a","b"]}`},
		{all.Many(2), `"manyOfThem","A":[2]}`},
		{all.Send("anyName"), `"anyName","A":[]}`},
		{all.Send("ÄÖ", []byte("x"), 1.5), `"ÄÖ","A":["eA==",1.5]}`},
	} {
		if test.err != nil {
			t.Error(test.err)
		}
		g.want(test.want, `{"H":"caster","M":`+test.want)
	}
	if err := all.Pair(1, math.NaN()); err == nil || !strings.Contains(err.Error(), "caster.pair: argument 2 (float64)") {
		t.Errorf("got %v, want an error that names the argument", err)
	}
}

func TestArgumentsAreEncodedAtTheCall(t *testing.T) {
	s := newSite(t, hub.Options{})
	h := hub.Register[RoomClient](s.Server, "caster", Caster{})
	g := s.connect("longPolling", "", "caster")
	list := []int{1}
	if err := h.Clients.All().Pair(list, nil); err != nil {
		t.Fatal(err)
	}
	list[0] = 2
	g.want("what changes after the call does not show", `{"H":"caster","M":"pair","A":[[1],null]}`)
}

func TestGroups(t *testing.T) {
	s := newSite(t, hub.Options{})
	h := hub.Register[RoomClient](s.Server, "room", newRoom())
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		g := s.connect(transport, "", "room")
		for range 3 {
			if err := h.Groups.Add(g.id(), "a.b"); err != nil {
				t.Fatal(err)
			}
			if err := h.Clients.Group("a.b").Message("in"); err != nil {
				t.Fatal(err)
			}
			if err := h.Groups.Remove(g.id(), "a.b"); err != nil {
				t.Fatal(err)
			}
			if err := h.Clients.Group("a.b").Message("out"); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			g.want("a member gets what is sent while it is one", `{"H":"room","M":"message","A":["in"]}`)
		}
		g.wantQuiet("and nothing else", func(id, text string) error { return h.Clients.Client(id).Message(text) })
		g.ok("room", "join", "x")
		g.ok("room", "join", "x")
		g.ok("room", "join", "y")
		if r := g.ok("room", "groups"); string(r.R) != `["x","y"]` {
			t.Errorf("groups: got %s", r.Raw)
		}
	})
	for name, err := range map[string]error{
		"add nobody": h.Groups.Add("nobody", "g"), "remove nobody": h.Groups.Remove("nobody", "g"),
	} {
		if !errors.Is(err, hub.ErrNoConnection) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := h.Groups.Of("nobody"); !errors.Is(err, hub.ErrNoConnection) {
		t.Errorf("got %v", err)
	}
	if err := h.Groups.Add("", "g"); !errors.Is(err, hub.ErrEmptyName) {
		t.Errorf("got %v", err)
	}
	if err := h.Groups.Add("x", ""); !errors.Is(err, hub.ErrEmptyName) {
		t.Errorf("got %v", err)
	}
}

// A client that calls a hub without listening to it must not be sent what it
// has no proxy for: it would lose the frame (classic.md 6.5).
func TestWhoDoesNotListenIsNotCalled(t *testing.T) {
	s := newSite(t, hub.Options{})
	h := hub.Register[RoomClient](s.Server, "room", newRoom())
	heard := hub.Register[RoomClient](s.Server, "heard", newRoom())
	g := s.connect("webSockets", "ann", "heard")
	g.ok("room", "join", "g")
	g.ok("room", "say", "g", "to the group")
	g.results(g.begin("room", "paint", "red")) // calls its caller
	if err := h.Clients.User("ann").Message("to the user"); err != nil {
		t.Fatal(err)
	}
	g.wantQuiet("nothing of the other hub", func(id, text string) error { return heard.Clients.Client(id).Message(text) })
}

func TestFromOneHubToAnothersClients(t *testing.T) {
	s := newSite(t, hub.Options{})
	room := hub.Register[RoomClient](s.Server, "room", newRoom())
	hub.Register[Client](s.Server, "bridge", bridge{room})
	g := s.connect("webSockets", "", "room", "bridge")
	g.ok("bridge", "shout", "hi")
	g.want("", `{"H":"room","M":"message","A":["hi"]}`)
}

type bridge struct{ room *hub.Hub[RoomClient] }

func (b bridge) Shout(_ *hub.Call[Client], text string) error {
	return b.room.Clients.All().Message(text)
}

// A log that keeps the last entry for the test to look at.
type spyLog struct {
	messagelog.Log
	last *messagelog.Entry
}

func (l *spyLog) Append(e *messagelog.Entry) error {
	l.last = e
	return l.Log.Append(e)
}

func TestPayloadIsMadeOnceForAllReceivers(t *testing.T) {
	spy := &spyLog{Log: messagelog.NewMemory(messagelog.MemoryOptions{})}
	o := hub.Options{}
	o.Log = spy
	h := hub.Register[RoomClient](newServer(t, o), "room", newRoom())
	if err := h.Clients.All().Message("hi"); err != nil {
		t.Fatal(err)
	}
	payload := spy.last.Payload
	if got := string(payload.Bytes(classic.JSON)); got != `{"H":"room","M":"message","A":["hi"]}` {
		t.Errorf("got %s", got)
	}
	if n := testing.AllocsPerRun(1000, func() { payload.Bytes(classic.JSON) }); n > 0 {
		t.Errorf("each further receiver costs %v allocations", n)
	}
	if got := payload.Bytes(&messagelog.Protocol{Name: "unknown"}); got != nil {
		t.Errorf("a protocol of no family: got %s", got)
	}
	if n, size := len(payload.Bytes(classic.JSON)), payload.Size(); size < n-8 || size > n+24 {
		t.Errorf("size is %d, the payload %d", size, n)
	}
}

func TestProxyOfAGroupIsCached(t *testing.T) {
	h := hub.Register[RoomClient](newServer(t, hub.Options{}), "room", newRoom())
	for name, f := range map[string]func(){
		"group": func() { h.Clients.Group("g") }, "user": func() { h.Clients.User("u") },
		"client": func() { h.Clients.Client("c") }, "all": func() { h.Clients.All() },
	} {
		if n := testing.AllocsPerRun(1000, f); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	for i := range 20000 { // names that are not asked for again do not pile up
		h.Clients.Group(strconv.Itoa(i))
	}
}
