package conformancecore_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hubwire/hubwire/hub/core"
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/transports"
)

func Test01NegotiateVersion1(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.new()
		r := c.TryNegotiate()
		if r.Status != 200 || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Content-Length") == "" {
			t.Errorf("negotiate: %d %v", r.Status, r.Header)
		}
		c.Negotiate()
		if a := c.Answer; a.NegotiateVersion != 1 || a.ConnectionID == "" || a.ConnectionToken == "" || a.ConnectionID == a.ConnectionToken {
			t.Errorf("answer %+v", a)
		}
		if strings.Contains(r.Body, "ProtocolVersion") {
			t.Error("ProtocolVersion is the mark of a SignalR 2 server")
		}
		if n := len(c.Answer.ConnectionID); n != 22 {
			t.Errorf("the id has %d characters, want 22", n)
		}
	})
}

func Test02NegotiateVersion0(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		c := l.new()
		c.Version = ""
		s := c.Open(transport)
		if a := c.Answer; a.NegotiateVersion != 0 || a.ConnectionToken != "" {
			t.Errorf("answer %+v", a)
		}
		if got := s.Invoke("id"); string(got.Result) != fmt.Sprintf("%q", c.Answer.ConnectionID) {
			t.Errorf("the connection's id is %s, negotiate said %s", got.Result, c.Answer.ConnectionID)
		}
	})
}

func Test03OtherVersions(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.new()
		c.Version = "5"
		if c.Negotiate(); c.Answer.NegotiateVersion != 1 {
			t.Errorf("version 5 is answered with %d", c.Answer.NegotiateVersion)
		}
		c.Version = "abc"
		l.want("version abc", c.TryNegotiate(), 200, `{"error":"The client requested a non-integer protocol version."}`)
		c.Version = "-1"
		l.want("version -1", c.TryNegotiate(), 200,
			`{"error":"The client requested version '-1', but the server does not support this version."}`)
	})
	try(t, config{core: core.Options{MinVersion: 1}}, func(l *lab) {
		c := l.new()
		c.Version = ""
		l.want("version 0 where 1 is the least", c.TryNegotiate(), 200,
			`{"error":"The client requested version '0', but the server does not support this version."}`)
	})
}

// A GET of negotiate without the parameter may be of a SignalR 2 client.
func Test04NegotiateIsAPost(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.new()
		r, err := c.Do(http.MethodGet, c.Address("/negotiate", "negotiateVersion", "1"), "")
		if err != nil {
			t.Fatal(err)
		}
		l.want("GET", r, 405, "")
		if ct := r.Header.Get("Content-Type"); ct != "text/plain" {
			t.Errorf("content type %q", ct)
		}
	})
}

func Test05NamesInAnyCase(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.client("/signalr/LAB")
		r, err := c.Do(http.MethodPost, c.Address("/Negotiate", "NEGOTIATEVERSION", "1"), "")
		if err != nil || json.Unmarshal([]byte(r.Body), &c.Answer) != nil || c.Answer.ConnectionToken == "" {
			t.Fatalf("negotiate: %d %s %v", r.Status, r.Body, err)
		}
		r, err = c.Do(http.MethodGet, c.Address("", "ID", c.Answer.ConnectionToken), "")
		if err != nil {
			t.Fatal(err)
		}
		l.want("first poll", r, 200, "")
	})
}

func Test06TokensAreURLSafe(t *testing.T) {
	try(t, config{}, func(l *lab) {
		for _, version := range []string{"", "1"} {
			c := l.new()
			c.Version = version
			c.Negotiate()
			for _, id := range []string{c.Answer.ConnectionID, c.ID()[1]} {
				if !regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(id) {
					t.Errorf("version %q: %q", version, id)
				}
			}
		}
	})
}

func Test07AvailableTransports(t *testing.T) {
	offered := func(l *lab) string {
		return fmt.Sprint(l.new().Negotiate().Answer.AvailableTransports)
	}
	try(t, config{}, func(l *lab) {
		if got := offered(l); got != "[{WebSockets [Text Binary]} {ServerSentEvents [Text]} {LongPolling [Text Binary]}]" {
			t.Error(got)
		}
	})
	some := persistent.Options{Transports: []transports.Kind{transports.LongPolling, transports.ForeverFrame}}
	try(t, config{Options: some}, func(l *lab) {
		if got := offered(l); got != "[{LongPolling [Text Binary]}]" {
			t.Error(got)
		}
	})
}

func Test08UseStatefulReconnect(t *testing.T) {
	for _, c := range []struct{ asked, enabled, want bool }{{true, true, true}, {true, false, false}, {false, true, false}} {
		try(t, config{core: core.Options{StatefulReconnect: c.enabled}}, func(l *lab) {
			client := l.new()
			client.Stateful = c.asked
			if r := client.TryNegotiate(); strings.Contains(r.Body, `"useStatefulReconnect":true`) != c.want {
				t.Errorf("%+v: %s", c, r.Body)
			}
		})
	}
}

func Test09UnclaimedTokensExpire(t *testing.T) {
	try(t, config{}, func(l *lab) {
		early, late := l.new().Negotiate(), l.new().Negotiate()
		time.Sleep(14 * time.Second)
		l.want("a poll after 14 s", early.Poll(), 200, "")
		time.Sleep(2 * time.Second)
		l.want("a poll after 16 s", late.Poll(), 404, "No Connection with that ID")
	})
}

func Test10TheIDIsNoToken(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.new().Negotiate()
		l.want("poll", l.do(http.MethodGet, "id", c.Answer.ConnectionID), 404, "No Connection with that ID")
	})
}

// That clients follow it is shown with theirs, in test/node.
func Test11Redirect(t *testing.T) {
	redirect := func(*http.Request) (string, string) { return "https://other.example/chat?tenant=7", "secret" }
	try(t, config{core: core.Options{Redirect: redirect}}, func(l *lab) {
		l.want("negotiate", l.new().TryNegotiate(), 200, `{"url":"https://other.example/chat?tenant=7","accessToken":"secret"}`)
	})
}

func Test12Unauthenticated(t *testing.T) {
	try(t, config{Options: persistent.Options{Authenticate: byUser}}, func(l *lab) {
		c := l.new()
		l.want("negotiate", c.TryNegotiate(), 401, "")
		l.want("poll", l.do(http.MethodGet, "id", "x"), 401, "")
		if r := l.socketRefused("without a token", c); r.Status != 401 {
			t.Errorf("upgrade: %d", r.Status)
		}
	})
}

// A 401 has no body, whatever the program says.
func Test12UnauthenticatedWithAText(t *testing.T) {
	refuse := func(*http.Request) (string, error) {
		return "", &negotiate.Refusal{Status: 401, Reason: "token_expired", Text: "The token has expired."}
	}
	try(t, config{Options: persistent.Options{Authenticate: refuse}}, func(l *lab) {
		r := l.new().TryNegotiate()
		l.want("negotiate", r, 401, "")
		if got := r.Header.Get(negotiate.ReasonHeader); got != "token_expired" {
			t.Errorf("reason %q", got)
		}
	})
}

// An unknown hub is a 404, and a token is good for its own hub only.
func TestTokensAreOfOneHub(t *testing.T) {
	try(t, config{}, func(l *lab) {
		l.want("unknown hub", l.client("/signalr/nope").TryNegotiate(), 404, `There is no hub "nope".`)
		c := l.new().Negotiate()
		other := l.client("/signalr/other")
		other.Answer = c.Answer
		l.want("another hub's token", other.Poll(), 404, "No Connection with that ID")
	})
}

// A token is good for its own user only.
func TestTokensAreOfOneUser(t *testing.T) {
	try(t, config{Options: persistent.Options{Authenticate: byUser}}, func(l *lab) {
		c := l.new()
		c.Header.Set("Authorization", "Bearer ann")
		c.Negotiate()
		c.Header.Set("Authorization", "Bearer bob")
		l.want("another user's token", c.Poll(), 403, "")
		c.Header.Set("Authorization", "Bearer ann")
		l.want("one's own", c.Poll(), 200, "")
	})
}
