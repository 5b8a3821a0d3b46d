package hub

import (
	"errors"
	"net/http"
	"slices"
	"strings"
)

// A Rule says whether a user, "" for nobody, may do something, judging by the
// request as well. The text of an *Error reaches the client; a
// *negotiate.Refusal is the answer to a request that is refused. Any other
// error is a plain no.
type Rule func(user string, r *http.Request) error

var errDenied = errors.New("hub: denied")

// Authenticated is the Rule that lets in who is known.
func Authenticated(user string, _ *http.Request) error {
	if user == "" {
		return errDenied
	}
	return nil
}

// Users returns the Rule that lets in the users with the names, in any case.
func Users(names ...string) Rule {
	return func(user string, _ *http.Request) error {
		if user != "" && slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, user) }) {
			return nil
		}
		return errDenied
	}
}

// Authorization returns the filter that asks rule. Without methods it guards
// the whole hub: listening to it, and each call. With methods it guards calls
// of those, by their names on the wire in any case.
//
// A request whose hubs are all denied is refused before it does anything: with
// 401 if nobody is known and 403 otherwise. A call that is denied fails.
func Authorization(rule Rule, methods ...string) Filter {
	f := Filter{
		Invoke: func(i *Invocation, next func(*Invocation) (any, error)) (any, error) {
			if len(methods) > 0 && !slices.ContainsFunc(methods, func(m string) bool { return strings.EqualFold(m, i.Method()) }) {
				return next(i)
			}
			if err := rule(i.User, i.Request()); err != nil {
				if e, ok := errors.AsType[*Error](err); ok {
					return nil, e
				}
				return nil, unauthorizedCall(i)
			}
			return next(i)
		},
	}
	if len(methods) == 0 {
		f.Authorize = func(a *Attempt) error { return rule(a.User, a.Request) }
	}
	return f
}
