package codec

import (
	"unicode"
	"unicode/utf8"
)

// LowerCamel returns the name with its first letter in lower case, which is
// how client code spells what Go exports.
func LowerCamel(name string) string {
	r, size := utf8.DecodeRuneInString(name)
	if size == 0 || unicode.IsLower(r) {
		return name
	}
	return string(unicode.ToLower(r)) + name[size:]
}
