package negotiate_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/negotiate"
)

func TestClassic019Version(t *testing.T) {
	for _, test := range []struct{ name, client, want string }{
		{"JS 2.4.3", "2.1", "2.0"},
		{"JS 2.4.0", "2.0", "2.0"},
		{"JS 2.2", "1.5", "1.5"},
		{"C++", "1.4", "1.4"},
		{"Java", "1.3", "1.3"},
		{"least", "1.2", "1.2"},
		{"below", "1.0", "1.2"},
		{"far below", "0.9", "1.2"},
		{"far above", "17.3", "2.0"},
		{"above by the third number", "2.0.0", "2.0"},
		{"above by the fourth number", "2.0.0.1", "2.0"},
		{"between", "1.17", "1.17"},
		{"three numbers", "1.5.0", "1.5.0"},
		{"four numbers", "1.5.2.7", "1.5.2.7"},
		{"least with three numbers", "1.2.0", "1.2.0"},
		{"leading zero", "1.05", "1.5"},
		{"missing", "", "1.2"},
		{"one number", "2", "1.2"},
		{"five numbers", "1.5.1.1.1", "1.2"},
		{"empty part", "1..5", "1.2"},
		{"ends in a point", "1.5.", "1.2"},
		{"only a point", ".", "1.2"},
		{"sign", "+1.5", "1.2"},
		{"negative", "1.-5", "1.2"},
		{"spaces", " 1.5", "1.2"},
		{"words", "one.five", "1.2"},
		{"hexadecimal", "0x1.5", "1.2"},
		{"other digits", "١.٥", "1.2"},
		{"largest number", "1.2147483647", "1.2147483647"},
		{"number too large", "1.2147483648", "1.2"},
		{"wraps around", "1.18446744073709551621", "1.2"},
		{"absurdly long", "1." + strings.Repeat("0", 1<<20) + "5", "1.2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := negotiate.ResolveVersion(test.client).String(); got != test.want {
				t.Errorf("ResolveVersion(%.20q) = %q, want %q", test.client, got, test.want)
			}
		})
	}
}

func TestVersionAtLeast(t *testing.T) {
	for _, test := range []struct {
		client       string
		major, minor int
		want         bool
	}{
		{"1.3", 1, 4, false},
		{"1.4", 1, 4, true},
		{"1.10", 1, 4, true},
		{"1.4.0", 1, 4, true},
		{"2.1", 1, 4, true},
		{"2.1", 2, 0, true},
		{"2.1", 2, 1, false},
		{"", 1, 2, true},
		{"", 1, 3, false},
	} {
		if got := negotiate.ResolveVersion(test.client).AtLeast(test.major, test.minor); got != test.want {
			t.Errorf("ResolveVersion(%q).AtLeast(%d, %d) = %v", test.client, test.major, test.minor, got)
		}
	}
}

func FuzzResolveVersion(f *testing.F) {
	for _, s := range []string{"", "1.5", "2.1", "2.0.0", "1.2147483648", "1.5.0.0.0", "a.b", "1.2.", "-1.2", "1_0.2"} {
		f.Add(s)
	}
	form := regexp.MustCompile(`^(1(\.[0-9]{1,10}){1,3}|2\.0)$`)
	f.Fuzz(func(t *testing.T, client string) {
		v := negotiate.ResolveVersion(client)
		if !form.MatchString(v.String()) || !v.AtLeast(1, 2) || v.AtLeast(2, 1) {
			t.Errorf("ResolveVersion(%q) = %q", client, v)
		}
		if again := negotiate.ResolveVersion(v.String()); again != v {
			t.Errorf("%q resolves to %q", v, again)
		}
	})
}
