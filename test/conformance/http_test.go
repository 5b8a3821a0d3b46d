package conformance_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/transports"
)

func TestClassic001NegotiateAnswersWithJSON(t *testing.T) {
	s := serve(t, persistent.Options{})
	r := s.do("GET", s.url+"/negotiate", "")
	s.want("status", r.Status, 200)
	s.want("content type", r.Header.Get("Content-Type"), "application/json; charset=UTF-8")
}

func TestClassic002OperationIsTheLastSegmentInAnyCase(t *testing.T) {
	s := serve(t, persistent.Options{})
	for _, path := range []string{"/negotiate", "/NEGOTIATE", "/Negotiate", "/anything/at/all/negotiate", "/js/negotiate", "/signalr/negotiate"} {
		if r := s.do("GET", s.url+path, ""); !strings.Contains(r.Body, "ConnectionToken") {
			s.Errorf("%s: got %d %s", path, r.Status, r.Body)
		}
	}
	c := s.newClient().Negotiate()
	c.URL += "/signalr" // as the Java client's WebSockets
	stream := c.Connect(ws)
	c.Start(ws)
	s.must(s.Send(id(c), "hello"))
	stream.WantMessage("a connection of /signalr/signalr/connect", `"hello"`)
}

func TestClassic003ScriptAtHubsAndJS(t *testing.T) {
	s := serveHubs(t, hub.Options{})
	for _, path := range []string{"/hubs", "/hubs/", "/js", "/js/", "/HUBS", "/anything/hubs"} {
		r := s.do("GET", s.url+path, "")
		s.want(path+": status", r.Status, 200)
		s.want(path+": content type", r.Header.Get("Content-Type"), "application/javascript; charset=UTF-8")
		if !strings.Contains(r.Body, "createHubProxies") {
			s.Errorf("%s is not the script: %.100s", path, r.Body)
		}
	}
}

func TestClassic004NoSniff(t *testing.T) {
	s := serveHubs(t, hub.Options{})
	c := s.newClient().Negotiate()
	stream := c.Connect(sse)
	s.want("an event stream", stream.Header.Get("X-Content-Type-Options"), "nosniff")
	socket := c.Connect(ws)
	s.want("a WebSocket", socket.Header.Get("X-Content-Type-Options"), "nosniff")
	for _, operation := range []string{"hubs", "js", "negotiate", "ping", "start", "send", "connect", "abort"} {
		r := c.Post(operation, url.Values{"data": {"{}"}}, "transport", poll)
		s.want(operation, r.Header.Get("X-Content-Type-Options"), "nosniff")
		r = s.do("GET", s.url+"/"+operation+"?transport=carrierPigeon", "")
		s.want(operation+" refused", r.Header.Get("X-Content-Type-Options"), "nosniff")
	}
}

// tokened are the operations that need a connection token. Whatever is no
// operation is a poll.
var tokened = []string{"connect", "reconnect", "poll", "start", "send", "abort", "whatever", ""}

func TestClassic005UnknownTransport(t *testing.T) {
	s := serve(t, persistent.Options{Transports: []transports.Kind{transports.WebSockets, transports.LongPolling}})
	good := s.newClient().Negotiate().Answer.ConnectionToken
	for _, operation := range tokened {
		for _, token := range []string{good, "garbage", ""} {
			for _, query := range []string{"", "&transport=", "&transport=carrierPigeon", "&transport=serverSentEvents"} {
				r := s.do("GET", s.url+"/"+operation+"?connectionToken="+token+query, "")
				why := fmt.Sprintf("%q with token %.8q and %q", operation, token, query)
				s.wantReply(why, r, 400, "Protocol error: Unknown transport.")
				s.wantRefusal(why, r, 400, "unknown_transport")
			}
		}
	}
}

func TestClassic006MissingToken(t *testing.T) {
	s := serve(t, persistent.Options{})
	for _, operation := range tokened {
		for _, query := range []string{"", "&connectionToken="} {
			r := s.do("GET", s.url+"/"+operation+"?transport=longPolling"+query, "")
			s.wantReply(operation+query, r, 400, "Protocol error: Missing connection token.")
			s.wantRefusal(operation+query, r, 400, "missing_token")
		}
	}
}

// The tokens are garbage, one cut short, one of another key, one with a byte
// changed, and a groups token.
func TestClassic007GarbageToken(t *testing.T) {
	s := serve(t, persistent.Options{})
	c, _ := s.open(poll)
	token := c.Answer.ConnectionToken
	foreign := serve(t, persistent.Options{Keys: []key{key("a key of somebody else's")}})
	s.must(s.Join(id(c), "group"))
	groups := c.Poll().Frame("the change of groups").G
	flipped := "A" + token[1:]
	if flipped == token {
		flipped = "B" + token[1:]
	}
	for name, bad := range map[string]string{
		"garbage": "garbage", "cut": token[:len(token)-1], "longer": token + "A", "one byte": flipped,
		"of another key": foreign.newClient().Negotiate().Answer.ConnectionToken, "a groups token": *groups,
	} {
		for _, operation := range tokened {
			r := s.do("GET", s.url+"/"+operation+"?transport=longPolling&connectionToken="+url.QueryEscape(bad), "")
			s.wantReply(name+" on "+operation, r, 400, "The ConnectionId is in the incorrect format.")
			s.wantRefusal(name+" on "+operation, r, 400, "bad_token")
		}
	}
	s.wantEvents("and nobody was harmed", id(c), "connected")
}

const identityText = "Unrecognized user identity.  The user identity cannot change during an active SignalR connection."

func TestClassic008TokenOfAnotherUser(t *testing.T) {
	s := serve(t, persistent.Options{})
	for _, row := range []struct{ at, then string }{{"ann", "bob"}, {"ann", ""}, {"", "ann"}, {"ann:x", "ann"}} {
		c := s.newClient()
		c.Header.Set("X-User", row.at)
		c.Negotiate()
		for _, operation := range tokened {
			r := s.do("GET", c.Address(operation, "transport", poll), "", "X-User", row.then)
			why := fmt.Sprintf("%s of %q by %q", operation, row.at, row.then)
			s.wantReply(why, r, 403, identityText)
			s.wantRefusal(why, r, 403, "user_changed")
		}
	}
	s.want("connections", s.Stats().Connections, 0)
}

func TestClassic009UserNamesInAnyCaseAndWithColons(t *testing.T) {
	s := serve(t, persistent.Options{})
	for _, row := range []struct{ at, then string }{{"Ann", "aNN"}, {"CORP:ann:b", "CORP:ann:b"}, {":", ":"}, {"CORP:Ann", "corp:ann"}} {
		c := s.newClient()
		c.Header.Set("X-User", row.at)
		c.Negotiate()
		c.Header.Set("X-User", row.then)
		stream := c.Connect(sse)
		c.Start(sse)
		s.must(s.Send(id(c), "hello"))
		stream.WantMessage(row.at+" as "+row.then, `"hello"`)
	}
}

func TestClassic010TransportNamesInAnyCase(t *testing.T) {
	s := serve(t, persistent.Options{})
	c := s.newClient().Negotiate()
	for _, name := range []string{"longpolling", "LONGPOLLING", "LongPolling"} {
		r := c.Post("connect", nil, "transport", name)
		s.want(name, keysOf(t, r.Body), "CSM")
	}
	r := c.Get("start", "transport", "WEBsockets")
	s.wantReply("start", r, 200, `{"Response":"started"}`)
	r = c.Get("connect", "transport", "WEBsockets")
	s.wantReply("connect", r, 400, "Not a valid web socket request.")
}

func TestClassic011MethodDoesNotMatter(t *testing.T) {
	s := serve(t, persistent.Options{})
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
		c := s.newClient().Negotiate()
		do := func(operation string, pairs ...string) string {
			r := s.do(method, c.Address(operation, append([]string{"transport", poll}, pairs...)...), "")
			s.want(method+" "+operation, r.Status, 200)
			return r.Body
		}
		if body := do("negotiate"); !strings.Contains(body, "ConnectionToken") {
			s.Errorf("%s negotiate: %s", method, body)
		}
		s.want(method+" connect", keysOf(t, do("connect")), "CSM")
		s.want(method+" ping", do("ping"), `{"Response":"pong"}`)
		s.want(method+" start", do("start"), `{"Response":"started"}`)
		s.want(method+" send", do("send", "data", "hello"), "")
		s.must(s.Send(id(c), 1))
		s.want(method+" poll", strings.Contains(do("poll"), `"M":[1]`), true)
		s.want(method+" abort", do("abort"), "")
		s.wantEvents(method, id(c), "connected", "received hello", "disconnected true")
	}
}

func TestClassic012SendWithoutContentType(t *testing.T) {
	s := serve(t, persistent.Options{})
	c, _ := s.open(sse)
	s.do("POST", c.Address("send", "transport", sse), "data=a+b%20c%2B%26%C3%A9")
	s.do("POST", c.Address("send", "transport", sse), "data=x", "Content-Type", "application/json")
	s.do("POST", c.Address("send", "transport", sse), "data=y", "Content-Type", "multipart/form-data; boundary=z")
	s.wantEvents("forms that say nothing, or something wrong, of themselves", id(c), "connected", "received a b c+&é", "received x", "received y")
}

func TestClassic013EmptyBodiesOfAnyType(t *testing.T) {
	types := []string{"", "text/plain", "text/plain; charset=utf-8", "application/json", "multipart/form-data",
		"application/x-www-form-urlencoded; charset=UTF-8", "%"}
	s := serve(t, persistent.Options{})
	for _, contentType := range types {
		c, _ := s.open(poll)
		s.must(s.Send(id(c), "hello"))
		var header []string
		if contentType != "" {
			header = []string{"Content-Type", contentType}
		}
		r := s.do("POST", c.Address("poll", "transport", poll, "messageId", c.Cursor), "", header...)
		s.want("poll with "+contentType, strings.Contains(r.Body, `"M":["hello"]`), true)
		r = s.do("POST", c.Address("abort", "transport", poll), "", header...)
		s.want("abort with "+contentType, r.Status, 200)
		s.wantEvents(contentType, id(c), "connected", "disconnected true")
	}
}

// The reference server says it with the reason phrase, which Go's server cannot
// choose and HTTP/2 does not have. We say it with the body.
func TestClassic014NoCallbackWithoutJSONP(t *testing.T) {
	s := serveHubs(t, hub.Options{})
	c := s.newClient().Negotiate()
	for _, operation := range append([]string{"negotiate", "ping", "hubs", "js", "hubs/"}, tokened...) {
		for _, name := range []string{"callback", "Callback"} {
			r := s.do("GET", c.Address(operation, "transport", poll, name, "f"), "")
			s.wantRefusal(operation+" with "+name, r, http.StatusForbidden, "jsonp_disabled")
		}
	}
	s.want("connections", s.hubs.Endpoint().Stats().Connections, 0)
	r := s.do("GET", s.url+"/ping?callback=", "")
	s.wantReply("an empty callback", r, 200, `{"Response":"pong"}`)
}

// The reference server answers 500 for a bad name, and only where it looks at
// it at all; we look at it on every path, and it is the peer's fault: 400.
func TestClassic015JSONP(t *testing.T) {
	s := serve(t, persistent.Options{JSONP: true})
	c := s.newClient().Negotiate()
	for _, name := range []string{"f", "$", "_", "jQuery1.cb_2", "a.b.c", "f1", "undefined1", "ifs"} {
		r := c.Get("negotiate", "callback", name)
		s.want(name, r.Status, 200)
		s.want(name+": content type", r.Header.Get("Content-Type"), "application/javascript; charset=UTF-8")
		if !strings.HasPrefix(r.Body, name+`({"Url":`) || !strings.HasSuffix(r.Body, "});") {
			s.Errorf("%s: %s", name, r.Body)
		}
	}
	bad := []string{"1", "a b", "a.", ".a", "a..b", "a-b", "a(", "alert(1)//", "a.1", "if", "a.for", "NaN", "undefined", "Infinity", "null", "this", "é"}
	for _, name := range bad {
		for _, operation := range append([]string{"negotiate", "ping"}, tokened...) {
			r := c.Get(operation, "callback", name, "transport", poll)
			s.wantRefusal(operation+" with "+name, r, 400, "bad_callback")
		}
	}
	r := c.Get("connect", "callback", "f", "transport", poll)
	s.want("connect", strings.HasPrefix(r.Body, `f({"C":"`) && strings.HasSuffix(r.Body, `"S":1,"M":[]});`), true)
	s.want("connect: content type", r.Header.Get("Content-Type"), "application/javascript; charset=UTF-8")
	s.wantReply("start", c.Get("start", "callback", "f", "transport", poll), 200, `f({"Response":"started"});`)
	s.wantReply("ping", c.Get("ping", "callback", "f"), 200, `f({"Response":"pong"});`)
	s.wantReply("send", c.Get("send", "callback", "f", "transport", poll, "data", "hello"), 200, "")
	s.wantEvents("all of it", id(c), "connected", "received hello")
}
