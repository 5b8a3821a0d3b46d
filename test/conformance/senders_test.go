package conformance_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// The cursor of an excluded connection advances with its next frame, or when a
// keep-alive would be due: see line 37.
func TestClassic090Excluded(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubbleHubs(t, hub.Options{}, func(s *hubSite) {
			a, _ := s.join(sse, "", "chathub")
			b, stream := s.join(kind, "", "chathub")
			if kind == poll {
				stream = b.Poll()
			}
			r := record(s, stream)
			s.invoke(a, "chathub", "tell", "allExcept", []string{id(b)}, "not b")
			s.want("frames", len(r.frames()), 0)
			s.invoke(b, "chathub", "tell", "others", nil, "not b")
			s.want("frames", len(r.frames()), 0)
			s.invoke(a, "chathub", "tell", "others", nil, "not a")
			s.want("messages", r.messages(), said("ChatHub", "not a"))
			r.follow(b)
			stream.Drop()
			s.invoke(a, "chathub", "tell", "allExcept", []string{id(b), id(a)}, "not b")
			r = record(s, resume(b, kind))
			s.want("messages after a reconnect", r.messages(), "")
		})
	})
}

// One copy: nobody wants two.
func TestClassic091MemberOfTwoGroups(t *testing.T) {
	bubbleHubs(t, hub.Options{}, func(s *hubSite) {
		c, stream := s.join(sse, "ann", "chathub")
		r := record(s, stream)
		for _, group := range []string{"a", "b", "b"} {
			s.invoke(c, "chathub", "join", id(c), group)
		}
		s.invoke(c, "chathub", "tell", "groups", []string{"a", "b", "a"}, "groups")
		s.invoke(c, "chathub", "tell", "users", []string{"ann", "ann", "bob"}, "users")
		s.invoke(c, "chathub", "tell", "clients", []string{id(c), id(c)}, "clients")
		s.want("messages", r.messages(), said("ChatHub", "groups")+","+said("ChatHub", "users")+","+said("ChatHub", "clients"))
	})
}

// For an id that nobody has the error comes at once: the registry knows.
func TestClassic092GroupAdd(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubbleHubs(t, hub.Options{}, func(s *hubSite) {
			a, _ := s.join(sse, "", "chathub")
			b, stream := s.join(kind, "", "chathub")
			stream.Drop()
			began := time.Now()
			s.want("join of one without a transport", s.invoke(a, "chathub", "join", id(b), "group").E, "")
			conn, _ := s.hubs.Endpoint().Conn(id(b))
			s.want("when it returns", fmt.Sprint(conn.Groups()), "[ChatHub.group]")
			err := s.chat.Groups.Add("nobody", "group")
			s.want("an unknown id", errors.Is(err, hub.ErrNoConnection), true)
			s.want("from a client", s.invoke(a, "chathub", "join", "nobody", "group").E != "", true)
			s.want("an empty name", s.chat.Groups.Add(id(b), "") != nil, true)
			s.want("a send to an unknown id", errors.Is(s.chat.Clients.Client("nobody").Say("x"), hub.ErrNoConnection), true)
			s.want("it took", time.Since(began), time.Duration(0))
		})
	})
}

func TestClassic093AddThenSend(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		s := serveHubs(t, hub.Options{})
		a, _ := s.join(sse, "", "chathub")
		for i := range 20 {
			b, stream := s.join(kind, "", "chathub")
			if kind == poll {
				stream = b.Poll()
			}
			text := fmt.Sprint("hello ", i)
			s.want("call", s.invoke(a, "chathub", "joinAndTell", id(b), fmt.Sprint("group ", i), text).E, "")
			var got []string
			for try := 0; len(got) == 0 && try < 3; try++ {
				f := stream.Frame("what was sent to the group")
				for _, m := range f.M {
					got = append(got, string(m))
				}
				if kind == poll && len(got) == 0 {
					stream = b.Poll()
				}
			}
			s.want("messages", fmt.Sprint(got), "["+said("ChatHub", text)+"]")
		}
	})
}

func TestClassic094UserSend(t *testing.T) {
	bubbleHubs(t, hub.Options{}, func(s *hubSite) {
		list := make(map[string]*recording)
		var first *classictest.Client
		for _, row := range []struct{ name, user, hub string }{
			{"ann 1", "ann", "chathub"}, {"ann 2", "ann", "ChatHub"}, {"ann elsewhere", "ann", "other"}, {"bob", "bob", "chathub"}, {"nobody", "", "chathub"},
		} {
			c, stream := s.join(sse, row.user, row.hub)
			list[row.name] = record(s, stream)
			if first == nil {
				first = c
			}
		}
		s.invoke(first, "chathub", "tell", "users", []string{"ann"}, "ann")
		s.must(s.chat.Clients.User("bob").Say("bob"))
		s.want("a user without a name", s.chat.Clients.User("").Say("x") != nil, true)
		for name, want := range map[string]string{
			"ann 1": said("ChatHub", "ann"), "ann 2": said("ChatHub", "ann"), "ann elsewhere": "", "bob": said("ChatHub", "bob"), "nobody": "",
		} {
			s.want(name, list[name].messages(), want)
		}
	})
}
