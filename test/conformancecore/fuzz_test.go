package conformancecore_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/core/coretest"
)

// FuzzConversation: whatever a client says after its handshake, in whatever
// pieces, the server answers in whole messages, and nothing is left when it is
// shut down.
func FuzzConversation(f *testing.F) {
	join := func(messages ...string) string {
		return strings.Join(messages, coretest.Separator) + coretest.Separator
	}
	for _, s := range []string{
		join(call("1", "echo", `["x"]`), call("2", "sum", `[1,"x"]`), call("3", "nope", `[]`), `{"type":6}`),
		join(streaming("s", "hold", `[]`), `{"type":5,"invocationId":"s"}`, streaming("s", "ticks", `[3]`)),
		join(calling("1", "collect", `[]`, "u"), item("u", "1"), item("u", "null"), item("u", `"x"`), failed("u", "no")),
		join(calling("1", "collect", `[]`, "u")) + item("u", "1"), // and no end
		join(calling("1", "take", `[]`, "u", "u"), call("2", "panic", `[]`), call("3", "abortAndSpeak", `[]`), `{"type":7}`),
		join(call("1", "any", `[{"a":[1e400]}]`), `{"type":8,"sequenceId":1}`, `{"type":9,"sequenceId":5}`, `{"type":3,"invocationId":"s1"}`),
	} {
		f.Add(false, uint8(200), []byte(s))
	}
	for _, s := range []string{
		framed("\x95\x01\x80\xa1\x31\xa4echo\x91\xa1x", "\x91\x06", "\x96\x04\x80\xa1s\xa4hold\x90\x90", "\x93\x05\x80\xa1s"),
		framed("\x96\x01\x80\xa1\x31\xa7collect\x90\x91\xa1u", "\x94\x02\x80\xa1u\x07", "\x94\x02\x80\xa1u\xc0", "\x94\x03\x80\xa1u\x02"),
		framed("\x95\x01\x80\xa1\x31\xa3any\x91\xdf\xff\xff\xff\xff", "\x92\x08\x01", "\x92\x07\xc0"),
		"\xff\xff\xff\xff\xff\x01",
	} {
		f.Add(true, uint8(3), []byte(s))
	}
	f.Fuzz(func(t *testing.T, binary bool, piece uint8, said []byte) {
		l := &lab{T: t, changed: make(chan struct{}), gate: make(chan struct{})}
		l.release()
		l.server = hub.NewServer(hub.Options{Options: persistent.Options{Logger: slog.New(slog.DiscardHandler)}})
		l.hub = hub.Register[labClient](l.server, "lab", &labHub{l})
		c := coretest.New(t, "http://server.test/signalr/lab")
		c.HTTP.Transport = direct{l.server}
		if binary {
			c.Protocol = "messagepack"
		}
		s := c.Negotiate().Dial(longPolling)
		c.Post(c.HandshakeRequest())
		s.WantGreeting()
		heard := make(chan []string)
		go func() {
			defer close(heard)
			heard <- s.WantEnd("the end")
		}()
		for len(said) > 0 {
			n := min(int(piece)+1, len(said))
			c.Request(http.MethodPost, string(said[:n])) // refused where it has ended
			said = said[n:]
		}
		ctx, cancel := context.WithTimeout(t.Context(), coretest.Patience)
		defer cancel()
		down := make(chan error)
		go func() { down <- l.server.Shutdown(ctx) }()
		c.Request(http.MethodDelete, "") // or a call could wait for the rest of a stream
		if err := <-down; err != nil {
			t.Errorf("shutdown: %v", err)
		}
		for _, m := range <-heard {
			if !binary && !json.Valid([]byte(m)) {
				t.Errorf("the server says %q", m)
			}
		}
	})
}

// direct calls the server without a network.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}
