package negotiate_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/negotiate"
)

func TestClassic015Callback(t *testing.T) {
	for _, test := range []struct {
		name, callback string
		want           bool
	}{
		{"plain", "cb", true},
		{"jQuery", "jQuery36004517_1699999999999", true},
		{"dotted", "$.app._callbacks.cb1", true},
		{"dollar", "$", true},
		{"underscore", "_", true},
		{"begins with a reserved word", "newest.inner", true},
		{"reserved word in another case", "Class", true},
		{"longest", strings.Repeat("a", 256), true},
		{"too long", strings.Repeat("a", 257), false},
		{"empty", "", false},
		{"digit first", "1cb", false},
		{"digit first in a part", "a.1cb", false},
		{"empty part", "a..b", false},
		{"ends in a point", "a.", false},
		{"begins with a point", ".a", false},
		{"call", "alert(1)", false},
		{"index", "a[0]", false},
		{"statement", "a;b", false},
		{"markup", "<script>", false},
		{"space", "a b", false},
		{"line break", "a\n", false},
		{"escape", `\u0061`, false},
		{"hyphen", "a-b", false},
		{"letter outside of ASCII", "çb", false},
		{"NUL", "a\x00", false},
		{"reserved", "function", false},
		{"reserved in a part", "window.delete", false},
		{"future reserved", "let", false},
		{"literal", "null", false},
		{"not a number", "NaN", false},
		{"undefined", "undefined", false},
		{"infinity", "a.Infinity", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := negotiate.ValidCallback(test.callback); got != test.want {
				t.Errorf("ValidCallback(%.40q) = %v", test.callback, got)
			}
		})
	}
}

func FuzzValidCallback(f *testing.F) {
	for _, s := range []string{"", "cb", "$.a_1", "a..b", "this", "a.this", "a\xff", "a(", "\u212a"} {
		f.Add(s)
	}
	form := regexp.MustCompile(`\A[A-Za-z$_][A-Za-z0-9$_]*(\.[A-Za-z$_][A-Za-z0-9$_]*)*\z`)
	f.Fuzz(func(t *testing.T, name string) {
		if negotiate.ValidCallback(name) && !form.MatchString(name) {
			t.Errorf("%q is valid", name)
		}
	})
}
