package conformance_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hubwire/hubwire/hub"
)

// The client named the hub, so it is the client's fault: 400, and the text says
// which hub. The reference server says 500 and nothing.
func TestClassic025UnknownHub(t *testing.T) {
	s := serveHubs(t, hub.Options{})
	c := s.newClient().Negotiate()
	for _, data := range []string{`[{"name":"nosuch"}]`, `[{"name":"chathub"},{"Name":"nosuch"}]`, `[{"name":"ChatHub.x"}]`} {
		for _, operation := range operations {
			r := s.do("GET", c.Address(operation, "transport", poll, "connectionData", data), "")
			s.wantRefusal(operation+" "+data, r, 400, "unknown_hub")
			s.want("the hub is named: "+r.Body, strings.Contains(r.Body, "nosuch") || strings.Contains(r.Body, "ChatHub.x"), true)
		}
	}
	s.want("connections", s.hubs.Endpoint().Stats().Connections, 0)
}

// 400 as well.
func TestClassic026BadConnectionData(t *testing.T) {
	s := serveHubs(t, hub.Options{})
	c := s.newClient().Negotiate()
	many := strings.Repeat(`{"name":"chathub"},`, 400)
	for data, reason := range map[string]string{
		`[{"name":"chathub"},{"name":"chathub"}]`: "duplicate_hub",
		`[{"name":"chathub"},{"Name":"CHATHUB"}]`: "duplicate_hub",
		`[`: "bad_connection_data", `x`: "bad_connection_data", `{}`: "bad_connection_data", `"chathub"`: "bad_connection_data",
		`1`: "bad_connection_data", `{"name":"chathub"}`: "bad_connection_data", `["chathub"]`: "bad_connection_data",
		`[{}]`: "bad_connection_data", `[null]`: "bad_connection_data", `[{"name":null}]`: "bad_connection_data",
		`[{"name":""}]`: "bad_connection_data", `[{"name":1}]`: "bad_connection_data", `[{"name":"chathub"}] x`: "bad_connection_data",
		`[{"nam":"chathub"}]`: "bad_connection_data", `[{"name":"chathub"}`: "bad_connection_data",
		"[" + many[:len(many)-1] + "]": "too_many_hubs", "[" + many + many + "]": "connection_data_too_large",
	} {
		for _, operation := range operations {
			r := s.do("GET", c.Address(operation, "transport", poll, "connectionData", data), "")
			s.wantRefusal(fmt.Sprintf("%s with %.50s", operation, data), r, 400, reason)
		}
	}
	s.want("connections", s.hubs.Endpoint().Stats().Connections, 0)
}

func TestClassic027NameInAnyCase(t *testing.T) {
	s := serveHubs(t, hub.Options{})
	for _, data := range []string{`[{"name":"chathub"}]`, `[{"Name":"ChatHub"}]`, `[{"NAME":"CHATHUB","other":[1]}]`} {
		c := s.newClient()
		c.ConnectionData = data
		stream := c.Open(sse)
		s.invoke(c, "ChatHub", "Tell", "all", nil, "hello")
		stream.WantMessage(data, `"hello"`)
		c.Abort(sse)
	}
}

func TestClassic028EmptyHubList(t *testing.T) {
	for _, data := range []string{"", "null", "[]", " [ ] "} {
		bubbleHubs(t, hub.Options{}, func(s *hubSite) {
			c := s.newClient()
			c.ConnectionData = data
			r := record(s, c.Open(sse))
			s.must(s.chat.Clients.All().Say("all"))
			s.want("a call", s.invoke(c, "chathub", "tell", "all", nil, "all").E, "")
			s.want("another", s.invoke(c, "chathub", "tell", "caller", nil, "you").E, "")
			s.invoke(c, "chathub", "join", id(c), "group")
			s.must(s.chat.Clients.Group("group").Say("group"))
			s.want("messages", r.messages(), "")
			c.Abort(sse)
			synctest.Wait()
			s.wantEvents("events", id(c))
		})
	}
}

func TestClassic029OneDeniedHubOfTwo(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubbleHubs(t, hub.Options{}, func(s *hubSite) {
			c, stream := s.join(kind, "eve", "vip", "chathub")
			if kind == poll {
				stream = c.Poll()
			}
			r := record(s, stream)
			s.must(s.vip.Clients.All().Say("secret"))
			s.must(s.vip.Clients.User("eve").Say("secret"))
			s.must(s.vip.Clients.Client(id(c)).Say("secret"))
			s.must(s.chat.Clients.All().Say("public"))
			s.want("messages", r.messages(), said("ChatHub", "public"))
			s.wantEvents("events", id(c), "chat connected")
		})
	})
}

func TestClassic030AllHubsDenied(t *testing.T) {
	s := serveHubs(t, hub.Options{})
	ann := s.newClient()
	ann.Header.Set("X-User", "ann")
	ann.Hubs("vip").Negotiate()
	nobody := s.newClient().Negotiate()
	eve := s.newClient()
	eve.Header.Set("X-User", "eve")
	eve.Negotiate()
	for _, operation := range operations {
		s.wantRefusal(operation+" by nobody", nobody.Hubs("vip").Get(operation, "transport", poll), 401, "unauthenticated")
		s.wantRefusal(operation+" by eve", eve.Hubs("VIP").Get(operation, "transport", poll), 403, "forbidden")
	}
	s.want("connections", s.hubs.Endpoint().Stats().Connections, 0)
	s.want("ann", ann.Get("start", "transport", poll).Status, 200)
}

func TestClassic031HubOutsideTheListCanBeInvoked(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		s := serveHubs(t, hub.Options{})
		c, stream := s.join(kind, "", "other")
		s.want("the result", string(c.Invoke(stream, "chathub", "echo", "hello").R), `"hello"`)
		s.wantEvents("events", id(c), "other connected")
	})
}

func TestClassic095LifecyclePerHub(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubbleHubs(t, hub.Options{}, func(s *hubSite) {
			both, stream := s.join(kind, "", "chathub", "other")
			one, _ := s.join(kind, "", "other")
			stream.Drop()
			record(s, resume(both, kind))
			both.Abort(kind)
			one.Abort(kind)
			synctest.Wait()
			s.wantEvents("both", id(both), "chat connected", "other connected", "chat reconnected", "chat disconnected true", "other disconnected true")
			s.wantEvents("one", id(one), "other connected", "other disconnected true")
		})
	})
}

func TestClassic096UnauthorizedAndFilteredCalls(t *testing.T) {
	on(t, []string{ws, sse}, func(t *testing.T, kind string) {
		s := serveHubs(t, hub.Options{})
		eve, stream := s.join(kind, "eve", "chathub")
		r := eve.Invoke(stream, "chathub", "leave", "group")
		s.want(r.Raw, strings.HasPrefix(r.E, "There was an error invoking Hub method 'chathub.leave'."), true)
		r = eve.Invoke(stream, "vip", "echo", 1)
		s.want(r.Raw, r.E != "" && r.R == nil, true)
		s.want("what is allowed", string(eve.Invoke(stream, "chathub", "echo", 1).R), "1")
		s.want("a filter that does not call next", eve.Invoke(stream, "filtered", "echo", 1).Raw, `{"I":"3"}`)

		ann, stream := s.join(kind, "ann", "chathub")
		s.want("ann", ann.Invoke(stream, "chathub", "leave", "group").Raw, `{"I":"0"}`)
		s.want("ann", string(ann.Invoke(stream, "vip", "echo", 1).R), "1")
	})
}

func TestClassic097NothingOfHubsOutsideTheList(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubbleHubs(t, hub.Options{}, func(s *hubSite) {
			c, stream := s.join(kind, "ann", "other")
			if kind == poll {
				stream = c.Poll()
			}
			r := record(s, stream)
			s.invoke(c, "chathub", "join", id(c), "group")
			for _, whom := range []string{"all", "caller"} {
				s.invoke(c, "chathub", "tell", whom, nil, whom)
			}
			for whom, name := range map[string]string{"clients": id(c), "groups": "group", "users": "ann"} {
				s.invoke(c, "chathub", "tell", whom, []string{name}, whom)
			}
			s.invoke(c, "vip", "echo", 1)
			s.want("messages", r.messages(), "")

			// Nor after it comes back without a hub that it had.
			stream.Drop()
			c.Hubs("chathub", "other")
			stream = resume(c, kind)
			r = record(s, stream)
			s.invoke(c, "chathub", "join", id(c), "group")
			r.follow(c)
			stream.Drop()
			c.Hubs("other")
			r = record(s, resume(c, kind))
			s.invoke(c, "chathub", "tell", "all", nil, "all")
			s.invoke(c, "chathub", "tell", "groups", []string{"group"}, "group")
			s.invoke(c, "chathub", "tell", "users", []string{"ann"}, "ann")
			s.want("messages after the list changed", r.messages(), "")
		})
	})
}

// That the script works is for the browser tests; this is its shape.
func TestClassic106ProxyScript(t *testing.T) {
	s := serveHubs(t, hub.Options{})
	script := s.do("GET", s.url+"/hubs", "").Body
	for _, part := range []string{
		`$.hubConnection.prototype.createHubProxies`, `this.createHubProxy("chatHub")`, `"echo": caller(hub, "Echo")`,
		`"joinAndTell": caller(hub, "JoinAndTell")`, `this.createHubProxy("other")`, `_registerSubscribedHubs()`, `$.extend($.signalR, `,
		`$.hubConnection("/signalr", { useDefaultPath: false })`,
	} {
		s.want("the script has "+part, strings.Contains(script, part), true)
	}
	s.want("starting is bound before the proxies are made", strings.Index(script, "this.starting(") < strings.Index(script, "this.createHubProxy("), true)
	for _, part := range []string{"nConnected", "nDisconnected", `"note"`} {
		s.want("the script has "+part, strings.Contains(script, part), false)
	}
}

func TestClassic107ScriptOfAnotherMount(t *testing.T) {
	s := serveHubs(t, hub.Options{})
	for path, want := range map[string]string{
		"/foo/hubs": `"/foo"`, "/foo/js/": `"/foo"`, "/a/b/hubs": `"/a/b"`, "/Foo/HUBS": `"/Foo"`, "/a%22%3C/script%3E/hubs": `"/a\"\u003c/script\u003e"`,
	} {
		s.want(path, strings.Contains(s.do("GET", s.root+path, "").Body, "$.hubConnection("+want+","), true)
	}
	off := serveHubs(t, hub.Options{DisableProxies: true})
	r := off.do("GET", off.url+"/hubs", "")
	s.want("status", r.Status, http.StatusOK)
	s.want("content type", r.Header.Get("Content-Type"), "application/javascript; charset=UTF-8")
	s.want("the script", strings.TrimSpace(r.Body), `throw new Error("SignalR: JavaScript Hub proxy generation has been disabled.");`)
}
