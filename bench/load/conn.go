package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"
)

// setupTimeout bounds each step of setting a connection up.
const setupTimeout = 30 * time.Second

// A framing is how the messages of a connection are told apart.
type framing int

const (
	socket framing = iota // WebSocket frames
	stream                // not at all: an event stream
	polls                 // one in each HTTP response
)

// A conn is one connection. While it is set up it is used blocking, by one
// goroutine; then the loop has it.
type conn struct {
	nc      net.Conn
	framing framing
	data    byte   // the opcode of its messages
	carry   []byte // received, not looked at
	left    int    // of the frame that is coming in

	// Of polls.
	path    func(cursor string) string
	host    string
	cursor  string
	waiting bool // a poll is out

	query, send string // of the requests beside it

	// Of the loop.
	fd      int
	out     []byte
	dead    bool
	call    uint32 // echo: the one that is out
	started time.Time
}

// next splits the next message, or piece of one, off b. What is left of a frame
// is a message of its own. It returns a size of 0 if b must grow first.
func (c *conn) next(b []byte) (op byte, message []byte, size int, err error) {
	switch c.framing {
	case stream:
		return opText, b, len(b), nil
	case polls:
		status, body, size := response(b)
		if size == 0 {
			return 0, nil, 0, nil
		}
		c.waiting = false
		if status != 200 {
			return 0, nil, 0, fmt.Errorf("poll answered with %d: %.100s", status, body)
		}
		if _, rest, ok := bytes.Cut(body, []byte(`"C":"`)); ok {
			cursor, _, _ := bytes.Cut(rest, []byte(`"`))
			c.cursor = string(cursor)
		}
		return opText, body, size, nil
	}
	if c.left > 0 {
		n := min(c.left, len(b))
		c.left -= n
		return opText, b[:n], n, nil
	}
	op, length, head := frameHeader(b)
	switch {
	case head == 0:
		return 0, nil, 0, nil
	case op >= opClose && len(b) < head+length:
		return 0, nil, 0, nil
	}
	n := min(length, len(b)-head)
	c.left = length - n
	return op, b[head : head+n], head + n, nil
}

// await reads until want comes, which is within one read of what is before it,
// and returns all that came.
func (c *conn) await(want string) ([]byte, error) {
	var got []byte
	buf := make([]byte, 16<<10)
	for {
		for len(c.carry) > 0 {
			op, message, size, err := c.next(c.carry)
			if err != nil {
				return nil, err
			}
			if size == 0 {
				break
			}
			if op == opClose {
				return nil, fmt.Errorf("closed by the server: %q", message)
			}
			got = append(got, message...)
			c.carry = c.carry[size:]
		}
		if bytes.Contains(got, []byte(want)) {
			return got, nil
		}
		if c.framing == polls && !c.waiting {
			c.waiting = true
			if _, err := c.nc.Write(c.pollRequest()); err != nil {
				return nil, err
			}
		}
		n, err := c.read(buf)
		if err != nil {
			return nil, fmt.Errorf("waiting for %q after %.200q: %w", want, got, err)
		}
		c.carry = append(c.carry, buf[:n]...)
	}
}

func (c *conn) read(buf []byte) (int, error) {
	if err := c.nc.SetReadDeadline(time.Now().Add(setupTimeout)); err != nil {
		return 0, err
	}
	return c.nc.Read(buf)
}

func (c *conn) pollRequest() []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", c.path(c.cursor), c.host)
}

// frame appends a message as the connection carries it.
func (c *conn) frame(b, message []byte) []byte { return appendFrame(b, c.data, message) }

// say sends one message while the connection is set up: in it, or beside it.
func (c *conn) say(d *dialer, message []byte) error {
	if c.framing == socket {
		_, err := c.nc.Write(c.frame(nil, message))
		return err
	}
	_, err := d.post(c.send, message)
	return err
}

// A dialer sets connections up, one after another. What goes beside them uses
// one connection that is kept.
type dialer struct {
	addr   string
	binary bool
	beside net.Conn
	buf    []byte
}

func (d *dialer) dial() (net.Conn, error) {
	return (&net.Dialer{Timeout: setupTimeout, KeepAlive: -1}).Dial("tcp", d.addr)
}

func (d *dialer) get(method, path string) ([]byte, error) {
	return d.do(fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n", method, path, d.addr))
}

// post sends a message beside its connection: as a form where the path is that
// of a classic send.
func (d *dialer) post(path string, message []byte) ([]byte, error) {
	kind := "text/plain"
	if bytes.HasPrefix([]byte(path), []byte("/signalr/send")) {
		kind, message = "application/x-www-form-urlencoded", []byte("data="+url.QueryEscape(string(message)))
	}
	return d.do(fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		path, d.addr, kind, len(message), message))
}

// do sends a request and returns the body of the answer.
func (d *dialer) do(request []byte) (body []byte, err error) {
	if d.beside == nil {
		if d.beside, err = d.dial(); err != nil {
			return nil, err
		}
	}
	if _, err := d.beside.Write(request); err != nil {
		return nil, err
	}
	var got []byte
	if d.buf == nil {
		d.buf = make([]byte, 16<<10)
	}
	for {
		n, err := (&conn{nc: d.beside}).read(d.buf)
		if err != nil {
			return nil, fmt.Errorf("%.60q: %w", request, err)
		}
		got = append(got, d.buf[:n]...)
		status, body, size := response(got)
		switch {
		case size == 0:
		case status != 200:
			return nil, fmt.Errorf("%.60q: %d: %s", request, status, body)
		default:
			return body, nil
		}
	}
}

// token asks for the token that a connection is named by.
func (d *dialer) token(method, path, field string) (string, error) {
	body, err := d.get(method, path)
	if err != nil {
		return "", err
	}
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		return "", err
	}
	token, ok := m[field].(string)
	if !ok {
		return "", fmt.Errorf("%s: no %s", path, field)
	}
	return url.QueryEscape(token), nil
}

// transport opens a WebSocket or an event stream.
func (d *dialer) transport(kind, path string) (*conn, error) {
	nc, err := d.dial()
	if err != nil {
		return nil, err
	}
	c := &conn{nc: nc, framing: stream, data: opText}
	if d.binary {
		c.data = opBinary
	}
	more, status := "Accept: text/event-stream\r\n", " 200 "
	if kind == "ws" {
		more = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
		status = " 101 "
	}
	_, err = fmt.Fprintf(nc, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, d.addr, more)
	if err == nil {
		err = c.head(status)
	}
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	if kind == "ws" {
		c.framing = socket
	}
	return c, nil
}

// head reads the head of a response, which has the status.
func (c *conn) head(status string) error {
	buf := make([]byte, 4<<10)
	for {
		n, err := c.read(buf)
		if err != nil && !errors.Is(err, io.EOF) || n == 0 {
			return fmt.Errorf("waiting for %s: %.200q: %w", status, c.carry, err)
		}
		c.carry = append(c.carry, buf[:n]...)
		head, rest, ok := bytes.Cut(c.carry, []byte("\r\n\r\n"))
		if !ok {
			continue
		}
		if !bytes.Contains(head, []byte(status)) {
			return fmt.Errorf("the answer is %.200q", c.carry)
		}
		c.carry = rest
		return nil
	}
}

// poll opens a connection that polls.
func (d *dialer) poll(path func(cursor string) string) (*conn, error) {
	nc, err := d.dial()
	if err != nil {
		return nil, err
	}
	return &conn{nc: nc, framing: polls, path: path, host: d.addr}, nil
}
