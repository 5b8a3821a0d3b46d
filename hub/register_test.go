package hub_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"

	"github.com/hubwire/hubwire/hub"
)

type (
	call = hub.Call[Client]

	noCall       struct{}
	otherCall    struct{}
	chanParam    struct{}
	funcParam    struct{}
	complexParam struct{}
	nestedParam  struct{}
	ifaceParam   struct{}
	mapParam     struct{}
	twoCalls     struct{}
	threeResults struct{}
	twoValues    struct{}
	twoErrors    struct{}
	chanResult   struct{}
	streamResult struct{}
	uploadParam  struct{}
	midProgress  struct{}
	chanProgress struct{}
	pointerRecv  struct{}
	byCase       struct{}
	badConnected struct{}
	badDisc      struct{}
	oddConnected struct{}
	mutexHub     struct {
		*sync.Mutex
		Chat
	}
	deep struct {
		Fine string
		List []struct{ Bad map[string]chan int }
	}
	fine struct{}
)

var _ = unexported{}.f // for linters: the field is what the test is about

func (noCall) Join(string) error                                           { return nil }
func (otherCall) Join(*hub.Call[hub.Sender], string) error                 { return nil }
func (chanParam) Join(*call, chan int) error                               { return nil }
func (funcParam) Join(*call, string, func()) error                         { return nil }
func (complexParam) Join(*call, complex128) error                          { return nil }
func (nestedParam) Join(*call, deep) error                                 { return nil }
func (ifaceParam) Join(*call, error) error                                 { return nil }
func (mapParam) Join(*call, map[bool]int) error                            { return nil }
func (twoCalls) Join(*call, *call) error                                   { return nil }
func (threeResults) Join(*call) (int, string, error)                       { return 0, "", nil }
func (twoValues) Join(*call) (int, string)                                 { return 0, "" }
func (twoErrors) Join(*call) (error, error)                                { return nil, nil }
func (chanResult) Join(*call) chan int                                     { return nil }
func (streamResult) Join(*call) iter.Seq2[chan int, error]                 { return nil }
func (uploadParam) Join(*call, <-chan chan int) error                      { return nil }
func (midProgress) Join(*call, hub.Progress[int], string) error            { return nil }
func (chanProgress) Join(*call, hub.Progress[chan int]) error              { return nil }
func (*pointerRecv) Join(*call) error                                      { return nil }
func (byCase) Join(*call) error                                            { return nil }
func (byCase) JOIN(*call) error                                            { return nil }
func (badConnected) OnConnected(*call)                                     {}
func (badDisc) OnDisconnected(*call) error                                 { return nil }
func (oddConnected) Onconnected(*call) error                               { return nil }
func (fine) Join(*call, string, ...int) (map[string]any, error)            { return nil, nil }
func (fine) Nothing(*call)                                                 {}
func (fine) Only(*call) error                                              { return nil }
func (fine) Value(*call, any, []byte, struct{ b chan int }) (_ int)        { return 0 }
func (fine) Slow(*call, string, hub.Progress[float64]) (_ string, _ error) { return "", nil }

type (
	notStruct   int
	plainField  struct{ Name string }
	noError     struct{ F func(string) }
	clientValue struct {
		F func(string) (chan int, error)
	}
	clientThree struct{ F func() (int, int, error) }
	contextLate struct {
		F func(string, context.Context) (int, error)
	}
	contextVoid struct{ F func(context.Context) error }
	chanArg     struct{ F func(chan int) error }
	unexported  struct{ f func() error }
	emptyTag    struct {
		F func() error `hub:""`
	}
	twice struct {
		Say  func() error
		Talk func() error `hub:"SAY"`
	}
)

func TestBadHubs(t *testing.T) {
	reg := hub.TryRegister[Client]
	for _, test := range []struct {
		name string
		err  func(s *hub.Server) error
		want string // in the text, beside the hub's name
	}{
		{"nil", second(reg, "bad", nil), "the hub is nil"},
		{"nil pointer", second(reg, "bad", (*Chat)(nil)), "nil *hub_test.Chat"},
		{"no name", func(s *hub.Server) error { _, err := reg(s, "", struct{}{}); return err }, "has no name"},
		{"dot", second(reg, "bad.hub", Chat{}), "letters, digits"},
		{"slash", second(reg, "bad/hub", Chat{}), "letters, digits"},
		{"space", second(reg, "bad hub", Chat{}), "letters, digits"},
		{"reserved", second(reg, "Negotiate", Chat{}), "path below"},
		{"reserved script", second(reg, "hubs", Chat{}), "path below"},
		{"taken", second(reg, "CHAT", Chat{}), `hub named "chat" is registered already`},
		{"no call", second(reg, "bad", noCall{}), "method Join: the first parameter must be *hub.Call[github.com/hubwire/hubwire/hub_test.Client], but it is string"},
		{"other client", second(reg, "bad", otherCall{}), "method Join: the first parameter must be"},
		{"chan parameter", second(reg, "bad", chanParam{}), "method Join: parameter 2 (chan int): chan int: a chan cannot"},
		{"func parameter", second(reg, "bad", funcParam{}), "method Join: parameter 3 (func()): func(): a func cannot"},
		{"complex parameter", second(reg, "bad", complexParam{}), "parameter 2 (complex128)"},
		{"nested parameter", second(reg, "bad", nestedParam{}), "parameter 2 (hub_test.deep): hub_test.deep.List.Bad: a chan cannot"},
		{"interface parameter", second(reg, "bad", ifaceParam{}), "parameter 2 (error): error: the wire does not tell which type"},
		{"map parameter", second(reg, "bad", mapParam{}), "keys of type bool"},
		{"two calls", second(reg, "bad", twoCalls{}), "parameter 2 (*hub.Call"},
		{"three results", second(reg, "bad", threeResults{}), "result 3 (error)"},
		{"two values", second(reg, "bad", twoValues{}), "result 2 (string): the second of two results must be error"},
		{"two errors", second(reg, "bad", twoErrors{}), "result 1 (error)"},
		{"chan result", second(reg, "bad", chanResult{}), "result 1 (chan int)"},
		{"stream of chans", second(reg, "bad", streamResult{}), "result 1 (iter.Seq2[chan int,error])"},
		{"upload of chans", second(reg, "bad", uploadParam{}), "parameter 2 (<-chan chan int)"},
		{"progress in the middle", second(reg, "bad", midProgress{}), "parameter 2 (hub.Progress[int]): progress must be the last"},
		{"progress of a chan", second(reg, "bad", chanProgress{}), "parameter 2 (hub.Progress[chan int])"},
		{"pointer receiver", second(reg, "bad", pointerRecv{}), "register a *hub_test.pointerRecv"},
		{"names that differ by case", second(reg, "bad", byCase{}), "clients cannot tell it from method JOIN"},
		{"wrong OnConnected", second(reg, "bad", badConnected{}), "method OnConnected: a life-cycle method of this name must be a func"},
		{"wrong OnDisconnected", second(reg, "bad", badDisc{}), "method OnDisconnected"},
		{"odd OnConnected", second(reg, "bad", oddConnected{}), "in another case"},
		{"embedded mutex", second(reg, "bad", mutexHub{}), "method Lock: the first parameter must be"},
		{"empty wire name", second(reg, "bad", Chat{}, hub.MethodName("Join", "")), "method Join: its name on the wire is empty"},
		{"life-cycle wire name", second(reg, "bad", Chat{}, hub.MethodName("Join", "onconnected")), "life-cycle"},
		{"taken wire name", second(reg, "bad", Chat{}, hub.MethodName("Join", "say")), "method Say: clients cannot tell it"},
		{"option for nothing", second(reg, "bad", Chat{}, hub.Hide("Joni")), "method Joni: an option names it"},
		{"no concurrency", second(reg, "bad", Chat{}, hub.Concurrently(0)), "Concurrently"},
		{"client is no struct", second(hub.TryRegister[notStruct], "bad", fine{}), "the client type hub_test.notStruct is not a struct"},
		{"client field", second(hub.TryRegister[plainField], "bad", fine{}), "method Name of the client: a field"},
		{"client func without error", second(hub.TryRegister[noError], "bad", fine{}), "method F of the client: its last result must be error"},
		{"client func with a value", second(hub.TryRegister[clientValue], "bad", fine{}), "method F of the client: result 1 (chan int)"},
		{"client func with three results", second(hub.TryRegister[clientThree], "bad", fine{}), "method F of the client: a client method returns error, or (T, error)"},
		{"client func with a late context", second(hub.TryRegister[contextLate], "bad", fine{}), "method F of the client: parameter 2 (context.Context)"},
		{"client func with a vain context", second(hub.TryRegister[contextVoid], "bad", fine{}), "method F of the client: parameter 1 (context.Context)"},
		{"client func with a chan", second(hub.TryRegister[chanArg], "bad", fine{}), "method F of the client: parameter 1 (chan int)"},
		{"unexported client func", second(hub.TryRegister[unexported], "bad", fine{}), "method f of the client: the field is not exported"},
		{"client func without a name", second(hub.TryRegister[emptyTag], "bad", fine{}), "method F of the client: its name"},
		{"client funcs of one name", second(hub.TryRegister[twice], "bad", fine{}), "method SAY of the client: there are two"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, hub.Options{})
			hub.Register[Client](s, "chat", Chat{})
			err := test.err(s)
			e, ok := errors.AsType[*hub.RegistrationError](err)
			if !ok {
				t.Fatalf("got %v, want a RegistrationError", err)
			}
			if !strings.HasPrefix(err.Error(), `hub "`) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want %q in it (%+v)", err, test.want, e)
			}
		})
	}
}

// second returns a func that registers a hub.
func second[C any](
	register func(*hub.Server, string, any, ...hub.RegisterOption) (*hub.Hub[C], error),
	name string, impl any, opts ...hub.RegisterOption,
) func(*hub.Server) error {
	return func(s *hub.Server) error {
		_, err := register(s, name, impl, opts...)
		return err
	}
}

func TestGoodHubs(t *testing.T) {
	s := newServer(t, hub.Options{})
	for name, impl := range map[string]any{
		"a": fine{}, "b": &fine{}, "c": &pointerRecv{}, "d": struct{ Chat }{}, "été": Chat{}, "e-f_1": Chat{}, "f": struct{}{},
	} {
		if h, err := hub.TryRegister[Client](s, name, impl); err != nil || h.Name() != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := hub.TryRegister[Client](s, "g", mutexHub{Mutex: new(sync.Mutex)}, hub.Hide("Lock", "Unlock", "TryLock")); err != nil {
		t.Error(err)
	}
	if h := hub.Register[struct {
		hub.Sender
		Client
	}](s, "h", struct{}{}); h.Clients.All().Sender.Send("x") != nil || h.Clients.All().AddMessage("a", "b") != nil {
		t.Error("embedded client structs must be bound")
	}
}

func TestHubIsNamedForItsType(t *testing.T) {
	s := newServer(t, hub.Options{})
	if got := hub.Register[Client](s, "", &Chat{}).Name(); got != "Chat" {
		t.Errorf("got %q", got)
	}
	if got := hub.Register[Client](s, "", generic[int]{}).Name(); got != "generic" {
		t.Errorf("got %q", got)
	}
}

type generic[T any] struct{}

func TestRegisterPanics(t *testing.T) {
	defer func() {
		if _, ok := recover().(*hub.RegistrationError); !ok {
			t.Error("want a panic with a *RegistrationError")
		}
	}()
	hub.Register[Client](newServer(t, hub.Options{}), "chat", noCall{})
}

func TestBadOptions(t *testing.T) {
	o := hub.Options{MaxHubs: -1}
	if o.Validate() == nil {
		t.Error("a negative limit must be an error")
	}
	defer func() {
		if recover() == nil {
			t.Error("want a panic")
		}
	}()
	hub.NewServer(o)
}
