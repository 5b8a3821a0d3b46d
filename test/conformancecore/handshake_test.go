package conformancecore_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubwire/hubwire/persistent/core/coretest"
)

func Test44HandshakeAnswer(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		s := l.new().Negotiate().Dial(transport)
		s.Write(`{"protocol":"json","version":1}` + coretest.Separator)
		if chunk, err := s.Chunk(); err != nil || chunk != "{}\x1e" {
			t.Errorf("%q %v", chunk, err)
		}
	})
}

func Test45MessagesBehindTheHandshake(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		c := l.new().Negotiate()
		s := c.Dial(transport)
		s.Write(c.HandshakeRequest() + call("1", "echo", `["x"]`) + coretest.Separator)
		s.WantGreeting()
		s.WantExactly("the call", `{"type":3,"invocationId":"1","result":"x"}`)
	})
}

func Test46SlowHandshake(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		c := l.new().Negotiate()
		s := c.Dial(transport)
		for _, b := range []byte(c.HandshakeRequest()) {
			s.Write(string(b))
			time.Sleep(100 * time.Millisecond)
		}
		s.WantGreeting()

		s = l.new().Negotiate().Dial(transport)
		start := time.Now()
		s.WantExactly("no handshake", `{"error":"Handshake was canceled."}`)
		if took := time.Since(start); took < 14*time.Second || took > 16*time.Second {
			t.Errorf("after %v", took)
		}
		s.WantEnd("the transport")
	})
}

func Test47HandshakeErrors(t *testing.T) {
	for request, want := range map[string]string{
		`{"protocol":"xyz","version":1}`:                   "The protocol 'xyz' is not supported.",
		`{"protocol":"json","version":3}`:                  "The server does not support version 3 of the 'json' protocol.",
		`{"protocol":"json"`:                               "An unexpected error occurred during connection handshake.",
		`{"protocol":"json"}`:                              "An unexpected error occurred during connection handshake.",
		`{"version":1}`:                                    "An unexpected error occurred during connection handshake.",
		`[]`:                                               "An unexpected error occurred during connection handshake.",
		`{"protocol":"json","version":"1"}`:                "An unexpected error occurred during connection handshake.",
		strings.Repeat("x", 32_767):                        "Handshake was canceled.",
		`{"protocol":"JSON","version":2}`:                  "",
		`{"protocol":"json","version":1,"minorVersion":0}`: "",
	} {
		try(t, config{}, func(l *lab) {
			s := l.new().Negotiate().Dial(webSockets)
			if len(request) > 32_000 {
				request += "x" // and no end
			} else {
				request += coretest.Separator
			}
			s.Write(request)
			if want == "" {
				s.WantGreeting()
				return
			}
			s.WantExactly(request, `{"error":"`+want+`"}`)
			if rest := s.WantEnd("the transport"); len(rest) > 0 {
				t.Errorf("behind the error: %q", rest)
			}
		})
	}
}

func Test48OnConnectedComesFirst(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		l.greet = "hello"
		c := l.new().Negotiate()
		s := c.Dial(transport)
		s.Write(c.HandshakeRequest() + call("1", "note", `["early"]`) + coretest.Separator)
		s.WantGreeting()
		s.Want("the greeting", "hello")
		s.Want("the result", `"type":3`)
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.events) != 2 || !strings.HasPrefix(l.events[0], "connected") || l.events[1] != "note early" {
			t.Errorf("events %q", l.events)
		}
	})
}

// Broadcasts may come before OnConnected has returned, and never before the
// answer to the handshake.
func Test48NothingBeforeTheAnswer(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		stop := make(chan struct{})
		var broadcasts sync.WaitGroup
		broadcasts.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Microsecond):
					_ = l.hub.Clients.All().Got("x")
				}
			}
		})
		for range 20 {
			s := l.open(transport) // which wants the answer first
			s.WantExactly("a broadcast", `{"type":1,"target":"got","arguments":["x"]}`)
			s.Drop()
		}
		close(stop)
		broadcasts.Wait()
	})
}
