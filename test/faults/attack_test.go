package faults_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// Each row is an attack: what goes in, what comes out, and that nobody else
// notices.
func TestAttacks(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(o *persistent.Options)
		attack func(s *siege)
	}{
		{name: "slow headers", change: impatient, attack: slowHeaders},
		{name: "slow bodies", change: impatient, attack: slowBodies},
		{name: "huge bodies", attack: hugeBodies},
		{name: "huge frames", attack: hugeFrames},
		{name: "huge queries", attack: hugeQueries},
		{name: "deep JSON", attack: deepJSON},
		{name: "invalid UTF-8", attack: invalidUTF8},
		{name: "header injection", attack: headerInjection},
		{name: "stream injection", attack: streamInjection},
		{name: "unmasked frames", attack: unmaskedFrames},
		{name: "fragments", attack: fragments},
		{name: "pings", attack: pings},
		{name: "negotiations", attack: negotiations},
		{name: "token guessing", attack: tokenGuessing},
		{name: "another user's token", attack: anothersToken},
		{name: "group tokens", attack: groupTokens},
		{name: "cross-origin", attack: crossOrigin},
		{name: "callbacks", attack: callbacks},
		{name: "callbacks with JSONP", change: func(o *persistent.Options) { o.JSONP = true }, attack: jsonpCallbacks},
		{name: "prototype names", attack: prototypeNames},
		{name: "topics of others", attack: othersTopics},
		{name: "ids that have ended", attack: endedIDs},
		{name: "many hubs", attack: manyHubs},
		{name: "others' answers", attack: othersAnswers},
		{name: "core: huge messages", attack: coreHugeMessages},
		{name: "core: huge bodies", attack: coreHugeBodies},
		{name: "core: early bodies", attack: coreEarlyBodies},
		{name: "core: deep values", attack: coreDeepValues},
		{name: "core: invalid UTF-8", attack: coreInvalidUTF8},
		{name: "core: prototype names", attack: corePrototypeNames},
		{name: "core: tokens", attack: coreTokens},
		{name: "core: cross-origin", attack: coreCrossOrigin},
		{name: "core: nonsense", attack: coreNonsense},
		{name: "core: nothing acknowledged", attack: coreUnacknowledged},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := besiege(t, row.change)
			s.calm()
			before := s.server.Endpoint().Stats().Connections
			row.attack(s)
			s.calm()
			for end := time.Now().Add(giveUp); s.server.Endpoint().Stats().Connections-before > 10; time.Sleep(20 * time.Millisecond) {
				if !time.Now().Before(end) {
					t.Fatal("the attack leaves many connections behind")
				}
			}
		})
	}
}

// impatient is for headers and bodies that do not come.
func impatient(o *persistent.Options) { o.BodyTimeout = 2 * time.Second }

// Requests whose headers do not come are given up after
// http.Server.ReadHeaderTimeout, which is the program's to set.
func slowHeaders(s *siege) {
	var all sync.WaitGroup
	for range 30 {
		conn := s.dial()
		all.Go(func() {
			_, _ = io.WriteString(conn, "GET /signalr/negotiate HTTP/1.1\r\nHost: ")
			if _, err := io.ReadAll(conn); err != nil {
				s.Errorf("the connection is held: %v", err)
			}
		})
	}
	s.calm()
	all.Wait()
}

// Bodies that do not come are given up after Options.BodyTimeout.
func slowBodies(s *siege) {
	c := s.client("attacker")
	c.Open("longPolling")
	var all sync.WaitGroup
	for i := range 30 {
		operation := []string{"send", "poll", "negotiate"}[i%3]
		conn := s.dial()
		all.Go(func() {
			_, _ = io.WriteString(conn, request("POST", c.Address(operation, "transport", "longPolling"), "X-User: attacker", "Content-Length: 1000")+"data=")
			text, err := io.ReadAll(conn)
			if err != nil {
				s.Errorf("the connection is held: %v", err)
			}
			if operation != "negotiate" && !strings.Contains(string(text), "body_timeout") {
				s.Errorf("%s is answered %.200q", operation, text)
			}
		})
	}
	s.calm()
	all.Wait()
}

// A body is read up to three times the size of a message, whatever it says of
// itself.
func hugeBodies(s *siege) {
	c := s.client("attacker")
	c.Open("longPolling")
	for operation, most := range map[string]int64{"send": 1 << 20, "poll": 4 << 20} {
		body := &counted{Reader: io.LimitReader(endless{}, 1<<30)}
		req, _ := http.NewRequest("POST", c.Address(operation, "transport", "longPolling"), body)
		req.Header.Set("X-User", "attacker")
		res, err := c.HTTP.Do(req)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode != http.StatusRequestEntityTooLarge {
				s.Errorf("%s gets %d", operation, res.StatusCode)
			}
		}
		if read := body.n.Load(); read > most+(8<<20) { // what the sockets hold
			s.Errorf("%s: %d bytes were taken", operation, read)
		}
	}
	r, err := c.Do("POST", c.Address("send", "transport", "longPolling"), "data="+strings.Repeat("%41", 65537))
	if err != nil {
		s.Fatal(err)
	}
	s.wantReason("a message of one byte too many", r, 413, "message_too_large")
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

type counted struct {
	io.Reader
	n atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// A frame over the limit costs its own WebSocket.
func hugeFrames(s *siege) {
	c := s.client("attacker")
	st := c.Open("webSockets")
	if err := st.Socket().Write(s.Context(), websocket.MessageText, make([]byte, 10<<20)); err == nil {
		_, err = st.Raw()
		if code := websocket.CloseStatus(err); code != websocket.StatusMessageTooBig {
			s.Errorf("closed with %v", err)
		}
	}
}

// Queries are bounded by net/http in bytes, and by us in pairs.
func hugeQueries(s *siege) {
	c := s.client("attacker").Negotiate()
	r, err := c.Do("GET", c.Address("ping", "x", strings.Repeat("x", 2<<20)), "")
	if err == nil && r.Status != http.StatusRequestHeaderFieldsTooLarge {
		s.Errorf("a query of 2 MiB gets %d", r.Status)
	}
	for name, query := range map[string]string{
		"pairs":      strings.Repeat("a=b&", 200_000),
		"separators": strings.Repeat("&;", 400_000),
		"one key":    strings.Repeat("transport=x&", 60_000),
		"escapes":    "x=" + strings.Repeat("%25", 200_000),
		"cursor":     "transport=longPolling&messageId=" + strings.Repeat("f", 500_000),
		"hubs":       "connectionData=" + strings.Repeat("%5B", 200_000),
		"token":      "transport=longPolling&connectionToken=" + strings.Repeat("A", 500_000),
	} {
		r, err := c.Do("GET", s.url+"/poll?"+query, "") // given up after classictest.Patience
		if err != nil || r.Status != http.StatusBadRequest {
			s.Errorf("%s: %v %d %.100q", name, err, r.Status, r.Body)
		}
	}
}

// JSON is read as deep as an answer to it goes, and no deeper.
func deepJSON(s *siege) {
	c := s.client("attacker")
	st := c.Open("webSockets")
	for _, depth := range []int{25, 9_000, 30_000} {
		for name, payload := range map[string]string{
			"array":    `{"I":1,"H":"fort","M":"echo","A":[` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `]}`,
			"object":   `{"I":1,"H":"fort","M":"echo","A":[` + strings.Repeat(`{"":`, depth/3) + "1" + strings.Repeat("}", depth/3) + `]}`,
			"state":    `{"I":1,"H":"fort","M":"echo","A":[1],"S":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`,
			"envelope": `{"I":1,"H":"fort","M":"echo","A":[1],"X":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`,
		} {
			if name == "object" && depth == 25 {
				continue // not deep
			}
			r := c.Send("longPolling", payload)
			if r.Status == http.StatusOK {
				s.wantFailed(fmt.Sprintf("%s %d", name, depth), r.Body)
			} else {
				s.wantReason(fmt.Sprintf("%s %d", name, depth), r, 400, "bad_payload")
			}
		}
		unclosed := c.Send("longPolling", strings.Repeat("[", depth))
		s.wantReason("unclosed", unclosed, 400, "bad_payload")
	}
	if r := c.Invoke(st, "fort", "echo", "alive"); string(r.R) != `"alive"` {
		s.Errorf("after all that a call gets %s", r.Raw)
	}
	bad := c.Get("ping", "connectionData", strings.Repeat("[", 4000)+strings.Repeat("]", 4000))
	s.wantReason("deep connectionData", bad, 400, "bad_connection_data")
}

// What is not UTF-8 goes nowhere.
func invalidUTF8(s *siege) {
	c := s.client("attacker")
	st := c.Open("webSockets")
	s.wantReason("a payload", c.Send("longPolling", "{\"I\":1,\"H\":\"fort\",\"M\":\"echo\",\"A\":[\"\xff\"]}"), 400, "bad_payload")
	s.wantReason("a cursor", c.Get("poll", "transport", "longPolling", "messageId", "\xff-1"), 400, "bad_cursor")
	s.wantReason("a hub", c.Get("ping", "connectionData", "[{\"name\":\"\xff\"}]"), 400, "unknown_hub")
	s.wantReason("a transport", c.Get("poll", "transport", "\xff"), 400, "unknown_transport")
	if err := st.Socket().Write(s.Context(), websocket.MessageText, []byte("\xff")); err != nil {
		s.Fatal(err)
	}
	_, err := st.Raw()
	if code := websocket.CloseStatus(err); code != websocket.StatusInvalidFramePayloadData {
		s.Errorf("closed with %v", err)
	}
}

// Line ends in what a client sends do not end lines of what the server answers.
func headerInjection(s *siege) {
	const evil = "x\r\nX-Evil: 1\r\n\r\n<script>"
	c := s.client("attacker").Negotiate()
	data, _ := json.Marshal([]map[string]string{{"name": evil}})
	for what, r := range map[string]classictest.Reply{
		"a hub":       c.Get("ping", "connectionData", string(data)),
		"a callback":  c.Get("ping", "callback", evil),
		"a transport": c.Get("poll", "transport", evil),
		"a token":     c.Get("poll", "transport", "longPolling", "connectionToken", evil),
		"a cursor":    c.Get("poll", "transport", "longPolling", "messageId", evil),
		"a frame id":  c.Get("connect", "transport", "foreverFrame", "frameId", evil),
	} {
		if r.Status < 400 || r.Header.Get("X-Evil") != "" || strings.Contains(r.Body, "\n") || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			s.Errorf("%s gets %d %q %q", what, r.Status, r.Header, r.Body)
		}
	}
	r, err := c.Do("GET", s.url+"/"+url.PathEscape(evil)+"/negotiate", "")
	var answer struct {
		URL string `json:"Url"`
	}
	if err != nil || json.Unmarshal([]byte(r.Body), &answer) != nil || answer.URL != "/signalr/"+evil || strings.ContainsAny(r.Body, "\r\n<") {
		s.Errorf("a path gets %q", r.Body)
	}
}

// What one client sends to another is one message there, whatever stands in it.
func streamInjection(s *siege) {
	for _, transport := range []string{"serverSentEvents", "foreverFrame", "longPolling", "webSockets"} {
		c := s.client("victim").Negotiate()
		st := c.Connect(transport, "frameId", "1")
		c.Start(transport)
		for _, evil := range []string{
			"\n\ndata: {\"C\":\"1\",\"M\":[]}\n\n", "\r\rdata: x\r\r", "\r\nid: 1\r\nevent: x\r\n\r\n",
			");</script><script>alert(1)</script>", "</ScRiPt><!--", "\u2028alert(1)\u2029", "\"]}{\"C\":\"x", "\x00\x1e\x1f\x7f",
		} {
			if err := s.hub.Clients.User("victim").Tell(evil); err != nil {
				s.Fatal(err)
			}
			var m struct{ A []string }
			got := st.Messages("the message on "+transport, 1)[0]
			if json.Unmarshal([]byte(got), &m) != nil || len(m.A) != 1 || m.A[0] != evil {
				s.Errorf("%s: %q arrives as %s", transport, evil, got)
			}
		}
		c.Abort(transport)
	}
}

// Frames of a client must be masked: RFC 6455 §5.1.
func unmaskedFrames(s *siege) {
	for name, bytes := range map[string]string{
		"unmasked":              frame(0x81, false, "x"),
		"reserved bits":         frame(0xf1, true, "x"),
		"unknown opcode":        frame(0x83, true, "x"),
		"long ping":             frame(0x89, true, strings.Repeat("x", 126)),
		"fragmented ping":       frame(0x09, true, "x"),
		"continuation of none":  frame(0x80, true, "x"),
		"message in a message":  frame(0x01, true, "x") + frame(0x81, true, "x"),
		"close of one byte":     frame(0x88, true, "x"),
		"close with a bad code": frame(0x88, true, "\x03\xed"),
	} {
		conn, r := s.socket()
		s.write(conn, bytes)
		if code := closeCode(r); code != 1002 {
			s.Errorf("%s: closed with %d, want 1002", name, code)
		}
	}
}

// The fragments of a message count together.
func fragments(s *siege) {
	conn, r := s.socket()
	go func() {
		_, _ = io.WriteString(conn, frame(0x01, true, "x"))
		_, _ = io.WriteString(conn, strings.Repeat(frame(0x00, true, "x"), 70_000))
	}()
	if code := closeCode(r); code != 1009 {
		s.Errorf("a message in 70,001 pieces: closed with %d, want 1009", code)
	}
	conn, _ = s.socket() // fragments with nothing in them cost their sender most
	s.write(conn, frame(0x01, true, "x")+strings.Repeat(frame(0x00, true, ""), 100_000))
}

// A client that floods the server with pings and does not read the pongs fills
// no memory here.
func pings(s *siege) {
	conn, _ := s.socket()
	_ = conn.SetWriteDeadline(time.Now().Add(3 * time.Second))
	_, _ = io.WriteString(conn, strings.Repeat(frame(0x89, true, strings.Repeat("x", 125)), 50_000))
	_ = conn.Close()
}

// Negotiating leaves nothing behind.
func negotiations(s *siege) {
	stats := s.server.Endpoint().Stats()
	classic, core := s.client("attacker"), s.core("attacker")
	for range 1000 {
		classic.Negotiate()
		core.Negotiate()
	}
	if now := s.server.Endpoint().Stats(); now != stats {
		s.Errorf("the endpoint has %+v, had %+v", now, stats)
	}
}

// Tokens cannot be guessed, nor made from others.
func tokenGuessing(s *siege) {
	c := s.client("attacker").Negotiate()
	good := c.Answer.ConnectionToken
	rng := rand.New(rand.NewPCG(1, 1))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var guesses []string
	for i := range good {
		other := alphabet[(strings.IndexByte(alphabet, good[i])+1+rng.IntN(63))%64]
		guesses = append(guesses, good[:i]+string(other)+good[i+1:], good[:i])
	}
	for range 200 {
		b := make([]byte, len(good))
		for i := range b {
			b[i] = alphabet[rng.IntN(64)]
		}
		guesses = append(guesses, string(b))
	}
	guesses = append(guesses, good+"A", good+"=", " "+good, good+"\n", strings.ToUpper(good), good+"."+good)
	for _, g := range guesses {
		r := c.Get("poll", "transport", "longPolling", "connectionToken", g)
		if g == "" {
			s.wantReason("no token", r, 400, "missing_token")
			continue
		}
		s.wantReason("token "+g, r, 400, "bad_token")
	}
}

// A token is good for its user only, and its user notices nothing of the attempt.
func anothersToken(s *siege) {
	victim := s.client("victim")
	st := victim.Open("serverSentEvents")
	for _, user := range []string{"attacker", "", "victim.", "victim2"} {
		thief := s.client(user)
		thief.Answer = victim.Answer
		for _, operation := range []string{"start", "send", "abort", "poll"} {
			s.wantReason(operation+" by "+user, thief.Post(operation, url.Values{"data": {"x"}}, "transport", "longPolling"), 403, "user_changed")
		}
		for _, transport := range transportNames {
			for _, operation := range []string{"connect", "reconnect"} {
				_, err := thief.TryDial(operation, transport, "frameId", "1")
				s.wantDenied(operation+" by "+user, err, 403, "user_changed")
			}
		}
	}
	_ = s.hub.Clients.User("victim").Tell("for you only")
	st.WantMessage("the victim, undisturbed", "for you only")
}

// A groups token is good for its connection only, and not good as another kind of
// token. What is wrong with one is no error, but restores nothing.
func groupTokens(s *siege) {
	member := s.client("member")
	st := member.Open("serverSentEvents")
	member.Invoke(st, "fort", "enter", "vip")
	st.Frame("the change of groups")
	thief := s.client("thief")
	ts := thief.Open("serverSentEvents")
	forger, _ := negotiate.NewKeyring()
	for name, token := range map[string]string{
		"another's":          member.GroupsToken,
		"forged":             forger.GroupsToken(thief.Answer.ConnectionID, []string{"fort.vip"}),
		"changed":            member.GroupsToken[:len(member.GroupsToken)-1] + "A",
		"a connection token": thief.Answer.ConnectionToken,
		"nonsense":           "][",
	} {
		ts.Drop()
		thief.GroupsToken = token
		ts = thief.Reconnect("serverSentEvents")
		_ = s.hub.Clients.Group("vip").Tell("for members")
		_ = s.hub.Clients.User("thief").Tell("for " + name)
		ts.WantMessage("the thief with the token "+name, "for "+name)
	}
	s.wantReason("a groups token for a token", thief.Get("poll", "transport", "longPolling", "connectionToken", member.GroupsToken), 400, "bad_token")
	member.Abort("serverSentEvents")
	thief.Abort("serverSentEvents")
}

// A page of another origin gets nothing, and nothing done, on any transport.
func crossOrigin(s *siege) {
	victim := s.client("victim")
	victim.Open("webSockets")
	for _, origin := range []string{"https://evil.example", "null", "http://" + strings.TrimPrefix(s.url, "http://127.0.0.1"), "http://127.0.0.1.evil.example", "file://"} {
		page := s.client("victim") // the browser sends the user's cookies
		page.Answer = victim.Answer
		page.Header.Set("Origin", origin)
		for _, operation := range []string{"negotiate", "ping", "start", "send", "abort", "poll", "hubs"} {
			r := page.Post(operation, url.Values{"data": {"x"}}, "transport", "longPolling")
			if operation == "hubs" && r.Status == http.StatusOK { // a script, for everyone
				continue
			}
			s.wantReason(operation+" from "+origin, r, 403, "origin_not_allowed")
			if h := r.Header.Get("Access-Control-Allow-Origin"); h != "" {
				s.Errorf("%s from %s is answered with the permission %q", operation, origin, h)
			}
		}
		for _, transport := range transportNames {
			_, err := page.TryDial("reconnect", transport, "frameId", "1")
			s.wantDenied(transport+" from "+origin, err, 403, "origin_not_allowed")
		}
	}
	if _, ok := s.server.Endpoint().Conn(victim.Answer.ConnectionID); !ok {
		s.Error("the victim's connection was ended")
	}
}

var badCallbacks = []string{
	"alert(1)//", "a;b", "a b", "<script>", "a\r\nb", "a[0]", "a.", ".a", "1a", "a..b", "ä", "\u2028a", "a/**/",
	"function", "NaN", "this.x=1", "eval`1`", strings.Repeat("a", 100_000),
}

// JSONP is off.
func callbacks(s *siege) {
	c := s.client("attacker").Negotiate()
	for _, name := range append(badCallbacks, "fine") {
		for _, operation := range []string{"negotiate", "ping", "start", "connect", "poll", "send", "hubs"} {
			s.wantReason(operation+" with "+name[:min(len(name), 20)], c.Get(operation, "transport", "longPolling", "callback", name), 403, "jsonp_disabled")
		}
	}
}

// Where JSONP is on, a callback is a name and nothing else.
func jsonpCallbacks(s *siege) {
	c := s.client("attacker").Negotiate()
	c.Connect("longPolling")
	for _, name := range badCallbacks {
		for _, operation := range []string{"negotiate", "ping", "start", "connect", "poll", "send"} {
			s.wantReason(operation+" with "+name[:min(len(name), 20)], c.Get(operation, "transport", "longPolling", "callback", name), 400, "bad_callback")
		}
	}
	if r := c.Get("ping", "callback", "a.b"); r.Body != `a.b({"Response":"pong"});` || r.Header.Get("X-Content-Type-Options") != "nosniff" {
		s.Errorf("a good callback gets %q", r.Body)
	}
}

// Names that mean something in JavaScript, or in Go, mean nothing here.
func prototypeNames(s *siege) {
	names := []string{
		"__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "__defineGetter__", "valueOf",
		"OnConnected", "onDisconnected", "OnRejoiningGroups", "String", "Error", "fort.echo", "", " echo", "echo\x00", "Echo()",
	}
	c := s.client("attacker")
	st := c.Open("webSockets")
	for _, name := range names {
		data, _ := json.Marshal([]map[string]string{{"name": name}})
		if r := c.Get("ping", "connectionData", string(data)); r.Status != 400 {
			s.Errorf("hub %q gets %d", name, r.Status)
		}
		if name != "" {
			r := c.Invoke(st, "fort", name, "x")
			s.wantFailed("method "+name, r.Raw)
			r = c.Invoke(st, name, "echo", "x")
			s.wantFailed("hub "+name, r.Raw)
		}
	}
	r := c.Send("longPolling", `{"I":1,"H":"fort","M":"echo","A":[{"__proto__":{"x":1},"constructor":2}],"S":{"__proto__":{"x":1}},"__proto__":{"H":"annex"}}`)
	if !strings.Contains(r.Body, `"__proto__":{"x":1}`) {
		s.Errorf("an argument comes back as %s", r.Body)
	}
}

// Whatever a group is named, its members hear the group and nothing else.
func othersTopics(s *siege) {
	victim, spy := s.client("victim"), s.client("spy")
	vs, ss := victim.Open("serverSentEvents"), spy.Open("serverSentEvents")
	id := victim.Answer.ConnectionID
	names := []string{
		"c-" + id, "g-c-" + id, id, "u-fort.victim", "u-victim", "victim", "h-fort", "h-annex", "annex", "annex.vip", "g-annex.vip",
		"fort.vip", "g-fort.vip", ".vip", "*", "VIP", "../vip", "vip\x00", "pc",
	}
	for _, name := range names {
		if r := spy.Invoke(ss, "fort", "enter", name); r.E != "" {
			s.Errorf("group %q: %s", name, r.E)
		}
	}
	annex := s.client("other").Hubs("annex")
	as := annex.Open("serverSentEvents")
	annex.Invoke(as, "annex", "enter", "vip")
	as.Frame("the change of groups")
	_ = s.hub.Clients.Client(id).Tell("1, to the connection")
	_ = s.hub.Clients.User("victim").Tell("2, to the user")
	_ = s.hub.Clients.Group("vip").Tell("3, to a group")
	_ = s.hub.Clients.AllExcept(spy.Answer.ConnectionID).Tell("4, to all others")
	_ = s.hub.Clients.User("spy").Tell("to the spy")
	ss.WantMessage("the spy", "to the spy")
	for i, m := range vs.Messages("the victim", 3) {
		if want := []string{"1, ", "2, ", "4, "}[i]; !strings.Contains(m, want) {
			s.Errorf("the victim gets %s, want %q", m, want)
		}
	}
	for _, b := range s.bystanders {
		b.hear("4, ")
	}
	server := hub.NewServer(hub.Options{Options: options()})
	for _, name := range []string{"a.b", "", "a/b", "a b", "a\x00", "ü\u0085", "negotiate", "__proto__."} {
		if _, err := hub.TryRegister[defender](server, name, fort{}); err == nil && name != "" {
			s.Errorf("a hub may be named %q", name)
		}
	}
	_ = server.Shutdown(s.Context())
}

// Who has ended a connection does not get it back.
func endedIDs(s *siege) {
	c := s.client("attacker")
	st := c.Open("webSockets")
	c.Invoke(st, "fort", "enter", "vip")
	st.Frame("the change of groups")
	c.Abort("webSockets")
	for _, transport := range transportNames {
		back, err := c.TryDial("reconnect", transport, "frameId", "1", "messageId", c.Cursor, "groupsToken", c.GroupsToken)
		if transport != "longPolling" {
			s.wantDenied("reconnect", err, 404, "connection_ended")
		} else if f := back.Frame("a poll"); f.E == nil || len(f.M) > 0 {
			s.Errorf("a poll gets %s", f.Raw)
		}
	}
	s.wantReason("a send", c.Send("longPolling", "x"), 404, "connection_ended")
}

// A request names so many hubs, each once.
func manyHubs(s *siege) {
	c := s.client("attacker")
	names := make([]string, 100)
	for i := range names {
		names[i] = "fort"
	}
	s.wantReason("100 hubs", c.Hubs(names...).Get("ping"), 400, "too_many_hubs")
	s.wantReason("one hub twice", c.Hubs("fort", "FORT").Get("ping"), 400, "duplicate_hub")
	s.wantReason("a long list", c.Hubs(strings.Repeat("x", 9000)).Get("ping"), 400, "connection_data_too_large")
}
