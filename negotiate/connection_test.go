package negotiate_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/hubwire/hubwire/negotiate"
)

func TestNewConnectionID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := make(map[string]bool)
	for range 1000 {
		id := negotiate.NewConnectionID()
		if !form.MatchString(id) {
			t.Fatalf("%q is no lower-case UUID of version 4", id)
		}
		if seen[id] {
			t.Fatalf("%q came twice", id)
		}
		seen[id] = true
	}
}

func TestConnectionTokenCarriesIDAndUser(t *testing.T) {
	k := keyring(t, keyA)
	for _, test := range []struct{ name, user string }{
		{"nobody", ""},
		{"plain", "ann"},
		{"Classic009 user with colons", "urn:user:ann"},
		{"leading colon", ":ann"},
		{"domain", `CORP\ann`},
		{"not ASCII", "Zoë Ångström 🙂"},
		{"not UTF-8", "\xff\x00"},
	} {
		t.Run(test.name, func(t *testing.T) {
			id, user, err := k.OpenConnectionToken(k.ConnectionToken("some-id", test.user))
			if err != nil || id != "some-id" || user != test.user {
				t.Errorf("got %q, %q, %v", id, user, err)
			}
		})
	}
}

func TestClassic007BrokenConnectionToken(t *testing.T) {
	k := keyring(t, keyA)
	for _, test := range []struct{ name, token string }{
		{"garbage", "garbage"},
		{"groups token", k.GroupsToken("id", nil)},
		{"no colon inside", k.Seal(negotiate.ConnectionPurpose, []byte("id"))},
		{"no id inside", k.Seal(negotiate.ConnectionPurpose, []byte(":user"))},
	} {
		t.Run(test.name, func(t *testing.T) {
			id, user, err := k.OpenConnectionToken(test.token)
			wantBadToken(t, err)
			if id != "" || user != "" {
				t.Errorf("id %q and user %q beside an error", id, user)
			}
		})
	}
}

func TestClassic009SameUser(t *testing.T) {
	for _, test := range []struct {
		name, a, b string
		want       bool
	}{
		{"equal", "ann", "ann", true},
		{"both nobody", "", "", true},
		{"case", "Ann", "aNN", true},
		{"case outside of ASCII", "ZOË", "zoë", true},
		{"other user", "ann", "bob", false},
		{"logged out since", "ann", "", false},
		{"logged in since", "", "ann", false},
		{"beginning of the other", "ann", "anna", false},
		{"Kelvin sign for k", "frank", "fran\u212a", false},
		{"long s for s", "su", "\u017fu", false},
		{"dotless i for i", "ina", "\u0131na", false},
		{"dotted capital i for i", "ina", "\u0130na", false},
		{"sharp s for ss", "strasse", "straße", false},
		{"composed and decomposed", "zo\u00eb", "zoe\u0308", false},
		{"different broken bytes", "\xff", "\xfe", false},
		{"same broken bytes", "A\xff", "a\xff", true},
		{"broken byte and replacement character", "\xff", "\ufffd", false},
		{"space around", "ann", "ann ", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if negotiate.SameUser(test.a, test.b) != test.want || negotiate.SameUser(test.b, test.a) != test.want {
				t.Errorf("SameUser(%q, %q) is not %v both ways", test.a, test.b, test.want)
			}
		})
	}
}

func TestSameUserJoinsNoMoreThanUnicodeFolding(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		for _, other := range []rune{unicode.ToUpper(r), unicode.ToLower(r), unicode.SimpleFold(r)} {
			a, b := string(r), string(other)
			if negotiate.SameUser(a, b) && !strings.EqualFold(a, b) {
				t.Errorf("%U and %U are one user", r, other)
			}
			if r != other && negotiate.SameUser(a, b) && (r < 0x80) != (other < 0x80) {
				t.Errorf("%U and %U are one user across the edge of ASCII", r, other)
			}
		}
	}
}

func FuzzSameUser(f *testing.F) {
	f.Add("Ann", "aNN")
	f.Add("\xff", "\ufffd")
	f.Add("\u212a", "k")
	f.Add("a\xe2\x84", "A\xe2\x84")
	f.Fuzz(func(t *testing.T, a, b string) {
		if !negotiate.SameUser(a, a) {
			t.Errorf("%q is not itself", a)
		}
		if negotiate.SameUser(a, b) != negotiate.SameUser(b, a) {
			t.Errorf("%q and %q: not the same both ways", a, b)
		}
		if negotiate.SameUser(a, b) && !strings.EqualFold(a, b) {
			t.Errorf("%q and %q are one user", a, b)
		}
	})
}

func BenchmarkConnectionToken(b *testing.B) {
	k := keyring(b, keyA)
	id := negotiate.NewConnectionID()
	b.ReportAllocs()
	for b.Loop() {
		k.ConnectionToken(id, "some.user@example.com")
	}
}

func BenchmarkOpenConnectionToken(b *testing.B) {
	k := keyring(b, keyA)
	token := k.ConnectionToken(negotiate.NewConnectionID(), "some.user@example.com")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := k.OpenConnectionToken(token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenForgedToken(b *testing.B) {
	token := keyring(b, keyB).ConnectionToken(negotiate.NewConnectionID(), "some.user@example.com")
	k := keyring(b, keyA)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := k.OpenConnectionToken(token); err == nil {
			b.Fatal("a forged token opens")
		}
	}
}

func BenchmarkNewConnectionID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		negotiate.NewConnectionID()
	}
}
