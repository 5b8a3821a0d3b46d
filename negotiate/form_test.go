package negotiate_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/negotiate"
)

func TestForm(t *testing.T) {
	for _, test := range []struct{ name, raw, key, want string }{
		{"plain", "transport=longPolling&tid=4", "tid", "4"},
		{"first", "transport=longPolling&tid=4", "transport", "longPolling"},
		{"key in another case", "CONNECTIONTOKEN=x", "connectionToken", "x"},
		{"key asked in another case", "connectionToken=x", "ConnectionTOKEN", "x"},
		{"escaped key", "conn%65ctionToken=x", "connectionToken", "x"},
		{"plus", "data=a+b", "data", "a b"},
		{"plus in the key", "a+b=c", "a b", "c"},
		{"escaped plus", "data=a%2Bb", "data", "a+b"},
		{"escapes in both cases", "data=%e2%82%AC", "data", "€"},
		{"escaped separators", "data=%26%3B%3D&x=1", "data", "&;="},
		{"raw JSON from .NET", `connectionData=[{"Name":"chat"},{"Name":"a:b"}]&x=1`, "connectionData", `[{"Name":"chat"},{"Name":"a:b"}]`},
		{"equals sign in the value", "a=b=c", "a", "b=c"},
		{"repeated", "a=1&b=2&A=3&a=", "a", "1,3,"},
		{"repeated and empty", "a=&a=", "a", ","},
		{"empty value", "messageId=&x=1", "messageId", ""},
		{"missing", "a=1", "b", ""},
		{"no equals sign", "a&b=1", "a", ""},
		{"no equals sign does not shift others", "a&b=1&c", "b", "1"},
		{"empty pairs", "&&a=1&&", "a", "1"},
		{"empty key", "=1&a=2", "", "1"},
		{"space before the key", "x=1& a=2", "a", "2"},
		{"percent alone", "a=100%&b=1", "a", "100%"},
		{"percent and one digit", "a=%4&b=1", "a", "%4"},
		{"percent, digit, letter", "a=%4z%z4", "a", "%4z%z4"},
		{"percent and no digits", "a=%zz%41", "a", "%zzA"},
		{"percent percent", "a=%%41", "a", "%A"},
		{"bad escape loses no other pair", "a=%zz&b=1", "b", "1"},
		{"unfinished escape at the end of a value", "a=%4&1=b", "1", "b"},
		{"not UTF-8", "a=%ff%fe", "a", "\xff\xfe"},
		{"NUL", "a=%00b", "a", "\x00b"},
		{"Kelvin sign is no k", "%E2%84%AAey=1", "key", ""},
		{"empty", "", "a", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := negotiate.ParseForm(test.raw).Get(test.key); got != test.want {
				t.Errorf("ParseForm(%q).Get(%q) = %q, want %q", test.raw, test.key, got, test.want)
			}
			if strings.Contains(test.raw, ";") {
				return
			}
			if got := negotiate.ParseQuery(test.raw).Get(test.key); got != test.want {
				t.Errorf("ParseQuery(%q).Get(%q) = %q, want %q", test.raw, test.key, got, test.want)
			}
		})
	}
}

func TestSemicolonSeparatesInQueriesOnly(t *testing.T) {
	const raw = "a=1;b=2&c=3"
	if got := negotiate.ParseQuery(raw).Get("b"); got != "2" {
		t.Errorf("query: b = %q, want 2", got)
	}
	if got := negotiate.ParseForm(raw).Get("a"); got != "1;b=2" {
		t.Errorf("body: a = %q, want 1;b=2", got)
	}
}

func TestFormHas(t *testing.T) {
	f := negotiate.ParseQuery("messageId=&Data=1&flag")
	for key, want := range map[string]bool{"messageid": true, "data": true, "flag": false, "x": false, "": false} {
		if f.Has(key) != want {
			t.Errorf("Has(%q) = %v", key, !want)
		}
	}
	if (negotiate.Form{}).Has("a") || (negotiate.Form{}).Get("a") != "" {
		t.Error("the zero Form is not empty")
	}
}

func TestFormIsBounded(t *testing.T) {
	f := negotiate.ParseForm(strings.Repeat("a=1&", 100_000) + "b=1")
	if got := strings.Count(f.Get("a"), "1"); got != 1000 {
		t.Errorf("%d pairs taken, want 1000", got)
	}
	if f.Has("b") {
		t.Error("a pair beyond the bound was taken")
	}
	// With a second look at each byte this takes minutes.
	for _, separator := range []string{"&", ";", "&;", "x;"} {
		if negotiate.ParseQuery(strings.Repeat(separator, 2<<20)).Has("x") {
			t.Errorf("pairs in a run of %q", separator)
		}
	}
}

func FuzzForm(f *testing.F) {
	for _, raw := range []string{"", "a=1&b=2", "a=%", "a=%4", "%=%zz&+=+", "a=1;b=2", "=&=&;", "a=1&A=2", "%ff=%00", "a&b", "\u212a=1"} {
		f.Add(raw, "a")
	}
	f.Fuzz(func(t *testing.T, raw, key string) {
		form, query := negotiate.ParseForm(raw), negotiate.ParseQuery(raw)
		for _, p := range []negotiate.Form{form, query} {
			if value := p.Get(key); value != "" && !p.Has(key) {
				t.Errorf("%q has no %q, and it is %q", raw, key, value)
			}
			if n := len(p.Get(key)); n > len(raw) {
				t.Errorf("%d bytes came out of %d", n, len(raw))
			}
		}
		if !strings.Contains(raw, ";") && form.Get(key) != query.Get(key) {
			t.Errorf("%q is read differently as a query", raw)
		}
		// What any client can escape comes back as it was.
		back := negotiate.ParseQuery("x=1&" + url.QueryEscape("k"+key) + "=" + url.QueryEscape(raw) + "&y=2")
		if got := back.Get("k" + key); got != raw || back.Get("y") != "2" {
			t.Errorf("%q under %q comes back as %q", raw, key, got)
		}
	})
}

func BenchmarkParseQuery(b *testing.B) {
	k := keyring(b, keyA)
	raw := fmt.Sprintf("transport=webSockets&clientProtocol=2.1&name=ann&connectionToken=%s&connectionData=%s&tid=7",
		k.ConnectionToken(connection, "some.user@example.com"), url.QueryEscape(`[{"name":"chathub"}]`))
	b.ReportAllocs()
	for b.Loop() {
		f := negotiate.ParseQuery(raw)
		_ = f.Get("transport") + f.Get("connectionToken") + f.Get("connectionData") + f.Get("clientProtocol") +
			f.Get("messageId") + f.Get("groupsToken") + f.Get("callback")
	}
}
