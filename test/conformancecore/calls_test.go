package conformancecore_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent/core/coretest"
)

func Test61To63Calls(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		for _, c := range []struct{ why, target, args, want string }{
			{"names in any case", "SUM", `[40,2]`, `"result":42`},
			{"unknown method", "Nope", `[]`, `"error":"Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist."`},
			{"a method of the life cycle", "OnConnected", `[]`, `HubException: Method does not exist."`},
			{"too few arguments", "Sum", `[1]`, `"error":"Failed to invoke 'Sum' due to an error on the server. InvalidDataException: `},
			{"too many arguments", "Sum", `[1,2,3]`, `"error":"Failed to invoke 'Sum' due to an error on the server. InvalidDataException: `},
			{"wrong type", "Sum", `[1,"x"]`, `"error":"Failed to invoke 'Sum' due to an error on the server. InvalidDataException: `},
			{"and it still works", "Echo", `["x"]`, `"result":"x"`},
		} {
			s.Send(call("1", c.target, c.args))
			s.Want(c.why, c.want)
		}
	})
}

// What the program says with a hub.Error is always told, what it says with any
// other error only if it wants to.
func Test64ErrorTexts(t *testing.T) {
	for detailed, want := range map[bool]string{
		false: "An unexpected error occurred invoking 'Fail' on the server.",
		true:  "An unexpected error occurred invoking 'Fail' on the server. Exception: secret",
	} {
		try(t, config{detailed: detailed}, func(l *lab) {
			s := l.open(webSockets)
			if r := s.Invoke("Fail"); r.Error != want {
				t.Errorf("with details %v: %s", detailed, r.Raw)
			}
			if r := s.Invoke("Tell"); r.Error != "An unexpected error occurred invoking 'Tell' on the server. HubException: boom" {
				t.Errorf("with details %v: %s", detailed, r.Raw)
			}
		})
	}
}

func Test65NoIDNoAnswer(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		for _, target := range []string{"fail", "tell", "nope", "echo", "nulls", "take"} {
			s.Send(`{"type":1,"target":"` + target + `","arguments":["a"]}`)
			s.Send(`{"type":1,"target":"` + target + `","arguments":[],"invocationId":null}`)
			s.Send(`{"type":1,"target":"` + target + `","arguments":[],"invocationId":""}`)
		}
		s.Send(call("9", "void", `[]`))
		s.WantExactly("only the call with an id", `{"type":3,"invocationId":"9","result":null}`)
		synctest.Wait()
		s.Send(coretest.Ping)
		if m, err := s.Next(); m != coretest.Ping {
			t.Errorf("then came %s, %v", m, err)
		}
	})
}

func Test66OneAfterTheOther(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		const n = 20
		var calls []string
		for i := range n {
			calls = append(calls, call(fmt.Sprint(i), "wait", fmt.Sprintf(`["%d."]`, i)))
		}
		s.Send(calls...)
		l.wait("waiting 0.")
		synctest.Wait()
		if l.count("waiting") != 1 {
			t.Error("two at the same time")
		}
		l.release()
		for i := range n {
			s.WantExactly("in order", fmt.Sprintf(`{"type":3,"invocationId":"%d","result":"%d."}`, i, i))
		}
		for i, e := range l.noted("waiting", "done") {
			if want := []string{"waiting", "done"}[i%2] + fmt.Sprintf(" %d.", i/2); e != want {
				t.Fatalf("event %d is %q, want %q", i, e, want)
			}
		}
	})
}

// While a call runs, and others wait for it, everything else of the client is
// heard: it pings, sends a stream, cancels another, answers a question.
func Test67BesideACall(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		s.Send(coretest.Ping, streaming("s", "hold", `[]`), calling("u", "collect", `[]`, "up"))
		s.WantExactly("a stream", item("s", "1"))
		s.Send(call("1", "wait", `["a"]`), call("2", "wait", `["b"]`))
		l.wait("waiting a")
		s.Send(item("up", "1"), item("up", "2"), done("up"))
		s.WantExactly("the items of a stream are heard", `{"type":3,"invocationId":"u","result":[1,2]}`)
		s.Send(`{"type":5,"invocationId":"s"}`)
		s.WantExactly("a Cancel is heard", done("s"))
		for range 4 { // for a minute, which is twice as long as silence may last
			if m, err := s.Next(); m != coretest.Ping {
				t.Fatalf("got %s, %v", m, err)
			}
			s.Send(coretest.Ping)
		}
		if l.count("lost") != 0 {
			t.Error("the client's pings were not heard")
		}
		l.release()
		s.Want("the first result", `"result":"a"`)
		s.Want("the second", `"result":"b"`)
	})
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		s.Send(call("1", "wait", `["a"]`), call("2", "wait", `["b"]`))
		l.wait("waiting a")
		s.Send(`{"type":7}`)
		synctest.Wait()
		if rest := s.WantEnd("a Close is heard"); len(rest) > 1 {
			t.Errorf("got %q", rest)
		}
	})
}

func Test68SeveralAtATime(t *testing.T) {
	try(t, config{register: []hub.RegisterOption{hub.Concurrently(3)}}, func(l *lab) {
		s := l.open(webSockets)
		for i := range 5 {
			s.Send(call(fmt.Sprint(i), "wait", fmt.Sprintf(`["%d."]`, i)))
		}
		for i := range 3 {
			l.wait(fmt.Sprintf("waiting %d.", i))
		}
		synctest.Wait()
		if n := l.count("waiting"); n != 3 {
			t.Errorf("%d run at the same time, want 3", n)
		}
		l.release()
		seen := map[string]bool{}
		for range 5 {
			seen[s.Want("a result", `"result"`)] = true
		}
		if len(seen) != 5 {
			t.Errorf("results %v", seen)
		}
	})
}

func Test78LimitOfAMessage(t *testing.T) {
	message := func(size int) string {
		frame := call("1", "echo", `[""]`)
		return strings.Replace(frame, `[""]`, `["`+strings.Repeat("x", size-1-len(frame))+`"]`, 1)
	}
	each(t, config{}, func(l *lab, transport string) {
		s := l.open(transport)
		s.Send(message(32768))
		s.Want("of the limit", `"result":"xx`)
		s.Send(message(32769))
		s.WantExactly("one byte more", `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
		s.WantEnd("the transport")
		l.wait("lost")
	})
	try(t, config{}, func(l *lab) { // one that does not come to an end
		s := l.open(webSockets)
		s.Write(message(40000)[:32768])
		s.Want("without an end", `"allowReconnect":true`)
	})
	try(t, config{}, func(l *lab) { // the length before a message counts, too
		const around = "\x95\x01\x80\xa1\x31\xa4echo\x91\xda12"
		s := l.binary(webSockets)
		text := func(size int) string {
			n := size - 3 - len(around)
			return strings.Replace(around, "12", string([]byte{byte(n >> 8), byte(n)}), 1) + strings.Repeat("x", n)
		}
		s.Write(framed(text(32768)))
		s.Want("of the limit", "xxxxxx")
		s.Write(framed(text(32769)))
		s.Want("one byte more", "Connection closed with an error.\xc3")
	})
}

// Test56Completions has every way that a call can end, in both protocols.
func Test56Completions(t *testing.T) {
	try(t, config{}, func(l *lab) {
		text, binary := l.open(webSockets), l.binary(webSockets)
		for target, fails := range map[string]bool{
			"Void": false, "ID": false, "Nil": false, "Empty": false,
			"Fail": true, "Tell": true, "TellNothing": true, "FailSilently": true, "Panic": true, "Unsayable": true, "Echo": true, "Nope": true,
			"Collect": true, "Ticks": true,
		} {
			text.Send(call("1", target, `[]`))
			m := text.Message(target)
			var c map[string]any
			if err := json.Unmarshal([]byte(m), &c); err != nil {
				t.Fatal(err)
			}
			why, hasError := c["error"].(string)
			if _, hasResult := c["result"]; hasError == hasResult || hasError != fails || fails && why == "" {
				t.Errorf("%s: %s", target, m)
			}
			binary.Write(framed("\x95\x01\x80\xa1\x31" + string([]byte{0xa0 + byte(len(target))}) + target + "\x90"))
			m = binary.Message(target)
			rest, ok := strings.CutPrefix(m, "\x95\x03\x80\xa1\x31")
			if !ok || (rest[0] == 1) != fails || !fails && rest[0] != 3 || fails && len(rest) < 20 {
				t.Errorf("%s: %q", target, m)
			}
		}
	})
}

func (h *labHub) Nil(*hub.Call[labClient]) *int               { return nil }
func (h *labHub) Empty(*hub.Call[labClient]) string           { return "" }
func (h *labHub) TellNothing(*hub.Call[labClient]) error      { return &hub.Error{} }
func (h *labHub) FailSilently(*hub.Call[labClient]) error     { return silence{} }
func (h *labHub) Panic(*hub.Call[labClient])                  { panic("on purpose") }
func (h *labHub) Unsayable(*hub.Call[labClient]) (any, error) { return func() {}, nil }

// silence is an error without a text.
type silence struct{}

func (silence) Error() string { return "" }

// Those who wait for a call to begin see nothing of a limit on silence.
func Test80NoTimeoutDuringACall(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.new()
		c.Patience = time.Hour
		s := c.Open(webSockets)
		s.Send(call("1", "wait", `["a"]`), call("2", "wait", `["b"]`))
		for range 40 { // ten minutes
			if m, err := s.Next(); m != coretest.Ping {
				t.Fatalf("got %s, %v", m, err)
			}
			s.Send(coretest.Ping) // as clients do when they hear one
		}
		l.release()
		s.Want("the first result", `"result":"a"`)
		s.Want("the second", `"result":"b"`)
	})
}
