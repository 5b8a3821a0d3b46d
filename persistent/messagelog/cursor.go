package messagelog

import (
	"errors"
	"strconv"
	"strings"
)

// A Cursor is a place in a log: everything up to Seq has been seen. Its text
// form is what clients keep and send back, and is opaque to them.
type Cursor struct {
	Epoch string
	Seq   uint64
}

// ErrBadCursor is the error for text that no log can have written.
var ErrBadCursor = errors.New("messagelog: malformed cursor")

// String returns the text form, the epoch and the number in hexadecimal with a
// hyphen between. It needs no escaping in JSON or in a query string.
func (c Cursor) String() string { return string(c.Append(nil)) }

// Append appends the text form to b.
func (c Cursor) Append(b []byte) []byte {
	b = append(b, c.Epoch...)
	b = append(b, '-')
	return strconv.AppendUint(b, c.Seq, 16)
}

// ParseCursor reads the text form. The error is ErrBadCursor.
func ParseCursor(s string) (Cursor, error) {
	epoch, num, ok := strings.Cut(s, "-")
	if !ok || epoch == "" || len(epoch) > 64 || !alphanumeric(epoch) {
		return Cursor{}, ErrBadCursor
	}
	seq, err := strconv.ParseUint(num, 16, 64)
	if err != nil || num[0] == '+' {
		return Cursor{}, ErrBadCursor
	}
	return Cursor{Epoch: epoch, Seq: seq}, nil
}

func alphanumeric(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
