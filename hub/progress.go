package hub

import (
	"fmt"
	"reflect"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/persistent"
)

// Progress lets a hub method tell its caller how far it has got. It is the
// last parameter of the method, and no argument on the wire:
//
//	func (Files) Import(c *hub.Call[Client], url string, p hub.Progress[int]) error
type Progress[T any] struct {
	call *call
}

// Report sends v to the caller. After the method has returned it is refused
// with ErrCompleted. The zero Progress reports to nobody, and so does that of a
// client whose protocol has no progress, such as one of ASP.NET Core: let the
// method stream for those.
func (p Progress[T]) Report(v T) error {
	if p.call == nil {
		return nil
	}
	return p.call.report(v)
}

// A progressParam is a Progress of some type, as a parameter.
type progressParam interface {
	elem() reflect.Type
	of(*call) reflect.Value
}

func (Progress[T]) elem() reflect.Type       { return reflect.TypeFor[T]() }
func (Progress[T]) of(k *call) reflect.Value { return reflect.ValueOf(Progress[T]{k}) }

func asProgress(t reflect.Type) (progressParam, bool) {
	if t.Kind() != reflect.Struct {
		return nil, false
	}
	p, ok := reflect.Zero(t).Interface().(progressParam)
	return p, ok
}

func (k *call) report(v any) error {
	if k.returned.Load() {
		return ErrCompleted
	}
	if !k.inv.HasID {
		return nil
	}
	c := k.conn
	payload, err := c.codec.Encode(&codec.Progress{ID: k.inv.ID, Value: v, State: k.state.changes()})
	if err != nil {
		return fmt.Errorf("hub: progress: %w", err)
	}
	if payload == nil {
		return nil
	}
	return k.hub.server.endpoint.Publish(persistent.Publication{
		Topics:  []string{persistent.ConnTopic(c.id())},
		Payload: single{c.codec.Protocol(), payload},
	})
}
