package main

import (
	"net"
	"syscall"
	"time"
	"unsafe"
)

// A loop reads and writes all connections on one thread.
type loop struct {
	epoll int
	conns []*conn // by descriptor
	buf   []byte
	live  int
	lost  int // closed by the server
	reads uint64

	// pong answers a ping of the application's, if the message is one.
	ping, pong string

	// received is called with each message, or piece of one. It returns how
	// many bytes at its end it wants to see again with what follows.
	received func(c *conn, message []byte, now time.Time) (rest int)
}

func newLoop() (*loop, error) {
	fd, err := syscall.EpollCreate1(0)
	return &loop{epoll: fd, buf: make([]byte, 256<<10)}, err
}

// add takes over a connection that is set up.
func (l *loop) add(c *conn) error {
	raw, err := c.nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	_ = raw.Control(func(fd uintptr) { c.fd, err = syscall.Dup(int(fd)) })
	if err != nil {
		return err
	}
	_ = c.nc.Close()
	for len(l.conns) <= c.fd {
		l.conns = append(l.conns, nil)
	}
	l.conns[c.fd] = c
	l.live++
	if err := l.watch(c, syscall.EPOLL_CTL_ADD, syscall.EPOLLIN); err != nil {
		return err
	}
	if c.framing == polls && !c.waiting {
		l.poll(c)
	}
	return nil
}

func (l *loop) watch(c *conn, op int, events uint32) error {
	return syscall.EpollCtl(l.epoll, op, c.fd, &syscall.EpollEvent{Events: events, Fd: int32(c.fd)})
}

func (l *loop) poll(c *conn) {
	c.waiting = true
	l.write(c, c.pollRequest())
}

// drop closes a connection with a reset, so that its port is free at once.
func (l *loop) drop(c *conn) {
	if c.dead {
		return
	}
	c.dead = true
	l.live--
	l.conns[c.fd] = nil
	_ = syscall.SetsockoptLinger(c.fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	_ = syscall.Close(c.fd)
}

// write writes b, or keeps what does not go at once.
func (l *loop) write(c *conn, b []byte) {
	if c.dead || len(b) == 0 {
		return
	}
	if len(c.out) == 0 {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch errno {
		case 0:
			b = b[n:]
		case syscall.EAGAIN, syscall.EINTR:
		default:
			l.lost++
			l.drop(c)
			return
		}
		if len(b) == 0 {
			return
		}
		_ = l.watch(c, syscall.EPOLL_CTL_MOD, syscall.EPOLLIN|syscall.EPOLLOUT)
	}
	c.out = append(c.out, b...)
}

// turn waits for at most d and handles what has come.
func (l *loop) turn(d time.Duration) {
	var events [256]syscall.EpollEvent
	n, _ := syscall.EpollWait(l.epoll, events[:], int(d.Milliseconds()))
	for i := range max(n, 0) {
		c := l.conns[events[i].Fd]
		if c == nil {
			continue
		}
		if events[i].Events&syscall.EPOLLOUT != 0 {
			out := c.out
			c.out = nil
			_ = l.watch(c, syscall.EPOLL_CTL_MOD, syscall.EPOLLIN)
			l.write(c, out)
		}
		if events[i].Events&^syscall.EPOLLOUT != 0 && !c.dead {
			l.read(c)
		}
	}
}

func (l *loop) read(c *conn) {
	k := copy(l.buf, c.carry)
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(&l.buf[k])), uintptr(len(l.buf)-k))
	switch {
	case errno == syscall.EAGAIN || errno == syscall.EINTR:
		return
	case errno != 0 || n == 0:
		l.lost++
		l.drop(c)
		return
	}
	l.reads++
	l.handle(c, l.buf[:k+int(n)], time.Now())
}

// handle takes the messages off b and keeps the rest.
func (l *loop) handle(c *conn, b []byte, now time.Time) {
	for len(b) > 0 && !c.dead {
		op, message, size, err := c.next(b)
		if err != nil {
			l.lost++
			l.drop(c)
			return
		}
		if size == 0 {
			break
		}
		b = b[size:]
		switch op {
		case opClose:
			l.lost++
			l.drop(c)
			return
		case opPing:
			l.write(c, appendFrame(nil, opPong, message))
			continue
		}
		if l.ping != "" && string(message) == l.ping {
			l.write(c, c.frame(nil, []byte(l.pong)))
			continue
		}
		rest := l.received(c, message, now)
		if rest > 0 && len(b) == 0 && (c.left > 0 || c.framing == stream) {
			b = message[len(message)-rest:] // a mark may go on in the next read
			if c.framing == socket {
				c.left += rest
			}
			break
		}
		if c.framing == polls {
			l.poll(c)
		}
	}
	c.carry = append(c.carry[:0], b...)
}

func (l *loop) close() {
	for _, c := range l.conns {
		if c != nil {
			l.drop(c)
		}
	}
}
