package hub

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/hubwire/hubwire/hub/codec"
)

// A streamType is a type whose values are streams: an iter.Seq2[T, error] or a
// <-chan T.
type streamType struct {
	typ  reflect.Type
	elem reflect.Type // T
}

// asStream returns t as a stream, or nil.
func asStream(t reflect.Type) *streamType {
	switch {
	case t.Kind() == reflect.Chan && t.ChanDir() == reflect.RecvDir:
		return &streamType{t, t.Elem()}
	case t.Kind() == reflect.Func && t.CanSeq2() && t.In(0).In(1) == errorType:
		return &streamType{t, t.In(0).In(0)}
	}
	return nil
}

// Why the context of a call ends before its connection does.
var (
	errCancelled = errors.New("hub: the client cancelled the stream")
	errStopping  = &Error{Message: "The server is shutting down."}
	errNilStream = errors.New("hub: the method returned a nil stream")
)

// checkMode compares what the client asked for with what the method does. A
// client of a family without streams may call any method.
func (k *call) checkMode() error {
	switch streams := k.method.stream != nil; {
	case streams == k.inv.Stream:
	case !streams:
		return &callError{codec.NotStream, fmt.Sprintf("Method %q does not stream.", k.method.name)}
	case carries(k.conn.codec, &codec.Item{ID: k.inv.ID}):
		return &callError{codec.StreamOnly, fmt.Sprintf("Method %q streams its results.", k.method.name)}
	}
	return nil
}

// carries reports whether the protocol has a way to carry m.
func carries(c codec.Codec, m codec.Outgoing) bool {
	payload, err := c.Encode(m)
	return err == nil && payload != nil
}

// pump sends what the stream, which a method returned, yields. Once it has
// begun it ends as streams do.
func (k *call) pump(stream any) error {
	v := reflect.ValueOf(stream)
	switch {
	case !v.IsValid() || v.Type() == k.method.stream.typ && v.IsNil():
		return errNilStream
	case v.Type() != k.method.stream.typ:
		return fmt.Errorf("hub: a filter made the result of %s.%s a %s", k.hub.name, k.method.name, v.Type())
	}
	k.streams.begun = true
	return guard(func() error {
		if v.Kind() == reflect.Chan {
			return k.pumpChan(v)
		}
		return k.pumpSeq(v)
	})
}

func (k *call) pumpSeq(seq reflect.Value) error {
	for item, failed := range seq.Seq2() {
		if err, _ := failed.Interface().(error); err != nil {
			return err
		}
		if err := k.item(item.Interface()); err != nil {
			return err
		}
	}
	return k.Err()
}

func (k *call) pumpChan(items reflect.Value) error {
	choices := []reflect.SelectCase{
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(k.Done())},
		{Dir: reflect.SelectRecv, Chan: items},
	}
	for {
		chosen, item, ok := reflect.Select(choices)
		if chosen == 0 || !ok {
			return k.Err()
		}
		if err := k.item(item.Interface()); err != nil {
			return err
		}
	}
}

// item sends one item, when there is room for it. Clients of a family without
// streams get it as progress.
func (k *call) item(v any) error {
	if err := k.Err(); err != nil {
		return err
	}
	payload, err := k.conn.codec.Encode(&codec.Item{ID: k.inv.ID, Value: v})
	if payload == nil && err == nil && k.inv.HasID {
		payload, err = k.conn.codec.Encode(&codec.Progress{ID: k.inv.ID, Value: v, State: k.state.changes()})
	}
	if err != nil {
		return fmt.Errorf("hub: item of %s.%s: %w", k.hub.name, k.method.name, err)
	}
	if payload == nil {
		return nil
	}
	return k.conn.sendPaced(k, payload)
}

// broken is why the streams from the client end before their time.
func (k *call) broken() error {
	if cause := context.Cause(k.Context); cause == errCancelled || cause == errStopping {
		return cause
	}
	return k.conn.lost()
}

// outcome is how a call ended whose context may have ended before it. That the
// client wants no more is no error.
func (k *call) outcome(err error) error {
	if err == nil || k.Err() == nil {
		return err
	}
	switch cause := context.Cause(k.Context); {
	case cause == errCancelled:
		k.streams.begun = true
		return nil
	case cause == errStopping && errors.Is(err, context.Canceled):
		return errStopping
	}
	return err
}
