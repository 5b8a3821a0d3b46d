package negotiate_test

import (
	stdjson "encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/negotiate"
)

const connection = "1c1c9e5a-5c6f-4f0a-8f61-0d7c1f0b6a11"

func TestGroupsTokenCarriesGroups(t *testing.T) {
	k := keyring(t, keyA)
	for _, test := range []struct {
		name   string
		groups []string
	}{
		{"none", nil},
		{"empty list", []string{}},
		{"one", []string{"ChatHub.lobby"}},
		{"order kept", []string{"b", "a", "b"}},
		{"odd names", []string{"", ":", `"quoted"`, `back\slash`, "</script>", "new\nline", "\x00", "\u2028", "ünï🙂", ","}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := k.OpenGroupsToken(k.GroupsToken(connection, test.groups), connection)
			if err != nil || !slices.Equal(got, test.groups) {
				t.Errorf("got %q, %v, want %q", got, err, test.groups)
			}
		})
	}
}

func TestGroupsTokenTakesConnectionInAnyCase(t *testing.T) {
	k := keyring(t, keyA)
	if _, err := k.OpenGroupsToken(k.GroupsToken(connection, nil), strings.ToUpper(connection)); err != nil {
		t.Error(err)
	}
}

func TestClassic067ForeignGroupsToken(t *testing.T) {
	k := keyring(t, keyA)
	groups := []string{"admins"}
	good := k.GroupsToken(connection, groups)
	for _, test := range []struct{ name, token string }{
		{"empty", ""},
		{"garbage", "garbage"},
		{"truncated", good[:len(good)-4]},
		{"forged", keyring(t, keyB).GroupsToken(connection, groups)},
		{"connection token", k.ConnectionToken(connection, `["admins"]`)},
		{"another connection's", k.GroupsToken(negotiate.NewConnectionID(), groups)},
		{"connection with a longer id", k.GroupsToken(connection+"x", groups)},
		{"no connection", k.GroupsToken("", groups)},
		{"no list inside", k.Seal(negotiate.GroupsPurpose, []byte(connection))},
		{"broken list inside", k.Seal(negotiate.GroupsPurpose, []byte(connection+`:["admins"`))},
		{"object inside", k.Seal(negotiate.GroupsPurpose, []byte(connection+`:{"a":1}`))},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := k.OpenGroupsToken(test.token, connection)
			wantBadToken(t, err)
			if len(got) != 0 {
				t.Errorf("groups %q beside an error", got)
			}
		})
	}
}

func FuzzGroupsToken(f *testing.F) {
	k := keyring(f, keyA)
	f.Add("a", "b", []byte(`["a"]`))
	f.Add("", ":", []byte(`[null]`))
	f.Add("\xff", "</a>\u2028", []byte(`["a",{"b":[`))
	f.Add(`\`, "\x00", []byte(`["\ud800"]`))
	f.Add("a", "b", []byte("[\"\x00\"] "))
	f.Fuzz(func(t *testing.T, a, b string, list []byte) {
		// What we write, encoding/json reads in the same way.
		token := k.GroupsToken(connection, []string{a, b})
		got, err := k.OpenGroupsToken(token, connection)
		want := []string{strings.ToValidUTF8(a, "\ufffd"), strings.ToValidUTF8(b, "\ufffd")}
		if err != nil || len(got) != 2 {
			t.Fatalf("groups = %q, %v, want %q", got, err, want)
		}
		for i := range want {
			if squeeze(strings.ToValidUTF8(got[i], "\ufffd")) != squeeze(want[i]) {
				t.Errorf("group = %q, want %q", got[i], want[i])
			}
		}
		plain, err := k.Open(negotiate.GroupsPurpose, token)
		var std []string
		if err != nil || stdjson.Unmarshal(plain[len(connection)+1:], &std) != nil || !slices.Equal(std, got) {
			t.Errorf("encoding/json reads %q from %q, want %q", std, plain, got)
		}
		// Not even a list that one of our keys has sealed makes us crash.
		_, _ = k.OpenGroupsToken(k.Seal(negotiate.GroupsPurpose, append([]byte(connection+":"), list...)), connection)
		_, _ = k.OpenGroupsToken(string(list), connection)
	})
}

// squeeze makes one replacement character of several, since decoders differ in
// how many a run of bad bytes is worth.
func squeeze(s string) string {
	for strings.Contains(s, "\ufffd\ufffd") {
		s = strings.ReplaceAll(s, "\ufffd\ufffd", "\ufffd")
	}
	return s
}

func BenchmarkGroupsToken(b *testing.B) {
	k := keyring(b, keyA)
	groups := make([]string, 20)
	for i := range groups {
		groups[i] = fmt.Sprintf("ChatHub.room-%d", i)
	}
	token := k.GroupsToken(connection, groups)
	b.Run("seal 20", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.GroupsToken(connection, groups)
		}
	})
	b.Run("open 20", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := k.OpenGroupsToken(token, connection); err != nil {
				b.Fatal(err)
			}
		}
	})
}
