package hub

import (
	stdencoding "encoding"
	"encoding/json"
	"fmt"
	"reflect"
)

// A direction is which way values of a type go over the wire.
type direction int

const (
	decoding direction = iota // from the client
	encoding                  // to the client
)

// unencodable returns why values of type t cannot go over the wire, or "".
func unencodable(t reflect.Type, d direction) string {
	w := walk{direction: d, seen: make(map[reflect.Type]bool)}
	return w.visit(t, t.String())
}

// A walk goes through a type and everything that it holds.
type walk struct {
	direction
	seen map[reflect.Type]bool
}

// visit checks t. Where says how it was come to.
func (w *walk) visit(t reflect.Type, where string) string {
	if w.seen[t] || w.ownForm(t) {
		return ""
	}
	w.seen[t] = true
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return fmt.Sprintf("%s: a %s cannot go over the wire", where, t.Kind())
	case reflect.Interface:
		return w.visitInterface(t, where)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return w.visit(t.Elem(), where)
	case reflect.Map:
		return w.visitMap(t, where)
	case reflect.Struct:
		return w.visitStruct(t, where)
	}
	return ""
}

// ownForm reports whether the type says itself how it looks on the wire.
func (w *walk) ownForm(t reflect.Type) bool {
	if w.direction == encoding {
		return implements[json.Marshaler](t) || implements[stdencoding.TextMarshaler](t)
	}
	p := reflect.PointerTo(t)
	return implements[json.Unmarshaler](p) || implements[stdencoding.TextUnmarshaler](p)
}

func implements[I any](t reflect.Type) bool { return t.Implements(reflect.TypeFor[I]()) }

func (w *walk) visitInterface(t reflect.Type, where string) string {
	if w.direction == encoding || t.NumMethod() == 0 {
		return ""
	}
	return fmt.Sprintf("%s: the wire does not tell which type to make for interface %s", where, t)
}

func (w *walk) visitMap(t reflect.Type, where string) string {
	switch k := t.Key().Kind(); {
	case w.ownForm(t.Key()), k == reflect.String, k >= reflect.Int && k <= reflect.Uintptr:
	default:
		return fmt.Sprintf("%s: a map with keys of type %s cannot go over the wire", where, t.Key())
	}
	return w.visit(t.Elem(), where)
}

func (w *walk) visitStruct(t reflect.Type, where string) string {
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() && !f.Anonymous || f.Tag.Get("json") == "-" {
			continue
		}
		if why := w.visit(f.Type, where+"."+f.Name); why != "" {
			return why
		}
	}
	return ""
}
