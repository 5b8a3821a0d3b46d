package transports

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// lingerTimeout bounds how long a closed WebSocket waits for the peer's half of
// the closing handshake. A TCP connection that is closed while bytes of the
// peer's are unread is reset, and the reset can destroy the close frame.
const lingerTimeout = 500 * time.Millisecond

// What is read or written here of RFC 6455 §5.2.
const (
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	finalBit = 0x80
	maskBit  = 0x80
)

// Close codes of RFC 6455 §7.4.1.
const (
	codeNormal      = 1000
	codeProtocol    = 1002
	codeInvalidUTF8 = 1007
	codeTooBig      = 1009
)

// A socketConn is the net.Conn below a WebSocket, shared by Send, Close and the
// WebSocket library, which writes control frames when the reader meets a ping
// or an error.
//
// One goroutine writes at a time. A control frame that finds the connection
// busy is left to the one who writes, and nobody waits: a pong must not stop
// the reader, nor a stalled client the one who closes. Only a Send waits, for
// a control frame that another goroutine is writing.
//
// What each small write looks at stands first, and close together.
type socketConn struct {
	mu       sync.Mutex // Not held during I/O. It guards what has no other owner.
	writing  bool
	closing  bool          // A close frame is written or left: nothing follows it.
	closed   bool          // By us, with close.
	broken   error         // The first error of a write.
	answer   []byte        // To the upgrade, until it is written. Owned by who writes.
	idle     chan struct{} // Nil unless somebody waits for the end of the writing.
	pong     []byte        // Left to the writer.
	farewell []byte        // The close frame, left to the writer.

	in input // Owned by the reader.

	net.Conn
	timeout  time.Duration // Immutable.
	deadline time.Time     // Of the write, or of an earlier one.
	linger   *time.Timer   // Closes the connection.
}

// open is given what net/http has read after the upgrade request.
func (c *socketConn) open(conn net.Conn, early []byte, o Options) {
	c.Conn, c.timeout = conn, o.WriteTimeout
	c.in = input{raw: socketOf(conn), conn: conn, idle: o.IdleTimeout, rest: early}
}

// awaitIdle lets go of mu until the writing may have ended.
func (c *socketConn) awaitIdle() {
	if c.idle == nil {
		c.idle = make(chan struct{})
	}
	idle := c.idle
	c.mu.Unlock()
	<-idle
	c.mu.Lock()
}

// tellIdle has who waits look again. The caller holds mu.
func (c *socketConn) tellIdle() {
	if c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
}

// Read is called by the library.
func (c *socketConn) Read(p []byte) (int, error) { return c.in.Read(p) }

// Write is called by the library, with one control frame: its buffer is larger
// than the largest, and data frames do not go through the library.
func (c *socketConn) Write(frame []byte) (int, error) {
	c.mu.Lock()
	if c.closing || c.broken != nil {
		c.mu.Unlock()
		return len(frame), nil
	}
	c.closing = frame[0]&0xf == opClose
	if c.writing {
		c.leave(frame)
		c.mu.Unlock()
		return len(frame), nil
	}
	c.begin(c.timeout)
	c.mu.Unlock()
	_, err := c.Conn.Write(c.led(frame))
	return len(frame), c.end(err)
}

// leave leaves a control frame to the writer. Of several pongs the last one
// will do: RFC 6455 §5.5.3. The caller holds mu.
func (c *socketConn) leave(frame []byte) {
	if frame[0]&0xf == opClose {
		c.farewell = append([]byte(nil), frame...)
	} else {
		c.pong = append(c.pong[:0], frame...)
	}
}

// begin makes the caller the writer. The caller holds mu.
//
// A deadline that was set for an earlier write is good for this one too, as
// long as it leaves most of the time: to set one is half of what a small write
// costs besides the system call.
func (c *socketConn) begin(timeout time.Duration) {
	c.writing = true
	if timeout <= 0 {
		if !c.deadline.IsZero() {
			c.setDeadline(time.Time{})
		}
		return
	}
	now := time.Now()
	if left := c.deadline.Sub(now); left > timeout || left < timeout-timeout/8 {
		c.setDeadline(now.Add(timeout))
	}
}

// setDeadline is called with mu held.
func (c *socketConn) setDeadline(t time.Time) {
	c.deadline = t
	_ = c.Conn.SetWriteDeadline(t)
}

// acquire makes the caller the writer of data, waiting for a control frame that
// is being written.
func (c *socketConn) acquire() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.writing && !c.closing && c.broken == nil {
		c.awaitIdle()
	}
	switch {
	case c.closing:
		return ErrClosed
	case c.broken != nil:
		return c.broken
	}
	c.begin(c.timeout)
	return nil
}

// led returns what to write first and then b: the answer to the upgrade, if that
// is still to be written. The caller is the writer.
func (c *socketConn) led(b []byte) []byte {
	if c.answer != nil {
		b, c.answer = append(c.answer, b...), nil
	}
	return b
}

// end ends the write of the caller, whose result was err, writes what others
// left, and returns the error for the caller.
func (c *socketConn) end(err error) error {
	for result, first := error(nil), true; ; first = false {
		c.mu.Lock()
		if err != nil {
			c.fail(err)
			if first {
				result = c.broken
			}
		}
		frame := c.takeLeft()
		if frame == nil {
			c.writing = false
			c.tellIdle()
			if result != nil && c.closing {
				result = ErrClosed
			}
			c.mu.Unlock()
			return result
		}
		c.begin(closeTimeout)
		c.mu.Unlock()
		_, err = c.Conn.Write(frame)
	}
}

// settle returns when nobody writes: what was left to a writer has been written
// then. After close that takes no longer than closeTimeout.
func (c *socketConn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.writing {
		c.awaitIdle()
	}
}

// takeLeft returns a frame that was left to the writer. The caller holds mu.
func (c *socketConn) takeLeft() (frame []byte) {
	switch {
	case c.broken != nil: // Nothing may follow a part of a frame.
	case c.pong != nil:
		frame, c.pong = c.pong, nil
	case c.farewell != nil:
		frame, c.farewell = c.farewell, nil
	}
	return frame
}

// fail ends the connection after a failed write, which may have left part of a
// frame. The caller holds mu.
func (c *socketConn) fail(err error) {
	if c.broken != nil {
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.broken = ErrWriteTimeout
	} else {
		c.broken = fmt.Errorf("transports: send: %w", err)
	}
	_ = c.Conn.Close()
}

// close sends a close frame, behind what is being written if that comes to its
// end in time, and has the reader return soon.
func (c *socketConn) close(code int, reason string) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	c.hurry()
	if c.closing || c.broken != nil {
		c.mu.Unlock()
		return
	}
	c.closing = true
	frame := appendCloseFrame(nil, code, reason)
	if c.writing {
		c.leave(frame)
		c.tellIdle()
		c.mu.Unlock()
		return
	}
	c.begin(closeTimeout)
	c.mu.Unlock()
	_, err := c.Conn.Write(c.led(frame))
	_ = c.end(err)
}

// hurry bounds the write that is on its way and what the reader waits for. The
// caller holds mu.
func (c *socketConn) hurry() {
	if t := time.Now().Add(closeTimeout); c.writing && (c.deadline.IsZero() || t.Before(c.deadline)) {
		c.setDeadline(t)
	}
	if c.linger == nil { // Not a read deadline: perhaps nobody reads.
		c.linger = time.AfterFunc(lingerTimeout, func() { _ = c.Conn.Close() })
	}
}

func (c *socketConn) closedByUs() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// cause returns the error of a write that ended the connection, or err.
func (c *socketConn) cause(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return c.broken
	}
	return err
}

// Close is called by the library and at the end of Receive.
func (c *socketConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	if c.linger != nil {
		c.linger.Stop()
	}
	return c.Conn.Close()
}

// appendHeader appends the header of a whole, unmasked frame.
func appendHeader(b []byte, opcode byte, size int) []byte {
	b = append(b, finalBit|opcode)
	switch {
	case size <= 125:
		return append(b, byte(size))
	case size <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, 126), uint16(size))
	default:
		return binary.BigEndian.AppendUint64(append(b, 127), uint64(size))
	}
}

// maxReason is what a control frame leaves for the reason: RFC 6455 §5.5.1.
const maxReason = 123

func appendCloseFrame(b []byte, code int, reason string) []byte {
	b = appendHeader(b, opClose, 2+len(reason))
	b = binary.BigEndian.AppendUint16(b, uint16(code))
	return append(b, reason...)
}
