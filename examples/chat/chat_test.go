package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/persistent/classic/classictest"
	"github.com/hubwire/hubwire/test/leaks"
)

func TestMain(m *testing.M) { leaks.VerifyTestMain(m) }

// start serves the chat on a port of its own until the test ends.
func start(t *testing.T) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- serve(ctx, listener, "") }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return "http://" + listener.Addr().String()
}

// A visitor is one tab that is connected to the chat.
type visitor struct {
	*classictest.Client
	*classictest.Stream
	t     testing.TB
	calls []json.RawMessage // of the server, not looked at yet
}

func visit(t testing.TB, c *classictest.Client, transport, name string) *visitor {
	t.Helper()
	c.Hubs("chat").Query.Set("name", name)
	return &visitor{Client: c, Stream: c.Open(transport), t: t}
}

func enter(t testing.TB, url, transport, name string) *visitor {
	t.Helper()
	return visit(t, classictest.New(t, url+"/signalr"), transport, name)
}

// do calls a method, which must succeed, and returns its result.
func (v *visitor) do(method string, args ...any) string {
	v.t.Helper()
	r := v.Invoke(v.Stream, "chat", method, args...)
	if r.E != "" {
		v.t.Fatalf("%s%q: %s", method, args, r.E)
	}
	return string(r.R)
}

// refused calls a method, which must fail with an error for the user.
func (v *visitor) refused(text, method string, args ...any) {
	v.t.Helper()
	r := v.Invoke(v.Stream, "chat", method, args...)
	if !strings.Contains(r.E, text) || !r.H {
		v.t.Errorf("%s%.50q: got %s, want a hub error with %q", method, args, r.Raw, text)
	}
}

// want checks the next call of the server.
func (v *visitor) want(why, method string, args ...string) {
	v.t.Helper()
	var got struct {
		M string
		A []string
	}
	raw := v.next(why)
	if err := json.Unmarshal(raw, &got); err != nil {
		v.t.Fatalf("%s: %s: %v", why, raw, err)
	}
	if got.M != method || !slices.Equal(got.A, args) {
		v.t.Fatalf("%s: got %s, want %s%q", why, raw, method, args)
	}
}

func (v *visitor) next(why string) json.RawMessage {
	v.t.Helper()
	for len(v.calls) == 0 {
		s := v.Stream
		if s.Transport == "longPolling" {
			s = v.Poll()
		}
		v.calls = s.Frame(why).M
	}
	call := v.calls[0]
	v.calls = v.calls[1:]
	return call
}

func TestTalk(t *testing.T) {
	for _, transport := range []string{"webSockets", "serverSentEvents", "longPolling"} {
		t.Run(transport, func(t *testing.T) {
			url := start(t)
			ada := enter(t, url, transport, "Ada")
			if got := ada.do("join", "lobby"); got != `["Ada"]` {
				t.Errorf("join returned %s", got)
			}
			ada.want("the first one in hears of herself", "joined", "Ada", "lobby")

			bob := enter(t, url, transport, "Bob")
			if got := bob.do("join", "lobby"); got != `["Ada","Bob"]` {
				t.Errorf("join returned %s", got)
			}
			bob.want("his own", "joined", "Bob", "lobby")
			ada.want("a newcomer", "joined", "Bob", "lobby")

			bob.do("say", "lobby", "hello")
			ada.want("what Bob said", "addMessage", "Bob", "hello", "lobby")
			bob.want("what he said", "addMessage", "Bob", "hello", "lobby")

			ada.do("whisper", "Bob", "psst")
			ada.want("for her other tabs", "whispered", "Bob", "psst")
			bob.want("a whisper has no room", "addMessage", "Ada", "psst", "")

			bob.do("leave", "lobby")
			ada.want("Bob went", "left", "Bob", "lobby")
			bob.refused("not in the room", "say", "lobby", "still there?")
			ada.do("say", "lobby", "he is gone")
			ada.want("nobody else hears it", "addMessage", "Ada", "he is gone", "lobby")
			ada.do("whisper", "Bob", "bye")
			bob.want("nothing from the room that he left", "addMessage", "Ada", "bye", "")
		})
	}
}

func TestGuestsAreNamedAndHearWhispers(t *testing.T) {
	url := start(t)
	guest, ada := enter(t, url, "webSockets", ""), enter(t, url, "webSockets", "Ada")
	name := strings.Trim(guest.do("whoAmI"), `"`)
	if again := strings.Trim(guest.do("whoAmI"), `"`); !strings.HasPrefix(name, "guest-") || again != name {
		t.Fatalf("the guest is %q and then %q", name, again)
	}
	ada.do("whisper", name, "welcome")
	guest.want("a whisper", "addMessage", "Ada", "welcome", "")
	guest.do("whisper", "Ada", "thanks")
	ada.want("for her other tabs", "whispered", name, "welcome")
	ada.want("the answer", "addMessage", name, "thanks", "")
}

func TestTabsOfOneNameArriveAndLeaveOnce(t *testing.T) {
	url := start(t)
	bob := enter(t, url, "webSockets", "Bob")
	bob.do("join", "lobby")
	bob.want("his own", "joined", "Bob", "lobby")

	first, second := enter(t, url, "webSockets", "Ada"), enter(t, url, "longPolling", "Ada")
	first.do("join", "lobby")
	second.do("join", "lobby")
	second.do("join", "lobby")
	bob.want("Ada, once", "joined", "Ada", "lobby")

	first.Abort("webSockets")
	second.do("say", "lobby", "one tab less")
	bob.want("she is still here", "addMessage", "Ada", "one tab less", "lobby")
	second.Abort("longPolling")
	bob.want("the last tab has gone", "left", "Ada", "lobby")
	bob.refused("nobody by the name", "whisper", "Ada", "hello?")
}

func TestWhatUsersMayNotType(t *testing.T) {
	ada := enter(t, start(t), "webSockets", "Ada")
	ada.do("join", "lobby")
	for _, c := range []struct {
		text, method string
		args         []any
	}{
		{"the name of the room is empty", "join", []any{""}},
		{"begins or ends with a space", "join", []any{" lobby"}},
		{"cannot be shown", "join", []any{"lob\tby"}},
		{"cannot be shown", "join", []any{"lob\u200bby"}},
		{"longer than 32", "join", []any{strings.Repeat("é", 33)}},
		{"the message is empty", "say", []any{"lobby", " \n "}},
		{"cannot be shown", "say", []any{"lobby", "\x1b[31m"}},
		{"longer than 2000", "say", []any{"lobby", strings.Repeat("é", 2001)}},
		{"not in the room", "say", []any{"attic", "hello"}},
		{"not in the room", "leave", []any{"attic"}},
		{"the message is empty", "whisper", []any{"Bob", ""}},
		{"nobody by the name", "whisper", []any{"Bob", "hello"}},
		{"that is you", "whisper", []any{"Ada", "hello"}},
	} {
		ada.refused(c.text, c.method, c.args...)
	}
	ada.do("join", strings.Repeat("é", 32))
	ada.do("say", "lobby", "two\nlines and a \U0001F469\u200d\U0001F4BB")
}

func TestNamesThatNobodyMayHave(t *testing.T) {
	url := start(t)
	for name, text := range map[string]string{
		" Ada":                  "begins or ends with a space",
		"A\u202eda":             "cannot be shown",
		strings.Repeat("a", 25): "longer than 24",
		"Guest-1":               "for guests",
		"\xff":                  "cannot be shown",
	} {
		c := classictest.New(t, url+"/signalr").Hubs("chat")
		c.Query.Set("name", name)
		if r := c.Get("negotiate"); r.Status != http.StatusBadRequest || !strings.Contains(r.Body, text) {
			t.Errorf("%q: got %d %s, want a 400 with %q", name, r.Status, r.Body, text)
		}
	}
}

// A client that comes back in time was never gone for the others. One that
// comes back later has left, and is in its rooms again.
func TestComingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubs := newHubs()
		client, stop := classictest.Serve(t, routes(hubs, ""))
		bob := visit(t, client("/signalr"), "webSockets", "Bob")
		bob.Patience = time.Minute
		bob.do("join", "lobby")
		bob.want("his own", "joined", "Bob", "lobby")
		ada := visit(t, client("/signalr"), "webSockets", "Ada")
		ada.do("join", "lobby")
		ada.want("her own", "joined", "Ada", "lobby")
		bob.want("a newcomer", "joined", "Ada", "lobby")

		ada.Drop()
		bob.do("say", "lobby", "are you there?")
		bob.want("his own", "addMessage", "Bob", "are you there?", "lobby")
		ada.Stream = ada.Reconnect("webSockets")
		ada.want("what she missed", "addMessage", "Bob", "are you there?", "lobby")
		ada.do("say", "lobby", "yes")
		bob.want("and no word of leaving", "addMessage", "Ada", "yes", "lobby")

		ada.Drop()
		bob.want("after half a minute Ada is taken for gone", "left", "Ada", "lobby")
		ada.Stream = ada.Reconnect("longPolling")
		bob.want("and here she is again", "joined", "Ada", "lobby")
		bob.do("whisper", "Ada", "welcome back")

		ada.Drop()
		bob.Drop()
		if err := hubs.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		stop()
	})
}

func TestPage(t *testing.T) {
	url := start(t)
	for path, kind := range map[string]string{
		"/":                  "text/html",
		"/style.css":         "text/css",
		"/app.js":            "text/javascript",
		"/link.js":           "text/javascript",
		"/conversation.js":   "text/javascript",
		"/icon.svg":          "image/svg+xml",
		"/signalr/client.js": "text/javascript",
	} {
		r, err := classictest.New(t, url).Do(http.MethodGet, url+path, "")
		if err != nil || r.Status != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), kind) {
			t.Errorf("%s: %d %s, %v; want %s", path, r.Status, r.Header.Get("Content-Type"), err, kind)
		}
		csp := r.Header.Get("Content-Security-Policy")
		if kind == "text/html" && (!strings.Contains(csp, "script-src 'self'") || strings.Contains(csp, "unsafe")) {
			t.Errorf("%s: Content-Security-Policy is %q", path, csp)
		}
	}
}
