package negotiate

import (
	"strings"
	"unicode"
)

// maxPairs bounds the memory that one request can make a Form take. Requests of
// clients have about ten pairs.
const maxPairs = 1000

// A Form is the parameters of a query string or a form body, read by the rules
// of the reference server's host, which are not those of net/url: keys match in
// any case, values of one key are joined with a comma, a percent sign that
// begins no escape stands for itself, and what has no "=" is left out. The zero
// Form is empty.
//
// Values are bytes as they came: they need not be UTF-8.
type Form struct {
	pairs []pair
}

type pair struct{ key, value string }

// ParseQuery reads a query string, without its question mark, in which "&" and
// ";" separate pairs. It takes the first 1,000 pairs.
func ParseQuery(raw string) Form { return parse(raw, true) }

// ParseForm reads a form body, in which "&" separates pairs. It takes the first
// 1,000 pairs.
func ParseForm(raw string) Form { return parse(raw, false) }

func parse(raw string, semicolons bool) Form {
	var f Form
	for raw != "" && len(f.pairs) < maxPairs {
		var text string
		text, raw = cutPair(raw, semicolons)
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			continue
		}
		if f.pairs == nil {
			f.pairs = make([]pair, 0, 12) // one allocation for what clients send
		}
		f.pairs = append(f.pairs, pair{unescape(strings.TrimLeftFunc(key, unicode.IsSpace)), unescape(value)})
	}
	return f
}

// cutPair looks at no byte twice: a body of separators only must not take
// quadratic time.
func cutPair(s string, semicolons bool) (before, after string) {
	for i, c := range []byte(s) {
		if c == '&' || c == ';' && semicolons {
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
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			b = append(b, ' ')
		case c == '%' && i+2 < len(s) && hexValue(s[i+1]) >= 0 && hexValue(s[i+2]) >= 0:
			b = append(b, byte(hexValue(s[i+1])<<4|hexValue(s[i+2])))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return string(b)
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
	for i, p := range f.pairs {
		if equalFold(p.key, key) {
			return joined(p.value, f.pairs[i+1:], key)
		}
	}
	return ""
}

func joined(first string, rest []pair, key string) string {
	var b strings.Builder
	for _, p := range rest {
		if !equalFold(p.key, key) {
			continue
		}
		if b.Len() == 0 {
			b.WriteString(first)
		}
		b.WriteByte(',')
		b.WriteString(p.value)
	}
	if b.Len() == 0 {
		return first
	}
	return b.String()
}

// Has reports whether the key is there, in any case and with any value.
func (f Form) Has(key string) bool {
	for _, p := range f.pairs {
		if equalFold(p.key, key) {
			return true
		}
	}
	return false
}
