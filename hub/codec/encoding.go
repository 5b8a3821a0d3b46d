package codec

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/goccy/go-json"
)

// An Encoding turns Go values into bytes and back. Its methods are called from
// many goroutines at the same time. Encodings are compared with ==.
type Encoding interface {
	// Name is a short word, for example "json".
	Name() string

	// Marshal returns the encoding of v.
	Marshal(v any) ([]byte, error)

	// MarshalList returns the encoding of a list of the values.
	MarshalList(vs []any) ([]byte, error)

	// Unmarshal decodes one value into v, a pointer.
	Unmarshal(data []byte, v any) error
}

// JSON is the encoding of encoding/json, made by a faster library. A fuzz test
// holds the two to the same results.
var JSON Encoding = jsonEncoding{}

type jsonEncoding struct{}

func (jsonEncoding) Name() string { return "json" }

// Marshal copies plain strings, the most common results.
func (jsonEncoding) Marshal(v any) ([]byte, error) {
	if s, ok := v.(string); ok && isPlain(s) {
		return appendPlain(make([]byte, 0, len(s)+2), s), nil
	}
	return json.Marshal(v)
}

func (jsonEncoding) MarshalList(vs []any) ([]byte, error) {
	if len(vs) == 0 {
		return []byte("[]"), nil
	}
	return json.Marshal(vs)
}

// Unmarshal copies plain strings, the most common arguments.
func (jsonEncoding) Unmarshal(data []byte, v any) error {
	if s, ok := v.(*string); ok && len(data) >= 2 && data[0] == '"' && data[len(data)-1] == '"' {
		if text := data[1 : len(data)-1]; isPlain(text) {
			*s = string(text)
			return nil
		}
	}
	return json.Unmarshal(data, v)
}

// AppendString appends s as a JSON string. Names and ids are mostly copied.
func AppendString(b []byte, s string) []byte {
	if isPlain(s) {
		return appendPlain(b, s)
	}
	q, err := json.Marshal(s)
	if err != nil { // cannot happen: invalid UTF-8 is replaced
		return strconv.AppendQuoteToASCII(b, s)
	}
	return append(b, bytes.TrimSpace(q)...)
}

func appendPlain(b []byte, s string) []byte { return append(append(append(b, '"'), s...), '"') }

// isPlain reports whether s stands in JSON as it is.
func isPlain[T string | []byte](s T) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20, c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}

// Args are the arguments of one call to clients, encoded as a list in each of
// several encodings. Once made they do not change, so that one call is shared
// by all of its receivers.
type Args struct {
	first part
	rest  []part
}

type part struct {
	encoding Encoding
	data     []byte
}

// EncodeArgs encodes the values in each of the encodings, of which there must
// be one at least.
func EncodeArgs(encodings []Encoding, values []any) (*Args, error) {
	a := new(Args)
	for i, e := range encodings {
		data, err := e.MarshalList(values)
		if err != nil {
			return nil, argError(e, values, err)
		}
		if i == 0 {
			a.first = part{e, data}
			continue
		}
		a.rest = append(a.rest, part{e, data})
	}
	return a, nil
}

// argError names the argument that does not encode.
func argError(e Encoding, values []any, err error) error {
	i := slices.IndexFunc(values, func(v any) bool {
		_, err := e.Marshal(v)
		return err != nil
	})
	if i < 0 {
		return err
	}
	return fmt.Errorf("argument %d (%T): %w", i+1, values[i], err)
}

// In returns the list in the encoding, or nil if it was not encoded so.
func (a *Args) In(e Encoding) []byte {
	if a.first.encoding == e {
		return a.first.data
	}
	for _, p := range a.rest {
		if p.encoding == e {
			return p.data
		}
	}
	return nil
}

// Size is the length of the longest form.
func (a *Args) Size() int {
	n := len(a.first.data)
	for _, p := range a.rest {
		n = max(n, len(p.data))
	}
	return n
}
