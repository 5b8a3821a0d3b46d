package persistent_test

import (
	"errors"
	"net/http"
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

func key(b byte) negotiate.Key { return negotiate.Key(strings.Repeat(string(rune(b)), 32)) }

// byQuery takes the user from the query.
func byQuery(r *http.Request) (string, error) { return r.URL.Query().Get("user"), nil }

// What a request may be refused for: each with its status and its own reason.
func TestRefusals(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{Keys: []negotiate.Key{key('a')}, Authenticate: byQuery})
	ring, _ := negotiate.NewKeyring(key('a'))
	old, _ := negotiate.NewKeyring(key('b'))
	c := s.client()
	c.Query.Set("user", "ann")
	c.Negotiate()
	id, good := c.Answer.ConnectionID, c.Answer.ConnectionToken
	changed := "A" + good[1:]
	if changed == good {
		changed = "B" + good[1:]
	}

	for name, q := range map[string]struct {
		pairs  []string
		status int
		reason string
	}{
		"no transport":              {[]string{"transport", ""}, 400, "unknown_transport"},
		"unknown transport":         {[]string{"transport", "pigeon"}, 400, "unknown_transport"},
		"transport before token":    {[]string{"transport", "pigeon", "connectionToken", "x"}, 400, "unknown_transport"},
		"no token":                  {[]string{"connectionToken", ""}, 400, "missing_token"},
		"garbage token":             {[]string{"connectionToken", "garbage"}, 400, "bad_token"},
		"truncated token":           {[]string{"connectionToken", good[:len(good)-1]}, 400, "bad_token"},
		"changed token":             {[]string{"connectionToken", changed}, 400, "bad_token"},
		"token of a retired key":    {[]string{"connectionToken", old.ConnectionToken(id, "ann")}, 400, "bad_token"},
		"groups token for a token":  {[]string{"connectionToken", ring.GroupsToken(id, nil)}, 400, "bad_token"},
		"token of another user":     {[]string{"connectionToken", ring.ConnectionToken(id, "bob")}, 403, "user_changed"},
		"token of nobody":           {[]string{"connectionToken", ring.ConnectionToken(id, "")}, 403, "user_changed"},
		"user logged out":           {[]string{"user", ""}, 403, "user_changed"},
		"connectionData no JSON":    {[]string{"connectionData", "{"}, 400, "bad_connection_data"},
		"connectionData no list":    {[]string{"connectionData", `{"name":"x"}`}, 400, "bad_connection_data"},
		"connectionData no name":    {[]string{"connectionData", `[{"nom":"x"}]`}, 400, "bad_connection_data"},
		"connectionData null entry": {[]string{"connectionData", `[null]`}, 400, "bad_connection_data"},
		"connectionData too large":  {[]string{"connectionData", `["` + strings.Repeat("x", 9000) + `"]`}, 400, "connection_data_too_large"},
		"JSONP while it is off":     {[]string{"callback", "f"}, 403, "jsonp_disabled"},
	} {
		for _, operation := range []string{"connect", "reconnect", "poll", "start", "send", "abort"} {
			r := c.Get(operation, append([]string{"transport", "longPolling"}, q.pairs...)...)
			if r.Status != q.status || r.Header.Get(negotiate.ReasonHeader) != q.reason {
				t.Errorf("%s: %s gets %d %q, want %d %q", name, operation, r.Status, r.Header.Get(negotiate.ReasonHeader), q.status, q.reason)
			}
		}
	}
	if n := s.Stats().Opened; n != 0 {
		t.Errorf("%d connections came of it", n)
	}
	c.Open("serverSentEvents") // nothing is broken for anybody else
}

// A user's name may change its case, and a token of a key that is not the first
// any more still opens.
func TestAccepted(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{Keys: []negotiate.Key{key('b'), key('a')}, Authenticate: byQuery})
	old, _ := negotiate.NewKeyring(key('a'))
	c := s.client()
	c.Query.Set("user", "domain:Ann")
	c.Negotiate()
	c.Answer.ConnectionToken = old.ConnectionToken(c.Answer.ConnectionID, "DOMAIN:ann")
	c.Connect("serverSentEvents")
	c.Start("serverSentEvents")
}

// A groups token that proves nothing restores nothing, and is no error.
func TestGroupsTokens(t *testing.T) {
	o := persistent.Options{Keys: []negotiate.Key{key('a')}}
	ring, _ := negotiate.NewKeyring(key('a'))
	forger, _ := negotiate.NewKeyring(key('x'))
	for name, token := range map[string]func(id string) string{
		"forged":               func(id string) string { return forger.GroupsToken(id, []string{"vip"}) },
		"of another":           func(string) string { return ring.GroupsToken(negotiate.NewConnectionID(), []string{"vip"}) },
		"truncated":            func(id string) string { return ring.GroupsToken(id, []string{"vip"})[:20] },
		"of another purpose":   func(id string) string { return ring.ConnectionToken(id, `["vip"]`) },
		"no token":             func(string) string { return "" },
		"not base64":           func(string) string { return "?!" },
		"genuine (it does it)": func(id string) string { return ring.GroupsToken(id, []string{"vip"}) },
	} {
		s := start(t, persistent.Handler{}, o)
		c := s.client().Negotiate()
		c.Answer.ConnectionToken = ring.ConnectionToken(c.Answer.ConnectionID, "") // as another process makes it
		c.GroupsToken = token(c.Answer.ConnectionID)
		st := c.Reconnect("serverSentEvents")
		s.events.wait(1)
		s.must(s.SendGroup("vip", "for members"))
		s.must(s.Broadcast("for all"))
		want := []string{`"for all"`}
		if strings.HasPrefix(name, "genuine") {
			want = []string{`"for members"`, `"for all"`}
		}
		wantSame(t, name, st.Messages(name, len(want)), want)
		s.wantEvents(name, "reconnected gap=false")
	}
}

// The groups of a connection that the server knows do not depend on what its
// client says of them.
func TestGroupsOfAKnownConnection(t *testing.T) {
	var s *server
	s = start(t, persistent.Handler{
		OnConnected: func(c *persistent.Conn) error { return s.Join(c.ID(), "vip") },
	}, persistent.Options{})
	c := s.client()
	st := c.Open("serverSentEvents")
	st.Frame("the group change")
	st.Drop()
	c.GroupsToken = "garbage"
	st = c.Reconnect("serverSentEvents")
	s.must(s.SendGroup("vip", "still a member"))
	st.WantMessage("after a reconnect with a bad token", "still a member")
}

// The rejoin filter has the last word, and what was sent to a group that it
// denies is not replayed.
func TestRejoinFilter(t *testing.T) {
	var s *server
	s = start(t, persistent.Handler{
		OnConnected: func(c *persistent.Conn) error {
			return errors.Join(s.Join(c.ID(), "keep"), s.Join(c.ID(), "drop"))
		},
		OnRejoiningGroups: func(_ *persistent.Conn, groups []string) []string {
			if strings.Join(groups, " ") != "keep drop" {
				t.Errorf("the filter is asked about %q", groups)
			}
			return []string{"keep", "added"}
		},
	}, persistent.Options{})
	c := s.client()
	st := c.Open("serverSentEvents")
	st.Frame("the group changes")
	st.Drop()
	s.must(s.SendGroup("drop", "missed, but not a member any more"))
	s.must(s.SendGroup("keep", "missed"))
	st = c.Reconnect("serverSentEvents")
	s.events.wait(2)
	s.must(s.SendGroup("drop", "not a member"))
	s.must(s.SendGroup("added", "new"))
	wantSame(t, "messages", st.Messages("after the reconnect", 2), []string{`"missed"`, `"new"`})
}

// Group changes of a connection that does not exist fail at once.
func TestUnknownConnection(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{MaxGroups: 2})
	for _, err := range []error{s.Join("nobody", "g"), s.Leave("nobody", "g"), s.Send("nobody", 1)} {
		if !errors.Is(err, persistent.ErrNoConnection) {
			t.Errorf("got %v", err)
		}
	}
	c := s.client()
	c.Open("longPolling")
	id := c.Answer.ConnectionID
	if err := s.Join(id, ""); !errors.Is(err, persistent.ErrNoGroup) {
		t.Errorf("a group without a name: %v", err)
	}
	s.must(s.Join(id, "1"))
	s.must(s.Join(id, "2"))
	s.must(s.Join(id, "2")) // is no more
	if err := s.Join(id, "3"); !errors.Is(err, persistent.ErrTooManyGroups) {
		t.Errorf("one group too many: %v", err)
	}
}

// Payloads that are too large cost their own request, or their own socket.
func TestTooLarge(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{MaxMessageSize: 1000})
	c := s.client()
	c.Open("longPolling")
	if r := c.Send("longPolling", strings.Repeat("x", 1001)); r.Status != http.StatusRequestEntityTooLarge || r.Header.Get(negotiate.ReasonHeader) != "message_too_large" {
		t.Errorf("too large a form value gets %d %q", r.Status, r.Body)
	}
	if r := c.Post("send", url.Values{"data": {strings.Repeat("%", 9000)}}, "transport", "longPolling"); r.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large a form gets %d %q", r.Status, r.Body)
	}
	if r := c.Send("longPolling", strings.Repeat("x", 1000)); r.Status != http.StatusOK {
		t.Errorf("a message of just the limit gets %d %q", r.Status, r.Body)
	}
	if r := c.Send("longPolling", ""); r.Status != http.StatusBadRequest || r.Header.Get(negotiate.ReasonHeader) != "missing_data" {
		t.Errorf("no message gets %d %q", r.Status, r.Body)
	}
	other := s.client()
	bystander := other.Open("webSockets")
	ws := s.client()
	st := ws.Open("webSockets")
	st.Write(strings.Repeat("x", 1001))
	st.WantEnd("a message over the limit")
	s.must(s.Broadcast("fine"))
	bystander.WantMessage("the other one", "fine")
	ws.Reconnect("webSockets").WantMessage("after the socket was lost", "fine")
}

// Pages of other origins are refused on every transport alike, before anything
// is opened, and let in where they are listed.
func TestOrigins(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{AllowedOrigins: []string{"https://app.example.com"}})
	for _, transport := range []string{"webSockets", "serverSentEvents", "foreverFrame", "longPolling"} {
		c := s.client()
		c.Header.Set("Origin", "https://app.example.com")
		st := c.Negotiate().Dial("connect", transport, "frameId", "1")
		if st.Status != http.StatusSwitchingProtocols && st.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
			t.Errorf("%s: an origin that is listed gets %d %v", transport, st.Status, st.Header)
		}
		c.Header.Set("Origin", "https://evil.example.com")
		var refused *classictest.Refused
		_, err := c.TryDial("connect", transport, "frameId", "1")
		if !errors.As(err, &refused) || refused.Status != http.StatusForbidden || refused.Reply.Header.Get(negotiate.ReasonHeader) != "origin_not_allowed" {
			t.Errorf("%s: an origin that is not listed gets %v", transport, err)
		}
		for _, operation := range []string{"negotiate", "start", "send", "abort", "ping"} {
			if r := c.Post(operation, url.Values{"data": {"x"}}, "transport", transport); r.Status != http.StatusForbidden {
				t.Errorf("%s: %s from an origin that is not listed gets %d", transport, operation, r.Status)
			}
		}
	}
}

// A WebSocket message that is no text costs its own socket, with a close code
// that says why. Nobody else notices, and the client comes back.
func TestBadSocketMessages(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{})
	bystander := s.client().Open("webSockets")
	for name, m := range map[string]struct {
		kind websocket.MessageType
		data string
		code websocket.StatusCode
	}{
		"not UTF-8": {websocket.MessageText, "\xff\xfe", websocket.StatusInvalidFramePayloadData},
		"binary":    {websocket.MessageBinary, "text", websocket.StatusUnsupportedData},
		"too large": {websocket.MessageText, strings.Repeat("x", 70_000), websocket.StatusMessageTooBig},
	} {
		c := s.client()
		st := c.Open("webSockets")
		if err := st.Socket().Write(t.Context(), m.kind, []byte(m.data)); err != nil {
			t.Fatal(err)
		}
		_, err := st.Raw()
		if code := websocket.CloseStatus(err); code != m.code {
			t.Errorf("%s: closed with %v (%v), want %v", name, code, err, m.code)
		}
		s.must(s.Broadcast(name))
		c.Reconnect("webSockets").WantMessage("back after "+name, name)
		bystander.WantMessage("the other one", name)
	}
}

// Who never was connected, was refused, was thrown out, or has stopped, does not
// get in by the ways of one who comes back.
func TestBarred(t *testing.T) {
	s := start(t, persistent.Handler{
		OnConnected: func(c *persistent.Conn) error {
			if c.User() == "mallory" {
				return errors.New("not welcome")
			}
			return nil
		},
	}, persistent.Options{Authenticate: byQuery})
	client := func(user string) *classictest.Client {
		c := s.client()
		c.Query.Set("user", user)
		return c.Negotiate()
	}
	never, refused, aborted, stopped := client("eve"), client("mallory"), client("bob"), client("ann")
	refused.Connect("serverSentEvents")
	if r := refused.Get("start", "transport", "serverSentEvents"); r.Status != 500 {
		t.Fatalf("start of the refused one gets %d", r.Status)
	}
	st := aborted.Connect("serverSentEvents")
	aborted.Start("serverSentEvents")
	c, _ := s.Conn(aborted.Answer.ConnectionID)
	c.Abort()
	st.WantEnd("aborted")
	stopped.Connect("serverSentEvents")
	stopped.Start("serverSentEvents")
	stopped.Abort("serverSentEvents")
	events := s.events.wait(5)
	for name, c := range map[string]*classictest.Client{"never connected": never, "refused": refused, "aborted": aborted, "stopped": stopped} {
		for _, kind := range []string{"serverSentEvents", "foreverFrame", "longPolling"} {
			for _, operation := range []string{"reconnect", "poll", "send"} {
				r := c.Post(operation, url.Values{"data": {"x"}, "messageId": {""}}, "transport", kind, "frameId", "1")
				status, body := http.StatusNotFound, "The connection has ended."
				if kind == "longPolling" && operation != "send" {
					status, body = http.StatusOK, `{"C":"","D":1,"E":"The connection has ended.","M":[]}`
				}
				if r.Status != status || strings.TrimSpace(r.Body) != body || r.Header.Get(negotiate.ReasonHeader) != "connection_ended" {
					t.Errorf("%s: %s on %s gets %d %s", name, operation, kind, r.Status, r.Body)
				}
			}
		}
		if r := c.Get("ping"); r.Header.Get(negotiate.ReasonHeader) != "connection_ended" {
			t.Errorf("%s: a ping with the token gets %d %s", name, r.Status, r.Body)
		}
	}
	s.wantEvents("nothing more", events...)
}

// Who came back after it had timed out, and is thrown out then, does not get in
// by those ways either.
func TestBarredAfterAReturn(t *testing.T) {
	bubble(t, persistent.Handler{}, persistent.Options{}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
		c := client("/raw")
		c.Open("serverSentEvents").Drop()
		time.Sleep(time.Minute)
		st := c.Reconnect("serverSentEvents")
		synctest.Wait()
		conn, _ := s.Conn(c.Answer.ConnectionID)
		conn.Abort()
		st.WantEnd("aborted")
		if r := c.Get("reconnect", "transport", "serverSentEvents"); r.Status != http.StatusNotFound {
			t.Errorf("a reconnect gets %d %s", r.Status, r.Body)
		}
	})
}

// Who connects and does not start hears nothing for longer than it may take.
func TestLingeringWithoutAStart(t *testing.T) {
	for _, kind := range []string{"webSockets", "serverSentEvents", "longPolling"} {
		bubble(t, persistent.Handler{}, persistent.Options{}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
			lingering, late := client("/raw").Negotiate(), client("/raw").Negotiate()
			lingering.Patience, late.Patience = time.Hour, time.Hour
			begin := time.Now()
			st, other := lingering.Connect(kind), late.Connect("webSockets")
			if kind == "longPolling" {
				st = lingering.Poll()
			}
			ended, heard := make(chan time.Duration, 1), make(chan string, 1)
			go func() {
				st.WantEnd(kind)
				ended <- time.Since(begin)
			}()
			go func() { heard <- other.Messages(kind+": the one that starts", 1)[0] }()
			time.Sleep(45 * time.Second)
			late.Start("webSockets")
			select {
			case at := <-ended:
				if at < 50*time.Second || at > time.Minute {
					t.Errorf("%s: it ends after %v", kind, at)
				}
			case <-time.After(10 * time.Minute):
				t.Errorf("%s: it does not end", kind)
				st.Drop()
			}
			time.Sleep(10 * time.Minute)
			s.must(s.Broadcast("still there"))
			if m := <-heard; m != `"still there"` {
				t.Errorf("%s: the one that started got %s", kind, m)
			}
			if n := s.Stats().Connections; n != 1 {
				t.Errorf("%s: %d connections are left, want 1", kind, n)
			}
			s.wantEvents(kind, "connected")
			other.Drop()
		})
	}
}

// Who never started does not get in by having been given up.
func TestBarredWithoutAStart(t *testing.T) {
	bubble(t, persistent.Handler{}, persistent.Options{}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
		c := client("/raw").Negotiate()
		c.Connect("serverSentEvents").Drop()
		time.Sleep(time.Minute)
		if r := c.Get("reconnect", "transport", "serverSentEvents"); r.Status != http.StatusNotFound {
			t.Errorf("a reconnect gets %d %s", r.Status, r.Body)
		}
	})
}
