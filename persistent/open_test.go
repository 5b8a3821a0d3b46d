package persistent_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
	"github.com/hubwire/hubwire/transports"
)

// A clogged stream takes nothing until it is let go, as that of a client that
// does not read. It is the dialect, too.
type clogged struct {
	free    chan struct{}
	written bytes.Buffer
}

func (*clogged) Name() string { return "clogged" }

func (s *clogged) Serve(_ http.ResponseWriter, r *http.Request, h dialect.Host) bool {
	adm, _ := h.Admit(r, "", nil)
	c, _, err := h.Open(dialect.Opening{ID: "c", Dialect: s.Name(), Protocol: &messagelog.Protocol{}, Request: r, Admission: adm})
	if err != nil {
		panic(err)
	}
	a, err := c.Attach(dialect.Exchange{Request: r, Admission: adm, Stream: s, Framer: words{}, AnyWriter: true, Connect: true})
	if err != nil {
		panic(err)
	}
	a.Spawn()
	return true
}

func (*clogged) Kind() transports.Kind  { return transports.WebSockets }
func (*clogged) KeepAlive([]byte) error { return nil }
func (*clogged) Close()                 {}
func (*clogged) Tries() bool            { return true }

func (*clogged) Prepare(b []byte, frames [][]byte) []byte {
	return append(b, bytes.Join(append(frames, nil), []byte(" "))...)
}

func (s *clogged) TryPrepared(b []byte) (rest func() error) {
	return func() error { return s.SendPrepared(b) }
}

func (s *clogged) SendPrepared(b []byte) error {
	<-s.free
	s.written.Write(b)
	return nil
}

func (s *clogged) Send(frames [][]byte) error { return s.SendPrepared(s.Prepare(nil, frames)) }

// A words framer has a word to open with, and no envelope.
type words struct{}

func (words) Opening(messagelog.Cursor) [][]byte        { return [][]byte{[]byte("opening")} }
func (words) KeepAlive() []byte                         { return nil }
func (words) Shares(dialect.Batch) (shape any, ok bool) { return nil, true }

func (words) Frames(dst [][]byte, buf []byte, b dialect.Batch) ([][]byte, []byte) {
	for _, m := range b.Entries {
		dst = append(dst, m.Payload.Bytes(nil))
	}
	return dst, buf
}

// What opens an exchange may have to wait for the client. Whoever starts the
// exchange does not, and what comes in the meantime follows in order.
func TestOpeningThatHasToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := &clogged{free: make(chan struct{})}
		s, err := persistent.NewServer(persistent.Handler{}, persistent.Options{Dialects: []dialect.Dialect{stream}})
		if err != nil {
			t.Fatal(err)
		}
		started := false
		go func() {
			s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
			started = true
		}()
		synctest.Wait()
		if !started {
			t.Error("whoever starts the exchange waits for the client")
		}
		for _, word := range []string{"one", "two"} {
			if err := s.Broadcast(word); err != nil {
				t.Fatal(err)
			}
		}
		close(stream.free)
		synctest.Wait()
		if got, want := stream.written.String(), `opening "one" "two" `; got != want {
			t.Errorf("written: %q, want %q", got, want)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
