package persistent_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// Who is aborted is given what was sent before, and told in a frame of its own,
// since clients pass over the messages of such a frame.
func TestAbortIsTold(t *testing.T) {
	for _, kind := range []string{"webSockets", "serverSentEvents", "foreverFrame", "longPolling"} {
		t.Run(kind, func(t *testing.T) {
			bubble(t, persistent.Handler{}, persistent.Options{}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
				c := client("/raw")
				c.Negotiate()
				st := c.Connect(kind, "frameId", "1")
				c.Start(kind)
				if kind == "longPolling" {
					st = c.Poll()
				}
				synctest.Wait()
				s.must(s.Broadcast("sent before"))
				conn, _ := s.Conn(c.Answer.ConnectionID)
				conn.Abort()
				f := st.Frame("what was sent before")
				if len(f.M) != 1 || f.E != nil {
					t.Errorf("the first frame is %s", f.Raw)
				}
				if kind == "longPolling" {
					st.WantEnd("the poll is answered")
					st = c.Poll()
				}
				if f = st.Frame("the end"); len(f.M) > 0 || f.E == nil || f.D == nil || f.T != nil {
					t.Errorf("the last frame is %s, want E and D", f.Raw)
				}
				st.WantEnd("the end of the transport")
			})
		})
	}
}

// A poll that is held when its connection is aborted says so.
func TestAbortAnswersThePoll(t *testing.T) {
	bubble(t, persistent.Handler{}, persistent.Options{}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
		c := client("/raw")
		c.Open("longPolling")
		st := c.Poll()
		synctest.Wait()
		conn, _ := s.Conn(c.Answer.ConnectionID)
		conn.Abort()
		if f := st.Frame("the held poll"); f.E == nil {
			t.Errorf("the poll got %s, want E", f.Raw)
		}
	})
}

// A poll that comes after the end has its cursor back, but only a real one: what
// a client sends does not get into the answer.
func TestPollAfterTheEnd(t *testing.T) {
	bubble(t, persistent.Handler{}, persistent.Options{}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
		c := client("/raw")
		c.Open("longPolling")
		conn, _ := s.Conn(c.Answer.ConnectionID)
		conn.Abort()
		if r := c.Get("poll", "transport", "longPolling", "messageId", c.Cursor); r.Status != http.StatusOK ||
			r.Header.Get(negotiate.ReasonHeader) != "connection_ended" || !strings.HasPrefix(r.Body, `{"C":"`+c.Cursor+`","D":1,"E":`) {
			t.Errorf("%d %s", r.Status, r.Body)
		}
		if r := c.Get("poll", "transport", "longPolling", "messageId", `a-1","T":1,"x":"`); r.Status != http.StatusBadRequest {
			t.Errorf("a cursor that is none: %d %s", r.Status, r.Body)
		}
	})
}

// Nobody is told of an end that it asked for, or that is one of the transport
// only.
func TestOtherEndsAreNotTold(t *testing.T) {
	bubble(t, persistent.Handler{}, persistent.Options{}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
		stopped, replaced := client("/raw"), client("/raw")
		first, second := stopped.Open("serverSentEvents"), replaced.Open("serverSentEvents")
		stopped.Abort("serverSentEvents")
		third := replaced.Reconnect("webSockets")
		for name, st := range map[string]*classictest.Stream{"stopped": first, "replaced": second} {
			if frames := st.WantEnd(name); len(frames) > 0 {
				t.Errorf("%s: the stream ends with %v", name, frames)
			}
		}
		third.Drop()
	})
}

// A slowLog has something happen before what was missed is read.
type slowLog struct {
	messagelog.Log
	before func()
}

func (l *slowLog) Read(spans []messagelog.Span) ([]*messagelog.Entry, bool, error) {
	if l.before != nil {
		l.before()
	}
	return l.Log.Read(spans)
}

// The poll that brings the last messages of a server that shuts down says so.
func TestShutdownWithTheLastMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &slowLog{Log: messagelog.NewMemory(messagelog.MemoryOptions{})}
		answered := make(chan struct{})
		s := raw(t, persistent.Handler{
			OnDisconnected: func(*persistent.Conn, bool) { <-answered }, // the log is closed after it
		}, persistent.Options{Log: log})
		client, stop := classictest.Serve(t, s.Server)
		defer stop()
		c := client("/raw")
		c.Open("longPolling")
		s.must(s.Broadcast("the last"))
		done := make(chan error)
		log.before = func() {
			log.before = nil
			go func() { done <- s.Shutdown(context.Background()) }()
			synctest.Wait() // the shutdown has come as far as it can
		}
		if f := c.Poll().Frame("the poll at the shutdown"); len(f.M) != 1 || f.T == nil {
			t.Errorf("the poll got %s, want the message and T", f.Raw)
		}
		if r := c.Get("ping"); r.Header.Get(negotiate.ReasonHeader) != "shutting_down" {
			t.Errorf("who asks whether it may come back gets %d %s", r.Status, r.Body)
		}
		close(answered)
		s.must(<-done)
	})
}
