package negotiate

import (
	"strings"
	"unicode"
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

// pairs yields the pairs, of which the values are still escaped.
func (f Form) pairs(yield func(key, value string) bool) {
	for rest, n := f.raw, 0; rest != "" && n < maxPairs; {
		var text string
		text, rest = f.cutPair(rest)
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			continue
		}
		if !yield(unescape(strings.TrimLeftFunc(key, unicode.IsSpace)), value) {
			return
		}
		n++
	}
}

// cutPair looks at no byte twice: a body of separators only must not take
// quadratic time.
func (f Form) cutPair(s string) (before, after string) {
	if !f.semicolons {
		before, after, _ = strings.Cut(s, "&")
		return before, after
	}
	for i, c := range []byte(s) {
		if c == '&' || c == ';' {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
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
	first, found := "", false
	var more strings.Builder // of several values
	for k, v := range f.pairs {
		switch {
		case !equalFold(k, key):
		case found:
			more.WriteByte(',')
			more.WriteString(unescape(v))
		default:
			first, found = unescape(v), true
		}
	}
	return first + more.String()
}

// Has reports whether one of the keys is there, in any case and with any value.
func (f Form) Has(keys ...string) bool {
	for k := range f.pairs {
		for _, key := range keys {
			if equalFold(k, key) {
				return true
			}
		}
	}
	return false
}
