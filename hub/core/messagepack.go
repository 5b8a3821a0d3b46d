package core

import (
	"github.com/hubwire/hubwire/hub/codec"
	wire "github.com/hubwire/hubwire/persistent/core"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// MessagePack reads and writes the messages of core.MessagePack.
type MessagePack struct{}

var _ codec.Codec = MessagePack{}

// Protocol returns core.MessagePack.
func (MessagePack) Protocol() *messagelog.Protocol { return wire.MessagePack }

// Encoding returns [Values].
func (MessagePack) Encoding() codec.Encoding { return Values }

// The kinds of a completion (protocols/core.md 4.4).
const (
	kindError = iota + 1
	kindVoid
	kindResult
)

// leastItems is how long the array of a message is at least.
var leastItems = map[int64]int{
	typeInvocation: 5, typeStreamItem: 4, typeCompletion: 4, typeStreamInvocation: 5, typeCancel: 3,
}

// Decode reads a message, without its length. What is wrong with a message
// itself is fatal for the connection.
func (MessagePack) Decode(payload []byte) (codec.Incoming, error) {
	r := reader{b: payload}
	n := r.array()
	kind := r.integer()
	if r.bad {
		return nil, malformed("the message is no array with a type")
	}
	least, known := leastItems[kind]
	if !known {
		return nil, nil
	}
	if n < least {
		return nil, malformed("the message is too short")
	}
	r.headers()
	id := r.optionalString()
	var in codec.Incoming
	switch kind {
	case typeInvocation, typeStreamInvocation:
		in = r.invocation(id, n, kind == typeStreamInvocation)
	case typeStreamItem:
		in = &codec.StreamItem{ID: id, Item: r.value()}
	case typeCompletion:
		in = r.answer(id, n)
	case typeCancel:
		in = &codec.Cancel{ID: id}
	}
	if r.bad || id == "" && kind != typeInvocation {
		return nil, malformed("the message is not MessagePack of the protocol")
	}
	return in, nil
}

func (r *reader) invocation(id string, n int, stream bool) *codec.Invocation {
	in := &codec.Invocation{ID: id, HasID: id != "", Stream: stream, Method: r.string()}
	for range r.array() {
		if r.bad {
			break
		}
		in.Args = append(in.Args, r.value())
	}
	if n > 5 && !r.null() {
		for range r.array() {
			if r.bad {
				break
			}
			in.Streams = append(in.Streams, r.string())
		}
	}
	r.bad = r.bad || in.Method == ""
	return in
}

func (r *reader) answer(id string, n int) *codec.Answer {
	a := &codec.Answer{ID: id}
	switch kind := r.integer(); {
	case kind == kindVoid:
	case kind == kindError && n > 4:
		a.Error, a.Failed = r.optionalString(), true
	case kind == kindResult && n > 4:
		a.Result, a.HasResult = r.value(), true
	default:
		r.bad = true
	}
	return a
}

// Encode writes a record.
func (MessagePack) Encode(m codec.Outgoing) ([]byte, error) {
	switch m := m.(type) {
	case *codec.Call:
		return binaryCall(m), nil
	case *codec.Completion:
		return binaryCompletion(m)
	case *codec.Item:
		value, err := Values.Marshal(m.Value)
		if err != nil {
			return nil, err
		}
		b := appendText([]byte{0x94, typeStreamItem, noHeaders}, m.ID)
		return record(append(b, value...)), nil
	}
	return nil, nil
}

const noHeaders = 0x80

func binaryCall(c *codec.Call) []byte {
	args := c.Args.In(Values)
	b := make([]byte, 0, len(args)+len(c.ID)+len(c.Method)+16)
	b = append(b, 0x96, typeInvocation, noHeaders)
	if c.ID == "" {
		b = append(b, codeNil)
	} else {
		b = appendText(b, c.ID)
	}
	b = appendText(b, c.Method)
	b = append(b, args...)
	return record(append(b, 0x90))
}

func binaryCompletion(c *codec.Completion) ([]byte, error) {
	if !c.HasID {
		return nil, nil
	}
	switch {
	case c.Fault != nil:
		b := appendText([]byte{0x95, typeCompletion, noHeaders}, c.ID)
		return record(appendText(append(b, kindError), faultText(c))), nil
	case c.Stream:
		b := appendText([]byte{0x94, typeCompletion, noHeaders}, c.ID)
		return record(append(b, kindVoid)), nil
	}
	b := append(appendText([]byte{0x95, typeCompletion, noHeaders}, c.ID), kindResult)
	if !c.HasResult {
		return record(append(b, codeNil)), nil
	}
	value, err := Values.Marshal(c.Result)
	if err != nil {
		return nil, err
	}
	return record(append(b, value...)), nil
}

// record puts the length before a message.
func record(body []byte) []byte {
	b := wire.AppendLength(make([]byte, 0, len(body)+5), len(body))
	return append(b, body...)
}

// appendText appends a string.
func appendText(b []byte, s string) []byte {
	switch n := len(s); {
	case n < 32:
		b = append(b, 0xa0|byte(n))
	case n < 1<<8:
		b = append(b, 0xd9, byte(n))
	case n < 1<<16:
		b = append(b, 0xda, byte(n>>8), byte(n))
	default:
		b = append(b, 0xdb, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(b, s...)
}
