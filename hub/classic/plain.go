package classic

import (
	"bytes"

	"github.com/hubwire/hubwire/hub/codec"
)

// readPlain reads an invocation of the plain kind, as most are: without white
// space and without state, names and arguments being strings without escapes,
// whole numbers or literals. It takes a fifth of the time of the general way.
// What is not of the kind, or in any doubt, is nil. The text is valid UTF-8.
func readPlain(text []byte) *codec.Invocation {
	p, in := plainText{rest: text}, new(codec.Invocation)
	for sep := byte('{'); p.skip(sep); sep = ',' {
		switch {
		case p.key(`"H":`):
			in.Hub = p.name()
		case p.key(`"M":`):
			in.Method = p.name()
		case p.key(`"A":`):
			in.Args = p.list()
		case p.key(`"I":`):
			in.ID, in.HasID = p.id(), true
		default:
			return nil
		}
	}
	if !p.skip('}') || len(p.rest) > 0 || p.odd || in.Hub == "" || in.Method == "" {
		return nil
	}
	return in
}

// A plainText is one of which a part has been read.
type plainText struct {
	rest []byte
	odd  bool // something was not of the kind
}

func (p *plainText) skip(c byte) bool {
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *plainText) key(quoted string) (ok bool) {
	rest, ok := bytes.CutPrefix(p.rest, []byte(quoted))
	p.rest = rest
	return ok
}

// value takes a value off the text.
func (p *plainText) value() []byte {
	n := valueLen(p.rest)
	if n == 0 {
		p.odd = true
	}
	v := p.rest[:n:n]
	p.rest = p.rest[n:]
	return v
}

func (p *plainText) name() string {
	v := p.value()
	if len(v) == 0 || v[0] != '"' {
		p.odd = true
		return ""
	}
	return string(v[1 : len(v)-1])
}

func (p *plainText) id() string {
	if len(p.rest) > 0 && p.rest[0] == '"' {
		return p.name()
	}
	v := p.value()
	if len(v) == 0 || v[0] > '9' { // a literal
		p.odd = true
	}
	return string(v)
}

func (p *plainText) list() []codec.Raw {
	if !p.skip('[') {
		p.odd = true
	}
	if p.skip(']') {
		return nil
	}
	list := make([]codec.Raw, 0, 4)
	for !p.odd {
		if list = append(list, p.value()); p.skip(']') {
			break
		}
		p.odd = p.odd || !p.skip(',')
	}
	return list
}

// valueLen returns the length of the value that text begins with, 0 if it is
// not of the kind. What follows it is not looked at.
func valueLen(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	switch c := text[0]; {
	case c == '"':
		for i, c := range text[1:] {
			if c == '"' {
				return i + 2
			}
			if c < ' ' || c == '\\' {
				return 0
			}
		}
	case c == '0':
		return 1
	case c > '0' && c <= '9':
		n := 1
		for n < len(text) && text[n] >= '0' && text[n] <= '9' {
			n++
		}
		return n
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(text, []byte(word)) {
			return len(word)
		}
	}
	return 0
}
