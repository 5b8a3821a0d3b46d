package core

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/goccy/go-json"

	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// The types of messages (protocols/core.md 4.1). Those from 1 to 5 are for
// hubs, and trackable; the rest is about the connection.
const (
	typeInvocation = 1
	typeCancel     = 5
	typePing       = 6
	typeClose      = 7
	typeAck        = 8
	typeSequence   = 9
)

// Errors of what a client sends.
var (
	errTooLarge  = errors.New("core: the message is too large")
	errMalformed = errors.New("core: the message is malformed")
)

const separator = 0x1e

const pingText = `{"type":6}`

// A format is one of the protocols, as far as the connection is concerned.
type format struct {
	protocol *messagelog.Protocol
	binary   bool
	ping     []byte

	// cut returns the first message of b, without what delimits it, and how
	// many bytes it takes with that: none if the message is not complete. From
	// is how much of b has been searched in vain.
	cut func(b []byte, limit, from int) (message []byte, size int, err error)

	// read tells the type of a message, and for an Ack or a Sequence its
	// number. A type that is not known is no error.
	read func(message []byte) (kind int, number int64, err error)

	// number returns an Ack or a Sequence.
	number func(kind int, n uint64) []byte

	// farewell returns a Close.
	farewell func(failed, reconnect bool) []byte
}

var (
	jsonFormat = &format{
		protocol: JSON,
		ping:     []byte(pingText + "\x1e"),
		cut:      cutText,
		read:     readText,
		number:   numberText,
		farewell: closeText,
	}
	messagePackFormat = &format{
		protocol: MessagePack,
		binary:   true,
		ping:     []byte{0x02, 0x91, typePing},
		cut:      cutBinary,
		read:     readBinary,
		number:   numberBinary,
		farewell: closeBinary,
	}
)

// closedWithError is what a client is told of a connection that failed.
const closedWithError = "Connection closed with an error."

// parting returns the Close message for the end of a connection, or nil
// (protocols/core.md 5.10).
func (f *format) parting(why dialect.Ending) []byte {
	switch why {
	case dialect.Aborted, dialect.Stopped:
		return f.farewell(false, false)
	case dialect.Refused:
		return f.farewell(true, false)
	case dialect.Failed:
		return f.farewell(true, true)
	case dialect.ShutDown, dialect.Expired:
		return f.farewell(false, true)
	}
	return nil
}

// exceeds reports whether size bytes are over the limit, which may be none.
func exceeds(size, limit int) bool { return limit >= 0 && size > limit }

// cutText cuts at the record separator.
func cutText(b []byte, limit, from int) ([]byte, int, error) {
	i := bytes.IndexByte(b[from:], separator)
	size := from + i + 1
	switch {
	case i < 0 && limit >= 0 && len(b) >= limit, i >= 0 && exceeds(size, limit):
		return nil, 0, errTooLarge
	case i < 0:
		return nil, 0, nil
	}
	return b[: size-1 : size-1], size, nil
}

// maxPrefix is the length of the longest prefix, maxBody what it can stand for.
const (
	maxPrefix = 5
	maxBody   = 1<<31 - 1
)

// cutBinary cuts at the length before the message (protocols/core.md 4.3).
func cutBinary(b []byte, limit, _ int) ([]byte, int, error) {
	length, prefix := uint64(0), 0
	for {
		switch {
		case prefix == maxPrefix:
			return nil, 0, errMalformed
		case prefix == len(b):
			return nil, 0, nil
		}
		c := b[prefix]
		length |= uint64(c&0x7f) << (7 * prefix)
		prefix++
		if c < 0x80 {
			break
		}
	}
	if length > maxBody {
		return nil, 0, errMalformed
	}
	size := prefix + int(length)
	switch {
	case exceeds(size, limit):
		return nil, 0, errTooLarge
	case size > len(b):
		return nil, 0, nil
	}
	return b[prefix:size:size], size, nil
}

// AppendLength appends the prefix of a MessagePack message of the length.
func AppendLength(b []byte, length int) []byte {
	for length >= 0x80 {
		b = append(b, byte(length)|0x80)
		length >>= 7
	}
	return append(b, byte(length))
}

// readText reads the type of a JSON message.
func readText(b []byte) (kind int, number int64, err error) {
	kind, err = textType(b)
	if err != nil || kind < typePing || kind > typeSequence || string(b) == pingText {
		return kind, 0, err
	}
	var m struct {
		Error    *string `json:"error"`
		Sequence *int64  `json:"sequenceId"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return 0, 0, errMalformed
	}
	if kind < typeAck {
		return kind, 0, nil
	}
	if m.Sequence == nil {
		return 0, 0, errMalformed
	}
	return kind, *m.Sequence, nil
}

// textType finds the type among the properties of an object, which come in any
// order. It reads no further than that.
func textType(b []byte) (int, error) {
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '{' {
		return 0, errMalformed
	}
	for {
		i = skipSpace(b, i+1)
		end := stringEnd(b, i)
		if end < 0 {
			return 0, errMalformed
		}
		name := b[i+1 : end]
		i = skipSpace(b, end+1)
		if i == len(b) || b[i] != ':' {
			return 0, errMalformed
		}
		i = skipSpace(b, i+1)
		end = valueEnd(b, i)
		if end < 0 {
			return 0, errMalformed
		}
		if isType(name) {
			kind, err := strconv.Atoi(string(bytes.TrimRight(b[i:end], " \t\r\n")))
			if err != nil {
				return 0, errMalformed
			}
			return kind, nil
		}
		i = skipSpace(b, end)
		if i == len(b) || b[i] != ',' {
			return 0, errMalformed
		}
	}
}

// isType reports whether a name between quotes is "type", however it is
// written.
func isType(name []byte) bool {
	if bytes.IndexByte(name, '\\') < 0 {
		return string(name) == "type"
	}
	var s string
	return json.Unmarshal([]byte(`"`+string(name)+`"`), &s) == nil && s == "type"
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// stringEnd returns the index of the quote that ends the string at i, or -1.
func stringEnd(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return -1
}

// valueEnd returns the index behind the value at i, or -1. Brackets need not
// match: whoever reads the value finds out.
func valueEnd(b []byte, i int) int {
	for depth := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			if i = stringEnd(b, i); i < 0 {
				return -1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return -1
}

func numberText(kind int, n uint64) []byte {
	b := append([]byte(`{"type":`), byte('0'+kind))
	b = append(b, `,"sequenceId":`...)
	return append(strconv.AppendUint(b, n, 10), '}', separator)
}

func closeText(failed, reconnect bool) []byte {
	b := []byte(`{"type":7`)
	if failed {
		b = append(b, `,"error":"`+closedWithError+`"`...)
	}
	if reconnect {
		b = append(b, `,"allowReconnect":true`...)
	}
	return append(b, '}', separator)
}

// readBinary reads the type of a MessagePack message.
func readBinary(b []byte) (kind int, number int64, err error) {
	n, b, ok := arrayHeader(b)
	if !ok || n == 0 {
		return 0, 0, errMalformed
	}
	first, b, ok := integer(b)
	if !ok {
		return 0, 0, errMalformed
	}
	if first == typeAck || first == typeSequence {
		if n < 2 {
			return 0, 0, errMalformed
		}
		if number, _, ok = integer(b); !ok {
			return 0, 0, errMalformed
		}
	}
	if first != int64(int(first)) {
		first = 0 // no type that we know
	}
	return int(first), number, nil
}

// arrayHeader reads the header of an array, and returns its length and what
// comes behind.
func arrayHeader(b []byte) (n int, rest []byte, ok bool) {
	switch {
	case len(b) == 0:
		return 0, nil, false
	case b[0]&0xf0 == 0x90:
		return int(b[0] & 0xf), b[1:], true
	case b[0] == 0xdc && len(b) >= 3:
		return int(bigEndian(b[1:3])), b[3:], true
	case b[0] == 0xdd && len(b) >= 5:
		return int(bigEndian(b[1:5])), b[5:], true
	}
	return 0, nil, false
}

// integer reads a whole number of any width.
func integer(b []byte) (n int64, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	switch c := b[0]; {
	case c < 0x80:
		return int64(c), b[1:], true
	case c >= 0xe0:
		return int64(int8(c)), b[1:], true
	case c >= 0xcc && c <= 0xd3:
		width := 1 << (c & 3)
		if len(b) < 1+width {
			return 0, nil, false
		}
		u := bigEndian(b[1 : 1+width])
		if c >= 0xd0 { // signed
			shift := 64 - 8*width
			return int64(u<<shift) >> shift, b[1+width:], true
		}
		return int64(u), b[1+width:], u < 1<<63
	}
	return 0, nil, false
}

func bigEndian(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

func numberBinary(kind int, n uint64) []byte {
	body := []byte{0x92, byte(kind)}
	if n < 0x80 {
		body = append(body, byte(n))
	} else {
		body = append(body, 0xcf)
		for shift := 56; shift >= 0; shift -= 8 {
			body = append(body, byte(n>>shift))
		}
	}
	return append(AppendLength(nil, len(body)), body...)
}

func closeBinary(failed, reconnect bool) []byte {
	body := []byte{0x93, typeClose}
	if failed {
		body = append(body, 0xd9, byte(len(closedWithError)))
		body = append(body, closedWithError...)
	} else {
		body = append(body, 0xc0)
	}
	if reconnect {
		body = append(body, 0xc3)
	} else {
		body = append(body, 0xc2)
	}
	return append(AppendLength(nil, len(body)), body...)
}
