package transports

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// A WebSocket is the stream of [WebSockets]: a message for each frame, both
// ways. It outlives the handler that accepted it. Receive is for one goroutine,
// Send and KeepAlive for one at a time, beside it.
//
// Its owner calls Receive until that returns an error: without a reader pings
// are not answered, and the peer's close frame is not seen.
type WebSocket struct {
	conn   socketConn
	limit  int64
	binary atomic.Bool

	// Owned by the reader.
	library *library // nil until it is needed
	limited io.LimitedReader
	message io.Reader // the rest of the message that Next is in
	chunk   *buffer   // what Next returned of it
	ended   error
}

// A CloseError is returned by Receive when the peer closed the WebSocket with a
// close frame.
type CloseError struct {
	Code   int // 1005 for none.
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("transports: websocket closed by peer with code %d and reason %q", e.Code, e.Reason)
}

// IsWebSocketRequest reports whether the request asks for an upgrade to a
// WebSocket: RFC 6455 §4.2.1.
func IsWebSocketRequest(r *http.Request) bool {
	return hasToken(r.Header, "Connection", "upgrade") && hasToken(r.Header, "Upgrade", "websocket")
}

func hasToken(h http.Header, key, token string) bool {
	for _, line := range h[key] {
		for field := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(field), token) {
				return true
			}
		}
	}
	return false
}

// CanUpgrade reports whether a WebSocket can be opened where the request came
// from. Over HTTP/2 a browser opens another connection for it.
func CanUpgrade(w http.ResponseWriter, r *http.Request) bool {
	return r.ProtoMajor > 1 || canHijack(w)
}

// AcceptWebSocket answers the request with an upgrade. On an error it has
// answered with a status of 4xx or 5xx instead, if the connection still stands.
// The handler may return while the WebSocket lives.
func AcceptWebSocket(w http.ResponseWriter, r *http.Request, o Options) (*WebSocket, error) {
	o = o.withDefaults()
	if !canHijack(w) {
		http.Error(w, http.StatusText(http.StatusNotImplemented), http.StatusNotImplemented)
		return nil, ErrNoHijack
	}
	h := &hijacker{ResponseWriter: w, o: o}
	if key, ok := plainUpgrade(w, r); ok {
		if _, _, err := h.Hijack(); h.kept == nil {
			return nil, fmt.Errorf("transports: accept websocket: %w", err)
		}
		h.kept.conn.answer = answer(w.Header(), key)
	} else if _, err := websocket.Accept(h, r, &acceptOptions); h.kept == nil {
		return nil, fmt.Errorf("transports: accept websocket: %w", err)
	}
	if !o.HoldAnswer && h.kept.conn.answer != nil {
		_ = h.kept.SendPrepared(nil) // the reader finds out if that fails
	}
	return h.kept, nil
}

var acceptOptions = websocket.AcceptOptions{
	// The endpoint checks the origin, for every transport alike, before any of
	// them is made: see package persistent.
	InsecureSkipVerify: true,
	CompressionMode:    websocket.CompressionDisabled,
}

// A hijacker has the library answer an upgrade, and then keeps the connection:
// the library gets it when there is something to do for it.
type hijacker struct {
	http.ResponseWriter
	o    Options
	kept *WebSocket // nil before
}

// errKept is what the library gets for the connection. What it would tell the
// client of that is dropped.
var errKept = errors.New("the connection is kept")

// WriteHeader sends the headers at once, also where gin would defer them until
// a body that does not come.
func (h *hijacker) WriteHeader(status int) {
	if h.kept != nil {
		return
	}
	h.ResponseWriter.WriteHeader(status)
	if gin, ok := h.ResponseWriter.(interface{ WriteHeaderNow() }); ok {
		gin.WriteHeaderNow()
	}
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	h.kept = &WebSocket{limit: h.o.ReadLimit}
	h.kept.conn.open(conn, bytes.Clone(early), h.o)
	return nil, nil, errKept
}

// Write implements http.ResponseWriter.
func (h *hijacker) Write(b []byte) (int, error) {
	if h.kept != nil {
		return len(b), nil
	}
	return h.ResponseWriter.Write(b)
}

func canHijack(w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return false
		}
	}
}

// Kind returns [WebSockets].
func (*WebSocket) Kind() Kind {
	return WebSockets
}

// SetBinary chooses between binary messages and text, the default, for the
// Sends that follow.
func (s *WebSocket) SetBinary(binary bool) {
	s.binary.Store(binary)
}

// Send writes each frame as a message, all of them in one write unless they are
// large.
func (s *WebSocket) Send(frames [][]byte) error {
	if err := s.conn.acquire(); err != nil {
		return err
	}
	b := newBatch(s.conn.Conn)
	defer b.free()
	b.buf = s.conn.led(b.buf)
	for _, frame := range frames {
		if err := s.addMessage(b, frame); err != nil {
			return s.conn.end(err)
		}
	}
	return s.conn.end(b.flush())
}

// Prepare implements [Preparer].
func (s *WebSocket) Prepare(b []byte, frames [][]byte) []byte {
	for _, frame := range frames {
		b = append(appendHeader(b, s.opcode(), len(frame)), frame...)
	}
	return b
}

// SendPrepared implements [Preparer].
func (s *WebSocket) SendPrepared(b []byte) error {
	if err := s.conn.acquire(); err != nil {
		return err
	}
	_, err := s.conn.Conn.Write(s.conn.led(b))
	return s.conn.end(err)
}

// KeepAlive sends the frame as a message. Control frames would not do: browsers
// do not show them to scripts.
func (s *WebSocket) KeepAlive(frame []byte) error { return s.Send([][]byte{frame}) }

func (s *WebSocket) addMessage(b *batch, frame []byte) error {
	b.buf = appendHeader(b.buf, s.opcode(), len(frame))
	return b.bytes(frame)
}

func (s *WebSocket) opcode() byte {
	if s.binary.Load() {
		return opBinary
	}
	return opText
}

// Close closes with code 1000 and no reason. Receive returns when the peer has
// answered, half a second later at most.
func (s *WebSocket) Close() {
	s.conn.close(codeNormal, "")
}

// CloseWith closes with a code of RFC 6455 §7.4 and a reason of which the first
// 123 bytes reach the peer. The first Close counts.
func (s *WebSocket) CloseWith(code int, reason string) {
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "")
	}
	s.conn.close(code, reason)
}
