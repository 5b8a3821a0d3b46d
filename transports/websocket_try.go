package transports

import (
	"net"
	"syscall"
)

// A Trier is a Preparer that can often be written to without waiting for the
// client, so that one goroutine can write to many.
type Trier interface {
	Preparer

	// Tries reports whether TryPrepared ever writes anything.
	Tries() bool

	// TryPrepared is SendPrepared as far as it goes without waiting. What is
	// left to do, if anything is, may wait; its error is that of SendPrepared,
	// and b must stay as it is until then.
	TryPrepared(b []byte) (rest func() error)
}

var _ Trier = (*WebSocket)(nil)

// socketOf returns the socket that conn is, if nothing is around it that would
// have to see what is written, as TLS has to.
func socketOf(conn net.Conn) syscall.RawConn {
	var c syscall.Conn
	switch conn := conn.(type) {
	case *net.TCPConn:
		c = conn
	case *net.UnixConn:
		c = conn
	default:
		return nil
	}
	if raw, err := c.SyscallConn(); err == nil && canTry {
		return raw
	}
	return nil
}

// Tries implements [Trier]: sockets can be tried, on Unix.
func (s *WebSocket) Tries() bool { return s.conn.in.raw != nil }

// TryPrepared implements [Trier].
func (s *WebSocket) TryPrepared(b []byte) (rest func() error) {
	raw := s.conn.in.raw
	if raw == nil || !s.conn.tryAcquire() {
		return func() error { return s.SendPrepared(b) }
	}
	all := s.conn.led(b)
	n, err := tryWrite(raw, all)
	if err == nil && n == len(all) && s.conn.endAtOnce() {
		return nil
	}
	return func() error { return s.conn.finish(all[n:], err) }
}

// tryAcquire makes the caller the writer of data, if there is nothing to wait
// for and nothing wrong. It needs no deadline until it has to wait.
func (c *socketConn) tryAcquire() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing || c.closing || c.broken != nil {
		return false
	}
	c.writing = true
	return true
}

// finish is end for a write of which there is a rest, unless it has failed.
func (c *socketConn) finish(rest []byte, err error) error {
	if err == nil && len(rest) > 0 {
		c.wait()
		_, err = c.Conn.Write(rest)
	}
	return c.end(err)
}

// wait sets the deadline of a write that has begun without.
func (c *socketConn) wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		c.begin(closeTimeout)
	} else {
		c.begin(c.timeout)
	}
}

// endAtOnce is end after a good write, if nobody has left anything to write.
func (c *socketConn) endAtOnce() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pong != nil || c.farewell != nil {
		return false
	}
	c.writing = false
	c.tellIdle()
	return true
}
