package transports_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/transports"
)

func TestSocketClosedByPeer(t *testing.T) { eachWay(t, testSocketClosedByPeer) }

func testSocketClosedByPeer(t *testing.T, connect connector) {
	for _, row := range []struct {
		name, payload, echo string
		want                transports.CloseError
	}{
		{"with a reason", closePayload(1001, "bye"), "\x88\x05\x03\xe9bye", transports.CloseError{Code: 1001, Reason: "bye"}},
		{"without a code", "", "\x88\x00", transports.CloseError{Code: 1005}},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, s := connect(t, transports.Options{})
			p.write(frame(fin|opClose, row.payload))
			_, _, err := s.Receive()
			var got *transports.CloseError
			if !errors.As(err, &got) || *got != row.want {
				t.Errorf("receive: got %v, want %v", err, &row.want)
			}
			p.wantBytes("answer", []byte(row.echo))
			p.wantEOF("after the answer")
			if err := s.Send([][]byte{[]byte("x")}); !errors.Is(err, transports.ErrClosed) {
				t.Errorf("send: got %v, want ErrClosed", err)
			}
		})
	}
}

func TestSocketLost(t *testing.T) { eachWay(t, testSocketLost) }

func testSocketLost(t *testing.T, connect connector) {
	p, s := connect(t, transports.Options{})
	_ = p.conn.Close()
	_, _, err := s.Receive()
	var closed *transports.CloseError
	if err == nil || errors.As(err, &closed) || errors.Is(err, transports.ErrProtocol) || errors.Is(err, transports.ErrClosed) {
		t.Errorf("connection lost without a close frame: got %v", err)
	}
}

func TestSocketClose(t *testing.T) {
	bubble(t, transports.Options{}, func(t *testing.T, p *peer, s *transports.WebSocket) {
		received := make(chan struct{})
		go func() {
			wantReceiveError(t, s, "after close", transports.ErrClosed)
			close(received)
		}()
		synctest.Wait()
		start := time.Now()
		go s.Close()
		p.wantBytes("close frame", []byte("\x88\x02\x03\xe8"))
		p.write(frame(fin|opText, "late"), frame(fin|opClose, closePayload(1000, "")))
		p.wantEOF("after the handshake")
		<-received
		s.CloseWith(1001, "too late")
		if d := time.Since(start); d != 0 {
			t.Errorf("closing handshake: took %v, want no wait", d)
		}
	})
}

func TestSocketCloseWith(t *testing.T) {
	bubble(t, transports.Options{}, func(t *testing.T, p *peer, s *transports.WebSocket) {
		go s.CloseWith(1003, strings.Repeat("é", 100))
		p.wantBytes("close frame with a reason cut between characters",
			[]byte("\x88\x7c\x03\xeb"+strings.Repeat("é", 61)))
	})
}

func TestSocketCloseWithoutAnswer(t *testing.T) {
	bubble(t, transports.Options{}, func(t *testing.T, p *peer, s *transports.WebSocket) {
		start := time.Now()
		go s.Close()
		p.wantBytes("close frame", []byte("\x88\x02\x03\xe8"))
		wantReceiveError(t, s, "after close", transports.ErrClosed)
		if d := time.Since(start); d != 500*time.Millisecond {
			t.Errorf("receive without an answer: took %v, want 500ms", d)
		}
		p.wantEOF("after the wait")
	})
}

func TestSocketCloseWithoutReader(t *testing.T) {
	bubble(t, transports.Options{}, func(_ *testing.T, p *peer, s *transports.WebSocket) {
		go s.Close()
		p.wantBytes("close frame", []byte("\x88\x02\x03\xe8"))
		p.wantEOF("nobody receives")
	})
}

func TestSocketCloseDoesNotWaitForPeer(t *testing.T) {
	bubble(t, transports.Options{}, func(t *testing.T, _ *peer, s *transports.WebSocket) {
		start := time.Now()
		s.Close()
		if d := time.Since(start); d > 250*time.Millisecond {
			t.Errorf("close with a peer that does not read: took %v, want 250ms at most", d)
		}
		wantReceiveError(t, s, "after close", transports.ErrClosed)
	})
}

func TestSocketCloseDuringSend(t *testing.T) {
	start := func(s *transports.WebSocket) chan error {
		sent := make(chan error)
		go func() { sent <- s.Send([][]byte{[]byte("hello")}) }()
		synctest.Wait()
		return sent
	}
	t.Run("that gets through", func(t *testing.T) {
		bubble(t, transports.Options{}, func(t *testing.T, p *peer, s *transports.WebSocket) {
			sent := start(s)
			s.Close()
			p.wantBytes("message, then close frame", []byte("\x81\x05hello\x88\x02\x03\xe8"))
			if err := <-sent; err != nil {
				t.Errorf("send: %v", err)
			}
		})
	})
	t.Run("that does not", func(t *testing.T) {
		bubble(t, transports.Options{}, func(t *testing.T, p *peer, s *transports.WebSocket) {
			sent := start(s)
			begin := time.Now()
			s.Close()
			if d := time.Since(begin); d != 0 {
				t.Errorf("close during a stalled send: took %v, want no wait", d)
			}
			if _, err := io.ReadFull(p.conn, make([]byte, 4)); err != nil { // Half of the message.
				t.Fatal(err)
			}
			if err := <-sent; !errors.Is(err, transports.ErrClosed) {
				t.Errorf("stalled send: got %v, want ErrClosed", err)
			}
			if d := time.Since(begin); d != 250*time.Millisecond {
				t.Errorf("stalled send: ended after %v, want 250ms", d)
			}
			rest, _ := io.ReadAll(p.r)
			if bytes.Contains(rest, []byte{fin | opClose}) {
				t.Errorf("a close frame within a message: %q", rest)
			}
		})
	})
}

func TestSocketWriteTimeout(t *testing.T) {
	bubble(t, transports.Options{}, func(t *testing.T, p *peer, s *transports.WebSocket) {
		start := time.Now()
		if err := s.Send([][]byte{[]byte("x")}); !errors.Is(err, transports.ErrWriteTimeout) {
			t.Errorf("send: got %v, want ErrWriteTimeout", err)
		}
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("write timeout: after %v, want the default of 10s", d)
		}
		wantReceiveError(t, s, "receive has the same cause", transports.ErrWriteTimeout)
	})
}

// The server's timeouts and the end of the request must not matter.
func TestSocketOutlivesRequest(t *testing.T) {
	bubble(t, transports.Options{}, func(t *testing.T, p *peer, s *transports.WebSocket) {
		go func() {
			time.Sleep(time.Hour)
			p.write(frame(fin|opText, "still here"))
			p.wantBytes("message after an hour", []byte("\x81\x05hello"))
		}()
		wantMessage(t, s, "message after an hour", "still here", false)
		if err := s.Send([][]byte{[]byte("hello")}); err != nil {
			t.Errorf("send after an hour: %v", err)
		}
	})
}
