package negotiate_test

import (
	stdjson "encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hubwire/hubwire/negotiate"
)

func answer() negotiate.Response {
	return negotiate.Response{
		URL:                     "/signalr",
		ConnectionToken:         "AQAAANCM",
		ConnectionID:            connection,
		KeepAliveTimeout:        20 * time.Second,
		DisconnectTimeout:       30 * time.Second,
		ConnectionTimeout:       110 * time.Second,
		TryWebSockets:           true,
		ProtocolVersion:         negotiate.ResolveVersion("2.1"),
		TransportConnectTimeout: 5 * time.Second,
		LongPollDelay:           1500 * time.Millisecond,
	}
}

// Also line 20: availableTransports is in none of them.
func TestClassic016AllTenFields(t *testing.T) {
	var got map[string]any
	if err := stdjson.Unmarshal(answer().JSON(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"Url": "/signalr", "ConnectionToken": "AQAAANCM", "ConnectionId": connection,
		"KeepAliveTimeout": 20.0, "DisconnectTimeout": 30.0, "ConnectionTimeout": 110.0,
		"TryWebSockets": true, "ProtocolVersion": "2.0", "TransportConnectTimeout": 5.0, "LongPollDelay": 1.5,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestZeroResponseHasAllTenFields(t *testing.T) {
	const want = `{"Url":"","ConnectionToken":"","ConnectionId":"","KeepAliveTimeout":null,"DisconnectTimeout":0,` +
		`"ConnectionTimeout":0,"TryWebSockets":false,"ProtocolVersion":"","TransportConnectTimeout":0,"LongPollDelay":0}`
	if got := string(negotiate.Response{}.JSON()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestClassic017KeepAliveTimeoutNull(t *testing.T) {
	r := answer()
	r.KeepAliveTimeout = negotiate.Timeouts{KeepAlive: -1}.KeepAliveTimeout()
	if got := string(r.JSON()); !strings.Contains(got, `"KeepAliveTimeout":null,`) {
		t.Errorf("got %s, want a KeepAliveTimeout of null", got)
	}
}

func TestResponseMarshalsAlike(t *testing.T) {
	got, err := stdjson.Marshal(answer())
	if err != nil || string(got) != string(answer().JSON()) {
		t.Errorf("json.Marshal gives %s, %v", got, err)
	}
}

func FuzzResponse(f *testing.F) {
	f.Add("/signalr", "token", int64(20*time.Second))
	f.Add("/\u2028</script>&\x00\x7f", "\xff\"\\", int64(1))
	f.Fuzz(func(t *testing.T, url, token string, keepAlive int64) {
		r := answer()
		r.URL, r.ConnectionToken, r.KeepAliveTimeout = url, token, time.Duration(keepAlive)
		b := r.JSON()
		if strings.ContainsAny(string(b), "<>&\u2028\u2029") {
			t.Errorf("%s is no safe script", b)
		}
		var got map[string]any
		if err := stdjson.Unmarshal(b, &got); err != nil || len(got) != 10 {
			t.Fatalf("encoding/json reads %d fields of %s: %v", len(got), b, err)
		}
		if got["Url"] != viaStandard(t, url) || got["ConnectionToken"] != viaStandard(t, token) {
			t.Errorf("got %q and %q, want %q and %q", got["Url"], got["ConnectionToken"], url, token)
		}
	})
}

func viaStandard(t *testing.T, s string) (back string) {
	t.Helper()
	b, err := stdjson.Marshal(s)
	if err == nil {
		err = stdjson.Unmarshal(b, &back)
	}
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func BenchmarkResponse(b *testing.B) {
	r := answer()
	b.ReportAllocs()
	for b.Loop() {
		r.JSON()
	}
}
