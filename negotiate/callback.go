package negotiate

import "strings"

// maxCallback is far beyond the names that libraries make up.
const maxCallback = 256

// reservedWords are those of ECMA-262 and the globals that cannot be functions.
var reservedWords = set(
	"break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete", "do",
	"else", "enum", "export", "extends", "false", "finally", "for", "function", "if", "implements",
	"import", "in", "instanceof", "interface", "let", "new", "null", "package", "private",
	"protected", "public", "return", "static", "super", "switch", "this", "throw", "true", "try",
	"typeof", "var", "void", "while", "with", "yield",
	"NaN", "undefined", "Infinity",
)

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, word := range words {
		m[word] = true
	}
	return m
}

// ValidCallback reports whether name may be written into a script as the name
// of a JSONP callback: JavaScript identifiers in ASCII with points between, none
// of them a reserved word.
func ValidCallback(name string) bool {
	if len(name) > maxCallback {
		return false
	}
	for part := range strings.SplitSeq(name, ".") {
		if !identifier(part) || reservedWords[part] {
			return false
		}
	}
	return true
}

func identifier(s string) bool {
	for i, c := range []byte(s) {
		if !letter(c) && c != '$' && c != '_' && (i == 0 || !digit(c)) {
			return false
		}
	}
	return s != ""
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func digit(c byte) bool { return c >= '0' && c <= '9' }
