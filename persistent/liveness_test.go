package persistent_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// bubble runs f in fake time against a raw server.
func bubble(t *testing.T, h persistent.Handler, o persistent.Options, f func(t *testing.T, s *server, client func(string) *classictest.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := raw(t, h, o)
		client, stop := classictest.Serve(t, s.Server)
		f(t, s, client)
		s.must(s.Shutdown(context.Background()))
		stop()
	})
}

// An idle client hears from the server every KeepAlive, a busy one only in its
// messages.
func TestKeepAlive(t *testing.T) {
	for _, transport := range []string{"webSockets", "serverSentEvents"} {
		bubble(t, persistent.Handler{}, persistent.Options{}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
			st := client("/raw").Open(transport)
			begin := time.Now()
			for i := range 5 {
				f, err := st.Next()
				if err != nil || !f.KeepAlive() {
					t.Fatalf("%s: keep-alive %d is %q, %v", transport, i, f.Raw, err)
				}
			}
			if took := time.Since(begin); took < 47*time.Second || took > 50*time.Second {
				t.Errorf("%s: five keep-alives in %v, want one in 10 s, or a little earlier", transport, took)
			}
			for i := range 20 {
				time.Sleep(3 * time.Second)
				s.must(s.Broadcast(i))
				if f, _ := st.Next(); f.KeepAlive() {
					t.Errorf("%s: a keep-alive although there was a frame every 3 s", transport)
				}
			}
		})
	}
}

// A client that is left out of everything is told at keep-alive time how far
// the log has come, so that its cursor does not fall behind what is retained.
func TestKeepAliveMovesTheCursor(t *testing.T) {
	bubble(t, persistent.Handler{}, persistent.Options{}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
		c := client("/raw")
		st := c.Open("serverSentEvents")
		before := c.Cursor
		s.must(s.Broadcast("not for you", c.Answer.ConnectionID))
		f, err := st.Next()
		if err != nil || f.KeepAlive() || len(f.M) > 0 || f.C == before {
			t.Errorf("got %q, %v, want an empty frame with a new cursor", f.Raw, err)
		}
		if f, _ = st.Next(); !f.KeepAlive() {
			t.Errorf("got %q next, want a plain keep-alive", f.Raw)
		}
	})
}

func TestKeepAliveOff(t *testing.T) {
	bubble(t, persistent.Handler{}, persistent.Options{KeepAlive: -1}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
		c := client("/raw")
		c.Patience = time.Hour
		c.Negotiate()
		if c.Answer.KeepAliveTimeout != nil {
			t.Errorf("KeepAliveTimeout is %v, want null", *c.Answer.KeepAliveTimeout)
		}
		st := c.Connect("serverSentEvents")
		c.Start("serverSentEvents")
		begin := time.Now()
		for _, f := range st.WantEnd("the old stream") {
			if f.KeepAlive() {
				t.Error("a keep-alive came")
			}
		}
		if took := time.Since(begin); took < 110*time.Second || took > 111*time.Second {
			t.Errorf("the stream was ended after %v, want 110 s", took)
		}
	})
}

// An idle poll is answered after the connection timeout, with a cursor, and is
// no loss.
func TestIdlePoll(t *testing.T) {
	bubble(t, persistent.Handler{}, persistent.Options{}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
		c := client("/raw")
		c.Patience = time.Hour
		c.Open("longPolling")
		begin := time.Now()
		f, err := c.Poll().Next()
		if err != nil || len(f.M) != 0 || f.S != nil || f.T != nil || f.C == "" {
			t.Errorf("the idle poll got %q, %v", f.Raw, err)
		}
		if took := time.Since(begin); took < 110*time.Second || took > 111*time.Second {
			t.Errorf("the poll was held for %v, want 110 s", took)
		}
		s.wantEvents("afterwards", "connected")
	})
}

// A poll that is answered soon is answered in one piece. One that is not shows its
// client that it has to wait, before any keep-alive, and once.
func TestPollsShowThatTheyWait(t *testing.T) {
	bubble(t, persistent.Handler{}, persistent.Options{KeepAlive: -1}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
		c := client("/raw")
		c.Patience = time.Hour
		c.Open("longPolling")
		for wait, want := range map[time.Duration]bool{99 * time.Millisecond: true, 101 * time.Millisecond: false} {
			time.AfterFunc(wait, func() { s.must(s.Broadcast("news")) })
			st := c.Poll()
			if whole := st.Header.Get("Content-Length") != ""; whole != want {
				t.Errorf("answered after %v: in one piece is %v", wait, whole)
			}
			if f, err := st.Next(); err != nil || len(f.M) != 1 {
				t.Errorf("answered after %v: got %q, %v", wait, f.Raw, err)
			}
		}
	})
}

// What the client sends does not keep a connection alive whose client hears
// nothing.
func TestSendsAreNoSignOfLife(t *testing.T) {
	bubble(t, persistent.Handler{}, persistent.Options{}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
		c := client("/raw")
		c.Open("serverSentEvents").Drop()
		for range 6 {
			time.Sleep(4 * time.Second)
			c.Send("serverSentEvents", "hello?")
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		s.wantEvents("30 s after the loss", "connected", "disconnected stop=false")
	})
}

// A client that stops reading loses its transport. The others notice nothing,
// and it is given everything when it comes back.
func TestSlowConsumer(t *testing.T) {
	const n = 3000
	bubble(t, persistent.Handler{}, persistent.Options{MaxQueued: 100}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
		slow, fast := client("/raw"), client("/raw")
		stuck := slow.Open("webSockets")
		st := fast.Open("webSockets")
		got := make(chan []string)
		for i := range n {
			if i%50 == 0 {
				synctest.Wait() // the fast one keeps up
			}
			if i == 0 {
				go func() { got <- st.Messages("the fast client", n) }()
			}
			s.must(s.Broadcast(i))
		}
		wantSame(t, "the fast client", <-got, numbered(0, n))
		synctest.Wait()
		if stats := s.Stats(); stats.SlowConsumers != 1 {
			t.Errorf("%d slow consumers counted, want 1", stats.SlowConsumers)
		}
		stuck.Drop()
		back := slow.Reconnect("webSockets")
		wantSame(t, "the slow client", back.Messages("the slow client", n), numbered(0, n))
	})
}

// Shutdown answers held polls with T, ends streams, and raises the events.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := raw(t, persistent.Handler{}, persistent.Options{})
		client, stop := classictest.Serve(t, s.Server)
		defer stop()
		poller, streamer, socket := client("/raw"), client("/raw"), client("/raw")
		poller.Open("longPolling")
		poll := poller.Poll()
		stream, ws := streamer.Open("serverSentEvents"), socket.Open("webSockets")
		done := make(chan error)
		go func() { done <- s.Shutdown(context.Background()) }()
		if f := poll.Frame("the held poll"); f.T == nil {
			t.Errorf("the held poll got %s, want T", f.Raw)
		}
		frames := stream.WantEnd("the event stream")
		if len(frames) != 1 || frames[0].T == nil {
			t.Errorf("the event stream ended with %v, want T", frames)
		}
		ws.WantEnd("the WebSocket")
		s.must(<-done)
		s.wantEvents("each ended once", "connected", "connected", "connected",
			"disconnected stop=false", "disconnected stop=false", "disconnected stop=false")
		c := client("/raw").Negotiate()
		if r := c.Get("connect", "transport", "longPolling"); r.Status != 503 {
			t.Errorf("a new client gets %d", r.Status)
		}
	})
}

// Shutdown lets the calls that run finish, and takes no new ones.
func TestShutdownWaitsForCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finish := make(chan struct{})
		s := raw(t, persistent.Handler{OnReceived: func(c *persistent.Conn, data []byte) error {
			<-finish
			return c.Context().Err()
		}}, persistent.Options{})
		client, stop := classictest.Serve(t, s.Server)
		defer stop()
		c := client("/raw")
		c.Open("serverSentEvents")
		sent := make(chan classictest.Reply)
		go func() { sent <- c.Send("serverSentEvents", "work") }()
		synctest.Wait()
		done := make(chan error)
		go func() { done <- s.Shutdown(context.Background()) }()
		synctest.Wait()
		if r := c.Send("serverSentEvents", "more work"); r.Status != 503 {
			t.Errorf("a new call gets %d", r.Status)
		}
		close(finish)
		if r := <-sent; r.Status != 200 {
			t.Errorf("the running call got %d", r.Status)
		}
		s.must(<-done)
	})
}

// When its time is up Shutdown ends the contexts of what still runs.
func TestShutdownDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := raw(t, persistent.Handler{OnReceived: func(c *persistent.Conn, data []byte) error {
			<-c.Context().Done()
			return nil
		}}, persistent.Options{})
		client, stop := classictest.Serve(t, s.Server)
		defer stop()
		c := client("/raw")
		st := c.Open("webSockets")
		st.Write("work")
		go listen(st)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		begin := time.Now()
		_ = s.Shutdown(ctx)
		if took := time.Since(begin); took < time.Minute || took > 62*time.Second {
			t.Errorf("shutdown took %v, want its deadline", took)
		}
		synctest.Wait()
		s.wantEvents("the end", "connected", "disconnected stop=false")
	})
}

// A handler that refuses a connection, or panics, fails start. There is no
// disconnected event for what never was connected.
func TestRefusedConnection(t *testing.T) {
	for name, f := range map[string]func(*persistent.Conn) error{
		"error": func(*persistent.Conn) error { return fmt.Errorf("no") },
		"panic": func(*persistent.Conn) error { panic("no") },
	} {
		bubble(t, persistent.Handler{OnConnected: f}, persistent.Options{}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
			c := client("/raw").Negotiate()
			st := c.Connect("serverSentEvents")
			if r := c.Get("start", "transport", "serverSentEvents"); r.Status != 500 {
				t.Errorf("%s: start gets %d", name, r.Status)
			}
			st.WantEnd("the refused stream")
			synctest.Wait()
			s.wantEvents(name, "connected")
		})
	}
}

// What a client sends before it has started waits for the connected event.
func TestEarlyMessages(t *testing.T) {
	var s *server
	s = start(t, persistent.Handler{OnReceived: func(_ *persistent.Conn, data []byte) error {
		s.events.add("received %s", data)
		return nil
	}}, persistent.Options{})
	c := s.client().Negotiate()
	st := c.Connect("webSockets")
	st.Write("1")
	st.Write("2")
	c.Start("webSockets")
	st.Write("3")
	s.events.wait(4)
	s.wantEvents("in order", "connected", "received 1", "received 2", "received 3")
}
