package conformancecore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/core/coretest"
)

// A crowd is four connections with a transport or a protocol each: a and b are
// Ann's, c is Bob's, d is Carl's. A and b are in group one, b and c in group two.
type crowd struct {
	*lab
	ids     map[string]string
	streams map[string]*coretest.Stream
}

func newCrowd(l *lab) *crowd {
	l.Helper()
	c := &crowd{l, map[string]string{}, map[string]*coretest.Stream{}}
	c.join("a", "ann", webSockets, "json", "one")
	c.join("b", "ann", serverSentEvents, "json", "one", "two")
	c.join("c", "bob", longPolling, "json", "two")
	c.join("d", "carl", webSockets, "messagepack")
	return c
}

func (c *crowd) join(name, user, transport, protocol string, groups ...string) {
	c.Helper()
	client := c.new()
	client.Protocol = protocol
	client.Header.Set("Authorization", "Bearer "+user)
	s := client.Open(transport)
	c.streams[name], c.ids[name] = s, client.Answer.ConnectionID
	c.wait("connected " + c.ids[name])
	for _, g := range groups {
		if err := c.hub.Groups.Add(c.ids[name], g); err != nil {
			c.Fatal(err)
		}
	}
}

// wantAt checks that a message with the text comes once to each of the named,
// and to nobody else.
func (c *crowd) wantAt(text, names string) {
	c.Helper()
	const end = "that is all"
	if err := c.hub.Clients.All().Got(end); err != nil {
		c.Fatal(err)
	}
	for name, s := range c.streams {
		want, got := strings.Count(names, name), 0
		for {
			m := s.Message("what is for " + name)
			if strings.Contains(m, end) {
				break
			}
			if strings.Contains(m, `"type":3`) {
				continue // the result of the call that sent it
			}
			if !strings.Contains(m, text) {
				c.Errorf("%s got %q", name, m)
			}
			got++
		}
		if got != want {
			c.Errorf("%s came %d times to %s, want %d", text, got, name, want)
		}
	}
}

// Test96Senders has every sender of section 6. Who is in two of the groups, or
// named twice, gets one message, where the reference server sends two.
func Test96Senders(t *testing.T) {
	try(t, config{Options: persistent.Options{Authenticate: byUser}}, func(l *lab) {
		c := newCrowd(l)
		stranger := l.client("/signalr/other") // of another hub
		stranger.Header.Set("Authorization", "Bearer ann")
		elsewhere := stranger.Open(webSockets)
		a, b, outside := c.ids["a"], c.ids["b"], l.hub.Clients
		for text, row := range map[string]struct {
			to    labClient
			names string
		}{
			"All":           {outside.All(), "a b c d"},
			"AllExcept":     {outside.AllExcept(a, c.ids["d"], "nobody"), "b c"},
			"Client":        {outside.Client(a), "a"},
			"Clients":       {outside.Clients(a, c.ids["c"], a), "a c"},
			"Group":         {outside.Group("one"), "a b"},
			"Groups":        {outside.Groups("one", "two"), "a b c"},
			"GroupExcept":   {outside.GroupExcept("one", b), "a"},
			"User":          {outside.User("ann"), "a b"},
			"Users":         {outside.Users("bob", "carl", "nobody"), "c d"},
			"an odd group":  {outside.Group("One"), ""}, // names are compared as they are
			"an odd user":   {outside.User("an"), ""},
			"no such group": {outside.Group("three"), ""},
		} {
			if err := row.to.Got(text); err != nil {
				t.Errorf("%s: %v", text, err)
			}
			c.wantAt(text, row.names)
		}
		for text, names := range map[string]string{
			"Caller": "b", "Others": "a c d", "OthersInGroup": "a", "OthersInGroups": "a c",
		} {
			c.streams["b"].Send(call("1", "send", fmt.Sprintf(`[%q]`, text)))
			l.wait("sent " + text + ".")
			c.wantAt(text, names)
		}
		if err := outside.Clients("nobody", a).Got("gone"); !errors.Is(err, hub.ErrNoConnection) {
			t.Errorf("an id of nobody: %v", err)
		}
		c.wantAt("gone", "a")
		if m := l.next(elsewhere); m != coretest.Ping {
			t.Errorf("a client of another hub got %s", m)
		}
	})
}

func (l *lab) next(s *coretest.Stream) string {
	l.Helper()
	m, err := s.Next()
	if err != nil {
		l.Fatal(err)
	}
	return m
}

// Send sends the text in the way that it names.
func (h *labHub) Send(c *hub.Call[labClient], how string) error {
	defer h.lab.note("sent " + how + ".")
	return map[string]labClient{
		"Caller":         c.Clients.Caller(),
		"Others":         c.Clients.Others(),
		"OthersInGroup":  c.Clients.OthersInGroup("one"),
		"OthersInGroups": c.Clients.OthersInGroups("one", "two"),
	}[how].Got(how)
}

// Membership can be given and taken twice, and ends with the connection: who
// comes back is in no group.
func Test96Groups(t *testing.T) {
	try(t, config{Options: persistent.Options{Authenticate: byUser}}, func(l *lab) {
		c := newCrowd(l)
		say := func(text, names string) {
			t.Helper()
			if err := l.hub.Clients.Group("one").Got(text); err != nil {
				t.Error(err)
			}
			c.wantAt(text, names)
		}
		for range 2 {
			l.must(l.hub.Groups.Add(c.ids["d"], "one"))
		}
		say("added twice", "a b d")
		for range 2 {
			l.must(l.hub.Groups.Remove(c.ids["d"], "one"))
		}
		say("removed twice", "a b")
		c.streams["a"].Close()
		l.wait("stopped")
		c.join("a", "ann", webSockets, "json")
		say("a is a new connection", "b")
		l.must(l.hub.Groups.Add(c.ids["a"], "one"))
		say("and joins anew", "a b")
	})
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Error(err)
	}
}
