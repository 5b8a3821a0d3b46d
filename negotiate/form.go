package negotiate

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPairs bounds the time that one request can make a Form take. Requests of
// clients have about ten pairs.
const maxPairs = 1000

// A Form is the parameters of a query string or a form body, read by the rules
// of the reference server's host, which are not those of net/url: keys match in
// any case, values of one key are joined with a comma, a percent sign that
// begins no escape stands for itself, and what has no "=" is left out. The zero
// Form is empty.
//
// Values are bytes as they came: they need not be UTF-8. A Form is its text,
// which is looked through for each value: a request has few pairs, and most of
// its values are as they came.
type Form struct {
	raw        string
	semicolons bool // separate pairs, too
}

// ParseQuery reads a query string, without its question mark, in which "&" and
// ";" separate pairs. It takes the first 1,000 pairs.
func ParseQuery(raw string) Form { return Form{raw, strings.IndexByte(raw, ';') >= 0} }

// ParseForm reads a form body, in which "&" separates pairs. It takes the first
// 1,000 pairs.
func ParseForm(raw string) Form { return Form{raw, false} }

// find returns the value of the first pair in s that has the key, still escaped,
// and what lies behind it. Left is how many pairs may be looked at, and still may.
func (f Form) find(s, key string, left *int) (value, rest string, ok bool) {
	for s != "" && *left > 0 {
		var pair string
		pair, s = f.cutPair(s)
		i := strings.IndexByte(pair, '=')
		if i < 0 {
			continue
		}
		*left--
		if names(pair[:i], key) {
			return pair[i+1:], s, true
		}
	}
	return "", "", false
}

// cutPair looks at no byte twice: a body of separators only must not take
// quadratic time.
func (f Form) cutPair(s string) (before, after string) {
	if !f.semicolons {
		if i := strings.IndexByte(s, '&'); i >= 0 {
			return s[:i], s[i+1:]
		}
		return s, ""
	}
	for i, c := range []byte(s) {
		if c == '&' || c == ';' {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// names reports whether raw, a key as it came, is the key, in any case.
func names(raw, key string) bool {
	for i := range min(len(raw), len(key)) {
		switch c := raw[i]; {
		case c <= ' ' || c == '%' || c == '+' || c >= utf8.RuneSelf: // hardly ever
			return equalFold(unescape(strings.TrimLeftFunc(raw, unicode.IsSpace)), key)
		case upper(c) != upper(key[i]):
			return false
		}
	}
	return len(raw) == len(key)
}

// unescape returns s itself if there is nothing to do.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			b.WriteByte(' ')
		case c == '%' && i+2 < len(s) && hexValue(s[i+1]) >= 0 && hexValue(s[i+2]) >= 0:
			b.WriteByte(byte(hexValue(s[i+1])<<4 | hexValue(s[i+2])))
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// hexValue returns the value of a hexadecimal digit, or -1.
func hexValue(c byte) int {
	switch {
	case digit(c):
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// Get returns the value of the key, in any case: the values joined with "," if
// there are several, "" if there is none.
func (f Form) Get(key string) string {
	left := maxPairs
	first, rest, _ := f.find(f.raw, key, &left)
	more, rest, several := f.find(rest, key, &left)
	if !several {
		return unescape(first)
	}
	var all strings.Builder
	all.WriteString(unescape(first))
	for ; several; more, rest, several = f.find(rest, key, &left) {
		all.WriteByte(',')
		all.WriteString(unescape(more))
	}
	return all.String()
}

// Has reports whether one of the keys is there, in any case and with any value.
func (f Form) Has(keys ...string) bool {
	for _, key := range keys {
		left := maxPairs
		if _, _, ok := f.find(f.raw, key, &left); ok {
			return true
		}
	}
	return false
}
