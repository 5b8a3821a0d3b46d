package hubtest_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/hub/hubtest"
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/test/leaks"
)

func TestMain(m *testing.M) { leaks.VerifyTestMain(m) }

type Client struct {
	AddMessage func(from, text string) error
}

type Chat struct{}

func (Chat) Join(c *hub.Call[Client], room string) error { return c.Groups.Add(c.ConnectionID, room) }

func (Chat) Say(c *hub.Call[Client], room, text string) (int, error) {
	return len(text), c.Clients.Group(room).AddMessage(c.User, text)
}

func (Chat) Fail(*hub.Call[Client]) error { return &hub.Error{Message: "no", Data: 7} }

func (Chat) Count(c *hub.Call[Client], to int, p hub.Progress[int]) error {
	for i := range to {
		if err := p.Report(i); err != nil {
			return err
		}
	}
	return c.State().Set("counted", to)
}

func (Chat) OnRejoiningGroups(_ *hub.Call[Client], groups []string) []string { return groups }

func newChat(t *testing.T) *hubtest.Server {
	s := hubtest.NewServer(t, hub.Options{})
	hub.Register[Client](s.Server, "chat", Chat{})
	return s
}

func wantCalls(t *testing.T, c *hubtest.Client, why string, want ...string) {
	t.Helper()
	var got []string
	for _, call := range c.Calls() {
		got = append(got, call.String())
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %s got %q, want %q", why, c.User, got, want)
	}
}

func TestWhatGoesToWhom(t *testing.T) {
	s := newChat(t)
	ann, bob, eve := s.Connect("ann", "chat"), s.Connect("bob", "Chat"), s.Connect("eve")
	for _, c := range []*hubtest.Client{ann, bob} {
		if r := c.Invoke("chat", "join", "lobby"); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	var n int
	if err := ann.Invoke("chat", "say", "lobby", "hello").Decode(&n); err != nil || n != 5 {
		t.Errorf("got %d, %v", n, err)
	}
	for _, c := range []*hubtest.Client{ann, bob} {
		wantCalls(t, c, "member", `chat.addMessage("ann","hello")`)
		wantCalls(t, c, "once only")
	}
	wantCalls(t, eve, "no member")
}

func TestErrors(t *testing.T) {
	s := newChat(t)
	ann := s.Connect("ann", "chat")
	e, ok := errors.AsType[*hubtest.Error](ann.Invoke("chat", "fail").Err)
	if !ok || e.Kind != codec.Refused || e.Message != "no" || string(e.Data) != "7" {
		t.Errorf("got %+v", e)
	}
	e, ok = errors.AsType[*hubtest.Error](ann.Invoke("chat", "nope").Err)
	if !ok || e.Kind != codec.NotFound {
		t.Errorf("got %+v", e)
	}
	_, err := s.Dial(hubtest.Dial{Hubs: []string{"nope"}})
	if r, ok := errors.AsType[*negotiate.Refusal](err); !ok || r.Reason != "unknown_hub" {
		t.Errorf("got %v", err)
	}
}

func TestProgressAndState(t *testing.T) {
	s := newChat(t)
	ann := s.Connect("ann", "chat")
	ann.SetState("other", true)
	r := ann.Invoke("chat", "count", 2)
	if r.Err != nil || fmt.Sprintf("%s", r.Progress) != "[0 1]" {
		t.Errorf("got %+v", r)
	}
	if string(ann.State("counted")) != "2" || string(ann.State("other")) != "true" {
		t.Errorf("state: %s, %s", ann.State("counted"), ann.State("other"))
	}
}

func TestLoseAndReturn(t *testing.T) {
	s := newChat(t)
	ann, bob := s.Connect("ann", "chat"), s.Connect("bob", "chat")
	ann.Invoke("chat", "join", "lobby")
	wantCalls(t, ann, "before")
	ann.Lose()
	for i := range 3 {
		bob.Invoke("chat", "say", "lobby", fmt.Sprint(i))
	}
	wantCalls(t, ann, "away")
	ann.Return()
	wantCalls(t, ann, "back", `chat.addMessage("bob","0")`, `chat.addMessage("bob","1")`, `chat.addMessage("bob","2")`)
	ann.Stop()
	if err := bob.Invoke("chat", "say", "lobby", "x").Err; err != nil {
		t.Error(err)
	}
}

func BenchmarkInvoke(b *testing.B) {
	s := hubtest.NewServer(b, hub.Options{})
	hub.Register[Client](s.Server, "chat", Chat{})
	ann := s.Connect("ann", "chat")
	b.ReportAllocs()
	for b.Loop() {
		ann.Invoke("chat", "say", "nobody", "hello")
	}
}
