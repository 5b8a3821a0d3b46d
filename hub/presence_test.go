package hub_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/hub/hubtest"
)

func members(p hub.Presence, group string) string {
	var list []string
	for _, m := range p.In(group) {
		list = append(list, fmt.Sprintf("%s%d", m.User, len(m.Connections)))
	}
	return strings.Join(list, " ")
}

func TestPresence(t *testing.T) {
	var notices notebook
	s := hubtest.NewServer(t, hub.Options{})
	var ends notebook
	told := hub.Use(hub.Filter{Disconnect: func(e *hub.Event, stopCalled bool, next func(*hub.Event, bool)) {
		ends.add(e.User)
		next(e, stopCalled)
	}})
	h := hub.Register[RoomClient](s.Server, "room", newRoom(), told, hub.TrackPresence(func(n hub.Notice) {
		notices.add(fmt.Sprintf("%s %s %t", n.User, n.Group, n.Joined))
	}))
	want := func(why, list string) {
		t.Helper()
		if got := members(h.Presence(), "g"); got != list {
			t.Errorf("%s: got %q, want %q", why, got, list)
		}
	}
	ann1, ann2, bob := s.Connect("ann", "room"), s.Connect("ann", "room"), s.Connect("bob", "room")
	nobody1, nobody2 := s.Connect("", "room"), s.Connect("", "room")
	for _, c := range []*hubtest.Client{ann1, bob, ann2, ann1, nobody1, nobody2} {
		c.Invoke("room", "join", "g")
	}
	want("by user, in order", "ann2 bob1 1 1")

	ann1.Lose()
	ann1.Return()
	want("a lost transport changes nothing", "ann2 bob1 1 1")

	ann1.Stop()
	ends.wait(t, 1)
	notices.wait(t, 4)
	notices.add("-")
	want("one of two connections left", "ann1 bob1 1 1")
	nobody1.Stop()
	ends.wait(t, 2)
	want("nobody is one by one", "ann1 bob1 1")
	ann2.Invoke("room", "leave", "g")
	want("the last one left", "bob1 1")
	ann2.Invoke("room", "leave", "g")
	bob.Stop()
	nobody2.Stop()
	ends.wait(t, 4)
	want("all left", "")
	got := notices.wait(t, 9)
	slices.Sort(got[7:]) // two connections ended at the same time
	if all := strings.Join(got, ", "); all != "ann g true, bob g true,  g true,  g true, -,  g false, ann g false,  g false, bob g false" {
		t.Errorf("got %s", all)
	}
}

func TestPresenceUntracked(t *testing.T) {
	s := hubtest.NewServer(t, hub.Options{})
	h := hub.Register[RoomClient](s.Server, "room", newRoom())
	s.Connect("ann", "room").Invoke("room", "join", "g")
	if got := h.Presence().In("g"); got != nil {
		t.Errorf("got %v", got)
	}
}

func TestPresenceAfterRejoining(t *testing.T) {
	s := hubtest.NewServer(t, hub.Options{})
	h := hub.Register[RoomClient](s.Server, "d", &Diary{name: "d"}, hub.TrackPresence(nil))
	ann := s.Connect("ann", "d")
	ann.Invoke("d", "join", "open")
	ann.Invoke("d", "join", "secret")
	ann.Lose()
	ann.Return()
	if got := members(h.Presence(), "open") + "," + members(h.Presence(), "secret"); got != "ann1," {
		t.Errorf("got %q", got)
	}
}

// Exit ends the connections that come back.
type Exit struct{ left chan struct{} }

func (*Exit) Join(c *hub.Call[RoomClient], group string) error {
	return c.Groups.Add(c.ConnectionID, group)
}

func (e *Exit) OnRejoiningGroups(c *hub.Call[RoomClient], groups []string) []string {
	c.Abort()
	<-e.left
	return append(groups, "another")
}

// A connection that ends while it comes back is noted nowhere.
func TestPresenceOfAnEndedReturn(t *testing.T) {
	s := hubtest.NewServer(t, hub.Options{})
	exit := &Exit{left: make(chan struct{})}
	h := hub.Register[RoomClient](s.Server, "exit", exit, hub.TrackPresence(func(n hub.Notice) {
		if !n.Joined {
			close(exit.left)
		}
	}))
	ann := s.Connect("ann", "exit")
	ann.Invoke("exit", "join", "g")
	ann.Lose()
	ann.Return()
	if got := members(h.Presence(), "g") + members(h.Presence(), "another"); got != "" {
		t.Errorf("%q are still there", got)
	}
}

// Whatever the interleaving, what is noted in the end is what is in force, and
// nothing is noted of connections that have ended.
func TestPresenceUnderRaces(t *testing.T) {
	s := hubtest.NewServer(t, hub.Options{})
	h := hub.Register[RoomClient](s.Server, "room", newRoom(), hub.TrackPresence(nil))
	var all sync.WaitGroup
	stays := s.Connect("stays", "room")
	for i := range 8 {
		c := s.Connect(fmt.Sprint("user", i%3), "room")
		for range 3 {
			all.Go(func() {
				for range 50 {
					_ = h.Groups.Add(c.ID, "g")
					_ = h.Groups.Remove(c.ID, "g")
					_ = h.Groups.Add(stays.ID, "g")
					_ = h.Groups.Remove(stays.ID, "g")
				}
				_ = h.Groups.Add(c.ID, "g")
			})
		}
		all.Go(c.Stop)
	}
	all.Wait()
	groups, err := h.Groups.Of(stays.ID)
	if err != nil {
		t.Fatal(err)
	}
	in := slices.ContainsFunc(h.Presence().In("g"), func(m hub.Member) bool { return m.User == "stays" })
	if in != slices.Contains(groups, "g") {
		t.Errorf("noted is %t, in force %q", in, groups)
	}
	if err := h.Groups.Remove(stays.ID, "g"); err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.Presence().In("g"); len(got) > 0 {
		t.Errorf("connections that ended are still there: %v", got)
	}
}
