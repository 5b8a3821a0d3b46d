package hub

import (
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
)

// events are a hub's life-cycle methods. They do nothing where the hub has
// none.
type events struct {
	connected    func(*call) error
	reconnected  func(*call) error
	disconnected func(k *call, stopCalled bool)
	rejoining    func(k *call, groups []string) []string
}

var eventNames = []string{"OnConnected", "OnReconnected", "OnDisconnected", "OnRejoiningGroups"}

// isEvent reports whether a method of that name is no business of clients.
func isEvent(name string) bool {
	return slices.ContainsFunc(eventNames, func(e string) bool { return strings.EqualFold(e, name) })
}

// planEvents finds impl's life-cycle methods.
func planEvents[C any](b *binding[C], impl any, set *settings) (events, error) {
	e := events{
		connected:    func(*call) error { return nil },
		reconnected:  func(*call) error { return nil },
		disconnected: func(*call, bool) {},
		rejoining:    func(_ *call, groups []string) []string { return groups },
	}
	fits := make(map[string]bool)
	if v, ok := impl.(interface{ OnConnected(*Call[C]) error }); ok {
		e.connected = func(k *call) error { return v.OnConnected(newCall(b, k)) }
		fits["OnConnected"] = true
	}
	if v, ok := impl.(interface{ OnReconnected(*Call[C]) error }); ok {
		e.reconnected = func(k *call) error { return v.OnReconnected(newCall(b, k)) }
		fits["OnReconnected"] = true
	}
	if v, ok := impl.(interface{ OnDisconnected(*Call[C], bool) }); ok {
		e.disconnected = func(k *call, stopCalled bool) { v.OnDisconnected(newCall(b, k), stopCalled) }
		fits["OnDisconnected"] = true
	}
	if v, ok := impl.(interface {
		OnRejoiningGroups(*Call[C], []string) []string
	}); ok {
		e.rejoining = func(k *call, groups []string) []string { return v.OnRejoiningGroups(newCall(b, k), groups) }
		fits["OnRejoiningGroups"] = true
	}
	return e, checkEvents(set.hub, impl, fits, reflect.TypeFor[*Call[C]]())
}

// checkEvents finds methods that have the name of a life-cycle method, more or
// less, and would never be called.
func checkEvents(hub string, impl any, fits map[string]bool, callType reflect.Type) error {
	t := reflect.TypeOf(impl)
	if t == nil {
		return nil
	}
	signatures := map[string]string{
		"OnConnected":       fmt.Sprintf("func(%s) error", callType),
		"OnReconnected":     fmt.Sprintf("func(%s) error", callType),
		"OnDisconnected":    fmt.Sprintf("func(%s, bool)", callType),
		"OnRejoiningGroups": fmt.Sprintf("func(%s, []string) []string", callType),
	}
	for i := range t.NumMethod() {
		name := t.Method(i).Name
		switch {
		case !isEvent(name) || fits[name]:
		case signatures[name] == "":
			return &RegistrationError{Hub: hub, Method: name, Text: "its name is that of a life-cycle method in another case"}
		default:
			return &RegistrationError{Hub: hub, Method: name, Text: "a life-cycle method of this name must be a " + signatures[name]}
		}
	}
	return nil
}

// guard runs code of the program. A panic becomes an error.
func guard(f func() error) (err error) {
	defer catch(&err)
	return f()
}

// catch, deferred, makes a panic the error.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = &panicError{p, debug.Stack()}
	}
}
