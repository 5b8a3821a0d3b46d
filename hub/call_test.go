package hub_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/hub/hubtest"
)

// Room is the hub of most tests.
type Room struct {
	Hall // embedded: its methods count

	events  notebook
	entered chan struct{}
	release chan struct{}
}

type Hall struct{}

func (Hall) Wave(c *hub.Call[RoomClient]) error { return c.Clients.Others().Message("wave") }

// RoomClient is what the room calls.
type RoomClient struct {
	hub.Sender
	Message func(text string) error
	Pair    func(a, b any) error
	Many    func(first int, rest ...string) error `hub:"manyOfThem"`
}

type point struct{ X, Y int }

func newRoom() *Room {
	return &Room{entered: make(chan struct{}, 100), release: make(chan struct{})}
}

func (*Room) Nothing(*hub.Call[RoomClient])                       {}
func (*Room) Add(_ *hub.Call[RoomClient], a, b int) int           { return a + b }
func (*Room) Move(_ *hub.Call[RoomClient], p point, by int) point { return point{p.X + by, p.Y + by} }
func (*Room) Join(c *hub.Call[RoomClient], group string) error {
	return c.Groups.Add(c.ConnectionID, group)
}
func (*Room) Leave(c *hub.Call[RoomClient], group string) error {
	return c.Groups.Remove(c.ConnectionID, group)
}
func (*Room) Groups(c *hub.Call[RoomClient]) ([]string, error) { return c.Groups.Of(c.ConnectionID) }
func (*Room) Say(c *hub.Call[RoomClient], group, text string) error {
	return c.Clients.Group(group).Message(text)
}
func (*Room) Sum(_ *hub.Call[RoomClient], of ...int) int {
	n := 0
	for _, i := range of {
		n += i
	}
	return n
}
func (*Room) Refuse(*hub.Call[RoomClient]) error {
	return fmt.Errorf("wrapped: %w", &hub.Error{Message: "Room is full", Data: map[string]int{"max": 10}})
}
func (*Room) Break(*hub.Call[RoomClient]) (int, error)  { return 7, errors.New("the secret reason") }
func (*Room) Panic(*hub.Call[RoomClient])               { panic("on purpose") }
func (*Room) Bad(*hub.Call[RoomClient]) float64         { return math.NaN() }
func (*Room) Nil(*hub.Call[RoomClient]) (*point, error) { return nil, nil }
func (*Room) Echo(_ *hub.Call[RoomClient], v any) any   { return v }
func (*Room) Who(c *hub.Call[RoomClient]) []string {
	return []string{c.ConnectionID, c.User, c.Transport().String(), c.Dialect(), c.Hub(), c.Method(), c.Query().Get("user")}
}

// Hold waits until the test lets it go or the connection ends.
func (r *Room) Hold(c *hub.Call[RoomClient], name string) error {
	r.events.add("hold " + name)
	r.entered <- struct{}{}
	select {
	case <-r.release:
		return nil
	case <-c.Done():
		r.events.add("ended " + name)
		return c.Err()
	}
}

// Paint exercises the state.
func (*Room) Paint(c *hub.Call[RoomClient], color string) (string, error) {
	var before string
	if _, err := c.State().Get("color", &before); err != nil {
		return "", err
	}
	if err := c.State().Set("color", color); err != nil {
		return "", err
	}
	if err := c.Clients.All().Message("for all"); err != nil {
		return "", err
	}
	return before, c.Clients.Caller().Message("painted")
}

// Work reports progress and keeps the sink for later.
func (r *Room) Work(c *hub.Call[RoomClient], steps int, p hub.Progress[int]) (string, error) {
	for n := range steps {
		if err := p.Report(n); err != nil {
			return "", err
		}
	}
	go func() {
		<-r.release // when the result is there
		if err := p.Report(99); err != nil {
			r.events.add(err.Error())
		}
	}()
	return "done", nil
}

func (*Room) Keep(c *hub.Call[RoomClient], key, value string) any {
	old, _ := c.Items().Swap(key, value)
	return old
}

func (*Room) Leap(c *hub.Call[RoomClient]) { c.Abort() }

func TestResults(t *testing.T) {
	s := newSite(t, hub.Options{})
	hub.Register[RoomClient](s.Server, "room", newRoom())
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		g := s.connect(transport, "ann", "room")
		for _, test := range []struct {
			method string
			args   []any
			want   string // behind the id
		}{
			{"nothing", nil, `"I":"%s"}`},
			{"NOTHING", nil, `"I":"%s"}`},
			{"add", []any{40, 2}, `"R":42,"I":"%s"}`},
			{"Add", []any{40, nil}, `"R":40,"I":"%s"}`},
			{"move", []any{point{1, 2}, 3}, `"R":{"X":4,"Y":5},"I":"%s"}`},
			{"sum", nil, `"R":0,"I":"%s"}`},
			{"sum", []any{1, 2, 3}, `"R":6,"I":"%s"}`},
			{"nil", nil, `"I":"%s"}`},
			{"echo", []any{map[string]any{"a": []any{1, "<é>"}}}, `"R":{"a":[1,"\u003cé\u003e"]},"I":"%s"}`},
			{"refuse", nil, `"I":"%s","H":true,"E":"Room is full","D":{"max":10}}`},
			{"break", nil, `"I":"%s","E":"There was an error invoking Hub method 'room.break'."}`},
			{"panic", nil, `"I":"%s","E":"There was an error invoking Hub method 'room.panic'."}`},
			{"bad", nil, `"I":"%s","E":"There was an error invoking Hub method 'room.bad'."}`},
			{"dance", nil, `"I":"%s","E":"There was an error invoking Hub method 'room.dance'. There is no method \"dance\" on hub \"room\"."}`},
			{"onConnected", nil, `"I":"%s","E":"There was an error invoking Hub method 'room.onConnected'. There is no method \"onConnected\" on hub \"room\"."}`},
			{"add", []any{1}, `"I":"%s","E":"There was an error invoking Hub method 'room.add'. Method \"Add\" takes 2 arguments, not 1."}`},
			{"add", []any{1, 2, 3}, `"I":"%s","E":"There was an error invoking Hub method 'room.add'. Method \"Add\" takes 2 arguments, not 3."}`},
			{"add", []any{1, "x"}, `"I":"%s","E":"There was an error invoking Hub method 'room.add'. Argument 2 of method \"Add\" is not a int: cannot unmarshal string into Go value of type int."}`},
			{"sum", []any{1, "x"}, `"I":"%s","E":"There was an error invoking Hub method 'room.sum'. Argument 2 of method \"Sum\" is not a int: cannot unmarshal string into Go value of type int."}`},
		} {
			r := g.invoke("room", test.method, test.args...)
			if want := fmt.Sprintf("{"+test.want, *r.I); r.Raw != want {
				t.Errorf("%s%v: got %s, want %s", test.method, test.args, r.Raw, want)
			}
		}
	})
}

func TestUnknownHubIsAnErrorOfTheCall(t *testing.T) {
	s := newSite(t, hub.Options{})
	hub.Register[RoomClient](s.Server, "room", newRoom())
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		g := s.connect(transport, "", "room")
		if r := g.invoke("nope", "add", 1, 2); !strings.Contains(r.E, `There is no hub "nope".`) {
			t.Errorf("got %s", r.Raw)
		}
		g.ok("ROOM", "add", 1, 2)
	})
}

func TestPayloadsThatAreNoInvocation(t *testing.T) {
	s := newSite(t, hub.Options{})
	hub.Register[RoomClient](s.Server, "room", newRoom())
	sse := s.connect("serverSentEvents", "", "room")
	if r := sse.Send("serverSentEvents", `{"H":"room","M":"add","I":5,"A":{}}`); r.Status != http.StatusOK || !strings.Contains(r.Body, `"I":"5","E":`) {
		t.Errorf("with an id: got %d %s", r.Status, r.Body)
	}
	if r := sse.Send("serverSentEvents", `garbage`); r.Status != http.StatusBadRequest {
		t.Errorf("without an id: got %d %s", r.Status, r.Body)
	}
	long := `{"H":"room","M":"nothing","I":6,"S":{"a":"` + strings.Repeat("x", 4096) + `"}}`
	if r := sse.Send("serverSentEvents", long); !strings.Contains(r.Body, "maximum length of 4096") {
		t.Errorf("long state: got %d %s", r.Status, r.Body)
	}

	other, ws := s.connect("webSockets", "", "room"), s.connect("webSockets", "", "room")
	ws.Write(`{"H":"room","M":"add","I":5,"A":{}}`)
	if r := ws.Result("5"); r.E == "" {
		t.Errorf("with an id: got %s", r.Raw)
	}
	ws.Write(`garbage`)
	ws.WantEnd("a payload that cannot be answered costs the transport")
	other.ok("room", "nothing")
}

func TestDetailedErrors(t *testing.T) {
	s := newSite(t, hub.Options{DetailedErrors: true, StackTraces: true})
	hub.Register[RoomClient](s.Server, "room", newRoom())
	g := s.connect("webSockets", "", "room")
	if r := g.invoke("room", "break"); r.E != "the secret reason" || r.H {
		t.Errorf("got %s", r.Raw)
	}
	id := g.begin("room", "panic")
	if r := g.results(id)[id]; r.E != "panic: on purpose" || !strings.Contains(r.Raw, `"T":"goroutine`) {
		t.Errorf("got %s", r.Raw)
	}
}

func TestCallKnowsItsCaller(t *testing.T) {
	s := newSite(t, hub.Options{})
	hub.Register[RoomClient](s.Server, "room", newRoom())
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		g := s.connect(transport, "ann", "room")
		want := text([]string{g.id(), "ann", transport, "classic", "room", "Who", "ann"})
		if r := g.ok("room", "who"); string(r.R) != want {
			t.Errorf("got %s, want %s", r.R, want)
		}
		g.ok("room", "keep", "k", "1")
		if r := g.ok("room", "keep", "k", "2"); string(r.R) != `"1"` {
			t.Errorf("items: got %s", r.Raw)
		}
	})
}

func TestState(t *testing.T) {
	s := newSite(t, hub.Options{})
	hub.Register[RoomClient](s.Server, "room", newRoom())
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		g := s.connect(transport, "", "room")
		paint := func(color string) string {
			payload := `{"H":"room","M":"paint","A":["` + color + `"],"I":3,"S":{"color":"red","size": 1}}`
			if transport == "webSockets" {
				g.Write(payload)
				return g.results("3")["3"].Raw
			}
			return g.Send(transport, payload).Body
		}
		if got := paint("blue"); got != `{"S":{"color":"blue"},"R":"red","I":"3"}` {
			t.Errorf("changed: got %s", got)
		}
		g.want("nobody but the caller sees the state", `{"H":"room","M":"message","A":["for all"]}`)
		g.want("the caller does", `{"H":"room","M":"message","A":["painted"],"S":{"color":"blue"}}`)
		if got := paint("red"); got != `{"R":"red","I":"3"}` {
			t.Errorf("unchanged: got %s", got)
		}
		g.want("", `{"H":"room","M":"message","A":["for all"]}`)
		g.want("unchanged state is not sent", `{"H":"room","M":"message","A":["painted"]}`)
	})
}

func TestProgress(t *testing.T) {
	s := newSite(t, hub.Options{})
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		room := newRoom()
		name := "room" + transport
		hub.Register[RoomClient](s.Server, name, room)
		g := s.connect(transport, "", name)
		r := g.ok(name, "work", 2)
		if string(r.R) != `"done"` {
			t.Errorf("got %s", r.Raw)
		}
		for n, got := range g.messages("the reports", 2) {
			want := fmt.Sprintf(`{"I":"P|%s","P":{"I":"%s","D":%d}}`, *r.I, *r.I, n)
			if got != want {
				t.Errorf("report %d: got %s, want %s", n, got, want)
			}
		}
		close(room.release)
		if lines := room.events.wait(t, 1); lines[0] != hub.ErrCompleted.Error() {
			t.Errorf("after the method returned: got %q", lines)
		}
	})
}

func TestContextEndsWithTheConnection(t *testing.T) {
	s := newSite(t, hub.Options{})
	room := newRoom()
	hub.Register[RoomClient](s.Server, "room", room)
	g := s.connect("webSockets", "", "room")
	g.begin("room", "hold", "a")
	<-room.entered
	g.Abort("webSockets")
	if lines := room.events.wait(t, 2); lines[1] != "ended a" {
		t.Errorf("got %q", lines)
	}
}

func TestAbortByTheServer(t *testing.T) {
	s := newSite(t, hub.Options{})
	hub.Register[RoomClient](s.Server, "room", newRoom())
	g := s.connect("serverSentEvents", "", "room")
	g.ok("room", "leap")
	g.WantEnd("the stream ends")
}

func TestRequestContextValues(t *testing.T) {
	type key struct{}
	s := newServer(t, hub.Options{})
	got := make(chan any, 1)
	hub.Register[hub.Sender](s, "ctx", ctxHub{func(ctx context.Context) { got <- ctx.Value(key{}) }})
	web := wrap(t, s, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, path.Base(r.URL.Path))))
		})
	})
	web.onEach(t, func(t *testing.T, s *site, transport string) {
		g := s.connect(transport, "", "ctx")
		g.ok("ctx", "run")
		want := "send" // the request that carried the call
		if transport == "webSockets" {
			want = "connect"
		}
		if v := <-got; v != want {
			t.Errorf("got %v, want %v", v, want)
		}
	})
}

type ctxHub struct{ f func(context.Context) }

func (h ctxHub) Run(c *hub.Call[hub.Sender]) { h.f(c) }

// A call tells why it has ended, and so does a context that is made of it.
func TestCauseOfCall(t *testing.T) {
	s := newSite(t, hub.Options{})
	got := make(chan error, 2)
	hub.Register[hub.Sender](s.Server, "causes", causeHub{got})
	c := s.core("", "causes").Open("webSockets")
	c.Send(stream("a", "run", "[]"))
	c.WantExactly("an item", itemOf("a", 1))
	c.Send(`{"type":5,"invocationId":"a"}`)
	for range 2 {
		if err := <-got; err == nil || err.Error() != "hub: the client cancelled the stream" {
			t.Errorf("got %v", err)
		}
	}
}

type causeHub struct{ got chan<- error }

func (h causeHub) Run(c *hub.Call[hub.Sender]) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		sub, cancel := context.WithCancel(c)
		defer cancel()
		yield(1, nil)
		<-sub.Done()
		h.got <- context.Cause(c)
		h.got <- context.Cause(sub)
	}
}

func TestCallsRunInOrder(t *testing.T) {
	s := newSite(t, hub.Options{})
	room := newRoom()
	hub.Register[RoomClient](s.Server, "room", room)
	g := s.connect("webSockets", "", "room")
	var ids []string
	for _, name := range []string{"a", "b", "c"} {
		ids = append(ids, g.begin("room", "hold", name))
	}
	<-room.entered
	s.connect("webSockets", "", "room").ok("room", "nothing") // another connection is not held up
	if lines := room.events.wait(t, 1); len(lines) != 1 {
		t.Errorf("one call at a time, got %q", lines)
	}
	close(room.release)
	g.results(ids...)
	if got := strings.Join(room.events.wait(t, 3), ","); got != "hold a,hold b,hold c" {
		t.Errorf("got %s", got)
	}
}

func TestConcurrently(t *testing.T) {
	o := hub.Options{}
	o.MaxQueuedCalls = 1
	s := newSite(t, o)
	room := newRoom()
	hub.Register[RoomClient](s.Server, "room", room, hub.Concurrently(2))
	hub.Register[RoomClient](s.Server, "hall", newRoom())
	g := s.connect("webSockets", "", "room")
	var ids []string
	for _, name := range []string{"a", "b", "waits", "too many"} {
		ids = append(ids, g.begin("room", "hold", name))
	}
	<-room.entered
	<-room.entered
	if r := g.results(ids[3])[ids[3]]; !strings.Contains(r.E, "Too many calls") {
		t.Errorf("got %s", r.Raw)
	}
	if lines := room.events.wait(t, 2); len(lines) != 2 {
		t.Errorf("two calls at a time, got %q", lines)
	}
	g.ok("hall", "nothing") // another hub's calls are not held up
	close(room.release)
	g.results(ids[:3]...)
}

func TestQueueIsBounded(t *testing.T) {
	o := hub.Options{}
	o.MaxQueuedCalls = 1
	s := newSite(t, o)
	room := newRoom()
	hub.Register[RoomClient](s.Server, "room", room)
	g := s.connect("webSockets", "", "room")
	var ids []string
	for _, name := range []string{"runs", "waits", "too many"} {
		ids = append(ids, g.begin("room", "hold", name))
		if name == "runs" {
			<-room.entered
		}
	}
	if r := g.results(ids[2])[ids[2]]; !strings.Contains(r.E, "Too many calls of this connection are waiting.") {
		t.Errorf("got %s", r.Raw)
	}
	close(room.release)
	g.results(ids[:2]...)
}

func TestShutdownLetsCallsFinish(t *testing.T) {
	for name, opts := range map[string][]hub.RegisterOption{"in order": nil, "on lanes": {hub.Concurrently(2)}} {
		t.Run(name, func(t *testing.T) {
			s := hubtest.NewServer(t, hub.Options{})
			room := newRoom()
			hub.Register[RoomClient](s.Server, "room", room, opts...)
			c, other := s.Connect("", "room"), s.Connect("", "room")
			held := c.Begin("room", "hold", "a")
			<-room.entered
			var done sync.WaitGroup
			done.Go(func() {
				if err := s.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			})
			for { // until calls are turned away
				err := other.Invoke("room", "nothing").Err
				if err != nil && strings.Contains(err.Error(), "The server is shutting down.") {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			close(room.release)
			if err := held.Wait().Err; err != nil {
				t.Errorf("a call that ran already: %v", err)
			}
			done.Wait()
		})
	}
}
