//go:build unix

package transports

import (
	"errors"
	"net"
	"testing"
)

// Nothing of a closed socket was written, whatever was written to another one
// before.
func TestTryClosedSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	raw := socketOf(conn)
	for range 100 { // a try is used again, most of the time
		if n, err := tryWrite(raw, make([]byte, 200)); n != 200 || err != nil {
			t.Fatalf("an open socket takes %d bytes, %v", n, err)
		}
	}
	_ = conn.Close()
	if n, err := tryWrite(raw, make([]byte, 100)); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed socket takes %d bytes, %v", n, err)
	}
}
