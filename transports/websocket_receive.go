package transports

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// Receive returns the next message, which the caller may keep. Any error but
// [ErrIdle] is the end: the connection is closed by then, and every further
// call returns the same error. It is a [*CloseError] if the peer closed in good
// order, [ErrClosed] after Close, [ErrMessageTooBig], [ErrInvalidUTF8] or
// [ErrProtocol] if the peer was at fault; any other means that the connection
// was lost.
func (s *WebSocket) Receive() (payload []byte, binary bool, err error) {
	if s.ended != nil {
		return nil, false, s.ended
	}
	kind, payload, err := s.receive()
	if err != nil {
		s.end(err)
		return nil, false, err
	}
	return payload, kind == websocket.MessageBinary, nil
}

func (s *WebSocket) receive() (websocket.MessageType, []byte, error) {
	kind, payload, err := s.whole()
	switch {
	case err != nil:
		return 0, nil, err
	case kind != 0:
		payload = bytes.Clone(payload)
	default:
		if kind, s.message, err = s.reader(); err == nil {
			payload, err = s.assemble()
		}
	}
	switch {
	case errors.Is(err, ErrMessageTooBig):
		s.CloseWith(codeTooBig, fmt.Sprintf("message exceeds %d bytes", s.limit))
	case err != nil:
		return 0, nil, s.readError(err)
	case kind == websocket.MessageText && !utf8.Valid(payload):
		err = ErrInvalidUTF8
		s.CloseWith(codeInvalidUTF8, "text message is not UTF-8")
	case s.conn.closedByUs():
		err = ErrClosed
	default:
		return kind, payload, nil
	}
	s.drain()
	return 0, nil, err
}

// messages are for reading a message of which the size is not known. The copy
// that the caller gets is of the right size.
var messages = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// assemble reads the message that the library has begun.
func (s *WebSocket) assemble() ([]byte, error) {
	b := messages.Get().(*bytes.Buffer)
	defer func() {
		if b.Cap() <= batchSize {
			b.Reset()
			messages.Put(b)
		}
	}()
	r := s.message
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
	s.message = nil
	return bytes.Clone(b.Bytes()), nil
}

// Next returns the next bytes of whatever messages they are in, for protocols
// in which a WebSocket carries a stream: the ends of messages have no meaning,
// nor has their kind. The bytes are good until the next call. ReadLimit does not
// apply, and text is not checked to be UTF-8. The errors are those of Receive,
// beside which it cannot be used.
func (s *WebSocket) Next() ([]byte, error) {
	for s.ended == nil {
		b, err := s.next()
		if err != nil {
			s.end(err)
			return nil, err
		}
		if len(b) > 0 {
			return b, nil
		}
	}
	return nil, s.ended
}

func (s *WebSocket) next() (b []byte, err error) {
	s.freeChunk()
	if s.message == nil {
		var kind websocket.MessageType
		if kind, b, err = s.whole(); err != nil {
			return nil, err
		}
		if kind == 0 {
			if _, s.message, err = s.reader(); err != nil {
				return nil, s.readError(err)
			}
		}
	}
	if s.message != nil {
		if b, err = s.piece(); err != nil {
			return nil, err
		}
	}
	if s.conn.closedByUs() {
		s.drain()
		return nil, ErrClosed
	}
	return b, nil
}

// piece returns what there is of the message that Next is in.
func (s *WebSocket) piece() ([]byte, error) {
	if err := s.await(); err != nil {
		return nil, err
	}
	s.chunk = buffers.Get().(*buffer)
	n, err := s.message.Read(s.chunk[:])
	switch err {
	case nil:
	case io.EOF:
		s.message = nil
	default:
		return nil, s.readError(err)
	}
	return s.chunk[:n], nil
}

func (s *WebSocket) freeChunk() {
	if s.chunk != nil {
		buffers.Put(s.chunk)
		s.chunk = nil
	}
}

// whole returns the next message if it is one frame that has come in one piece,
// as nearly all are. All others are left to the library, which takes longer: the
// kind is 0. The payload is good until something is read again.
func (s *WebSocket) whole() (kind websocket.MessageType, payload []byte, err error) {
	if err := s.await(); err != nil {
		return 0, nil, err
	}
	in := &s.conn.in
	if in.raw == nil || s.begun() {
		return 0, nil, nil
	}
	opcode, head, size := dataFrame(in.rest)
	if opcode == 0 || s.limit >= 0 && int64(size) > s.limit {
		return 0, nil, nil
	}
	payload = in.rest[head : head+size]
	unmask(payload, in.rest[head-4:head])
	in.rest = in.rest[head+size:]
	return websocket.MessageType(opcode), payload, nil
}

// await returns when there is something to read. It waits without a buffer and
// with little on the stack, unless what is below is no bare socket: then the
// library waits.
func (s *WebSocket) await() error {
	in := &s.conn.in
	if in.raw == nil || s.begun() || len(in.rest) > 0 {
		return nil
	}
	err := in.await()
	if err != nil && err != ErrIdle {
		err = s.readError(err)
	}
	return err
}

// end closes the connection after an error, which every later call returns.
func (s *WebSocket) end(err error) {
	if err != ErrIdle {
		s.ended = err
		if s.library != nil {
			_ = s.library.CloseNow()
		} else {
			_ = s.conn.Close()
		}
	}
}

// drain reads on until the peer has answered our close frame.
func (s *WebSocket) drain() {
	for err := error(nil); err == nil; {
		if s.message != nil {
			_, err = io.Copy(io.Discard, s.message)
		}
		if err == nil {
			_, s.message, err = s.reader()
		}
	}
}

// readError returns what Receive returns for an error of the library's, or of
// the connection.
func (s *WebSocket) readError(err error) error {
	if s.conn.closedByUs() {
		return ErrClosed
	}
	if peer := (websocket.CloseError{}); errors.As(err, &peer) {
		return &CloseError{Code: int(peer.Code), Reason: peer.Reason}
	}
	if s.conn.in.lost {
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
