package hubtest

import (
	"encoding/json"
	"iter"
	"reflect"
)

// A source yields what a client sends as a stream, until it ends or until done
// is closed.
type source func(done <-chan struct{}) iter.Seq2[any, error]

// asSource returns v as a stream, or nil.
func asSource(v any) source {
	stream := reflect.ValueOf(v)
	switch {
	case !stream.IsValid():
		return nil
	case stream.Kind() == reflect.Chan && stream.Type().ChanDir()&reflect.RecvDir != 0:
		return func(done <-chan struct{}) iter.Seq2[any, error] { return received(stream, done) }
	case stream.Kind() == reflect.Func && stream.Type().CanSeq2():
		return func(<-chan struct{}) iter.Seq2[any, error] { return yielded(stream) }
	}
	return nil
}

// received are the values that come out of a channel.
func received(items reflect.Value, done <-chan struct{}) iter.Seq2[any, error] {
	choices := []reflect.SelectCase{
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(done)},
		{Dir: reflect.SelectRecv, Chan: items},
	}
	return func(yield func(any, error) bool) {
		for {
			chosen, item, ok := reflect.Select(choices)
			if chosen == 0 || !ok || !yield(item.Interface(), nil) {
				return
			}
		}
	}
}

// yielded are the values of an iter.Seq2[T, error].
func yielded(items reflect.Value) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for item, failed := range items.Seq2() {
			err, _ := failed.Interface().(error)
			if !yield(item.Interface(), err) {
				return
			}
		}
	}
}

// An upload is a stream on its way to a hub method.
type upload struct {
	client *Client
	id     string
	source source
	done   <-chan struct{} // closed when the call is over
}

// send sends the items, and then the end.
func (u *upload) send() {
	end := wire{Type: "answer", ID: u.id}
	for item, err := range u.source(u.done) {
		var value json.RawMessage
		if err == nil {
			value, err = json.Marshal(item)
		}
		if err != nil {
			end.Error = &Error{Message: err.Error()}
			break
		}
		if !u.ready() {
			return
		}
		u.client.tell(wire{Type: "item", ID: u.id, Value: value})
	}
	u.client.tell(end)
}

// ready waits until the server takes more. It reports false if nobody reads any
// more.
func (u *upload) ready() bool {
	for held := u.client.conn.Held(); held != nil; held = u.client.conn.Held() {
		select {
		case <-held:
		case <-u.done:
			return false
		}
	}
	select {
	case <-u.done:
		return false
	default:
		return true
	}
}
