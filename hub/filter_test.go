package hub_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/hub/hubtest"
)

// tracing returns a filter that notes what passes through it, both ways.
func tracing(n *notebook, name string) hub.Filter {
	return hub.Filter{
		Invoke: func(i *hub.Invocation, next func(*hub.Invocation) (any, error)) (any, error) {
			n.add(fmt.Sprintf("%s> %s.%s%v", name, i.Hub(), i.Method(), i.Args))
			v, err := next(i)
			n.add(fmt.Sprintf("%s< %v %v", name, v, err))
			return v, err
		},
		Connect: func(e *hub.Event, next func(*hub.Event) error) error {
			n.add(name + "> connect " + e.Hub())
			defer n.add(name + "< connect")
			return next(e)
		},
		Reconnect: func(e *hub.Event, next func(*hub.Event) error) error {
			n.add(name + " reconnect")
			return next(e)
		},
		Disconnect: func(e *hub.Event, stopCalled bool, next func(*hub.Event, bool)) {
			n.add(fmt.Sprintf("%s disconnect %t", name, stopCalled))
			next(e, stopCalled)
		},
		Rejoin: func(e *hub.Event, groups []string, next func(*hub.Event, []string) []string) []string {
			n.add(fmt.Sprintf("%s rejoin %v", name, groups))
			return next(e, append(groups, name))
		},
		Send: func(c *hub.ClientCall, next func(*hub.ClientCall) error) error {
			n.add(fmt.Sprintf("%s send %s%v to %d %v", name, c.Method, c.Args, c.To, c.Names))
			return next(c)
		},
	}
}

func TestFilterOrder(t *testing.T) {
	var n notebook
	s := hubtest.NewServer(t, hub.Options{Filters: []hub.Filter{tracing(&n, "a"), tracing(&n, "b")}})
	hub.Register[RoomClient](s.Server, "room", newRoom(), hub.Use(tracing(&n, "c")))
	c := s.Connect("ann", "room")
	c.Invoke("room", "sum", 1, 2)
	c.Invoke("room", "break")
	c.Invoke("room", "dance", "x", 1)
	c.Invoke("room", "say", "g", "hi")
	c.Lose()
	c.Return()
	got := strings.Join(n.wait(t, 39), "\n")
	want := `a> connect room
b> connect room
c> connect room
c< connect
b< connect
a< connect
a> room.Sum[1 2]
b> room.Sum[1 2]
c> room.Sum[1 2]
c< 3 <nil>
b< 3 <nil>
a< 3 <nil>
a> room.Break[]
b> room.Break[]
c> room.Break[]
c< <nil> the secret reason
b< <nil> the secret reason
a< <nil> the secret reason
a> room.dance[x 1]
b> room.dance[x 1]
c> room.dance[x 1]
c< <nil> There is no method "dance" on hub "room".
b< <nil> There is no method "dance" on hub "room".
a< <nil> There is no method "dance" on hub "room".
a> room.Say[g hi]
b> room.Say[g hi]
c> room.Say[g hi]
a send message[hi] to 2 [g]
b send message[hi] to 2 [g]
c send message[hi] to 2 [g]
c< <nil> <nil>
b< <nil> <nil>
a< <nil> <nil>
a rejoin []
b rejoin [a]
c rejoin [a b]
a reconnect
b reconnect
c reconnect`
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	c.Stop()
	n.wait(t, 42)
}

func invoking(f func(i *hub.Invocation, next func(*hub.Invocation) (any, error)) (any, error)) hub.RegisterOption {
	return hub.Use(hub.Filter{Invoke: f})
}

func TestFiltersChangeCalls(t *testing.T) {
	type next = func(*hub.Invocation) (any, error)
	for _, test := range []struct {
		name   string
		filter func(i *hub.Invocation, next next) (any, error)
		method string
		args   []any
		want   string
	}{
		{"arguments", func(i *hub.Invocation, next next) (any, error) { i.Args[0] = 40; return next(i) }, "add", []any{1, 2}, "42 <nil>"},
		{"more arguments", func(i *hub.Invocation, next next) (any, error) {
			i.Args = append(i.Args, 5)
			return next(i)
		}, "sum", []any{1, 2}, "8 <nil>"},
		{"arguments of the wrong type", func(i *hub.Invocation, next next) (any, error) { i.Args[0] = "x"; return next(i) }, "add", []any{1, 2}, " "},
		{"too few arguments", func(i *hub.Invocation, next next) (any, error) { i.Args = nil; return next(i) }, "add", []any{1, 2}, ` Method "Add" takes 2 arguments, not 0.`},
		{"the result", func(i *hub.Invocation, next next) (any, error) { v, err := next(i); return []any{v}, err }, "add", []any{1, 2}, "[3] <nil>"},
		{"an error into a result", func(i *hub.Invocation, next next) (any, error) { _, _ = next(i); return "fine", nil }, "break", nil, `"fine" <nil>`},
		{"a null success", func(i *hub.Invocation, _ next) (any, error) { return nil, nil }, "add", []any{1, 2}, "null <nil>"},
		{"an answer for an unknown method", func(i *hub.Invocation, next next) (any, error) {
			if errors.Is(i.Err(), hub.ErrUnknownMethod) {
				return i.Method(), nil
			}
			return next(i)
		}, "dance", nil, `"dance" <nil>`},
		{"bad arguments are seen", func(i *hub.Invocation, next next) (any, error) {
			return errors.Is(i.Err(), hub.ErrBadArguments), nil
		}, "add", []any{"x"}, "true <nil>"},
		{"a refusal", func(*hub.Invocation, next) (any, error) { return nil, hub.Errorf("no %d", 1) }, "add", []any{1, 2}, " no 1"},
		{"a panic", func(*hub.Invocation, next) (any, error) { panic("on purpose") }, "add", []any{1, 2}, " "},
		{"progress stays", func(i *hub.Invocation, next next) (any, error) { return next(i) }, "work", []any{0}, `"done" <nil>`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := hubtest.NewServer(t, hub.Options{})
			room := newRoom()
			hub.Register[RoomClient](s.Server, "room", room, invoking(test.filter))
			r := s.Connect("", "room").Invoke("room", test.method, test.args...)
			if got := fmt.Sprintf("%s %v", r.Value, r.Err); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			close(room.release)
		})
	}
}

func TestFiltersChangeClientCalls(t *testing.T) {
	s := hubtest.NewServer(t, hub.Options{Filters: []hub.Filter{{
		Send: func(c *hub.ClientCall, next func(*hub.ClientCall) error) error {
			if c.Args[0] == "secret" {
				return errors.New("refused")
			}
			c.Method, c.Args = "renamed", append(c.Args, c.Hub)
			return next(c)
		},
	}}})
	h := hub.Register[RoomClient](s.Server, "room", newRoom())
	c := s.Connect("", "room")
	if err := h.Clients.All().Message("secret"); err == nil || err.Error() != "refused" {
		t.Errorf("got %v", err)
	}
	if err := h.Clients.All().Message("hi"); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.Calls()); got != `[room.renamed("hi","room")]` {
		t.Errorf("got %s", got)
	}
}

func TestAuthorizationOfMethods(t *testing.T) {
	s := hubtest.NewServer(t, hub.Options{})
	hub.Register[RoomClient](s.Server, "room", newRoom(), hub.Use(
		hub.Authorization(hub.Authenticated, "add"),
		hub.Authorization(hub.Users("ann"), "SUM"),
		hub.Authorization(func(_ string, r *http.Request) error {
			if r.Header.Get("X-Key") == "" {
				return &hub.Error{Message: "No key."}
			}
			return nil
		}, "nothing"),
	))
	nobody, bob, ann := s.Connect("", "room"), s.Connect("bob", "room"), s.Connect("ANN", "room")
	for _, test := range []struct {
		client *hubtest.Client
		method string
		args   []any
		kind   codec.Kind
		text   string
	}{
		{nobody, "Add", []any{1, 2}, codec.Unauthorized, "Caller is not authorized to invoke the Add method on room."},
		{bob, "Add", []any{1, 2}, 0, ""},
		{bob, "sum", nil, codec.Unauthorized, "Caller is not authorized to invoke the Sum method on room."},
		{ann, "sum", nil, 0, ""},
		{ann, "nothing", nil, codec.Refused, "No key."},
		{nobody, "echo", []any{1}, 0, ""},
	} {
		err := test.client.Invoke("room", test.method, test.args...).Err
		e, _ := errors.AsType[*hubtest.Error](err)
		if test.text == "" && err != nil || test.text != "" && (e == nil || e.Kind != test.kind || e.Message != test.text) {
			t.Errorf("%s %s: got %v", test.client.User, test.method, err)
		}
	}
}
