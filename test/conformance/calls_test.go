package conformance_test

import (
	"encoding/json"
	"errors"
	"fmt"
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
