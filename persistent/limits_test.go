package persistent_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// wantRefused checks that a transport is not opened, and why.
func wantRefused(t *testing.T, c *classictest.Client, status int, reason string) {
	t.Helper()
	var refused *classictest.Refused
	_, err := c.TryDial("connect", "serverSentEvents")
	if !errors.As(err, &refused) || refused.Status != status || refused.Reply.Header.Get(negotiate.ReasonHeader) != reason {
		t.Errorf("one connection too many gets %v, want %d %s", err, status, reason)
	}
}

// A server takes as many connections as it is told to, and another one when one
// has gone. Those that have a place keep it, however often they come back.
func TestMaxConnections(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{MaxConnections: 2})
	first, second, third := s.client(), s.client(), s.client().Negotiate()
	stream := first.Open("serverSentEvents")
	second.Open("webSockets")
	wantRefused(t, third, 503, "too_many_connections")
	stream.Drop()
	stream = first.Reconnect("serverSentEvents")
	s.must(s.Broadcast("still here"))
	stream.WantMessage("the one with a place", "still here")
	second.Abort("webSockets")
	third.Connect("serverSentEvents")
}

// One owner, a user or the address of nobody in particular, takes no more than
// its share.
func TestMaxPerOwner(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{MaxPerOwner: 1, Authenticate: byQuery})
	as := func(user string) *classictest.Client {
		c := s.client()
		c.Query.Set("user", user)
		return c.Negotiate()
	}
	for _, user := range []string{"ann", "bob", ""} {
		c := as(user)
		c.Connect("webSockets")
		wantRefused(t, as(user), 429, "too_many_connections_of_owner")
		c.Abort("webSockets")
		as(user).Connect("longPolling")
	}
	free := start(t, persistent.Handler{}, persistent.Options{
		MaxPerOwner: 1,
		Owner:       func(r *http.Request, _ string) string { return r.URL.Query().Get("tenant") },
	})
	for range 3 { // nobody's
		free.client().Open("webSockets")
	}
	one, two := free.client(), free.client()
	one.Query.Set("tenant", "t")
	one.Open("webSockets")
	two.Query.Set("tenant", "t")
	wantRefused(t, two.Negotiate(), 429, "too_many_connections_of_owner")
}

// A connection may send so many messages a second. Beyond it a send is refused,
// and a WebSocket closed; time heals both, and a new transport does not.
func TestMaxRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		s := raw(t, persistent.Handler{
			OnReceived: func(_ *persistent.Conn, data []byte) error { got = append(got, string(data)); return nil },
		}, persistent.Options{MaxRate: 2, MaxBurst: 3})
		client, stop := classictest.Serve(t, s.Server)
		defer stop()
		c := client("/raw")
		c.Open("longPolling")
		for i := range 3 {
			if r := c.Send("longPolling", "burst"); r.Status != http.StatusOK {
				t.Errorf("message %d of the burst gets %d", i, r.Status)
			}
		}
		if r := c.Send("longPolling", "too much"); r.Status != 429 || r.Header.Get(negotiate.ReasonHeader) != "too_many_messages" {
			t.Errorf("one message too many gets %d %s", r.Status, r.Body)
		}
		time.Sleep(time.Second)
		for _, want := range []int{200, 200, 429} {
			if r := c.Send("longPolling", "a second later"); r.Status != want {
				t.Errorf("a message after a second gets %d, want %d", r.Status, want)
			}
		}
		st := c.Reconnect("webSockets")
		st.Write("on a new transport")
		_, err := st.Raw()
		if code := websocket.CloseStatus(err); code != websocket.StatusPolicyViolation {
			t.Errorf("a WebSocket is closed with %v (%v)", code, err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if strings.Join(got, " ") != "burst burst burst a second later a second later" {
			t.Errorf("the program got %q", got)
		}
		s.must(s.Shutdown(t.Context()))
	})
}

// Limits below zero are mistakes.
func TestNegativeLimits(t *testing.T) {
	for name, o := range map[string]persistent.Options{
		"MaxConnections": {MaxConnections: -1},
		"MaxPerOwner":    {MaxPerOwner: -1},
		"MaxRate":        {MaxRate: -1},
		"MaxBurst":       {MaxBurst: -1},
	} {
		if o.Validate() == nil {
			t.Errorf("%s: a negative limit is let through", name)
		}
	}
}

// A body that does not come is not waited for. The clients of a slow network are
// given time, and calls and polls that take longer than that are let be.
func TestSlowBodies(t *testing.T) {
	for _, operation := range []string{"send", "poll", "negotiate"} {
		t.Run(operation, func(t *testing.T) {
			s := start(t, persistent.Handler{}, persistent.Options{BodyTimeout: 100 * time.Millisecond})
			c := s.client()
			c.Open("longPolling")
			conn, err := net.Dial("tcp", strings.TrimPrefix(strings.TrimSuffix(s.url, "/raw"), "http://"))
			s.must(err)
			defer conn.Close()
			address, err := url.Parse(c.Address(operation, "transport", "longPolling"))
			s.must(err)
			_, err = io.WriteString(conn, "POST "+address.RequestURI()+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\ndata=")
			s.must(err)
			s.must(conn.SetReadDeadline(time.Now().Add(classictest.Patience)))
			answer, err := io.ReadAll(conn)
			if err != nil {
				t.Errorf("the connection is held: %v", err)
			}
			if operation != "negotiate" && !strings.Contains(string(answer), negotiate.ReasonHeader+": body_timeout") {
				t.Errorf("the answer is %q", answer)
			}
		})
	}
}

// What takes longer than the body may, after it, has nothing to fear.
func TestSlowAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = time.Second
		thought := false
		s := raw(t, persistent.Handler{
			OnReceived: func(*persistent.Conn, []byte) error {
				time.Sleep(3 * limit)
				thought = true
				return nil
			},
		}, persistent.Options{BodyTimeout: limit})
		client, stop := classictest.Serve(t, s.Server)
		defer stop()
		c := client("/raw")
		c.Open("longPolling")
		if r := c.Send("longPolling", "think about it"); r.Status != http.StatusOK || !thought {
			t.Errorf("a send with a slow handler gets %d, before its end: %v", r.Status, !thought)
		}
		poll := c.Poll()
		time.Sleep(3 * limit)
		s.must(s.Broadcast("at last"))
		poll.WantMessage("a poll that was held", "at last")
		s.must(s.Shutdown(t.Context()))
	})
}

// A goneWriter is the ResponseWriter of a client that has gone. It counts how
// often a status is written.
type goneWriter struct {
	http.ResponseWriter
	statuses int
}

func (w *goneWriter) WriteHeader(int)   { w.statuses++ }
func (w *goneWriter) FlushError() error { w.statuses++; return errors.New("gone") }

// A client that has gone before its transport was open is no fault of the
// server's: nothing is written after what could not be written.
func TestGoneBeforeOpen(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{})
	for _, transport := range []string{"serverSentEvents", "foreverFrame", "longPolling"} {
		c := s.client().Negotiate()
		w := &goneWriter{ResponseWriter: httptest.NewRecorder()}
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, c.Address("connect", "transport", transport, "frameId", "1"), nil))
		if w.statuses != 1 {
			t.Errorf("%s: the header is written %d times", transport, w.statuses)
		}
	}
}
