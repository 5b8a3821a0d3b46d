package core

import (
	"bytes"
	stdencoding "encoding"
	"encoding/json"
	"errors"
	"reflect"
	"sync"
	"time"

	msgpack "github.com/hashicorp/go-msgpack/v2/codec"

	"github.com/hubwire/hubwire/hub/codec"
)

// Values is the encoding of values in MessagePack.
var Values codec.Encoding = values{}

type values struct{}

// handle configures the library: names from json tags, timestamps and byte
// arrays as such, strings that are strings, whole numbers that are int64, and
// bounds for what clients send.
var handle = func() *msgpack.MsgpackHandle {
	h := new(msgpack.MsgpackHandle)
	h.TypeInfos = msgpack.NewTypeInfos([]string{"json"})
	h.WriteExt = true
	h.MapType = reflect.TypeFor[map[string]any]()
	h.SignedInteger = true
	h.MaxDepth = maxDepth
	return h
}()

// Name returns "messagepack".
func (values) Name() string { return "messagepack" }

// Marshal returns the encoding of v.
func (values) Marshal(v any) ([]byte, error) {
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && p.IsNil() {
		v = nil // the library follows it
	}
	if v != nil && ownForm(reflect.TypeOf(v)) {
		var err error
		if v, err = viaJSON(v); err != nil {
			return nil, err
		}
	}
	e := encoders.Get().(*encoder)
	e.buf = e.buf[:0]
	e.ResetBytes(&e.buf)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	b := bytes.Clone(e.buf)
	if cap(e.buf) <= maxKept {
		encoders.Put(e)
	}
	return b, nil
}

// An encoder is used again: it takes more than a kilobyte.
type encoder struct {
	*msgpack.Encoder
	buf []byte
}

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.Encoder = msgpack.NewEncoderBytes(&e.buf, handle)
	return e
}}

// maxKept bounds what the pool keeps of a large value.
const maxKept = 64 << 10

// MarshalList returns the encoding of an array of the values.
func (e values) MarshalList(vs []any) ([]byte, error) {
	b := appendArray(nil, len(vs))
	for _, v := range vs {
		p, err := e.Marshal(v)
		if err != nil {
			return nil, err
		}
		b = append(b, p...)
	}
	return b, nil
}

func appendArray(b []byte, n int) []byte {
	switch {
	case n < 16:
		return append(b, 0x90|byte(n))
	case n < 1<<16:
		return append(b, 0xdc, byte(n>>8), byte(n))
	}
	return append(b, 0xdd, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// Unmarshal decodes one value into v, a pointer.
func (values) Unmarshal(data []byte, v any) error {
	if foreign(data) { // which the library makes a value of its own
		return errForeign
	}
	if !ownForm(reflect.TypeOf(v).Elem()) {
		return msgpack.NewDecoderBytes(data, handle).Decode(v)
	}
	var plain any
	if err := msgpack.NewDecoderBytes(data, handle).Decode(&plain); err != nil {
		return err
	}
	text, err := codec.JSON.Marshal(plain)
	if err != nil {
		return err
	}
	return codec.JSON.Unmarshal(text, v)
}

var errForeign = errors.New("the value has an extension that is no timestamp")

// foreign reports whether a value holds an extension that stands for nothing.
func foreign(data []byte) bool {
	r := reader{b: data}
	r.skip(0)
	return r.foreign
}

// viaJSON returns the value that the JSON of v stands for, numbers whole where
// they are.
func viaJSON(v any) (any, error) {
	text, err := codec.JSON.Marshal(v)
	if err != nil {
		return nil, err
	}
	var plain any
	if err := codec.JSON.Unmarshal(text, &plain); err != nil {
		return nil, err
	}
	return whole(plain), nil
}

// whole makes the numbers of a JSON value integers, as JavaScript clients do.
func whole(v any) any {
	switch v := v.(type) {
	case float64:
		if n := int64(v); float64(n) == v && n > -1<<53 && n < 1<<53 {
			return n
		}
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = whole(v[k])
		}
	}
	return v
}

// ownForms remembers the outcome of ownForm by type.
var ownForms sync.Map

// ownForm reports whether a type, or one that it holds, says itself how it looks
// in JSON or in text, which the library knows nothing of, or has no form at all,
// which it does not mind.
func ownForm(t reflect.Type) bool {
	if own, ok := ownForms.Load(t); ok {
		return own.(bool)
	}
	own := holdsOwnForm(t, make(map[reflect.Type]bool))
	ownForms.Store(t, own)
	return own
}

var timeType = reflect.TypeFor[time.Time]()

func holdsOwnForm(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || t == timeType {
		return false
	}
	seen[t] = true
	p := reflect.PointerTo(t)
	if t.Kind() != reflect.Interface && (is[json.Marshaler](p) || is[stdencoding.TextMarshaler](p) ||
		is[json.Unmarshaler](p) || is[stdencoding.TextUnmarshaler](p)) {
		return true
	}
	switch t.Kind() {
	case reflect.Chan, reflect.Func:
		return true
	case reflect.Map:
		return holdsOwnForm(t.Key(), seen) || holdsOwnForm(t.Elem(), seen) || t.Key().Kind() != reflect.String
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return holdsOwnForm(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); (f.IsExported() || f.Anonymous) && holdsOwnForm(f.Type, seen) {
				return true
			}
		}
	}
	return false
}

func is[I any](t reflect.Type) bool { return t.Implements(reflect.TypeFor[I]()) }
