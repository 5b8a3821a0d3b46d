package negotiate_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/hubwire/hubwire/negotiate"
)

var (
	keyA = negotiate.Key("key A: sixteen bytes or more")
	keyB = negotiate.Key("key B: sixteen bytes or more")
)

func keyring(t testing.TB, keys ...negotiate.Key) *negotiate.Keyring {
	t.Helper()
	k, err := negotiate.NewKeyring(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func wantBadToken(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, negotiate.ErrBadToken) {
		t.Errorf("err = %v, want ErrBadToken", err)
	}
}

func TestSealedTextOpens(t *testing.T) {
	k := keyring(t, keyA)
	for _, plain := range []string{"", "x", "id:user", "\x00\xff", strings.Repeat("long ", 10000)} {
		got, err := k.Open(negotiate.ConnectionPurpose, k.Seal(negotiate.ConnectionPurpose, []byte(plain)))
		if err != nil || string(got) != plain {
			t.Errorf("open(seal(%.20q)) = %.20q, %v", plain, got, err)
		}
	}
}

func TestTokenAlphabetSurvivesDoubleEscaping(t *testing.T) {
	k := keyring(t, keyA)
	for n := range 100 {
		token := k.Seal(negotiate.ConnectionPurpose, bytes.Repeat([]byte{0xff, 0xfb}, n))
		if strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Fatalf("token %q needs escaping in a URL", token)
		}
	}
}

func TestForeignTokensDoNotOpen(t *testing.T) {
	k := keyring(t, keyA)
	good := k.Seal(negotiate.ConnectionPurpose, []byte("id:user"))
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(parts ...[]byte) string {
		return base64.RawURLEncoding.EncodeToString(bytes.Join(parts, nil))
	}
	for _, test := range []struct{ name, token string }{
		{"empty", ""},
		{"not base64", "*" + good[1:]},
		{"standard base64 with padding", base64.StdEncoding.EncodeToString(raw)},
		{"text only", encode([]byte("id:user"))},
		{"mac of zeros", encode(make([]byte, 32), []byte("id:user"))},
		{"other text under the same mac", encode(raw[:32], []byte("id:admin"))},
		{"text longer", encode(raw, []byte("x"))},
		{"mac bit flipped", encode([]byte{raw[0] ^ 1}, raw[1:])},
		{"mac shorter", encode(raw[1:])},
		{"mac only", encode(raw[:32])},
		{"half a mac", encode(raw[:16])},
		{"line break inside", good[:8] + "\n" + good[8:]},
		{"space after", good + " "},
		{"twice", good + good},
		{"swapped purpose", k.Seal(negotiate.GroupsPurpose, []byte("id:user"))},
		{"other key", keyring(t, keyB).Seal(negotiate.ConnectionPurpose, []byte("id:user"))},
		{"random key", keyring(t).Seal(negotiate.ConnectionPurpose, []byte("id:user"))},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := k.Open(negotiate.ConnectionPurpose, test.token)
			wantBadToken(t, err)
			if got != nil {
				t.Errorf("text = %q, want none beside an error", got)
			}
		})
	}
}

func TestTruncatedTokensDoNotOpen(t *testing.T) {
	k := keyring(t, keyA)
	good := k.Seal(negotiate.ConnectionPurpose, []byte("id:user"))
	for n := range len(good) {
		if _, err := k.Open(negotiate.ConnectionPurpose, good[:n]); !errors.Is(err, negotiate.ErrBadToken) {
			t.Errorf("the first %d of %d characters: %v, want ErrBadToken", n, len(good), err)
		}
	}
}

func TestEachBitOfATokenCounts(t *testing.T) {
	k := keyring(t, keyA)
	raw, err := base64.RawURLEncoding.DecodeString(k.Seal(negotiate.ConnectionPurpose, []byte("id:user")))
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		forged := bytes.Clone(raw)
		forged[bit/8] ^= 1 << (bit % 8)
		if _, err := k.Open(negotiate.ConnectionPurpose, base64.RawURLEncoding.EncodeToString(forged)); err == nil {
			t.Errorf("the token opens with bit %d flipped", bit)
		}
	}
}

func TestOneSpellingPerToken(t *testing.T) {
	k := keyring(t, keyA)
	for _, plain := range []string{"id:", "id:u", "id:us"} { // 0 to 4 stray bits
		good := k.Seal(negotiate.ConnectionPurpose, []byte(plain))
		opens := 0
		for c := range 256 {
			if _, err := k.Open(negotiate.ConnectionPurpose, good[:len(good)-1]+string([]byte{byte(c)})); err == nil {
				opens++
			}
		}
		if opens != 1 {
			t.Errorf("%q: %d characters may stand last, want 1: stray bits must not be ignored", plain, opens)
		}
	}
}

func TestKeyRotation(t *testing.T) {
	before, both, after := keyring(t, keyA), keyring(t, keyB, keyA), keyring(t, keyB)
	seal := func(k *negotiate.Keyring) string { return k.ConnectionToken("id", "user") }
	for _, test := range []struct {
		name  string
		token string
		by    *negotiate.Keyring
		opens bool
	}{
		{"old token while both keys are in", seal(before), both, true},
		{"token of the new first key while both are in", seal(both), both, true},
		{"new token where only the new key is", seal(both), after, true},
		{"new token where only the old key is", seal(both), before, false},
		{"old token after the old key is retired", seal(before), after, false},
		{"new key known behind the old one", seal(after), keyring(t, keyA, keyB), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := test.by.OpenConnectionToken(test.token)
			if test.opens && err != nil {
				t.Errorf("does not open: %v", err)
			}
			if !test.opens {
				wantBadToken(t, err)
			}
		})
	}
}

func TestNewKeyring(t *testing.T) {
	for _, test := range []struct {
		name    string
		keys    []negotiate.Key
		wantErr string
	}{
		{"no key", nil, ""},
		{"least size", []negotiate.Key{make(negotiate.Key, 16)}, ""},
		{"too short", []negotiate.Key{make(negotiate.Key, 15)}, "key 1 has 15 bytes, want at least 16"},
		{"second one empty", []negotiate.Key{keyA, nil}, "key 2 has 0 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			k, err := negotiate.NewKeyring(test.keys...)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Errorf("err = %v, want %q", err, test.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if k.Random() != (len(test.keys) == 0) {
				t.Errorf("Random() = %v", k.Random())
			}
		})
	}
}

func TestRandomKeysDiffer(t *testing.T) {
	_, _, err := keyring(t).OpenConnectionToken(keyring(t).ConnectionToken("id", "user"))
	wantBadToken(t, err)
}

func TestKeyringDoesNotKeepTheKey(t *testing.T) {
	key := append(negotiate.Key(nil), keyA...)
	k := keyring(t, key)
	token := k.ConnectionToken("id", "user")
	clear(key)
	if _, _, err := k.OpenConnectionToken(token); err != nil {
		t.Errorf("token does not open after the caller's key was wiped: %v", err)
	}
}

// The token format is what keeps the nodes of a farm together through an
// update: a change of the labels or of the layout shows here.
func TestTokenFormatIsStable(t *testing.T) {
	const want = "fxnLa14i-CHfoE9rHZvp3Ru3DeMp_onHlhZ-7_JfXVgxYzFjOWU1YS01YzZmLTRmMGEtOGY2MS0wZDdjMWYwYjZhMTE6YW5u"
	if got := keyring(t, keyA).ConnectionToken("1c1c9e5a-5c6f-4f0a-8f61-0d7c1f0b6a11", "ann"); got != want {
		t.Errorf("token = %q, want %q", got, want)
	}
}

func TestKeysHideFromLogs(t *testing.T) {
	var out strings.Builder
	slog.New(slog.NewJSONHandler(&out, nil)).Info("set up", "key", keyA)
	slog.New(slog.NewTextHandler(&out, nil)).Info("set up", "key", keyA)
	fmt.Fprintf(&out, "%v %+v %#v %s %x %d %q", keyA, keyA, keyA, keyA, keyA, keyA, keyA)
	fmt.Fprintf(&out, "%+v", struct{ Keys []negotiate.Key }{[]negotiate.Key{keyA}})
	fmt.Fprintf(&out, "%+v %#v", keyring(t, keyA), *keyring(t, keyA))
	for _, form := range []string{string(keyA), fmt.Sprint([]byte(keyA)[:8])[1:], fmt.Sprintf("%x", []byte(keyA)[:8]),
		base64.StdEncoding.EncodeToString(keyA)[:8]} {
		if strings.Contains(out.String(), strings.Trim(form, "[]")) {
			t.Errorf("the key is in %q", out.String())
		}
	}
	if !strings.Contains(out.String(), "Key(28 bytes)") {
		t.Errorf("no size in %q", out.String())
	}
}

func TestKeyringFromManyGoroutines(t *testing.T) {
	k := keyring(t, keyB, keyA)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				want := fmt.Sprint(g, i)
				id, _, err := k.OpenConnectionToken(k.ConnectionToken(want, "user"))
				if err != nil || id != want {
					t.Errorf("id = %q, %v, want %q", id, err, want)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzOpen(f *testing.F) {
	k, other := keyring(f, keyA), keyring(f, keyB)
	f.Add(k.Seal(negotiate.ConnectionPurpose, []byte("id:user")), []byte("id:user"))
	f.Add(k.Seal(negotiate.GroupsPurpose, []byte("id:[]")), []byte(nil))
	f.Add(other.Seal(negotiate.ConnectionPurpose, []byte("id:user")), []byte{0xff})
	f.Add("", []byte("\n"))
	f.Add(strings.Repeat("A", 43), []byte(":"))
	f.Fuzz(func(t *testing.T, token string, plain []byte) {
		if got, err := k.Open(negotiate.ConnectionPurpose, token); err == nil {
			if back := k.Seal(negotiate.ConnectionPurpose, got); back != token {
				t.Errorf("token %q opens to %q, which seals to %q", token, got, back)
			}
		}
		_, _, _ = k.OpenConnectionToken(token)
		sealed := k.Seal(negotiate.ConnectionPurpose, plain)
		if got, err := k.Open(negotiate.ConnectionPurpose, sealed); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("open(seal(%q)) = %q, %v", plain, got, err)
		}
		if _, err := k.Open(negotiate.GroupsPurpose, sealed); err == nil {
			t.Error("a token opens for another purpose")
		}
		if _, err := other.Open(negotiate.ConnectionPurpose, sealed); err == nil {
			t.Error("a token opens with another key")
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	k := keyring(b, keyA)
	plain := []byte(negotiate.NewConnectionID() + ":some.user@example.com")
	b.ReportAllocs()
	for b.Loop() {
		k.Seal(negotiate.ConnectionPurpose, plain)
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, test := range []struct {
		name string
		by   *negotiate.Keyring
	}{
		{"first key", keyring(b, keyA)},
		{"second key", keyring(b, keyB, keyA)},
	} {
		b.Run(test.name, func(b *testing.B) {
			token := keyring(b, keyA).ConnectionToken(negotiate.NewConnectionID(), "some.user@example.com")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := test.by.Open(negotiate.ConnectionPurpose, token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
