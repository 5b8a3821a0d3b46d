package transports_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/transports"
)

// discard connects to the server, sends the request and throws away all that
// comes back.
func discard(b *testing.B, server *httptest.Server, request string) {
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		b.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, conn) }()
}

// benchSends runs send for batches of 1 and 16 frames of 100 bytes, in a handler
// of a server on a real socket.
func benchSends(b *testing.B, request string, open func(http.ResponseWriter, *http.Request) (send func([][]byte) error, end func())) {
	for _, n := range []int{1, 16} {
		b.Run(fmt.Sprintf("frames=%d", n), func(b *testing.B) {
			batch := make([][]byte, n)
			for i := range batch {
				batch[i] = bytes.Repeat([]byte("x"), 100)
			}
			done := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(done)
				send, end := open(w, r)
				defer end()
				b.ReportAllocs()
				for b.Loop() {
					if err := send(batch); err != nil {
						b.Error(err)
						return
					}
				}
			}))
			defer server.Close()
			discard(b, server, request)
			<-done
		})
	}
}

func BenchmarkWebSocketSend(b *testing.B) {
	benchSends(b, upgrade, func(w http.ResponseWriter, r *http.Request) (func([][]byte) error, func()) {
		s, err := transports.AcceptWebSocket(w, r, transports.Options{})
		if err != nil {
			b.Fatal(err)
		}
		return s.Send, s.Close
	})
}

// BenchmarkCoderWrite is what BenchmarkWebSocketSend is compared with: the
// library's own Write, without any timeout.
func BenchmarkCoderWrite(b *testing.B) {
	benchSends(b, upgrade, func(w http.ResponseWriter, r *http.Request) (func([][]byte) error, func()) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			b.Fatal(err)
		}
		return func(frames [][]byte) error {
			for _, f := range frames {
				if err := c.Write(context.Background(), websocket.MessageText, f); err != nil {
					return err
				}
			}
			return nil
		}, func() { _ = c.CloseNow() }
	})
}

func BenchmarkServerSentEventsSend(b *testing.B) {
	benchSends(b, "GET / HTTP/1.1\r\nHost: test\r\n\r\n", func(w http.ResponseWriter, r *http.Request) (func([][]byte) error, func()) {
		s, err := transports.NewServerSentEvents(w, r, transports.Options{})
		if err != nil {
			b.Fatal(err)
		}
		return s.Send, s.Close
	})
}

func BenchmarkForeverFrameSend(b *testing.B) {
	benchSends(b, "GET / HTTP/1.1\r\nHost: test\r\n\r\n", func(w http.ResponseWriter, r *http.Request) (func([][]byte) error, func()) {
		s, err := transports.NewForeverFrame(w, r, "", transports.Options{})
		if err != nil {
			b.Fatal(err)
		}
		return s.Send, s.Close
	})
}

func BenchmarkWebSocketReceive(b *testing.B) {
	message := bytes.Repeat(frame(fin|opText, string(bytes.Repeat([]byte("x"), 100))), 64)
	h := newSockets(transports.Options{})
	server := httptest.NewServer(h)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		_, _ = io.WriteString(conn, upgrade)
		for err := error(nil); err == nil; {
			_, err = conn.Write(message)
		}
	}()
	s := <-h.accepted
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Receive(); err != nil {
			b.Fatal(err)
		}
	}
	_ = conn.Close()
	for err := error(nil); err == nil; {
		_, _, err = s.Receive()
	}
}

// raceEnabled: the race detector has sync.Pool forget things at random.
var raceEnabled bool

// TestSendAllocatesNothing guards the paths that every broadcast takes.
func TestSendAllocatesNothing(t *testing.T) {
	p, s := connect(t, transports.Options{})
	go func() { _, _ = io.Copy(io.Discard, p.conn) }()
	batch := frames(`{"C":"1","M":[]}`, `{"C":"2","M":[]}`)
	if n := testing.AllocsPerRun(100, func() { _ = s.Send(batch) }); n >= 1 && !raceEnabled {
		t.Errorf("webSockets: %v allocations", n)
	}
	w := httptest.NewRecorder()
	e, err := transports.NewServerSentEvents(w, httptest.NewRequest("GET", "/", nil), transports.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.Body = nil
	if n := testing.AllocsPerRun(100, func() { _ = e.Send(batch) }); n >= 1 && !raceEnabled {
		t.Errorf("serverSentEvents: %v allocations", n)
	}
}
