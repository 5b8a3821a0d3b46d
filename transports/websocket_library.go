package transports

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// A library is the WebSocket library at work on a connection. It reads what is
// not read past it, answers pings and close frames, and sees what is wrong. A
// bare socket gets one with the first frame that calls for it: as long as it has
// none it takes 1.8 kB less.
type library struct {
	*websocket.Conn
	in *bufio.Reader // what it has read and not used
}

// newLibrary has the library take the connection as it stands. It takes one
// with an upgrade only: it is shown one that has been.
func newLibrary(c *socketConn) (*library, error) {
	u := &upgraded{header: make(http.Header), conn: c}
	ws, err := websocket.Accept(u, anUpgrade, &acceptOptions)
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(-1) // Receive has its own, which gives the right number.
	u.in.Reset(c)       // Accept put a reader of nothing in front of it.
	return &library{ws, u.in}, nil
}

var anUpgrade = &http.Request{
	Method: http.MethodGet, ProtoMajor: 1, ProtoMinor: 1,
	Header: http.Header{
		"Connection":            {"Upgrade"},
		"Upgrade":               {"websocket"},
		"Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key":     {"AAAAAAAAAAAAAAAAAAAAAA=="},
	},
}

// An upgraded is the writer of a response that was sent before.
type upgraded struct {
	header http.Header
	conn   *socketConn
	in     *bufio.Reader
}

func (u *upgraded) Header() http.Header         { return u.header }
func (u *upgraded) WriteHeader(int)             {}
func (u *upgraded) Write(b []byte) (int, error) { return len(b), nil }

// The buffers hold frame headers and control frames, of 127 bytes at most;
// larger reads and all data written go past them. A bare socket has a buffer
// below that of the library.
const (
	readBufferSize  = 512
	bareBufferSize  = 16
	writeBufferSize = 128
)

// Hijack implements http.Hijacker.
func (u *upgraded) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	size := readBufferSize
	if u.conn.in.raw != nil {
		size = bareBufferSize
	}
	u.in = bufio.NewReaderSize(u.conn, size)
	return u.conn, bufio.NewReadWriter(u.in, bufio.NewWriterSize(u.conn, writeBufferSize)), nil
}

// reader returns the library's reader of the next message.
func (s *WebSocket) reader() (kind websocket.MessageType, r io.Reader, err error) {
	if s.library == nil {
		if s.library, err = newLibrary(&s.conn); err != nil {
			return 0, nil, err // cannot happen
		}
	}
	// A context that can end costs allocations, and closes the socket.
	return s.library.Reader(context.Background())
}

// begun reports whether the library has bytes of what comes next.
func (s *WebSocket) begun() bool { return s.library != nil && s.library.in.Buffered() > 0 }
