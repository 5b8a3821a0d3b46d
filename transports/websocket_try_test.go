//go:build unix

package transports_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/hubwire/hubwire/transports"
)

// A socket that can be written to takes everything at once. One that is full
// has a rest, which comes behind what it took, and in front of what follows.
func TestTryPrepared(t *testing.T) {
	p, s := connect(t, transports.Options{})
	if !s.Tries() {
		t.Fatal("a socket is not tried")
	}
	message := s.Prepare(nil, frames(string(bytes.Repeat([]byte("x"), 100_000))))
	var rest func() error
	sent := 0
	for ; rest == nil; sent++ {
		rest = s.TryPrepared(message)
	}
	if sent == 1 {
		t.Fatal("an empty socket takes nothing")
	}
	late := s.TryPrepared(message) // somebody is writing
	if late == nil {
		t.Fatal("two writers at the same time")
	}
	errs := make(chan error, 2)
	go func() {
		errs <- rest()
		errs <- late()
	}()
	for range sent + 1 {
		p.wantBytes("messages that had to wait", message)
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if s.TryPrepared(s.Prepare(nil, frames("end"))) != nil {
		t.Error("a socket that has been emptied takes nothing")
	}
	p.wantBytes("what comes after them", []byte("\x81\x03end"))
}

// What others left to the writer, here the answer to a ping, follows what was
// tried.
func TestTryPreparedThenControl(t *testing.T) {
	p, s := connect(t, transports.Options{})
	message := s.Prepare(nil, frames(string(bytes.Repeat([]byte("x"), 100_000))))
	var rest func() error
	sent := 0
	for ; rest == nil; sent++ {
		rest = s.TryPrepared(message)
	}
	p.write(frame(fin|opPing, "hello"), frame(fin|opText, "after it"))
	if _, _, err := s.Receive(); err != nil { // the pong is left by now
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- rest() }()
	for range sent {
		p.wantBytes("messages", message)
	}
	p.wantBytes("the answer", []byte("\x8a\x05hello"))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// An answer that is left while somebody tries is not forgotten, whenever that
// happens.
func TestTryPreparedBesideControl(t *testing.T) {
	p, s := connect(t, transports.Options{})
	message := s.Prepare(nil, frames("text"))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() { _, _, _ = s.Receive() })
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if rest := s.TryPrepared(message); rest != nil && rest() != nil {
				return
			}
		}
	})
	for i := range 500 {
		ping := fmt.Sprintf("%05d", i)
		p.write(frame(fin|opPing, ping))
		for answered := false; !answered; {
			head := make([]byte, 2)
			p.read(head)
			body := make([]byte, head[1])
			p.read(body)
			answered = head[0] == fin|opPong && string(body) == ping
		}
	}
	close(stop)
	_ = p.conn.Close()
	wg.Wait()
}

func (p *peer) read(b []byte) {
	p.t.Helper()
	if _, err := io.ReadFull(p.r, b); err != nil {
		p.t.Fatal(err)
	}
}

// The errors are those of SendPrepared.
func TestTryPreparedFails(t *testing.T) {
	p, s := connect(t, transports.Options{})
	message := s.Prepare(nil, frames("text"))
	s.Close()
	if rest := s.TryPrepared(message); rest == nil || !errors.Is(rest(), transports.ErrClosed) {
		t.Error("a closed socket: want ErrClosed")
	}
	_ = p.conn.Close()

	p, s = connect(t, transports.Options{})
	_ = p.conn.Close()
	var rest func() error
	for rest == nil { // the other end has to answer with a reset first
		rest = s.TryPrepared(message)
	}
	if err := rest(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a lost connection: got %v", err)
	}
	if again := s.TryPrepared(message); again == nil || again() == nil {
		t.Error("after an error: no error")
	}
}

// What is not a socket can only be written to in the way that may wait.
func TestNotTried(t *testing.T) {
	bubble(t, transports.Options{}, func(t *testing.T, p *peer, s *transports.WebSocket) {
		if s.Tries() {
			t.Error("a pipe is tried")
		}
		done := make(chan error, 1)
		go func() { done <- s.TryPrepared(s.Prepare(nil, frames("text")))() }()
		p.wantBytes("the message", []byte("\x81\x04text"))
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestTryPreparedAllocatesNothing(t *testing.T) {
	p, s := connect(t, transports.Options{})
	go func() { _, _ = io.Copy(io.Discard, p.conn) }()
	message := s.Prepare(nil, frames("text"))
	if n := testing.AllocsPerRun(100, func() { _ = s.TryPrepared(message) }); n >= 1 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}
