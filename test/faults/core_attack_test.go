package faults_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent/core/coretest"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// core returns a Core client of the fort.
func (s *siege) core(user string) *coretest.Client {
	c := coretest.New(s.T, s.url+"/fort")
	c.Header.Set("X-User", user)
	return c
}

// wantStatus checks an answer's status and reason.
func (s *siege) wantStatus(what string, r coretest.Reply, status int, reason string) {
	s.Helper()
	if got := r.Header.Get("Hubwire-Reason"); r.Status != status || got != reason {
		s.Errorf("%s gets %d %q (%.100q), want %d %q", what, r.Status, got, r.Body, status, reason)
	}
}

// socketStatus is the answer to an upgrade that must be refused.
func (s *siege) socketStatus(what string, c *coretest.Client) coretest.Reply {
	s.Helper()
	_, err := c.TryDial("webSockets")
	refused, ok := errors.AsType[*coretest.Refused](err)
	if !ok {
		s.Errorf("%s is not refused: %v", what, err)
		return coretest.Reply{}
	}
	return refused.Reply
}

// coreInvocation is a call with these arguments, in JSON.
func coreInvocation(target, args string) string {
	return `{"type":1,"invocationId":"1","target":` + target + `,"arguments":` + args + `}`
}

// A message over the limit ends its own connection, before it is complete.
func coreHugeMessages(s *siege) {
	for name, text := range map[string]string{
		"one message":        strings.Repeat("x", 40_000) + coretest.Separator,
		"without an end":     strings.Repeat("x", 40_000),
		"many, then a large": strings.Repeat(coretest.Ping+coretest.Separator, 5000) + strings.Repeat(" ", 33_000),
	} {
		st := s.core("attacker").Open("webSockets")
		st.Write(text)
		st.Want(name, `"type":7,"error":`)
		st.WantEnd(name)
	}
	binary := s.core("attacker")
	binary.Protocol = "messagepack"
	for name, text := range map[string]string{
		"a length of 2 GiB":     "\xff\xff\xff\xff\x07",
		"a length without end":  "\xff\xff\xff\xff\xff\xff",
		"an array of 4 billion": "\x06\xdd\xff\xff\xff\xff\x01",
		"a string of 4 GiB":     "\x0a\x95\x01\x80\xc0\xdb\xff\xff\xff\xff\x01",
		"a map of 65,535":       "\x05\x95\x01\xde\xff\xff",
	} {
		st := binary.Open("webSockets")
		st.Write(text)
		st.Want(name, "\x93\x07")
		st.WantEnd(name)
	}
}

// A body is read as fast as its messages are handled, and no further than the
// message that is too large.
func coreHugeBodies(s *siege) {
	for _, kind := range []string{"serverSentEvents", "longPolling"} {
		c := s.core("attacker")
		st := c.Open(kind)
		body := &counted{Reader: io.LimitReader(endless{}, 1<<30)}
		req, _ := http.NewRequest("POST", c.Address("", c.ID()...), body)
		req.Header.Set("X-User", "attacker")
		res, err := c.HTTP.Do(req)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode != http.StatusNotFound {
				s.Errorf("%s gets %d", kind, res.StatusCode)
			}
		}
		if read := body.n.Load(); read > 8<<20 { // what the sockets hold
			s.Errorf("%s: %d bytes were taken", kind, read)
		}
		st.Want(kind, `"type":7,"error":`)
	}
}

// What comes before the transport does is kept up to a bound, and the rest waits
// in the sender's socket.
func coreEarlyBodies(s *siege) {
	c := s.core("attacker").Negotiate()
	ctx, cancel := context.WithCancel(s.Context())
	timer := time.AfterFunc(500*time.Millisecond, cancel)
	defer timer.Stop()
	text := c.HandshakeRequest() + strings.Repeat(coretest.Ping+coretest.Separator, 4<<20)
	body := &counted{Reader: strings.NewReader(text)}
	req, _ := http.NewRequestWithContext(ctx, "POST", c.Address("", c.ID()...), body)
	req.Header.Set("X-User", "attacker")
	if _, err := c.HTTP.Do(req); !errors.Is(err, context.Canceled) {
		s.Errorf("the request ends with %v", err)
	}
	if n := body.n.Load(); n > 16<<20 { // what the sockets hold
		s.Errorf("%d bytes were taken from a client without a transport", n)
	}
}

// JSON and MessagePack are read as deep as an answer goes, and no deeper: what
// is too deep costs the call or its own connection.
func coreDeepValues(s *siege) {
	for _, depth := range []int{100, 9_000, 16_000} {
		deep := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		for name, m := range map[string]string{
			"argument": coreInvocation(`"echo"`, "["+deep+"]"),
			"headers":  `{"type":1,"invocationId":"1","headers":{"x":` + deep + `},"target":"echo","arguments":[1,2]}`,
			"unknown":  `{"x":` + deep + `,"type":1,"invocationId":"1","target":"echo","arguments":[1,2]}`,
			"unclosed": `{"type":1,"invocationId":"1","target":"echo","arguments":` + deep[:depth],
		} {
			s.wantCoreFailure(fmt.Sprintf("%s %d", name, depth), "json", m+coretest.Separator)
		}
		array, object := strings.Repeat("\x91", depth)+"\xc0", strings.Repeat("\x81\xa0", depth)+"\xc0"
		for name, m := range map[string]string{
			"argument": "\x95\x01\x80\xa11\xa4echo\x91" + array,
			"map":      "\x95\x01\x80\xa11\xa4echo\x91" + object,
			"message":  array,
			"headers":  "\x95\x01\x81\xa1x" + array,
		} {
			s.wantCoreFailure(fmt.Sprintf("binary %s %d", name, depth), "messagepack", binaryRecord(m))
		}
	}
}

func binaryRecord(m string) string {
	return string([]byte{byte(len(m)&0x7f | 0x80), byte(len(m)>>7&0x7f | 0x80), byte(len(m) >> 14)}) + m
}

// wantCoreFailure sends bytes that must cost the call or the connection.
func (s *siege) wantCoreFailure(what, protocol, text string) {
	s.Helper()
	c := s.core("attacker")
	c.Protocol = protocol
	st := c.Open("webSockets")
	defer st.Drop()
	st.Write(text)
	m, err := parse(protocol, st.Message(what))
	if err != nil || m.Error == "" && m.Type != 7 {
		s.Errorf("%s is answered with type %d, error %.100q, %v", what, m.Type, m.Error, err)
	}
}

// What is not UTF-8 goes nowhere.
func coreInvalidUTF8(s *siege) {
	st := s.core("attacker").Open("webSockets")
	if err := st.Socket().Write(s.Context(), websocket.MessageText, []byte("\xff"+coretest.Separator)); err != nil {
		s.Fatal(err)
	}
	st.Want("a text frame", `"type":7,"error":`)
	st.WantEnd("a text frame")
	for name, m := range map[string]string{
		"an argument": coreInvocation(`"echo"`, "[\"\xff\"]"),
		"a method":    coreInvocation("\"ech\xff\"", "[1]"),
		"a surrogate": coreInvocation(`"echo"`, "[\"\xed\xa0\x80\"]"),
	} {
		c := s.core("attacker")
		st := c.Open("serverSentEvents")
		r, err := c.Do(http.MethodPost, c.Address("", c.ID()...), m+coretest.Separator)
		if err != nil || r.Status != http.StatusOK {
			s.Fatalf("%s: %d %v", name, r.Status, err)
		}
		if m, err := parse("json", st.Message(name)); err != nil || m.Error == "" {
			s.Errorf("%s is answered with %v, %v", name, m, err)
		}
	}
	for name, m := range map[string]string{
		"an argument": "\x95\x01\x80\xa11\xa4echo\x91\xa1\xff",
		"a key":       "\x95\x01\x80\xa11\xa4echo\x91\x81\xa1\xff\x01",
		"a method":    "\x95\x01\x80\xa11\xa4ech\xff\x91\x01",
	} {
		s.wantCoreFailure("binary: "+name, "messagepack", binaryRecord(m))
	}
}

// Names that mean something in JavaScript, or in Go, mean nothing here.
func corePrototypeNames(s *siege) {
	st := s.core("attacker").Open("webSockets")
	for _, name := range []string{
		"__proto__", "constructor", "toString", "hasOwnProperty", "OnConnected", "onDisconnected", "String", "fort.echo", " echo", "echo\x00", "Echo()",
	} {
		if a := st.Invoke(name, "x"); a.Error == "" {
			s.Errorf("method %q is answered with %s", name, a.Raw)
		}
		for _, path := range []string{name, "fort/" + name} {
			c := s.core("attacker")
			c.URL = s.url + "/" + strings.ReplaceAll(path, "\x00", "%00")
			r, err := c.Do(http.MethodPost, c.Address("/negotiate", "negotiateVersion", "1"), "")
			if err == nil && r.Status == http.StatusOK {
				s.Errorf("hub %q gets %s", path, r.Body)
			}
		}
	}
	st.Send(coreInvocation(`"echo"`, `[{"__proto__":{"x":1},"constructor":2}]`))
	st.Want("an argument", `"__proto__":{"x":1}`)
}

// A token is good for its user, its hub, and once.
func coreTokens(s *siege) {
	victim := s.core("victim")
	st := victim.Open("serverSentEvents")
	for _, user := range []string{"attacker", "", "victim2"} {
		thief := s.core(user)
		thief.Answer = victim.Answer
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			s.wantStatus(method+" by "+user, thief.Request(method, ""), 403, "user_changed")
		}
		s.wantStatus("a socket of "+user, s.socketStatus(user, thief), 403, "user_changed")
	}
	elsewhere := s.core("victim")
	elsewhere.URL, elsewhere.Answer = s.url+"/annex", victim.Answer
	s.wantStatus("another hub", elsewhere.Request(http.MethodPost, ""), 404, "unknown_id")
	good := victim.Answer.ConnectionToken
	guesses := []string{victim.Answer.ConnectionID, good + "A", good[1:], strings.ToUpper(good), "__proto__", strings.Repeat("A", 500_000)}
	for i := range good {
		guesses = append(guesses, good[:i]+string("BA"[min(1, strings.IndexByte("A", good[i])+1)])+good[i+1:])
	}
	for _, g := range guesses {
		if g == good {
			continue
		}
		guess := s.core("victim")
		guess.Answer.ConnectionID = g
		s.wantStatus("token "+g[:min(len(g), 80)], guess.Request(http.MethodPost, "x"), 404, "unknown_id")
	}
	_ = s.hub.Clients.User("victim").Tell("for you only")
	st.Want("the victim, undisturbed", "for you only")
	for _, kind := range []string{"webSockets", "serverSentEvents", "longPolling"} {
		c := s.core("attacker")
		ended := c.Open(kind)
		if kind == "longPolling" {
			c.Request(http.MethodDelete, "")
		} else {
			ended.Send(`{"type":7}`)
			ended.WantEnd("closed")
		}
		s.wantStatus("a message after the end", c.Request(http.MethodPost, "x"), 404, "unknown_id")
		s.wantStatus("a socket after the end", s.socketStatus("a socket", c), 404, "unknown_id")
	}
}

// A page of another origin gets nothing, and nothing done.
func coreCrossOrigin(s *siege) {
	victim := s.core("victim")
	st := victim.Open("longPolling")
	for _, origin := range []string{"https://evil.example", "null", "http://127.0.0.1.evil.example", "file://"} {
		page := s.core("victim") // the browser sends the user's cookies
		page.Answer = victim.Answer
		page.Header.Set("Origin", origin)
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			s.wantStatus(method+" from "+origin, page.Request(method, ""), 403, "origin_not_allowed")
		}
		s.wantStatus("negotiate from "+origin, page.TryNegotiate(), 403, "origin_not_allowed")
		s.wantStatus("a socket from "+origin, s.socketStatus(origin, page), 403, "origin_not_allowed")
		page.Answer = coretest.Negotiated{}
		s.wantStatus("a socket without a token from "+origin, s.socketStatus(origin, page), 403, "origin_not_allowed")
	}
	if a := st.Invoke("echo", "here"); string(a.Result) != `"here"` {
		s.Errorf("the victim's call gets %s", a.Raw)
	}
}

// Nobody answers a question that was put to another, in either family.
func othersAnswers(s *siege) {
	spy, classicSpy := s.core("spy").Open("webSockets"), s.client("spy")
	classicSpy.Query.Set("answers", "1")
	classicSpy.Open("webSockets")
	forge := func() {
		for n := range 20 {
			id := fmt.Sprintf("s%d", n)
			spy.Send(`{"type":3,"invocationId":"`+id+`","result":"forged"}`, `{"type":3,"invocationId":"`+id+`","error":"forged"}`,
				`{"type":2,"invocationId":"`+id+`","item":"forged"}`, `{"type":5,"invocationId":"`+id+`"}`)
			classicSpy.Send("webSockets", `{"I":"`+id+`","Q":"answer","R":"forged"}`)
			classicSpy.Send("webSockets", `{"I":"`+id+`","Q":"cancel"}`)
		}
		spy.Invoke("echo", "all of it has been handled")
	}
	wantAnswer := func(what, id string, answer func()) {
		s.Helper()
		got := make(chan string, 1)
		go func() {
			text, err := s.hub.Clients.Client(id).Guess("what")
			got <- fmt.Sprint(text, err)
		}()
		answer()
		if text := <-got; text != "mine<nil>" {
			s.Errorf("%s: the answer is %s", what, text)
		}
	}
	victim := s.core("victim")
	st := victim.Open("webSockets")
	wantAnswer("core", victim.Answer.ConnectionID, func() {
		var asked record
		_ = json.Unmarshal([]byte(st.Want("the question", `"target":"guess"`)), &asked)
		forge()
		st.Send(`{"type":3,"invocationId":"` + asked.InvocationID + `","result":"mine"}`)
	})
	other := s.client("victim")
	other.Query.Set("answers", "1")
	stream := other.Open("serverSentEvents")
	wantAnswer("classic", other.Answer.ConnectionID, func() {
		var asked struct{ I string }
		_ = json.Unmarshal([]byte(stream.WantMessage("the question", `"M":"guess"`)), &asked)
		forge()
		other.Send("serverSentEvents", `{"I":"`+asked.I+`","Q":"answer","R":"mine"}`)
	})
}

// Ids of calls, streams and messages that make no sense cost nobody but their
// sender anything.
func coreNonsense(s *siege) {
	ids := make([]string, 2000)
	for i := range ids {
		ids[i] = fmt.Sprintf("%q", fmt.Sprint(i))
	}
	st := s.core("attacker").Open("webSockets")
	st.Send(`{"type":1,"invocationId":"1","target":"echo","arguments":[1],"streamIds":[` + strings.Join(ids, ",") + `]}`)
	st.Want("2000 streams for a method without", `"error":`)
	for _, m := range []string{
		`{"type":2,"invocationId":"x","item":1}`, `{"type":3,"invocationId":"x","result":1}`, `{"type":5,"invocationId":"x"}`,
		`{"type":8,"sequenceId":9007199254740991}`, `{"type":8,"sequenceId":-1}`, `{"type":9,"sequenceId":1}`, `{"type":42}`,
	} {
		st.Send(m)
	}
	if a := st.Invoke("echo", "alive"); string(a.Result) != `"alive"` {
		s.Errorf("after nonsense a call gets %s", a.Raw)
	}
	for _, m := range []string{
		`{}`, `[]`, `1`, `"x"`, `null`, `{"type":"1"}`, `{"type":1.5}`, `{"type":1}`, `{"type":3}`, `{"type":1,"target":7,"arguments":{}}`, ``, `{`,
	} {
		st := s.core("attacker").Open("webSockets")
		st.Send(m)
		st.Want(m, `"type":7,"error":`)
		st.WantEnd(m)
	}
}

// A client that acknowledges nothing has so much kept for it, and the rest stays
// in the log.
func coreUnacknowledged(s *siege) {
	c := s.core("hoarder")
	c.Stateful = true
	st := c.Open("webSockets")
	st.Send(coretest.Ping)
	text := strings.Repeat("x", 10_000)
	tell := func(n int) {
		for range n {
			if err := s.hub.Clients.User("hoarder").Tell(text); err != nil {
				s.Fatal(err)
			}
		}
	}
	tell(20)
	for range 10 {
		st.Want("as much as may be kept", text)
	}
	tell(2000)
	if more := len(st.WantEnd("a client that acknowledges nothing is cut off")); more > 5 {
		s.Errorf("%d messages of 10 kB came without an Ack", 10+more)
	}
}

// Where messages are missing a Core connection ends, with nothing after them but
// the word that it ends.
func TestNothingAfterAGap(t *testing.T) {
	for name, kind := range map[string]string{"return": "webSockets", "poll": "longPolling", "abort": "longPolling"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := options()
				o.Log = messagelog.NewMemory(messagelog.MemoryOptions{MaxBytes: 1 << 20})
				server := hub.NewServer(hub.Options{Options: o})
				fort := hub.Register[defender](server, "fort", fort{})
				client, stop := coretest.Serve(t, server)
				defer stop()
				defer func() { _ = server.Shutdown(context.Background()) }()
				c := client("/signalr/fort")
				c.Stateful = true
				st := c.Open(kind)
				st.Send(coretest.Ping)
				st.Invoke("echo", "it has begun")
				if kind == "webSockets" {
					st.Drop()
					synctest.Wait()
				}
				for range 2000 {
					_ = fort.Clients.All().Tell(strings.Repeat("x", 1000))
				}
				if kind == "webSockets" {
					st = c.Dial(kind)
					st.Send(`{"type":9,"sequenceId":1}`)
				}
				if conn, _ := server.Endpoint().Conn(c.Answer.ConnectionID); name == "abort" {
					conn.Abort()
				}
				words := st.WantEnd("the end")
				if n := len(words); n == 0 || n > 3 || !strings.Contains(words[n-1], `"type":7`) {
					t.Errorf("%d messages come after the gap; the last word is %.100q", n-1, words[max(n-1, 0):])
				}
				if n := server.Endpoint().Stats().Gaps; n != 1 {
					t.Errorf("%d gaps are counted", n)
				}
			})
		})
	}
}

// A departed client's response has its head, and then fails.
type departed struct{ heads int }

func (*departed) Header() http.Header { return make(http.Header) }
func (d *departed) WriteHeader(int)   { d.heads++ }
func (d *departed) Flush()            { d.heads = max(d.heads, 1) }
func (d *departed) FlushError() error { return d.fail() }
func (d *departed) Write([]byte) (int, error) {
	return 0, d.fail()
}

func (d *departed) fail() error {
	d.Flush()
	return io.ErrClosedPipe
}

// A client that is gone before its event stream is open is not answered twice.
func TestGoneBeforeTheStream(t *testing.T) {
	w := hubWorld(options())
	c := coretest.New(t, launchBare(t, w).base+w.path+"/"+w.hubs).Negotiate()
	r := httptest.NewRequest(http.MethodGet, c.Address("", c.ID()...), nil)
	r.Header.Set("Accept", "text/event-stream")
	d := new(departed)
	w.handler.ServeHTTP(d, r)
	if d.heads > 1 {
		t.Errorf("the response has %d heads", d.heads)
	}
	if err := w.shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
