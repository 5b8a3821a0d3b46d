//go:build unix

package transports

import (
	"sync"
	"syscall"
)

const canTry = true

// tryWrite writes as much of b as the socket takes at once. Nobody else may be
// writing: it does without the lock of RawConn.Write, and its look at a deadline.
func tryWrite(raw syscall.RawConn, b []byte) (n int, err error) {
	w := tries.Get().(*try)
	defer tries.Put(w)
	w.b, w.n, w.err = b, 0, nil // nothing is done with a socket that is closed
	err = raw.Control(w.do)
	w.b = nil
	if err == nil && w.err != syscall.EAGAIN {
		err = w.err
	}
	return max(w.n, 0), err
}

// A try is one write. It is used again, since its function would be allocated
// for each.
type try struct {
	b   []byte
	n   int
	err error
	do  func(fd uintptr)
}

var tries = sync.Pool{New: func() any {
	w := new(try)
	w.do = w.write
	return w
}}

func (w *try) write(fd uintptr) {
	for {
		w.n, w.err = syscall.Write(int(fd), w.b)
		if w.err != syscall.EINTR {
			return
		}
	}
}

// tryRead reads what the socket has. Again means that it has nothing yet.
func tryRead(fd uintptr, b []byte) (n int, again bool, err error) {
	for {
		n, err = syscall.Read(int(fd), b)
		if err != syscall.EINTR {
			return n, err == syscall.EAGAIN, err
		}
	}
}
