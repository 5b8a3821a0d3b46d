package hub

import (
	"errors"
	"fmt"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/persistent"
)

// An Error is what a hub method returns to tell its caller what went wrong:
// the message and the data reach the client as they are. Any other error is
// logged, and the client learns only that something failed.
type Error struct {
	// Message is for people. An empty one reaches clients as a general text.
	Message string

	// Data is for programs: any value that can be encoded, or nil.
	Data any

	// Cause is what lies behind it. It stays on the server.
	Cause error
}

// Errorf returns an Error with the formatted message. An error that is
// formatted with %w becomes its cause.
func Errorf(format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Message: err.Error(), Cause: errors.Unwrap(err)}
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errors of sends and group changes.
var (
	// ErrNoConnection: no live connection has the id.
	ErrNoConnection = persistent.ErrNoConnection

	// ErrEmptyName: a group, a user or a connection was named "".
	ErrEmptyName = errors.New("hub: empty name")

	// ErrCompleted: progress was reported after the method had returned.
	ErrCompleted = errors.New("hub: progress reported on a call that has already completed")

	// ErrOverrun: a client has sent so many items of a stream before the method
	// read them that they did not fit into MaxQueued and MaxQueuedBytes, while
	// it could not be held back: somebody waited for what it says.
	ErrOverrun = errors.New("hub: the client sends faster than the method reads")
)

// Errors of calls that do not reach a method. Filters see them. Clients are
// told in words that name the hub, the method and the argument.
var (
	ErrUnknownMethod = errors.New("hub: unknown method")
	ErrBadArguments  = errors.New("hub: bad arguments")
	ErrUnauthorized  = errors.New("hub: not authorized")
)

// A callError is the error of a call that the hub layer turned down.
type callError struct {
	kind codec.Kind
	text string
}

func (e *callError) Error() string { return e.text }

func (e *callError) Is(target error) bool {
	switch e.kind {
	case codec.NotFound:
		return target == ErrUnknownMethod
	case codec.BadArguments:
		return target == ErrBadArguments
	case codec.Unauthorized:
		return target == ErrUnauthorized
	}
	return false
}

// A panicError is the error of a method that panicked.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// A RegistrationError says why a hub cannot be registered.
type RegistrationError struct {
	// Hub is the name of the hub.
	Hub string

	// Method is the Go method, or the field of the client struct, that does
	// not fit. Empty if it is the hub as a whole.
	Method string

	// Param says which parameter or result, for example "parameter 2 (chan
	// int)". Empty if it is the method as a whole.
	Param string

	// Text says what is wrong.
	Text string
}

// Error returns all of it in one line.
func (e *RegistrationError) Error() string {
	s := fmt.Sprintf("hub %q: ", e.Hub)
	if e.Method != "" {
		s += "method " + e.Method + ": "
	}
	if e.Param != "" {
		s += e.Param + ": "
	}
	return s + e.Text
}
