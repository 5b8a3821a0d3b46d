package core

import (
	"unicode/utf8"

	"github.com/goccy/go-json"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/hub/internal/flatjson"
	wire "github.com/hubwire/hubwire/persistent/core"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// The types of messages for hubs (protocols/core.md 4.1).
const (
	typeInvocation = iota + 1
	typeStreamItem
	typeCompletion
	typeStreamInvocation
	typeCancel
)

// separator ends a record of JSON.
const separator = 0x1e

// JSON reads and writes the messages of core.JSON.
type JSON struct{}

var _ codec.Codec = JSON{}

// Protocol returns core.JSON.
func (JSON) Protocol() *messagelog.Protocol { return wire.JSON }

// Encoding returns codec.JSON.
func (JSON) Encoding() codec.Encoding { return codec.JSON }

// An envelope is any message. Raw values are nil where there is no such property.
type envelope struct {
	Type         int               `json:"type"`
	InvocationID *string           `json:"invocationId"`
	Target       *string           `json:"target"`
	Arguments    []json.RawMessage `json:"arguments"`
	StreamIDs    []string          `json:"streamIds"`
	Item         json.RawMessage   `json:"item"`
	Result       json.RawMessage   `json:"result"`
	Error        *string           `json:"error"`
	Headers      map[string]string `json:"headers"`
}

// Decode reads a message, without its separator. What is wrong with a message
// itself is fatal for the connection, so that no error names an invocation.
func (JSON) Decode(payload []byte) (codec.Incoming, error) {
	if !utf8.Valid(payload) {
		return nil, malformed("the message is not UTF-8")
	}
	if in := readFlat(payload); in != nil {
		return in, nil
	}
	if codec.Nesting(payload) > maxDepth+2 {
		return nil, malformed("the message is nested too deeply")
	}
	var e envelope
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, malformed("the message is no JSON of the protocol: " + err.Error())
	}
	switch e.Type {
	case typeInvocation, typeStreamInvocation:
		return e.invocation()
	case typeStreamItem:
		if e.Item == nil {
			return nil, malformed("the stream item has no item")
		}
		return withID(e.InvocationID, func(id string) codec.Incoming { return &codec.StreamItem{ID: id, Item: codec.Raw(e.Item)} })
	case typeCompletion:
		if e.Result != nil && e.Error != nil {
			return nil, malformed("the completion has both a result and an error")
		}
		return withID(e.InvocationID, e.answer)
	case typeCancel:
		return withID(e.InvocationID, func(id string) codec.Incoming { return &codec.Cancel{ID: id} })
	}
	return nil, nil
}

// readFlat reads an invocation of the flat kind, or returns nil.
func readFlat(payload []byte) *codec.Invocation {
	t, in := flatjson.Of(payload), new(codec.Invocation)
	invocation, arguments := false, false
	for t.Next() {
		switch {
		case t.Key(`"type":`):
			invocation = string(t.Value()) == "1"
		case t.Key(`"invocationId":`):
			in.ID = t.String()
			in.HasID = in.ID != ""
		case t.Key(`"target":`):
			in.Method = t.String()
		case t.Key(`"arguments":`):
			in.Args, arguments = t.List(), true
		default:
			return nil
		}
	}
	if !t.Ended() || !invocation || !arguments || in.Method == "" {
		return nil
	}
	return in
}

func (e *envelope) invocation() (codec.Incoming, error) {
	in := &codec.Invocation{Stream: e.Type == typeStreamInvocation, Streams: e.StreamIDs}
	if e.InvocationID != nil {
		in.ID, in.HasID = *e.InvocationID, *e.InvocationID != ""
	}
	switch {
	case e.Target == nil || *e.Target == "":
		return nil, malformed("the invocation has no target")
	case e.Arguments == nil:
		return nil, malformed("the invocation has no arguments")
	case in.Stream && !in.HasID:
		return nil, malformed("the stream invocation has no id")
	}
	in.Method = *e.Target
	for _, a := range e.Arguments {
		in.Args = append(in.Args, codec.Raw(a))
	}
	return in, nil
}

func (e *envelope) answer(id string) codec.Incoming {
	a := &codec.Answer{ID: id, Result: codec.Raw(e.Result), HasResult: e.Result != nil}
	if e.Error != nil {
		a.Error, a.Failed = *e.Error, true
	}
	return a
}

// withID returns a message that must have an id.
func withID(id *string, message func(id string) codec.Incoming) (codec.Incoming, error) {
	if id == nil || *id == "" {
		return nil, malformed("the message has no invocation id")
	}
	return message(*id), nil
}

func malformed(text string) error { return &codec.Malformed{Text: text} }

// Encode writes a record, its properties in the order of the reference server.
func (JSON) Encode(m codec.Outgoing) ([]byte, error) {
	switch m := m.(type) {
	case *codec.Call:
		return textCall(m), nil
	case *codec.Completion:
		return textCompletion(m)
	case *codec.Item:
		return textItem(m)
	}
	return nil, nil
}

func textCall(c *codec.Call) []byte {
	args := c.Args.In(codec.JSON)
	b := make([]byte, 0, len(`{"type":1,"invocationId":"","target":"","arguments":}`)+len(c.ID)+len(c.Method)+len(args)+1)
	b = append(b, `{"type":1`...)
	if c.ID != "" {
		b = codec.AppendString(append(b, `,"invocationId":`...), c.ID)
	}
	b = codec.AppendString(append(b, `,"target":`...), c.Method)
	b = append(append(b, `,"arguments":`...), args...)
	return append(b, '}', separator)
}

// textCompletion answers a call, if an answer is wanted. A method without a
// result returns null; a stream has no result.
func textCompletion(c *codec.Completion) ([]byte, error) {
	if !c.HasID {
		return nil, nil
	}
	var result []byte
	if c.Fault == nil && !c.Stream {
		var err error
		if result, err = textResult(c); err != nil {
			return nil, err
		}
	}
	const head = `{"type":3,"invocationId":`
	b := append(make([]byte, 0, len(head)+len(c.ID)+len(`"","result":}`)+len(result)+1), head...)
	b = codec.AppendString(b, c.ID)
	switch {
	case c.Fault != nil:
		b = codec.AppendString(append(b, `,"error":`...), faultText(c))
	case !c.Stream:
		b = append(append(b, `,"result":`...), result...)
	}
	return append(b, '}', separator), nil
}

func textResult(c *codec.Completion) ([]byte, error) {
	if !c.HasResult {
		return []byte("null"), nil
	}
	return codec.JSON.Marshal(c.Result)
}

func textItem(i *codec.Item) ([]byte, error) {
	value, err := codec.JSON.Marshal(i.Value)
	if err != nil {
		return nil, err
	}
	b := codec.AppendString([]byte(`{"type":2,"invocationId":`), i.ID)
	b = append(append(b, `,"item":`...), value...)
	return append(b, '}', separator), nil
}
