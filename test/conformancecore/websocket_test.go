package conformancecore_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/core/coretest"
)

// call is the message of a call with the id.
func call(id, target, args string) string {
	return fmt.Sprintf(`{"type":1,"target":%q,"arguments":%s,"invocationId":%q}`, target, args, id)
}

func Test21SkipNegotiation(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.new().Dial(webSockets)
		s.Handshake()
		if got := s.Invoke("echo", "x"); string(got.Result) != `"x"` {
			t.Error(got.Raw)
		}
	})
}

func Test22MessagesAndFramesDiffer(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		for _, b := range []byte(call("a", "echo", `["split"]`) + coretest.Separator) {
			s.Write(string(b))
		}
		s.WantExactly("a message in pieces", `{"type":3,"invocationId":"a","result":"split"}`)
		s.Send(call("b", "echo", `[1]`), call("c", "echo", `["two"]`), call("d", "echo", `["three"]`))
		s.Want("the first of several", `"b"`)
		s.WantExactly("the second", `{"type":3,"invocationId":"c","result":"two"}`)
		s.WantExactly("the third", `{"type":3,"invocationId":"d","result":"three"}`)
	})
}

func Test23LargeWebSocketMessage(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		var list []string
		for i := range 10 {
			list = append(list, call(fmt.Sprint(i), "echo", `["`+strings.Repeat("x", 20_000)+`"]`))
		}
		s.Send(list...)
		for i := range 10 {
			s.Want("answer", fmt.Sprintf(`"invocationId":"%d","result":"xxx`, i))
		}
	})
}

// The client of the tests fails when a frame is of the wrong kind.
func Test24KindsOfFrames(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.binary(webSockets)
		s.Write("\x0d\x95\x01\x80\xa1\x31\xa4echo\x91\xa1x")
		s.WantExactly("in MessagePack", "\x95\x03\x80\xa1\x31\x03\xa1x")
	})
}

// Test25: every read of the client of the tests fails on a chunk that ends inside
// of a message.
func Test25WholeMessages(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		s := l.open(transport)
		for i := range 300 {
			if err := l.hub.Clients.All().Got(strings.Repeat("x", 3000) + fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 300 {
			s.Want("in order", fmt.Sprintf(`xxx%d"]`, i))
		}
	})
}

func Test26CloseCode(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		s.Send(call("1", "abortMe", "[]"))
		for {
			m, err := s.Next()
			if err != nil {
				if code := websocket.CloseStatus(err); code != websocket.StatusNormalClosure {
					t.Errorf("closed with %v", err)
				}
				return
			}
			if m != `{"type":7}` {
				t.Errorf("got %s", m)
			}
		}
	})
}

// Either way works for every request; where both come the header counts.
func Test27Tokens(t *testing.T) {
	each(t, config{Options: persistent.Options{Authenticate: byUser}}, func(l *lab, transport string) {
		query, header, both := l.new(), l.new(), l.new()
		query.Query.Set("access_token", "query")
		header.Header.Set("Authorization", "Bearer header")
		both.Header.Set("Authorization", "Bearer both")
		both.Query.Set("access_token", "other")
		for want, c := range map[string]*coretest.Client{"query": query, "header": header, "both": both} {
			if got := c.Open(transport).Invoke("user"); string(got.Result) != fmt.Sprintf("%q", want) {
				t.Errorf("got %s, want %s", got.Raw, want)
			}
		}
	})
	try(t, config{Options: persistent.Options{Authenticate: byUser}}, func(l *lab) { // as browsers do it
		c := l.new()
		c.Header.Set("Authorization", "Bearer ann")
		c.Negotiate()
		c.Header.Del("Authorization")
		if r := l.socketRefused("without a token", c); r.Status != http.StatusUnauthorized {
			t.Errorf("without a token: %d", r.Status)
		}
		c.Query.Set("access_token", "ann")
		s := c.Dial(webSockets)
		s.Handshake()
		if got := s.Invoke("user"); string(got.Result) != `"ann"` {
			t.Error(got.Raw)
		}
	})
}

func Test28StartOfAnEventStream(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.new().Negotiate().Dial(serverSentEvents) // which wants the first line to be ":"
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-store", "Pragma": "no-cache",
			"Content-Encoding": "identity", "X-Accel-Buffering": "no",
		} {
			if got := s.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	})
}

// Lines end in LF alone, which is as good for an EventSource.
func Test29Events(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(serverSentEvents)
		s.Send(call("1", "echo", `["a\nb"]`))
		s.WantExactly("a result with a line end in it", `{"type":3,"invocationId":"1","result":"a\nb"}`)
	})
}

func Test30AcceptDecides(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.new().Negotiate()
		c.Header.Set("Accept", "text/html, text/event-stream;q=0.9")
		s := c.Dial(serverSentEvents)
		if s.Header.Get("Content-Type") != "text/event-stream" {
			t.Error(s.Header)
		}
	})
}

func Test31MessagePackOverEvents(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.new().Negotiate()
		s := c.Dial(serverSentEvents)
		s.Write(`{"protocol":"messagepack","version":1}` + coretest.Separator)
		s.WantExactly("the error", `{"error":"Cannot use the 'messagepack' protocol on the current transport.`+
			` The transport does not support 'Binary' transfer format."}`)
		s.WantEnd("the stream")
		l.want("afterwards", c.Poll(), 404, "No Connection with that ID")
	})
}

// Pings come where nothing else did for the interval, a little earlier than the
// reference server's.
func Test32Pings(t *testing.T) {
	for _, transport := range []string{webSockets, serverSentEvents} {
		try(t, config{}, func(l *lab) {
			s := l.open(transport)
			for range 3 {
				start := time.Now()
				m, err := s.Next()
				if took := time.Since(start); err != nil || m != coretest.Ping || took < 14*time.Second || took > 16*time.Second {
					t.Errorf("%s: %q after %v, %v", transport, m, took, err)
				}
			}
		})
	}
}
