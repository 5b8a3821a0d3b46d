package conformance_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// A receiver is what the hubs may call.
type receiver struct {
	hub.Sender
	Say func(text string) error
}

type call = *hub.Call[receiver]

// ChatHub is the hub that most tests talk to. Its name on the wire is that of
// the type.
type ChatHub struct {
	*journal
	gate chan struct{}
}

func (h ChatHub) OnConnected(c call) error   { h.note(c.ConnectionID, "chat connected"); return nil }
func (h ChatHub) OnReconnected(c call) error { h.note(c.ConnectionID, "chat reconnected"); return nil }
func (h ChatHub) OnDisconnected(c call, stopCalled bool) {
	h.note(c.ConnectionID, "chat disconnected %v", stopCalled)
}

func (ChatHub) Echo(_ call, v any) any   { return v }
func (ChatHub) Add(_ call, a, b int) int { return a + b }
func (ChatHub) Nothing(call)             {}
func (ChatHub) Null(call) *int           { return nil }
func (ChatHub) NoError(call) error       { return nil }
func (ChatHub) Fail(call) error          { return errors.New("the secret cause") }
func (ChatHub) Panic(call)               { panic("the secret cause") }
func (ChatHub) Refuse(_ call, data any) (any, error) {
	return 7, &hub.Error{Message: "Room is full", Data: data}
}
func (ChatHub) Join(c call, id, group string) error { return c.Groups.Add(id, group) }
func (ChatHub) Leave(c call, group string) error    { return c.Groups.Remove(c.ConnectionID, group) }

func (h ChatHub) Wait(c call, name string) string {
	h.note(c.ConnectionID, "begin %s", name)
	<-h.gate
	h.note(c.ConnectionID, "end %s", name)
	return name
}

// Tell calls Say on whoever is meant.
func (ChatHub) Tell(c call, whom string, names []string, text string) error {
	switch whom {
	case "all":
		return c.Clients.All().Say(text)
	case "allExcept":
		return c.Clients.AllExcept(names...).Say(text)
	case "others":
		return c.Clients.Others().Say(text)
	case "caller":
		return c.Clients.Caller().Say(text)
	case "clients":
		return c.Clients.Clients(names...).Say(text)
	case "groups":
		return c.Clients.Groups(names...).Say(text)
	case "othersInGroup":
		return c.Clients.OthersInGroup(names[0]).Say(text)
	case "users":
		return c.Clients.Users(names...).Say(text)
	}
	return fmt.Errorf("%q is nobody", whom)
}

// JoinAndTell sends to a group as soon as a connection is in it.
func (ChatHub) JoinAndTell(c call, id, group, text string) error {
	return errors.Join(c.Groups.Add(id, group), c.Clients.Group(group).Say(text))
}

func (ChatHub) SetState(c call, key string, value any) (string, error) {
	err := c.State().Set(key, value)
	return "done", errors.Join(err, c.Clients.Caller().Say("caller"), c.Clients.All().Say("all"))
}

func (h ChatHub) Count(c call, to int, p hub.Progress[int]) (int, error) {
	for i := range to {
		if err := p.Report(i); err != nil {
			return 0, err
		}
	}
	go func() {
		for p.Report(99) == nil { // until the call has completed
		}
		h.note(c.ConnectionID, "late progress refused")
	}()
	return to, nil
}

// other is a second hub. It has methods of names that ChatHub has.
type other struct{ *journal }

func (h other) OnConnected(c call) error { h.note(c.ConnectionID, "other connected"); return nil }
func (h other) OnDisconnected(c call, stopCalled bool) {
	h.note(c.ConnectionID, "other disconnected %v", stopCalled)
}
func (other) Echo(_ call, v any) any { return v }

// Vip is for ann and bob only.
type Vip struct{}

func (Vip) Echo(_ call, v any) any { return v }

// A hubSite is a server with hubs behind HTTP.
type hubSite struct {
	*site
	hubs *hub.Server
	gate chan struct{}
	chat *hub.Hub[receiver]
	vip  *hub.Hub[receiver]
}

func (s *hubSite) register(t *testing.T, o hub.Options) {
	o.Options = prepare(o.Options)
	s.hubs, s.gate = hub.NewServer(o), make(chan struct{})
	j := newJournal()
	s.chat = hub.Register[receiver](s.hubs, "", ChatHub{j, s.gate},
		hub.Use(hub.Authorization(hub.Users("ann"), "leave")))
	hub.Register[receiver](s.hubs, "other", other{j})
	hub.Register[receiver](s.hubs, "Wide", ChatHub{j, s.gate}, hub.Concurrently(2))
	s.vip = hub.Register[receiver](s.hubs, "", Vip{}, hub.Use(hub.Authorization(hub.Users("ann", "bob"))))
	hub.Register[receiver](s.hubs, "Filtered", other{j}, hub.Use(hub.Filter{
		Invoke: func(*hub.Invocation, func(*hub.Invocation) (any, error)) (any, error) { return nil, nil },
	}))
	s.site = &site{T: t, journal: j}
}

func serveHubs(t *testing.T, o hub.Options) *hubSite {
	s := new(hubSite)
	s.register(t, o)
	j := s.journal
	s.site = listen(t, s.hubs, s.hubs.Shutdown)
	s.journal = j
	return s
}

func bubbleHubs(t *testing.T, o hub.Options, test func(s *hubSite)) {
	synctest.Test(t, func(t *testing.T) {
		s := new(hubSite)
		s.register(t, o)
		j := s.journal
		s.site = listenInMemory(t, s.hubs, s.hubs.Shutdown)
		s.journal = j
		test(s)
	})
}

// join opens a connection of a user that listens to the hubs.
func (s *hubSite) join(kind, user string, hubs ...string) (*classictest.Client, *classictest.Stream) {
	s.Helper()
	c := s.newClient().Hubs(hubs...)
	if user != "" {
		c.Header.Set("X-User", user)
	}
	c.Negotiate()
	stream := connect(c, kind)
	c.Start(kind)
	return c, stream
}

// invoke calls a method with a /send request, whatever the transport.
func (s *hubSite) invoke(c *classictest.Client, hubName, method string, args ...any) classictest.Result {
	s.Helper()
	payload, _ := c.Invocation(hubName, method, args...)
	return s.send(c, payload)
}

func (s *hubSite) send(c *classictest.Client, payload string) classictest.Result {
	s.Helper()
	r := c.Send(sse, payload)
	if r.Status != 200 {
		s.Fatalf("send %s: %d %s", payload, r.Status, r.Body)
	}
	return classictest.ParseResult(s, r.Body)
}

// said is the message of Say(text) as it is on the wire.
func said(hubName, text string) string {
	return fmt.Sprintf(`{"H":%q,"M":"say","A":[%q]}`, hubName, text)
}

var operations = []string{"negotiate", "connect", "start", "send", "reconnect", "poll", "abort", "ping"}

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

// A hub result is not a keep-alive for the official client, so it is none here:
// see line 41.
func TestClassic041ResultsAreNoKeepAlive(t *testing.T) {
	bubbleHubs(t, hub.Options{}, func(s *hubSite) {
		c, stream := s.join(ws, "", "chathub")
		r := record(s, stream)
		for range 39 {
			time.Sleep(time.Second)
			payload, _ := c.Invocation("chathub", "nothing")
			stream.Write(payload)
		}
		synctest.Wait()
		results := 0
		for _, text := range r.texts() {
			if strings.HasPrefix(text, `{"I":`) {
				results++
			}
		}
		s.want("results", results, 39)
		s.wantCadence(r.keepAlives(), 4-1)
	})
}

// Calls of one connection run in order by default: that is what nearly every
// program wants, and the others say hub.Concurrently.
func TestClassic061SlowCallsOnOneSocket(t *testing.T) {
	for hubName, concurrent := range map[string]bool{"wide": true, "chathub": false} {
		bubbleHubs(t, hub.Options{}, func(s *hubSite) {
			c, stream := s.join(ws, "", hubName)
			r := record(s, stream)
			for _, name := range []string{"a", "b"} {
				payload, _ := c.Invocation(hubName, "wait", name)
				stream.Write(payload)
			}
			synctest.Wait()
			if concurrent {
				events, _ := s.look(id(c))
				slices.Sort(events)
				s.want("both have begun", strings.Join(events, ", "), "begin a, begin b, chat connected")
				close(s.gate)
			} else {
				s.wantEvents("one has begun", id(c), "chat connected", "begin a")
				close(s.gate)
				s.wantEvents("in order", id(c), "chat connected", "begin a", "end a", "begin b", "end b")
				s.want("results", strings.Join(r.texts(), " "), `{"R":"a","I":"0"} {"R":"b","I":"1"}`)
			}
			s.want("results", len(r.look()), 2)
		})
	}
}

func TestClassic076NamesInAnyCase(t *testing.T) {
	s := serveHubs(t, hub.Options{})
	c, stream := s.join(ws, "", "cHATHUB")
	for _, names := range [][2]string{{"chathub", "echo"}, {"ChatHub", "Echo"}, {"CHATHUB", "ECHO"}} {
		s.want(fmt.Sprint(names), string(c.Invoke(stream, names[0], names[1], 1).R), "1")
	}
	// Life-cycle methods are not callable, nor is what comes from an embedded
	// struct without a Call.
	for _, method := range []string{"OnConnected", "onreconnected", "OnDisconnected", "note", "of"} {
		if r := c.Invoke(stream, "chathub", method); r.E == "" {
			s.Errorf("%s can be called: %s", method, r.Raw)
		}
	}
}

func TestClassic077CanonicalHubName(t *testing.T) {
	s := serveHubs(t, hub.Options{})
	c, stream := s.join(sse, "", "chathub")
	for _, whom := range []string{"all", "caller"} {
		s.invoke(c, "CHATHUB", "tell", whom, nil, whom)
		s.want(whom, stream.Messages(whom, 1)[0], said("ChatHub", whom))
	}
}

func TestClassic078ResultIDIsAString(t *testing.T) {
	s := serveHubs(t, hub.Options{})
	c, _ := s.join(sse, "", "chathub")
	for sent, want := range map[string]string{"0": `"0"`, "7": `"7"`, `"7"`: `"7"`, `"a\"b"`: `"a\"b"`, "null": "null", "12345678901": `"12345678901"`} {
		for method, result := range map[string]string{"echo": `{"R":1,"I":`, "nosuch": `{"I":`} {
			r := c.Send(sse, `{"H":"chathub","M":"`+method+`","A":[1],"I":`+sent+`}`)
			s.want(method+" "+sent+": "+r.Body, strings.HasPrefix(r.Body, result+want), true)
		}
	}
	r := c.Send(sse, `{"H":"chathub","M":"echo","A":[1]}`)
	s.want("no id", r.Body, `{"R":1,"I":null}`)
}

func TestClassic079VoidAndNull(t *testing.T) {
	s := serveHubs(t, hub.Options{})
	c, _ := s.join(sse, "", "chathub")
	for i, method := range []string{"nothing", "null", "noError"} {
		s.want(method, s.invoke(c, "chathub", method).Raw, fmt.Sprintf(`{"I":"%d"}`, i))
	}
	s.want("null of an any", s.invoke(c, "chathub", "echo", nil).Raw, `{"I":"3"}`)
	s.want("false", s.invoke(c, "chathub", "echo", false).Raw, `{"R":false,"I":"4"}`)
	s.want("an empty string", s.invoke(c, "chathub", "echo", "").Raw, `{"R":"","I":"5"}`)
	if r := s.invoke(c, "chathub", "refuse", nil); r.R != nil {
		s.Errorf("R beside an error: %s", r.Raw)
	}
}

func TestClassic080WhereTheResultIs(t *testing.T) {
	on(t, []string{sse, page, poll}, func(t *testing.T, kind string) {
		bubbleHubs(t, hub.Options{}, func(s *hubSite) {
			c, stream := s.join(kind, "", "chathub")
			if kind == poll {
				stream = c.Poll()
			}
			r := record(s, stream)
			payload, _ := c.Invocation("chathub", "echo", awkward)
			answer := c.Send(kind, payload)
			s.want("status", answer.Status, 200)
			s.want("content type", answer.Header.Get("Content-Type"), "application/json; charset=UTF-8")
			s.want("keys", keysOf(t, answer.Body), "RI")
			s.want("what came on the stream", len(r.look()), 0)
		})
	})
	bubbleHubs(t, hub.Options{}, func(s *hubSite) {
		c, stream := s.join(ws, "", "chathub")
		r := record(s, stream)
		payload, _ := c.Invocation("chathub", "echo", "hello")
		stream.Write(payload)
		s.want("on a WebSocket", strings.Join(r.texts(), " "), `{"R":"hello","I":"0"}`)
	})
	bubbleHubs(t, hub.Options{Options: persistent.Options{JSONP: true}}, func(s *hubSite) {
		c, _ := s.join(poll, "", "chathub")
		payload, _ := c.Invocation("chathub", "echo", "hello")
		r := s.do("GET", c.Address("send", "transport", poll, "callback", "f", "data", payload), "")
		s.wantReply("JSONP", r, 200, `f({"R":"hello","I":"0"});`)
		// classic.md 1.7: never wrapped on these, whatever the query says.
		r = s.do("POST", c.Address("send", "transport", sse, "callback", "f"), "data="+payload)
		s.wantReply("a callback on an event stream", r, 200, `{"R":"hello","I":"0"}`)
	})
}

const generic = "There was an error invoking Hub method 'cHATHUB.%s'."

func TestClassic081OrdinaryErrors(t *testing.T) {
	for _, detailed := range []bool{false, true} {
		s := serveHubs(t, hub.Options{DetailedErrors: detailed})
		c, stream := s.join(ws, "", "chathub")
		for _, method := range []string{"fAIL", "pANIC"} {
			r := c.Invoke(stream, "cHATHUB", method)
			if detailed {
				s.want(method, strings.Contains(r.E, "the secret cause"), true)
				s.want("H", r.H, false)
				continue
			}
			s.want(method, r.Raw, fmt.Sprintf(`{"I":%q,"E":%q}`, *r.I, fmt.Sprintf(generic, method)))
		}
		s.want("the connection lives", string(c.Invoke(stream, "chathub", "echo", 1).R), "1")
	}
}

func TestClassic082HubErrors(t *testing.T) {
	for _, detailed := range []bool{false, true} {
		s := serveHubs(t, hub.Options{DetailedErrors: detailed})
		c, _ := s.join(sse, "", "chathub")
		s.want("with data", s.invoke(c, "chathub", "refuse", map[string]int{"max": 10}).Raw, `{"I":"0","H":true,"E":"Room is full","D":{"max":10}}`)
		s.want("without", s.invoke(c, "chathub", "refuse", nil).Raw, `{"I":"1","H":true,"E":"Room is full"}`)
	}
}

func TestClassic083StackTraces(t *testing.T) {
	for _, o := range []hub.Options{{}, {DetailedErrors: true}, {StackTraces: true}, {DetailedErrors: true, StackTraces: true}} {
		s := serveHubs(t, o)
		c, _ := s.join(sse, "", "chathub")
		r := s.invoke(c, "chathub", "panic")
		var wire struct{ T *string }
		s.must(json.Unmarshal([]byte(r.Raw), &wire))
		s.want(fmt.Sprintf("T with %v and %v", o.DetailedErrors, o.StackTraces), wire.T != nil, o.DetailedErrors && o.StackTraces)
		s.want("T beside a hub error", strings.Contains(s.invoke(c, "chathub", "refuse", 1).Raw, `"T"`), false)
	}
}

// What the client did wrong discloses nothing, so it is said in any case, behind
// the generic text.
func TestClassic084UnknownMethodAndWrongArguments(t *testing.T) {
	on(t, []string{ws, sse}, func(t *testing.T, kind string) {
		s := serveHubs(t, hub.Options{})
		c, stream := s.join(kind, "", "chathub")
		for _, row := range []struct {
			method string
			args   []any
			want   string
		}{
			{"nosuch", nil, `"nosuch"`}, {"add", []any{1}, "2 arguments"}, {"add", []any{1, 2, 3}, "2 arguments"},
			{"add", []any{1, "x"}, "Argument 2"}, {"add", []any{1.5, 2}, "Argument 1"},
		} {
			r := c.Invoke(stream, "cHATHUB", row.method, row.args...)
			s.want(r.Raw, strings.HasPrefix(r.E, fmt.Sprintf(generic, row.method)), true)
			s.want(r.Raw+" names "+row.want, strings.Contains(r.E, row.want), true)
			s.want("R", r.R == nil, true)
		}
		s.want("the connection lives", string(c.Invoke(stream, "chathub", "add", 1, 2).R), "3")
	})
}

// Go has no overloads. Two methods whose names differ only in case are refused
// when the hub is registered, which tells the programmer instead of the client.
func TestClassic085Overloads(t *testing.T) {
	s := serveHubs(t, hub.Options{})
	_, err := hub.TryRegister[receiver](s.hubs, "overloaded", overloaded{})
	registration, ok := errors.AsType[*hub.RegistrationError](err)
	s.want(fmt.Sprint(err), ok && registration.Hub == "overloaded" && strings.EqualFold(registration.Method, "say"), true)
	r := s.do("GET", s.newClient().Hubs("overloaded").Address("negotiate"), "")
	s.wantRefusal("the hub", r, 400, "unknown_hub")
}

type overloaded struct{}

func (overloaded) Say(call, string) {}
func (overloaded) SAY(call, int)    {}

// Never silence: an error result where the id can be read, otherwise 400 on
// /send and a closed transport on WebSockets, from which the client comes back.
func TestClassic086BadPayloads(t *testing.T) {
	state := fmt.Sprintf(`{"a":%q}`, strings.Repeat("x", 4096-8))
	for payload, answerable := range map[string]bool{
		"nonsense": false, "[]": false, "1": false, "{": false, "{}": false, "": false, `{"H":"chathub","M":"echo","A":[1]`: false,
		`{"H":"chathub","M":"echo","A":{},"I":7}`: true,
		`{"H":"nosuch","M":"echo","A":[1],"I":7}`: true,
		`{"H":"chathub","A":[1],"I":7}`:           true,
		`{"M":"echo","A":[1],"I":7}`:              true,
		`{"H":1,"M":"echo","A":[1],"I":7}`:        true,
		`{"H":"chathub","M":"echo","A":[1],"I":7,"S":{"a":"` + strings.Repeat("x", 4096) + `"}}`:           true,
		`{"H":"chathub","M":"echo","A":[1],"I":7,"S":[]}`:                                                  true,
		`{"H":"chathub","M":"echo","A":[` + strings.Repeat("[", 30) + strings.Repeat("]", 30) + `],"I":7}`: true,
	} {
		why := fmt.Sprintf("%.60q", payload)
		bubbleHubs(t, hub.Options{}, func(s *hubSite) {
			c, stream := s.join(ws, "", "chathub")
			bystander, others := s.join(ws, "", "chathub")
			witness := record(s, others)
			r := record(s, stream)
			stream.Write(payload)
			sent := c.Send(sse, payload)
			if answerable {
				s.want(why+" has one answer", len(r.texts()), 1)
				for _, answer := range []string{r.texts()[0], sent.Body} {
					result := classictest.ParseResult(s, answer)
					s.want(why+": the id in "+answer, result.I != nil && *result.I == "7", true)
					s.want(why+": an error in "+answer, result.E != "", true)
				}
				s.want(why+": status", sent.Status, 200)
			} else {
				s.want(why+": status", sent.Status, 400)
				_, err := r.end()
				code := websocket.CloseStatus(err)
				s.want(why+fmt.Sprintf(": close code %d", code), code == 1007 || code == 1008 || code == 1003, true)
				stream = resume(c, ws)
				r = record(s, stream)
			}
			ok, _ := c.Invocation("chathub", "echo", "fine")
			stream.Write(ok)
			s.want(why+": the next call", strings.Contains(strings.Join(r.texts(), ""), `{"R":"fine"`), true)
			s.want("others notice", len(witness.look()), 0)
			s.wantEvents("others notice", id(bystander), "chat connected")
		})
	}
	s := serveHubs(t, hub.Options{})
	c, _ := s.join(sse, "", "chathub")
	s.want("the largest state that is allowed", len(state), 4096)
	s.want("its result", s.send(c, `{"H":"chathub","M":"echo","A":[1],"I":0,"S":`+state+`}`).Raw, `{"R":1,"I":"0"}`)
}

func TestClassic087Progress(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		s := serveHubs(t, hub.Options{})
		c, stream := s.join(kind, "", "chathub")
		r := c.Invoke(stream, "chathub", "count", 3)
		s.want("the result", r.Raw, `{"R":3,"I":"0"}`)
		if kind == poll {
			stream = c.Poll()
		}
		var list []string
		for len(list) < 3 {
			for _, m := range stream.Frame("progress").M {
				list = append(list, string(m))
			}
		}
		for i, m := range list[:3] {
			s.want("progress", m, fmt.Sprintf(`{"I":"P|0","P":{"I":"0","D":%d}}`, i))
		}
		s.wantEvents("events", id(c), "chat connected", "late progress refused")
	})
}

func TestClassic088State(t *testing.T) {
	bubbleHubs(t, hub.Options{}, func(s *hubSite) {
		c, stream := s.join(sse, "", "chathub")
		r := record(s, stream)
		result := s.send(c, `{"H":"chathub","M":"setState","A":["color","blue"],"I":0,"S":{"color":"red","size":7}}`)
		s.want("the result", result.Raw, `{"S":{"color":"blue"},"R":"done","I":"0"}`)
		s.want("the call of the caller", r.messages(), `{"H":"ChatHub","M":"say","A":["caller"],"S":{"color":"blue"}},`+said("ChatHub", "all"))
		result = s.send(c, `{"H":"chathub","M":"setState","A":["color","red"],"I":1,"S":{"color": "red","size":7}}`)
		s.want("set to what it was", result.Raw, `{"R":"done","I":"1"}`)
		result = s.send(c, `{"H":"chathub","M":"echo","A":[1],"I":2,"S":{"color":"red"}}`)
		s.want("not set", result.Raw, `{"R":1,"I":"2"}`)
	})
}

func TestClassic089NoStateForOthers(t *testing.T) {
	bubbleHubs(t, hub.Options{}, func(s *hubSite) {
		c, _ := s.join(sse, "", "chathub")
		_, stream := s.join(sse, "", "chathub")
		r := record(s, stream)
		s.send(c, `{"H":"chathub","M":"setState","A":["color","blue"],"I":0}`)
		s.want("what another gets", r.messages(), said("ChatHub", "all"))
	})
}

// The cursor of an excluded connection advances with its next frame, or when a
// keep-alive would be due: see line 37.
func TestClassic090Excluded(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubbleHubs(t, hub.Options{}, func(s *hubSite) {
			a, _ := s.join(sse, "", "chathub")
			b, stream := s.join(kind, "", "chathub")
			if kind == poll {
				stream = b.Poll()
			}
			r := record(s, stream)
			s.invoke(a, "chathub", "tell", "allExcept", []string{id(b)}, "not b")
			s.want("frames", len(r.frames()), 0)
			s.invoke(b, "chathub", "tell", "others", nil, "not b")
			s.want("frames", len(r.frames()), 0)
			s.invoke(a, "chathub", "tell", "others", nil, "not a")
			s.want("messages", r.messages(), said("ChatHub", "not a"))
			r.follow(b)
			stream.Drop()
			s.invoke(a, "chathub", "tell", "allExcept", []string{id(b), id(a)}, "not b")
			r = record(s, resume(b, kind))
			s.want("messages after a reconnect", r.messages(), "")
		})
	})
}

// One copy: nobody wants two.
func TestClassic091MemberOfTwoGroups(t *testing.T) {
	bubbleHubs(t, hub.Options{}, func(s *hubSite) {
		c, stream := s.join(sse, "ann", "chathub")
		r := record(s, stream)
		for _, group := range []string{"a", "b", "b"} {
			s.invoke(c, "chathub", "join", id(c), group)
		}
		s.invoke(c, "chathub", "tell", "groups", []string{"a", "b", "a"}, "groups")
		s.invoke(c, "chathub", "tell", "users", []string{"ann", "ann", "bob"}, "users")
		s.invoke(c, "chathub", "tell", "clients", []string{id(c), id(c)}, "clients")
		s.want("messages", r.messages(), said("ChatHub", "groups")+","+said("ChatHub", "users")+","+said("ChatHub", "clients"))
	})
}

// For an id that nobody has the error comes at once: the registry knows.
func TestClassic092GroupAdd(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubbleHubs(t, hub.Options{}, func(s *hubSite) {
			a, _ := s.join(sse, "", "chathub")
			b, stream := s.join(kind, "", "chathub")
			stream.Drop()
			began := time.Now()
			s.want("join of one without a transport", s.invoke(a, "chathub", "join", id(b), "group").E, "")
			conn, _ := s.hubs.Endpoint().Conn(id(b))
			s.want("when it returns", fmt.Sprint(conn.Groups()), "[ChatHub.group]")
			err := s.chat.Groups.Add("nobody", "group")
			s.want("an unknown id", errors.Is(err, hub.ErrNoConnection), true)
			s.want("from a client", s.invoke(a, "chathub", "join", "nobody", "group").E != "", true)
			s.want("an empty name", s.chat.Groups.Add(id(b), "") != nil, true)
			s.want("a send to an unknown id", errors.Is(s.chat.Clients.Client("nobody").Say("x"), hub.ErrNoConnection), true)
			s.want("it took", time.Since(began), time.Duration(0))
		})
	})
}

func TestClassic093AddThenSend(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		s := serveHubs(t, hub.Options{})
		a, _ := s.join(sse, "", "chathub")
		for i := range 20 {
			b, stream := s.join(kind, "", "chathub")
			if kind == poll {
				stream = b.Poll()
			}
			text := fmt.Sprint("hello ", i)
			s.want("call", s.invoke(a, "chathub", "joinAndTell", id(b), fmt.Sprint("group ", i), text).E, "")
			var got []string
			for try := 0; len(got) == 0 && try < 3; try++ {
				f := stream.Frame("what was sent to the group")
				for _, m := range f.M {
					got = append(got, string(m))
				}
				if kind == poll && len(got) == 0 {
					stream = b.Poll()
				}
			}
			s.want("messages", fmt.Sprint(got), "["+said("ChatHub", text)+"]")
		}
	})
}

func TestClassic094UserSend(t *testing.T) {
	bubbleHubs(t, hub.Options{}, func(s *hubSite) {
		list := make(map[string]*recording)
		var first *classictest.Client
		for _, row := range []struct{ name, user, hub string }{
			{"ann 1", "ann", "chathub"}, {"ann 2", "ann", "ChatHub"}, {"ann elsewhere", "ann", "other"}, {"bob", "bob", "chathub"}, {"nobody", "", "chathub"},
		} {
			c, stream := s.join(sse, row.user, row.hub)
			list[row.name] = record(s, stream)
			if first == nil {
				first = c
			}
		}
		s.invoke(first, "chathub", "tell", "users", []string{"ann"}, "ann")
		s.must(s.chat.Clients.User("bob").Say("bob"))
		s.want("a user without a name", s.chat.Clients.User("").Say("x") != nil, true)
		for name, want := range map[string]string{
			"ann 1": said("ChatHub", "ann"), "ann 2": said("ChatHub", "ann"), "ann elsewhere": "", "bob": said("ChatHub", "bob"), "nobody": "",
		} {
			s.want(name, list[name].messages(), want)
		}
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
