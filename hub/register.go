package hub

import (
	"fmt"
	"reflect"
	"strings"
)

// Register adds a hub to the server: impl's exported methods are what clients
// may call, the fields of C what the server may call on them. The name "" means
// the name of impl's type. Register panics with a [*RegistrationError] if
// anything does not fit; [TryRegister] returns it.
//
// A method takes a *[Call][C] first, then whatever the client sends; a
// variadic last parameter makes trailing arguments optional, a [Progress] last
// one reports progress. It returns nothing, error, T, or (T, error). If T is an
// iter.Seq2[E, error] or a <-chan E, the method streams values of type E; a
// parameter of such a type is a stream from the client. Methods of embedded
// structs count. The methods of [Call]'s life cycle, OnConnected
// and so on, are called by the server and not by clients:
//
//	OnConnected(*hub.Call[C]) error
//	OnReconnected(*hub.Call[C]) error
//	OnDisconnected(c *hub.Call[C], stopCalled bool)
//	OnRejoiningGroups(c *hub.Call[C], groups []string) []string
//
// Calls of one connection run one after another, those of several connections
// at the same time: what they share in impl needs a lock.
func Register[C any](s *Server, name string, impl any, opts ...RegisterOption) *Hub[C] {
	h, err := TryRegister[C](s, name, impl, opts...)
	if err != nil {
		panic(err)
	}
	return h
}

// TryRegister is [Register] for those who can go on without the hub.
func TryRegister[C any](s *Server, name string, impl any, opts ...RegisterOption) (*Hub[C], error) {
	set := settings{hub: name, rename: map[string]string{}, hidden: map[string]bool{}, width: 1}
	for _, o := range opts {
		o(&set)
	}
	h, err := newHub[C](s, name, impl, &set)
	if err != nil {
		return nil, err
	}
	if err := s.add(h.core); err != nil {
		return nil, err
	}
	return h, nil
}

// A RegisterOption changes how a hub is registered.
type RegisterOption func(*settings)

// settings are what the options of a registration say.
type settings struct {
	hub     string
	rename  map[string]string
	hidden  map[string]bool
	width   int
	filters []Filter

	presence *presence
}

// MethodName gives the Go method a name of its own on the wire.
func MethodName(method, wire string) RegisterOption {
	return func(s *settings) { s.rename[method] = wire }
}

// Hide keeps exported methods from clients, for example those of an embedded
// sync.Mutex. They need not fit.
func Hide(methods ...string) RegisterOption {
	return func(s *settings) {
		for _, m := range methods {
			s.hidden[m] = true
		}
	}
}

// Concurrently lets up to n calls of one connection to this hub run at the
// same time. By default there is one, and they run in order.
func Concurrently(n int) RegisterOption {
	return func(s *settings) { s.width = n }
}

// Use adds filters to the hub, inside those of the server. The first one is
// outermost.
func Use(filters ...Filter) RegisterOption {
	return func(s *settings) { s.filters = append(s.filters, filters...) }
}

// checkName returns the name of the hub, or what is wrong with it.
func checkName(s *Server, name string, impl any) (wire string, explicit bool, err error) {
	explicit = name != ""
	if !explicit {
		name = typeName(impl)
	}
	bad := func(format string, args ...any) (string, bool, error) {
		return "", false, &RegistrationError{Hub: name, Text: fmt.Sprintf(format, args...)}
	}
	switch {
	case name == "":
		return bad("the hub has no name, and neither has its type %T", impl)
	case strings.ContainsFunc(name, unfit):
		return bad("a hub's name may hold letters, digits, \"-\" and \"_\" only")
	case s.reserved(name):
		return bad("the name is that of a path below the server's own")
	}
	return name, explicit, nil
}

// unfit reports whether r has no place in a hub's name. A dot ends the name in
// the names of groups, the others stand for themselves in no URL.
func unfit(r rune) bool {
	if r < 0x80 {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_'
	}
	return r == '\uFFFD' || r < 0xA0
}

// typeName is the name of the value's type, without type arguments.
func typeName(impl any) string {
	t := reflect.TypeOf(impl)
	if t == nil {
		return ""
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name, _, _ := strings.Cut(t.Name(), "[")
	return name
}
