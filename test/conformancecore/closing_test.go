package conformancecore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/hub/core"
	"github.com/hubwire/hubwire/persistent/core/coretest"
)

func Test79ClientTimeout(t *testing.T) {
	for _, transport := range []string{webSockets, serverSentEvents} {
		try(t, config{}, func(l *lab) {
			c := l.new()
			c.Patience = time.Hour
			once := c.Open(transport)
			once.Send(coretest.Ping)
			start := time.Now()
			once.WantExactly("the end", `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
			if took := time.Since(start); took < 30*time.Second || took > 32*time.Second {
				t.Errorf("after %v", took)
			}
			silent := l.open(transport)
			for range 4 {
				if m, err := silent.Next(); m != coretest.Ping {
					t.Errorf("%q, %v", m, err)
				}
			}
			if got := silent.Invoke("echo", "x"); string(got.Result) != `"x"` {
				t.Errorf("one that never pinged: %s", got.Raw)
			}
		})
	}
}

func Test81WordsAtTheEnd(t *testing.T) {
	for name, m := range map[string]string{
		"malformed JSON":      `{"type":1,`,
		"no type":             `{"target":"echo","arguments":[]}`,
		"no object":           `[1]`,
		"no target":           `{"type":1,"arguments":[]}`,
		"no arguments":        `{"type":1,"target":"echo"}`,
		"a kind":              `{"type":1,"target":5,"arguments":[]}`,
		"no item":             `{"type":2,"invocationId":"1"}`,
		"no id":               `{"type":3,"result":1}`,
		"result and error":    `{"type":3,"invocationId":"1","result":1,"error":"x"}`,
		"no sequence":         `{"type":8}`,
		"headers":             `{"type":1,"target":"echo","arguments":["x"],"headers":{"a":1}}`,
		"a type that is text": `{"type":"1"}`,
	} {
		try(t, config{}, func(l *lab) {
			s := l.open(webSockets)
			s.Send(m)
			s.WantExactly(name, `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
			s.WantEnd(name)
			l.wait("lost")
		})
	}
	each(t, config{}, func(l *lab, transport string) {
		s := l.open(transport)
		s.Send(call("1", "abortMe", "[]"))
		s.WantExactly("abort", `{"type":7}`)
		s.WantEnd("abort")
		l.wait("lost")
	})
	for name, b := range map[string]string{
		"no array": "\x01\xc0", "empty": "\x01\x90", "cut short": "\x04\x95\x01\x80\xa1", "a kind": "\x06\x94\x03\x80\xa1\x31\x09",
		"too long a prefix": "\xff\xff\xff\xff\xff", "a string": "\x02\x91\xa1",
	} {
		try(t, config{}, func(l *lab) {
			s := l.binary(webSockets)
			s.Write(b)
			s.Want(name, "Connection closed with an error.\xc3")
			s.WantEnd(name)
		})
	}
}

func Test82RefusedOnConnected(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		l.refuse = &hub.Error{Message: "no"}
		c := l.new().Negotiate()
		s := c.Dial(transport)
		s.Write(c.HandshakeRequest())
		s.WantGreeting()
		s.WantExactly("refused", `{"type":7,"error":"Connection closed with an error."}`)
		s.WantEnd("refused")
		if l.count("lost")+l.count("stopped") > 0 {
			t.Errorf("events %q", l.events)
		}
	})
}

func Test83ClientsClose(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		s := l.open(transport)
		s.Send(`{"type":7}`)
		l.wait("stopped")
		s.WantEnd("closed")
	})
	try(t, config{}, func(l *lab) {
		closed, dropped := l.open(webSockets), l.open(webSockets)
		for l.count("connected") < 2 {
			time.Sleep(time.Second)
		}
		closed.Close()
		l.wait("stopped")
		start := time.Now()
		dropped.Drop()
		l.wait("lost")
		if took := time.Since(start); took > time.Second {
			t.Errorf("noticed after %v", took)
		}
	})
}

func Test84ExpiredAuthentication(t *testing.T) {
	each(t, config{core: core.Options{Expires: expiresSoon}}, func(l *lab, transport string) {
		s := l.open(transport)
		start := time.Now()
		s.WantExactly("expired", `{"type":7,"allowReconnect":true}`)
		if took := time.Since(start); took > 11*time.Second {
			t.Errorf("after %v", took)
		}
		s.WantEnd("expired")
	})
}

// What is sent to a connection that is aborted goes nowhere. Nobody is told of
// it, but who named this one connection.
func Test85WritesAfterAbort(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		s, other := l.open(transport), l.open(transport)
		s.Send(call("1", "join", `["g"]`), call("2", "abortAndSpeak", `[]`))
		s.Want("the first result", `"1"`)
		l.wait("spoke <nil> <nil> true")
		if rest := s.WantEnd("aborted"); len(rest) != 1 || rest[0] != `{"type":7}` {
			t.Errorf("got %q, want a Close and nothing else", rest)
		}
		other.WantExactly("the others hear of it", `{"type":1,"target":"got","arguments":["all"]}`)
	})
}

// AbortAndSpeak aborts its caller and then sends to it in every way.
func (h *labHub) AbortAndSpeak(c *hub.Call[labClient]) string {
	c.Abort()
	group := c.Clients.Group("g").Got("group")
	all := c.Clients.All().Got("all")
	caller := c.Clients.Caller().Got("caller")
	h.lab.note(fmt.Sprint("spoke ", group, " ", all, " ", errors.Is(caller, hub.ErrNoConnection)))
	return "result"
}

func TestShutdownTellsClientsToComeBack(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		s := l.open(transport)
		done := make(chan error)
		go func() { done <- l.server.Shutdown(context.Background()) }()
		s.WantExactly("shutdown", `{"type":7,"allowReconnect":true}`)
		if transport != longPolling { // the server is gone by then
			s.WantEnd("shutdown")
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Shutdown does not wait for clients that have not shaken hands.
func TestShutdownBeforeTheHandshake(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		s := l.new().Negotiate().Dial(transport)
		synctest.Wait() // the server is in the middle of it
		start := time.Now()
		if err := l.server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("shutdown took %v", took)
		}
		s.Drop()
	})
}
