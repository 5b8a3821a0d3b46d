package transports

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A strict net.Conn notes the deadlines of writes.
type strict struct {
	net.Conn
	deadline time.Time
	left     []time.Duration // at each write
}

func (s *strict) SetWriteDeadline(t time.Time) error {
	s.deadline = t
	return nil
}

func (s *strict) Write(b []byte) (int, error) {
	s.left = append(s.left, time.Until(s.deadline))
	return len(b), nil
}

// A try needs no deadline. What has to wait after it has one of its own, however
// old that of the last write is, and a short one if the socket is being closed.
func TestDeadlineOfWhatHasToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := new(strict)
		c := new(socketConn)
		c.open(conn, nil, Options{WriteTimeout: time.Minute})
		try := func() {
			if !c.tryAcquire() {
				t.Fatal("somebody is writing")
			}
		}
		try()
		if !conn.deadline.IsZero() || !c.endAtOnce() {
			t.Error("a try sets a deadline, or does not end")
		}
		for range 2 {
			try()
			if err := c.finish([]byte("rest"), nil); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Hour)
		}
		try()
		c.closed = true
		_ = c.finish([]byte("rest"), nil)
		want := []time.Duration{time.Minute, time.Minute, closeTimeout}
		for i, left := range conn.left {
			if left != want[i] {
				t.Errorf("write %d has %v, want %v", i, left, want[i])
			}
		}
		if len(conn.left) != len(want) {
			t.Errorf("%d writes, want %d", len(conn.left), len(want))
		}
	})
}
