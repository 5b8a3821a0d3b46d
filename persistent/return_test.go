package persistent_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// A client that was taken out of a group while it was away is not in it again
// when it comes back, however late, with the token that it still has.
func TestGroupsAfterALongAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *server
		s = raw(t, persistent.Handler{
			OnConnected: func(c *persistent.Conn) error { return s.Join(c.ID(), "vip") },
		}, persistent.Options{})
		client, stop := classictest.Serve(t, s.Server)
		defer stop()
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
		s.must(s.Shutdown(context.Background()))
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
