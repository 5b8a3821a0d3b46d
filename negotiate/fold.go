package negotiate

import (
	"unicode"
	"unicode/utf8"
)

// equalFold compares as the reference server does (.NET's OrdinalIgnoreCase):
// by upper case, character by character. Unlike with strings.EqualFold, the
// Kelvin sign is no "k" and the long s is no "s": a name that merely looks like
// another's is not that name. Bytes that are not UTF-8 equal only themselves.
func equalFold(a, b string) bool {
	for len(a) > 0 && len(b) > 0 {
		if a[0] < utf8.RuneSelf && b[0] < utf8.RuneSelf { // nearly always
			if upper(a[0]) != upper(b[0]) {
				return false
			}
			a, b = a[1:], b[1:]
			continue
		}
		x, n := utf8.DecodeRuneInString(a)
		y, m := utf8.DecodeRuneInString(b)
		if x == utf8.RuneError || y == utf8.RuneError {
			if a[:n] != b[:m] {
				return false
			}
		} else if x != y && !sameLetter(x, y) {
			return false
		}
		a, b = a[n:], b[m:]
	}
	return a == b
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

func sameLetter(x, y rune) bool {
	return (x < utf8.RuneSelf) == (y < utf8.RuneSelf) && unicode.ToUpper(x) == unicode.ToUpper(y)
}
