//go:build unix

package transports

import (
	"io"
	"net"
	"testing"
)

// Thousands of connections may end at the same time: none of them keeps the
// buffer in which it looked for more.
func TestInputKeepsNoBufferAtTheEnd(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	peer, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	in := input{conn: conn, raw: socketOf(conn)}
	_, _ = peer.Write([]byte("x"))
	if err := in.fill(); err != nil || string(in.rest) != "x" {
		t.Fatalf("got %q and %v", in.rest, err)
	}
	_ = peer.Close()
	if err := in.fill(); err != io.EOF || in.buf != nil {
		t.Errorf("got %v, want EOF; the buffer is kept: %v", err, in.buf != nil)
	}
}
