package core

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/transports"
)

func TestNumbersAndCloses(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{string(numberText(typeAck, 12)), "{\"type\":8,\"sequenceId\":12}\x1e"},
		{string(numberText(typeSequence, 13)), "{\"type\":9,\"sequenceId\":13}\x1e"},
		{fmt.Sprintf("%x", numberBinary(typeAck, 12)), "0392080c"},
		{fmt.Sprintf("%x", numberBinary(typeSequence, 300)), "0b9209cf000000000000012c"},
		{fmt.Sprintf("%x", closeBinary(false, false)), "049307c0c2"},
		{fmt.Sprintf("%x", closeBinary(false, true)), "049307c0c3"},
		{string(closeText(true, true)), "{\"type\":7,\"error\":\"Connection closed with an error.\",\"allowReconnect\":true}\x1e"},
		{string(closeText(false, false)), "{\"type\":7}\x1e"},
		{fmt.Sprintf("%x", jsonFormat.ping), "7b2274797065223a367d1e"},
		{fmt.Sprintf("%x", messagePackFormat.ping), "029106"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
	for _, f := range []*format{jsonFormat, messagePackFormat} {
		for _, n := range []uint64{0, 1, 127, 128, 1 << 40} {
			for _, kind := range []int{typeAck, typeSequence} {
				m, size, err := f.cut(f.number(kind, n), 100, 0)
				gotKind, got, err2 := f.read(m)
				if err != nil || err2 != nil || size == 0 || gotKind != kind || uint64(got) != n {
					t.Errorf("%s: %d %d comes back as %d %d, %v, %v", f.protocol.Name, kind, n, gotKind, got, err, err2)
				}
			}
		}
	}
}

func TestLimitCountsTheDelimiter(t *testing.T) {
	for _, f := range []*format{jsonFormat, messagePackFormat} {
		record := append(AppendLength(nil, 9), "123456789"...)
		if f == jsonFormat {
			record = []byte("123456789\x1e")
		}
		if m, size, err := f.cut(record, 10, 0); string(m) != "123456789" || size != 10 || err != nil {
			t.Errorf("of the limit: %q %d %v", m, size, err)
		}
		if _, _, err := f.cut(record, 9, 0); err != errTooLarge {
			t.Errorf("beyond the limit: %v", err)
		}
		if _, size, err := f.cut(record[:9], 10, 0); size != 0 || err != nil {
			t.Errorf("not complete: %d %v", size, err)
		}
		if m, _, err := f.cut(record, -1, 0); len(m) != 9 || err != nil {
			t.Errorf("without a limit: %q %v", m, err)
		}
	}
	if _, _, err := cutText([]byte("1234567890"), 10, 0); err != errTooLarge {
		t.Errorf("no end within the limit: %v", err)
	}
}

// However a stream is cut into pieces, the messages are the same.
func FuzzCut(f *testing.F) {
	f.Add([]byte("{\"type\":6}\x1e{\"type\":6}\x1e"), uint8(3))
	f.Add([]byte("\x02\x91\x06\x81\x00\x91\x06"), uint8(1))
	f.Add([]byte("\xff\xff\xff\xff\x07"), uint8(1))
	f.Add([]byte("\xff\xff\xff\xff\xff\x01"), uint8(2))
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		for _, format := range []*format{jsonFormat, messagePackFormat} {
			whole, wholeErr := split(format, stream, len(stream)+1)
			parts, partsErr := split(format, stream, int(step)+1)
			if (wholeErr == nil) != (partsErr == nil) || fmt.Sprint(whole) != fmt.Sprint(parts) {
				t.Fatalf("in one piece %q %v, in pieces %q %v", whole, wholeErr, parts, partsErr)
			}
		}
	})
}

func split(f *format, stream []byte, step int) (list [][]byte, err error) {
	var buf []byte
	searched := 0
	for len(stream) > 0 {
		n := min(step, len(stream))
		buf, stream = append(buf, stream[:n]...), stream[n:]
		for {
			m, size, err := f.cut(buf, 1000, searched)
			if err != nil {
				return list, err
			}
			if size == 0 {
				searched = len(buf)
				break
			}
			list, buf, searched = append(list, bytes.Clone(m)), buf[size:], 0
		}
	}
	return list, nil
}

var messages = []string{
	`{"type":6}`, `{"arguments":[{"type":9,"x":"}]\"{"}],"target":"a","type":1}`, `{"a":[1,{"b":"\\"}],"type":5}`, `{}`, `{"type":"1"}`,
	`{"type":1.0}`, `{"t\u0079pe":3}`, `{"x":1,}`, `{"type":`, `[1]`, ` { "type" : 8 , "sequenceId" : 3 } `, `{"type":8}`, `{"type":9,"sequenceId":1.5}`,
	`{"type":-0}`, `{"type":7,"error":null,"allowReconnect":true}`, `{"a":"\u0000"}`, `{"type":1e2}`, `{"":"","type":2}`,
}

// Where a message is JSON the type is that of the decoder.
func FuzzReadText(f *testing.F) {
	for _, m := range messages {
		f.Add([]byte(m))
	}
	f.Fuzz(func(t *testing.T, m []byte) {
		kind, _, err := readText(m)
		var want map[string]json.RawMessage
		if json.Unmarshal(m, &want) != nil || want == nil {
			return // no more is asked than not to fall over
		}
		var n int
		if json.Unmarshal(want["type"], &n) != nil || bytes.ContainsAny(want["type"], "eE.n") {
			if err == nil {
				t.Fatalf("%q has the type %d", m, kind)
			}
			return
		}
		if bytes.Count(m, []byte("pe")) > 1 || bytes.Contains(m, []byte(`\u`)) {
			return // the first of several counts here, the last one there
		}
		if (n < typePing || n > typeSequence) && (err != nil || kind != n) {
			t.Fatalf("%q has the type %d (%v), want %d", m, kind, err, n)
		}
	})
}

func FuzzReadBinary(f *testing.F) {
	for _, m := range []string{"\x91\x06", "\x92\x08\x0c", "\x92\x09\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "\xdc\x00\x01\xd0\xff", "\xdd", "", "\x90"} {
		f.Add([]byte(m))
	}
	f.Fuzz(func(_ *testing.T, m []byte) { _, _, _ = readBinary(m) })
}

func FuzzHandshake(f *testing.F) {
	for _, m := range []string{`{"protocol":"json","version":1}`, `{"protocol":"messagepack","version":2}`, `{}`, `null`, `{"protocol":1}`, "\xff"} {
		f.Add([]byte(m))
	}
	f.Fuzz(func(t *testing.T, m []byte) {
		for _, kind := range []transports.Kind{transports.WebSockets, transports.ServerSentEvents} {
			format, version, problem := readHandshake(m, kind)
			if (format == nil) != (problem != "") || version > maxVersion {
				t.Fatalf("%q: %v %d %q", m, format, version, problem)
			}
			if problem != "" && !json.Valid(bytes.TrimSuffix(handshakeError(problem), []byte{separator})) {
				t.Fatalf("%q: %s", m, handshakeError(problem))
			}
		}
	})
}

// A length is read as it was written, and not at all where a byte is missing.
func FuzzLength(f *testing.F) {
	for _, n := range []uint32{0, 1, 127, 128, 16383, 16384, 1 << 21, maxBody} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n uint32) {
		n %= 1 << 20 // for the memory
		prefix := AppendLength(nil, int(n))
		if len(prefix) > maxPrefix {
			t.Fatalf("%d takes %d bytes", n, len(prefix))
		}
		record := append(prefix, make([]byte, n)...)
		if m, size, err := cutBinary(record, -1, 0); err != nil || size != len(record) || len(m) != int(n) {
			t.Fatalf("%d is read as %d in %d bytes, %v", n, len(m), size, err)
		}
		if _, size, err := cutBinary(record[:len(record)-1], -1, 0); err != nil || size != 0 {
			t.Fatalf("%d without its last byte: %d bytes, %v", n, size, err)
		}
	})
}

// What a client asks negotiate for is answered with a version or with a text,
// and what it accepts is read without an accident.
func FuzzNegotiate(f *testing.F) {
	for _, s := range []string{"", "negotiateVersion=1", "NEGOTIATEVERSION=5", "negotiateVersion=-1", "negotiateVersion=99999999999", "negotiateVersion=%zz", "id=x&id=y"} {
		f.Add(s, "text/html, Text/Event-Stream ;q=0.1")
	}
	d := New(Options{})
	f.Fuzz(func(t *testing.T, query, accept string) {
		q := &request{r: httptest.NewRequest("POST", "/", nil), dialect: d, query: negotiate.ParseQuery(query)}
		version, problem := q.version()
		if version < 0 || version > 1 || problem != "" && (version != 0 || strings.ContainsAny(problem, "\r\n")) {
			t.Fatalf("%q is answered with %d %q", query, version, problem)
		}
		_ = q.claims("negotiate")
		if accepts(http.Header{"Accept": {accept}}, "text/event-stream") && !strings.Contains(strings.ToLower(accept), "text/event-stream") {
			t.Fatalf("%q accepts events", accept)
		}
	})
}

func FuzzTicket(f *testing.F) {
	ring, err := negotiate.NewKeyring(negotiate.Key("0123456789abcdef0123456789abcdef"))
	if err != nil {
		f.Fatal(err)
	}
	want := newTicket(1, true, "Ann", "Chat")
	good := want.seal(ring)
	f.Add(good)
	f.Add(good[1:])
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		got, ok := openTicket(ring, token)
		if ok && got.seal(ring) != token {
			t.Fatalf("%q opens, and is not what was sealed", token)
		}
	})
}

func TestTicket(t *testing.T) {
	ring, _ := negotiate.NewKeyring()
	a := newTicket(1, true, "Ann", "Chat")
	b, ok := openTicket(ring, a.seal(ring))
	if !ok || b.user != digest("aNN") || b.hub != digest("chat") || b.id != a.id || !b.stateful || b.version != 1 || a.issued.Sub(b.issued).Abs() > 1e6 {
		t.Errorf("%+v comes back as %+v", a, b)
	}
	if digest("\u212aelvin") == digest("kelvin") {
		t.Error("a Kelvin sign passes for a k")
	}
	if _, ok := openTicket(ring, ring.Seal(negotiate.ConnectionPurpose, make([]byte, ticketSize))); ok {
		t.Error("a token of another purpose opens")
	}
}
