package persistent_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// Story 1: three messages sent before a poll comes are all delivered by that
// poll, in order.
func TestStory1MessagesBeforeAPoll(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{})
	c := s.client()
	c.Open("longPolling")
	for i := range 3 {
		s.must(s.Broadcast(i))
	}
	f := c.Poll().Frame("the poll")
	if len(f.M) != 3 {
		t.Fatalf("one poll brings %s, want all three messages", f.Raw)
	}
	for i, m := range f.M {
		if string(m) != numbered(0, 3)[i] {
			t.Errorf("message %d is %s", i, m)
		}
	}
}

// Story 2: a message sent after one poll has returned and before the next comes
// is not lost.
func TestStory2MessageBetweenPolls(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{})
	c := s.client()
	c.Open("longPolling")
	s.must(s.Broadcast("first"))
	c.Poll().WantMessage("the first poll", `"first"`)
	s.must(s.Broadcast("between"))
	c.Poll().WantMessage("the next poll", `"between"`)
}

// Story 3: a poll whose response never reached the client is answered again
// from the same cursor.
func TestStory3LostResponse(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{})
	c := s.client()
	c.Open("longPolling")
	s.must(s.Broadcast("once"))
	before := c.Cursor
	c.Poll().WantMessage("the poll whose answer gets lost", `"once"`)
	c.Cursor = before // as far as the client knows
	s.must(s.Broadcast("twice"))
	got := c.Poll().Messages("the poll after it", 2)
	wantSame(t, "from the same cursor", got, []string{`"once"`, `"twice"`})
}

// Story 4: a cursor that makes no sense gets a clean answer and no crash.
func TestStory4BadCursor(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{})
	c := s.client()
	c.Open("longPolling")
	good := c.Cursor
	ahead, _ := messagelog.ParseCursor(good)
	ahead.Seq += 1000
	for name, cursor := range map[string]string{
		"no cursor at all": "complete nonsense",
		"an official one":  "d-3F2A19C4-B,0|C,0|D,1",
		"no number":        "abc-",
		"not hexadecimal":  "abc-xyz",
		"too large":        "abc-fffffffffffffffff",
		"negative":         "abc--1",
		"from the future":  ahead.String(),
	} {
		for _, operation := range []string{"poll", "reconnect"} {
			r := c.Post(operation, url.Values{"messageId": {cursor}}, "transport", "longPolling")
			if r.Status != http.StatusBadRequest || r.Header.Get("Hubwire-Reason") != "bad_cursor" {
				t.Errorf("%s: %s gets %d %q", name, operation, r.Status, r.Header.Get("Hubwire-Reason"))
			}
		}
	}
	s.must(s.Broadcast("still here"))
	c.Cursor = good
	c.Poll().WantMessage("after the bad cursors", `"still here"`)
}

// A cursor of another log is no nonsense: the client comes back, and everybody
// is told that messages may be missing.
func TestStory4CursorOfAnotherLog(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{})
	c := s.client()
	c.Query.Set("gaps", "1")
	c.Open("longPolling").Drop()
	c.Cursor = "0123456789abcdef-5"
	f := c.Dial("reconnect", "longPolling", "messageId", c.Cursor).Frame("the first frame after the gap")
	if f.X == nil {
		t.Errorf("the frame does not tell of the gap: %s", f.Raw)
	}
	s.events.wait(2)
	s.wantEvents("the application is told", "connected", "reconnected gap=true")
	if n := s.Stats().Gaps; n != 1 {
		t.Errorf("%d gaps counted, want 1", n)
	}
}

// Story 5: whatever a client does, the server holds one of its polls: each new
// one ends the one before. That our client and the official one never make more
// than one poll and one send at a time is for their own tests.
func TestStory5OnePollAtATime(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{})
	c := s.client()
	c.Open("longPolling")
	const polls = 20
	answers := make(chan string, polls)
	for range polls {
		go func() {
			st, err := c.TryDial("poll", "longPolling", "messageId", c.Cursor)
			if err != nil {
				t.Error(err)
			}
			text, err := st.Raw()
			if err != nil {
				t.Error(err)
			}
			answers <- text
		}()
	}
	for range polls - 1 {
		if text := <-answers; !strings.HasSuffix(text, `"M":[]}`) {
			t.Errorf("a poll that was ended by the next one got %s", text)
		}
	}
	s.must(s.Broadcast("for the one that is left"))
	if text := <-answers; !strings.Contains(text, "for the one that is left") {
		t.Errorf("the newest poll got %s", text)
	}
}

// Story 6: a client that vanishes is disconnected after the disconnect timeout,
// once, and one that comes back in time is not.
func TestStory6Vanish(t *testing.T) {
	for _, transport := range []string{"webSockets", "serverSentEvents", "longPolling"} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := raw(t, persistent.Handler{}, persistent.Options{})
				client, stop := classictest.Serve(t, s.Server)
				defer stop()
				c := client("/raw")
				st := c.Open(transport)

				st.Drop()
				time.Sleep(29 * time.Second)
				synctest.Wait()
				s.wantEvents("in time", "connected")
				st = c.Reconnect(transport)
				go listen(st)
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if transport != "longPolling" { // a held poll is answered in between
					s.wantEvents("after it came back", "connected", "reconnected gap=false")
					st.Drop()
					time.Sleep(29 * time.Second)
					synctest.Wait()
					s.wantEvents("after the second loss, in time", "connected", "reconnected gap=false")
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				s.wantEvents("too late", "connected", "reconnected gap=false", "disconnected stop=false")
				s.must(s.Shutdown(context.Background()))
				s.wantEvents("after the shutdown", "connected", "reconnected gap=false", "disconnected stop=false")
			})
		})
	}
}

// listen reads a stream, as a living client does, until it ends.
func listen(s *classictest.Stream) {
	for {
		if _, err := s.Raw(); err != nil {
			return
		}
	}
}

// Story 7: a WebSocket cut in the middle of a stream of 1,000 numbered group
// messages is resumed on another transport: all 1,000, once each, in order.
func TestStory7ResumeOnAnotherTransport(t *testing.T) {
	for _, other := range []string{"webSockets", "serverSentEvents", "longPolling"} {
		t.Run(other, func(t *testing.T) {
			var s *server
			s = start(t, persistent.Handler{
				OnConnected: func(c *persistent.Conn) error { return s.Join(c.ID(), "numbers") },
			}, persistent.Options{})
			c := s.client()
			st := c.Open("webSockets")
			half := make(chan struct{})
			sent := make(chan error, 1)
			go func() {
				var errs []error
				for i := range 1000 {
					if i == 500 {
						<-half
					}
					errs = append(errs, s.SendGroup("numbers", i))
				}
				sent <- errors.Join(errs...)
			}()
			var got []string
			for len(got) < 250 {
				for _, m := range st.Frame("the first part").M {
					got = append(got, string(m))
				}
			}
			st.Drop()
			close(half)
			st = c.Reconnect(other)
			got = append(got, st.Messages("the rest", 1000-len(got))...)
			s.must(<-sent)
			wantSame(t, "all messages", got, numbered(0, 1000))
		})
	}
}
