package persistent_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
	"github.com/hubwire/hubwire/transports"
)

// A pollster is a family whose polls end up in a function. There is one
// connection.
type pollster struct {
	host     dialect.Host
	conn     dialect.Connection
	greeting string // the first poll is answered with it, once
	send     func(frame string)
	rest     []string // what nobody took when the connection had ended
	stream   bool     // in place of polls, of a family without a word for the end
}

func (*pollster) Name() string { return "pollster" }

func (p *pollster) Serve(_ http.ResponseWriter, r *http.Request, h dialect.Host) bool {
	adm, _ := h.Admit(r, "", nil)
	if p.host = h; p.conn == nil {
		p.conn, _, _ = h.Open(dialect.Opening{ID: "it", Dialect: p.Name(), Protocol: text, Request: r, Admission: adm,
			OneChannel: true, Ended: func(_ dialect.Ending, rest []*messagelog.Entry) {
				for _, m := range rest {
					p.rest = append(p.rest, string(m.Payload.Bytes(text)))
				}
			}})
		_ = p.conn.Start()
	}
	x := dialect.Exchange{Request: r, Admission: adm, Stream: answer{p.send}, Framer: p, Once: true, KeepAlive: -1, IdleTimeout: time.Minute}
	if p.stream {
		x.Framer, x.Once, x.IdleTimeout = struct{ dialect.Framer }{p}, false, 0
	}
	a, _ := p.conn.Attach(x)
	_ = a.Run(r.Context())
	return true
}

func (p *pollster) Opening(messagelog.Cursor) [][]byte {
	if p.greeting == "" {
		return nil
	}
	hello := p.greeting
	p.greeting = ""
	return [][]byte{[]byte(hello)}
}

func (p *pollster) Frames(dst [][]byte, buf []byte, b dialect.Batch) ([][]byte, []byte) {
	frame := []byte{}
	for _, m := range b.Entries {
		frame = append(frame, m.Payload.Bytes(text)...)
	}
	return append(dst, frame), buf
}

func (*pollster) KeepAlive() []byte               { return nil }
func (*pollster) Parting(dialect.Ending) [][]byte { return nil }

var text = &messagelog.Protocol{Name: "text"}

// An answer is the stream of one poll.
type answer struct{ send func(frame string) }

func (answer) Kind() transports.Kind  { return transports.LongPolling }
func (answer) KeepAlive([]byte) error { return nil }
func (answer) Close()                 {}

func (a answer) Send(frames [][]byte) error {
	for _, f := range frames {
		a.send(string(f))
	}
	return nil
}

// polls runs f in fake time with a server of that family and a function that
// makes a poll.
func polls(t *testing.T, p *pollster, f func(t *testing.T, s *server, poll func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := raw(t, persistent.Handler{}, persistent.Options{Dialects: []dialect.Dialect{p}, DisconnectTimeout: 15 * time.Second})
		f(t, s, func() { s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/raw", nil)) })
		s.must(s.Shutdown(context.Background()))
	})
}

// A client is not away while it is being answered, however long that takes and
// however long ago it was away before.
func TestAnswersAreNoAbsence(t *testing.T) {
	p := &pollster{send: func(string) { time.Sleep(20 * time.Second) }}
	polls(t, p, func(t *testing.T, s *server, poll func()) {
		for range 3 {
			poll()
		}
		s.wantEvents("after three slow answers", "connected")
		time.Sleep(14 * time.Second)
		s.wantEvents("away for 14 s", "connected")
		time.Sleep(2 * time.Second)
		s.wantEvents("away for 16 s", "connected", "disconnected stop=false")
	})
}

// A client can be back, and its connection over, before the server knows that
// it has had the answer: the last words wait for its next poll.
func TestEndDuringAnAnswer(t *testing.T) {
	p := &pollster{greeting: "hello"}
	p.send = func(string) {
		p.conn.Reply(messagelog.JSON("last words"))
		p.conn.End(dialect.Aborted)
	}
	polls(t, p, func(t *testing.T, s *server, poll func()) {
		poll()
		if want := []string{"last words"}; !slices.Equal(p.rest, want) {
			t.Errorf("%q is left, want %q", p.rest, want)
		}
	})
	// An answer with messages: they do not come twice.
	p = &pollster{}
	p.send = func(string) { p.conn.End(dialect.Aborted) }
	polls(t, p, func(t *testing.T, s *server, poll func()) {
		go func() {
			synctest.Wait()
			s.must(s.Broadcast("news"))
		}()
		poll()
		if len(p.rest) > 0 {
			t.Errorf("%q comes twice", p.rest)
		}
	})
}

// What a program sends before it ends a connection, or the server ends, arrives:
// also behind a write that takes its time, and results of calls as well.
func TestLastWords(t *testing.T) {
	for name, end := range map[string]func(p *pollster, s *server) error{
		"abort":    func(p *pollster, s *server) error { p.conn.End(dialect.Aborted); return nil },
		"shutdown": func(p *pollster, s *server) error { return s.Shutdown(context.Background()) },
	} {
		var got []string
		p := &pollster{stream: true, send: func(frame string) {
			got = append(got, frame)
			time.Sleep(time.Second)
		}}
		polls(t, p, func(t *testing.T, s *server, poll func()) {
			var done sync.WaitGroup
			done.Go(poll)
			synctest.Wait()
			s.must(s.Broadcast("first"))
			synctest.Wait()
			s.must(s.Broadcast("second"))
			p.conn.Reply(messagelog.JSON("result"))
			s.must(end(p, s))
			done.Wait()
			if want := []string{`"first"`, `"second"result`}; len(got) < 2 || !slices.Equal(got[:2], want) {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		})
	}
}
