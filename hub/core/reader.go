package core

import (
	"unicode/utf8"

	"github.com/hubwire/hubwire/hub/codec"
)

// A reader walks over MessagePack. When something is not as it should be it
// turns bad, and every read that follows returns nothing.
type reader struct {
	b       []byte
	bad     bool
	foreign bool // an extension was passed over that is no timestamp
}

// maxDepth bounds the nesting of a value in either protocol, as the reference
// server does.
const maxDepth = 64

const (
	codeNil   = 0xc0
	timestamp = -1 // the one extension that is defined
)

// take returns the next n bytes.
func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

// code returns the next byte, 0xc1, which stands for nothing, if there is none.
func (r *reader) code() byte {
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0xc1
}

// uint returns a big-endian number of the width.
func (r *reader) uint(width int) (n uint64) {
	for _, c := range r.take(width) {
		n = n<<8 | uint64(c)
	}
	return n
}

// null takes a nil, if one is next.
func (r *reader) null() bool {
	if len(r.b) > 0 && r.b[0] == codeNil {
		r.b = r.b[1:]
		return true
	}
	return false
}

// size returns a length of the width, which must fit into what is left: each
// element takes a byte at least.
func (r *reader) size(width int) int {
	n := r.uint(width)
	if n > uint64(len(r.b)) {
		r.bad = true
		return 0
	}
	return int(n)
}

// array returns the number of elements of an array.
func (r *reader) array() int {
	switch c := r.code(); {
	case c&0xf0 == 0x90:
		return int(c & 0xf)
	case c == 0xdc:
		return r.size(2)
	case c == 0xdd:
		return r.size(4)
	}
	r.bad = true
	return 0
}

// integer returns a whole number of any width.
func (r *reader) integer() int64 {
	switch c := r.code(); {
	case c < 0x80:
		return int64(c)
	case c >= 0xe0:
		return int64(int8(c))
	case c >= 0xcc && c <= 0xcf:
		n := r.uint(1 << (c & 3))
		r.bad = r.bad || n >= 1<<63
		return int64(n)
	case c >= 0xd0 && c <= 0xd3:
		width := 1 << (c & 3)
		shift := 64 - 8*width
		return int64(r.uint(width)<<shift) >> shift
	}
	r.bad = true
	return 0
}

// string returns a string.
func (r *reader) string() string {
	n := 0
	switch c := r.code(); {
	case c&0xe0 == 0xa0:
		n = int(c & 0x1f)
	case c >= 0xd9 && c <= 0xdb:
		n = r.size(1 << (c - 0xd9))
	default:
		r.bad = true
	}
	return string(r.text(n))
}

// text returns the next n bytes, which must be UTF-8.
func (r *reader) text(n int) []byte {
	p := r.take(n)
	r.bad = r.bad || !utf8.Valid(p)
	return p
}

// optionalString returns a string, "" for nil.
func (r *reader) optionalString() string {
	if r.null() {
		return ""
	}
	return r.string()
}

// headers passes over a map of strings, or nil.
func (r *reader) headers() {
	if r.null() {
		return
	}
	n := 0
	switch c := r.code(); {
	case c&0xf0 == 0x80:
		n = int(c & 0xf)
	case c == 0xde:
		n = r.size(2)
	case c == 0xdf:
		n = r.size(4)
	default:
		r.bad = true
	}
	for range n {
		if r.bad {
			return
		}
		_, _ = r.string(), r.string()
	}
}

// value returns the bytes of the next value, whatever it is.
func (r *reader) value() codec.Raw {
	start := r.b
	r.skip(0)
	if r.bad {
		return nil
	}
	n := len(start) - len(r.b)
	return start[:n:n]
}

// skip passes over a value.
func (r *reader) skip(depth int) {
	if depth > maxDepth {
		r.bad = true
		return
	}
	switch c := r.code(); {
	case c < 0x80, c >= 0xe0, c == codeNil, c == 0xc2, c == 0xc3:
	case c < 0x90:
		r.elements(2*int(c&0xf), depth)
	case c < 0xa0:
		r.elements(int(c&0xf), depth)
	case c < 0xc0:
		r.text(int(c & 0x1f))
	case c >= 0xc4 && c <= 0xc6: // bin
		r.take(r.size(1 << (c - 0xc4)))
	case c >= 0xc7 && c <= 0xc9: // ext
		r.extension(r.size(1 << (c - 0xc7)))
	case c == 0xca:
		r.take(4)
	case c == 0xcb:
		r.take(8)
	case c >= 0xcc && c <= 0xd3:
		r.take(1 << (c & 3))
	case c >= 0xd4 && c <= 0xd8: // fixext
		r.extension(1 << (c - 0xd4))
	case c >= 0xd9 && c <= 0xdb:
		r.text(r.size(1 << (c - 0xd9)))
	case c == 0xdc, c == 0xdd:
		r.elements(r.size(2<<(c-0xdc)), depth)
	case c == 0xde, c == 0xdf:
		r.elements(2*r.size(2<<(c-0xde)), depth)
	default:
		r.bad = true
	}
}

// extension passes over the type and the data of an extension.
func (r *reader) extension(n int) {
	if p := r.take(1 + n); p != nil && int8(p[0]) != timestamp {
		r.foreign = true
	}
}

func (r *reader) elements(n, depth int) {
	for ; n > 0 && !r.bad; n-- {
		r.skip(depth + 1)
	}
}
