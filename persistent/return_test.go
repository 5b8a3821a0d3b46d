package persistent_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A client that was taken out of a group while it was away is not in it again
// when it comes back, however late, with the token that it still has.
func TestGroupsAfterALongAbsence(t *testing.T) {
	var s *server
	bubble(t, persistent.Handler{
		OnConnected: func(c *persistent.Conn) error { return s.Join(c.ID(), "vip") },
	}, persistent.Options{}, func(t *testing.T, in *server, client func(string) *classictest.Client) {
		s = in
		c := client("/raw")
		st := c.Open("serverSentEvents")
		st.Frame("the change of groups")
		st.Drop()
		s.must(s.Leave(c.Answer.ConnectionID, "vip"))
		time.Sleep(10 * time.Minute)
		s.must(s.Broadcast("what makes the log forget"))
		st = c.Reconnect("serverSentEvents")
		synctest.Wait()
		s.must(s.SendGroup("vip", "for members"))
		s.must(s.Broadcast("for all"))
		for got := ""; got != `"for all"`; {
			for _, m := range st.Frame("after the return").M {
				if got = string(m); got == `"for members"` {
					t.Error("who was taken out of the group hears it again")
				}
			}
		}
		st.Drop()
	})
}

// Who comes back after it was given up is told of to the program after its end.
func TestReturnDuringTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		s := raw(t, persistent.Handler{
			OnReceived: func(*persistent.Conn, []byte) error { <-let; return nil },
		}, persistent.Options{})
		client, stop := classictest.Serve(t, s.Server)
		defer stop()
		c := client("/raw")
		st := c.Open("webSockets")
		st.Write("a call that takes long")
		synctest.Wait()
		st.Drop()
		time.Sleep(time.Minute)
		go func() { time.Sleep(time.Second); close(let) }()
		st = c.Reconnect("serverSentEvents")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		s.wantEvents("the end before the return", "connected", "disconnected stop=false", "reconnected gap=false")
		st.Drop()
		s.must(s.Shutdown(context.Background()))
	})
}

// wantMember reports whether what is sent to the group reaches the stream, by
// the time that a message to all does.
func (s *server) wantMember(why string, st *classictest.Stream, group string) {
	s.t.Helper()
	s.must(s.SendGroup(group, "for members"))
	s.must(s.Broadcast("for all"))
	for member := false; ; {
		for _, m := range st.Frame(why).M {
			switch string(m) {
			case `"for members"`:
				member = true
			case `"for all"`:
				if !member {
					s.t.Errorf("%s: not in the group %s", why, group)
				}
				return
			}
		}
	}
}

// A client that was given up, says something and is given up again, before it
// has a transport, comes back to the groups that it was in, and to those that it
// has entered with what it said.
func TestGroupsWithoutATransport(t *testing.T) {
	var s *server
	bubble(t, persistent.Handler{
		OnConnected: func(c *persistent.Conn) error { return s.Join(c.ID(), "first") },
		OnReceived:  func(c *persistent.Conn, data []byte) error { return s.Join(c.ID(), string(data)) },
	}, persistent.Options{}, func(t *testing.T, in *server, client func(string) *classictest.Client) {
		s = in
		c := client("/raw")
		st := c.Open("serverSentEvents")
		st.Frame("the change of groups")
		st.Drop()
		for _, group := range []string{"second", "third"} {
			time.Sleep(time.Minute)
			c.Send("serverSentEvents", group)
		}
		for range 3 {
			st = c.Reconnect("serverSentEvents")
			synctest.Wait()
			for _, group := range []string{"first", "second", "third"} {
				s.wantMember("back again", st, group)
			}
			st.Drop()
			time.Sleep(time.Minute)
		}
	})
}

// A change of groups that comes too late for the connection is an error, and
// costs the client nothing when it comes back.
func TestLateChangeOfGroups(t *testing.T) {
	log := &lateLog{Log: messagelog.NewMemory(messagelog.MemoryOptions{})}
	var s *server
	bubble(t, persistent.Handler{
		OnConnected: func(c *persistent.Conn) error { return s.Join(c.ID(), "first") },
	}, persistent.Options{Log: log}, func(t *testing.T, in *server, client func(string) *classictest.Client) {
		s = in
		c := client("/raw")
		st := c.Open("serverSentEvents")
		st.Frame("the change of groups")
		log.before = func() {
			log.before = nil
			st.Drop()
			time.Sleep(time.Minute)
		}
		if err := s.Join(c.Answer.ConnectionID, "second"); !errors.Is(err, persistent.ErrNoConnection) {
			t.Errorf("got %v, want ErrNoConnection", err)
		}
		s.must(s.SendGroup("first", "missed"))
		st = c.Reconnect("serverSentEvents")
		if f := st.Frame("what was missed"); len(f.M) != 1 || string(f.M[0]) != `"missed"` {
			t.Errorf("got %q, want what was sent to the group", f.Raw)
		}
		s.wantMember("back again", st, "first")
		st.Drop()
	})
}
