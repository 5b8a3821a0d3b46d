package transports

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// A WebSocket is the stream of [WebSockets]: a message for each frame, both
// ways. It outlives the handler that accepted it. Receive is for one goroutine,
// Send and KeepAlive for one at a time, beside it.
//
// Its owner calls Receive until that returns an error: without a reader pings
// are not answered, and the peer's close frame is not seen.
type WebSocket struct {
	conn   *socketConn
	socket *websocket.Conn
	limit  int64
	raw    syscall.RawConn // nil if it is not a bare socket
	binary atomic.Bool

	// Owned by the reader.
	limited io.LimitedReader
	rest    io.Reader // the rest of the message that Read is in
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
	h := &hijacker{ResponseWriter: w, timeout: o.WriteTimeout}
	socket, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		// The endpoint checks the origin, for every transport alike, before any
		// of them is made: see package persistent.
		InsecureSkipVerify: true,
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, fmt.Errorf("transports: accept websocket: %w", err)
	}
	socket.SetReadLimit(-1) // Receive has its own, which gives the right number.
	return &WebSocket{conn: h.conn, socket: socket, limit: o.ReadLimit, raw: socketOf(h.conn.Conn)}, nil
}

// A hijacker hands the library a connection and buffers of our own. The idle
// buffers of net/http are of 4 kB each.
type hijacker struct {
	http.ResponseWriter
	timeout time.Duration
	conn    *socketConn
}

// The buffers hold frame headers and control frames, of 127 bytes at most;
// larger reads and all data written go past them.
const (
	readBufferSize  = 512
	writeBufferSize = 128
)

// WriteHeader sends the headers at once, also where gin would defer them until
// a body that does not come.
func (h *hijacker) WriteHeader(status int) {
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
	h.conn = newSocketConn(conn, bytes.Clone(early), h.timeout)
	return h.conn, bufio.NewReadWriter(
		bufio.NewReaderSize(h.conn, readBufferSize),
		bufio.NewWriterSize(h.conn, writeBufferSize),
	), nil
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
	_, err := s.conn.Conn.Write(b)
	return s.conn.end(err)
}

// KeepAlive sends the frame as a message. Control frames would not do: browsers
// do not show them to scripts.
func (s *WebSocket) KeepAlive(frame []byte) error {
	if err := s.conn.acquire(); err != nil {
		return err
	}
	b := newBatch(s.conn.Conn)
	defer b.free()
	if err := s.addMessage(b, frame); err != nil {
		return s.conn.end(err)
	}
	return s.conn.end(b.flush())
}

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

// Receive returns the next message, which the caller may keep. An error is the
// end: the connection is closed by then, and every further call returns the
// same error. It is a [*CloseError] if the peer closed in good order,
// [ErrClosed] after Close, [ErrMessageTooBig], [ErrInvalidUTF8] or
// [ErrProtocol] if the peer was at fault; any other means that the connection
// was lost.
func (s *WebSocket) Receive() (payload []byte, binary bool, err error) {
	if s.ended != nil {
		return nil, false, s.ended
	}
	payload, binary, err = s.receive()
	if err != nil {
		s.ended = err
		_ = s.socket.CloseNow()
	}
	return payload, binary, err
}

func (s *WebSocket) receive() ([]byte, bool, error) {
	// A context that can end costs allocations, and closes the socket.
	kind, r, err := s.socket.Reader(context.Background())
	if err != nil {
		return nil, false, s.readError(err)
	}
	payload, err := s.readMessage(r)
	switch {
	case errors.Is(err, ErrMessageTooBig):
		s.CloseWith(codeTooBig, fmt.Sprintf("message exceeds %d bytes", s.limit))
	case err != nil:
		return nil, false, s.readError(err)
	case kind == websocket.MessageText && !utf8.Valid(payload):
		err = ErrInvalidUTF8
		s.CloseWith(codeInvalidUTF8, "text message is not UTF-8")
	case s.conn.closedByUs():
		err = ErrClosed
	default:
		return payload, kind == websocket.MessageBinary, nil
	}
	s.drain(r)
	return nil, false, err
}

// Read returns the next bytes of whatever messages they are in, for protocols
// in which a WebSocket carries a stream: the ends of messages have no meaning,
// nor has their kind. ReadLimit does not apply, and text is not checked to be
// UTF-8. The errors are those of Receive, beside which it cannot be used.
func (s *WebSocket) Read(p []byte) (n int, err error) {
	for s.ended == nil {
		if n, err = s.read(p); err != nil {
			s.ended = err
			_ = s.socket.CloseNow()
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, s.ended
}

func (s *WebSocket) read(p []byte) (int, error) {
	if s.rest == nil {
		_, r, err := s.socket.Reader(context.Background())
		if err != nil {
			return 0, s.readError(err)
		}
		s.rest = r
	}
	n, err := s.rest.Read(p)
	switch {
	case s.conn.closedByUs():
		s.drain(s.rest)
		return 0, ErrClosed
	case err == io.EOF:
		s.rest = nil
	case err != nil:
		return 0, s.readError(err)
	}
	return n, nil
}

// drain reads on until the peer has answered our close frame.
func (s *WebSocket) drain(r io.Reader) {
	for err := error(nil); err == nil; {
		if _, err = io.Copy(io.Discard, r); err == nil {
			_, r, err = s.socket.Reader(context.Background())
		}
	}
}

// readError returns what Receive returns for an error of the library's.
func (s *WebSocket) readError(err error) error {
	if s.conn.closedByUs() {
		return ErrClosed
	}
	if peer := (websocket.CloseError{}); errors.As(err, &peer) {
		return &CloseError{Code: int(peer.Code), Reason: peer.Reason}
	}
	if s.conn.readLost {
		return s.conn.cause(fmt.Errorf("transports: receive: %w", err))
	}
	// For some violations the library has sent a close frame, for some not. The
	// position within a frame is lost, so there is no answer to wait for; but
	// the peer shall have the close frame before it has a reset.
	s.CloseWith(codeProtocol, "")
	s.conn.settle()
	if half, ok := s.conn.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, s.conn.Conn)
	return fmt.Errorf("%w: %w", ErrProtocol, err)
}

// readBuffers are for reading a message of which the size is not known. The
// copy that the caller gets is of the right size.
var readBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (s *WebSocket) readMessage(r io.Reader) ([]byte, error) {
	b := readBuffers.Get().(*bytes.Buffer)
	defer func() {
		if b.Cap() <= batchSize {
			b.Reset()
			readBuffers.Put(b)
		}
	}()
	if s.limit >= 0 {
		s.limited = io.LimitedReader{R: r, N: s.limit + 1}
		r = &s.limited
	}
	if _, err := b.ReadFrom(r); err != nil {
		return nil, err
	}
	if s.limit >= 0 && int64(b.Len()) > s.limit {
		return nil, ErrMessageTooBig
	}
	return bytes.Clone(b.Bytes()), nil
}
