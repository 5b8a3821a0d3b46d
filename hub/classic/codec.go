package classic

import (
	"net/http"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/goccy/go-json"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/negotiate"
	wire "github.com/hubwire/hubwire/persistent/classic"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// MaxState is how long the state in an invocation may be, in UTF-16 units
// (classic.md 6.2).
const MaxState = 4096

// maxDepth bounds the nesting of an argument and of the state (6.6, 6.7).
const maxDepth = 20

// The words of Q, which is an addition of this project to the messages of
// SignalR 2: see docs/compatibility.md.
const (
	wordStream = "stream" // an invocation whose progress is a stream
	wordCancel = "cancel" // of such a stream
	wordAnswer = "answer" // to a call by the server that has an id
	wordTaken  = "taken"  // a receipt for any of these
)

// Codec reads and writes the messages of classic.JSON.
type Codec struct {
	answers bool // the client can answer calls
}

var _ codec.Varying = Codec{}

// For returns the codec for the client that made the request. Those that can
// answer the server's calls say so by answers=1 in the query.
func (Codec) For(r *http.Request) codec.Codec {
	return Codec{answers: negotiate.ParseQuery(r.URL.RawQuery).Get("answers") == "1"}
}

// Protocol returns classic.JSON.
func (Codec) Protocol() *messagelog.Protocol { return wire.JSON }

// Encoding returns codec.JSON.
func (Codec) Encoding() codec.Encoding { return codec.JSON }

// An envelope is the wire form of an invocation, or of what Q says. Keys match
// in any case.
type envelope struct {
	H string            `json:"H"`
	M string            `json:"M"`
	A []json.RawMessage `json:"A"`
	I json.RawMessage   `json:"I"`
	S json.RawMessage   `json:"S"`

	Q string          `json:"Q"`
	R json.RawMessage `json:"R"`
	E *string         `json:"E"`
}

// Decode reads an invocation, or an addition of this project.
func (Codec) Decode(payload []byte) (codec.Incoming, error) {
	if !utf8.Valid(payload) {
		return nil, &codec.Malformed{Text: "the payload is not UTF-8"}
	}
	if in := readFlat(payload); in != nil {
		return in, nil
	}
	var e envelope
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, salvage(payload, err)
	}
	switch e.Q {
	case wordCancel, wordAnswer:
		return e.aside(payload)
	}
	in := &codec.Invocation{Hub: e.H, Method: e.M, Args: rawArgs(e.A), Stream: e.Q == wordStream, Detached: e.Q == wordStream}
	in.ID, in.HasID = parseID(e.I)
	bad := func(text string) (codec.Incoming, error) {
		return nil, &codec.Malformed{ID: in.ID, HasID: in.HasID, Hub: e.H, Method: e.M, Text: text}
	}
	switch {
	case len(e.I) > 0 && !in.HasID && !isNull(e.I):
		return bad("the invocation id is neither a number nor a string")
	case in.Stream && !in.HasID:
		return bad("the stream has no id")
	case e.H == "":
		return bad("the invocation names no hub")
	case e.M == "":
		return bad("the invocation names no method")
	case utf16Len(e.S) > MaxState:
		return bad("State has exceeded the maximum length of 4096 bytes.")
	case codec.Nesting(payload) > maxDepth+2:
		return bad("the invocation is nested too deeply")
	}
	if len(e.S) > 0 && !isNull(e.S) {
		state, ok := parseState(e.S)
		if !ok {
			return bad("the state is not an object")
		}
		in.State = state
	}
	return in, nil
}

// aside is a message that is no invocation.
func (e *envelope) aside(payload []byte) (codec.Incoming, error) {
	id, ok := parseID(e.I)
	switch {
	case !ok:
		return nil, &codec.Malformed{Text: "the message has no id"}
	case e.Q == wordCancel:
		return &codec.Cancel{ID: id}, nil
	case e.E != nil:
		return &codec.Answer{ID: id, Error: *e.E, Failed: true}, nil
	case codec.Nesting(payload) > maxDepth+1:
		return &codec.Answer{ID: id, Error: "the answer is nested too deeply", Failed: true}, nil
	}
	return &codec.Answer{ID: id, Result: codec.Raw(e.R), HasResult: e.R != nil}, nil
}

// salvage makes the error of a payload that is not an invocation, with the
// invocation's id where there is one to be read.
func salvage(payload []byte, cause error) *codec.Malformed {
	m := &codec.Malformed{Text: "the payload is not an invocation: " + cause.Error()}
	var keys map[string]json.RawMessage
	if json.Unmarshal(payload, &keys) != nil {
		return m
	}
	for k, v := range keys {
		switch k {
		case "I", "i":
			m.ID, m.HasID = parseID(v)
		case "H", "h":
			m.Hub = parseString(v)
		case "M", "m":
			m.Method = parseString(v)
		}
	}
	return m
}

func rawArgs(in []json.RawMessage) []codec.Raw {
	if len(in) == 0 {
		return nil
	}
	out := make([]codec.Raw, len(in))
	for i, a := range in {
		out[i] = a
	}
	return out
}

// parseID returns the id as text: JS sends numbers, the other clients strings.
func parseID(raw []byte) (id string, ok bool) {
	switch {
	case len(raw) == 0:
		return "", false
	case raw[0] == '"':
		return parseString(raw), true
	case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
		return string(raw), true
	}
	return "", false
}

func parseString(raw []byte) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func parseState(raw []byte) (codec.State, bool) {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return nil, false
	}
	s := make(codec.State, len(m))
	for k, v := range m {
		s[k] = v
	}
	return s, true
}

func isNull(raw []byte) bool { return string(raw) == "null" }

// utf16Len is the length of the text as JavaScript counts it.
func utf16Len(text []byte) int {
	n := 0
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		n += max(utf16.RuneLen(r), 1)
		text = text[size:]
	}
	return n
}

// Encode writes a client call (6.5), a result (6.3), a progress report (6.4) or
// a receipt.
func (c Codec) Encode(m codec.Outgoing) ([]byte, error) {
	switch m := m.(type) {
	case *codec.Call:
		if m.ID != "" && !c.answers {
			return nil, nil // the official clients cannot answer
		}
		return encodeCall(m), nil
	case *codec.Completion:
		return encodeResult(m)
	case *codec.Progress:
		return encodeProgress(m)
	case *codec.Receipt:
		if !c.answers {
			return nil, nil // the official clients take it for a result
		}
		return append(codec.AppendString([]byte(`{"I":`), m.ID), `,"Q":"`+wordTaken+`"}`...), nil
	}
	return nil, nil
}

func encodeCall(c *codec.Call) []byte {
	args := c.Args.In(codec.JSON)
	b := make([]byte, 0, len(`{"H":"","M":"","A":}`)+len(c.Hub)+len(c.Method)+len(args))
	b = append(b, `{"H":`...)
	b = codec.AppendString(b, c.Hub)
	b = append(b, `,"M":`...)
	b = codec.AppendString(b, c.Method)
	b = append(b, `,"A":`...)
	b = append(b, args...)
	if c.ID != "" {
		b = codec.AppendString(append(b, `,"I":`...), c.ID)
	}
	b = appendState(b, `,"S":`, c.State)
	return append(b, '}')
}

// encodeResult keeps the key order of the reference server: S R I P H E T D.
func encodeResult(c *codec.Completion) ([]byte, error) {
	var r []byte
	if c.HasResult && c.Fault == nil {
		var err error
		if r, err = codec.JSON.Marshal(c.Result); err != nil {
			return nil, err
		}
	}
	b := append(make([]byte, 0, len(`{"R":,"I":""}`)+len(r)+len(c.ID)), '{')
	if len(c.State) > 0 {
		b = append(appendState(b, `"S":`, c.State), ',')
	}
	if len(r) > 0 && !isNull(r) {
		b = append(append(append(b, `"R":`...), r...), ',')
	}
	b = append(b, `"I":`...)
	if c.HasID {
		b = codec.AppendString(b, c.ID)
	} else {
		b = append(b, "null"...)
	}
	if c.Fault != nil {
		return appendFault(b, c.Fault)
	}
	return append(b, '}'), nil
}

func appendFault(b []byte, f *codec.Fault) ([]byte, error) {
	if f.Kind == codec.Refused {
		b = append(b, `,"H":true`...)
	}
	b = append(b, `,"E":`...)
	b = codec.AppendString(b, faultText(f))
	if f.Stack != "" {
		b = append(b, `,"T":`...)
		b = codec.AppendString(b, f.Stack)
	}
	if f.Data != nil {
		d, err := json.Marshal(f.Data)
		if err != nil {
			return nil, err
		}
		if !isNull(d) {
			b = append(append(b, `,"D":`...), d...)
		}
	}
	return append(b, '}'), nil
}

// faultText is the error as SignalR 2 words it. Where the reference server
// says no more than that something failed, what the client did wrong is added:
// it discloses nothing.
func faultText(f *codec.Fault) string {
	generic := "There was an error invoking Hub method '" + f.Hub + "." + f.Method + "'."
	switch {
	case f.Text == "":
		return generic
	case f.Kind == codec.Refused || f.Kind == codec.Failed:
		return f.Text
	}
	return generic + " " + f.Text
}

func encodeProgress(p *codec.Progress) ([]byte, error) {
	value, err := json.Marshal(p.Value)
	if err != nil {
		return nil, err
	}
	b := append([]byte(nil), '{')
	if len(p.State) > 0 {
		b = append(appendState(b, `"S":`, p.State), ',')
	}
	b = append(b, `"I":`...)
	b = codec.AppendString(b, "P|"+p.ID)
	b = append(b, `,"P":{"I":`...)
	b = codec.AppendString(b, p.ID)
	b = append(b, `,"D":`...)
	b = append(b, value...)
	return append(b, "}}"...), nil
}

// appendState appends key and the state as an object, or nothing if it is
// empty.
func appendState(b []byte, key string, s codec.State) []byte {
	if len(s) == 0 {
		return b
	}
	b = append(append(b, key...), '{')
	for i, k := range sortedKeys(s) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(codec.AppendString(b, k), ':')
		b = append(b, s[k]...)
	}
	return append(b, '}')
}
