package transports

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// An input is where a WebSocket reads from. It belongs to the reader.
type input struct {
	raw  syscall.RawConn // Immutable; nil if conn is not a bare socket.
	conn net.Conn        // Immutable.
	idle time.Duration   // Immutable; 0 for none.

	rest []byte  // What has come and is not used; at first, what net/http has read.
	buf  *buffer // What rest is in, unless it is of net/http; nil while nothing comes.
	lost bool    // The connection failed, rather than the protocol.

	read    func(fd uintptr) bool // readSocket, made once
	readErr error                 // of readSocket

	watched bool // There is a deadline, to see whether the peer is idle,
	heard   bool // which it is not: something came since.
}

// A buffer is what one read may fill. Only who has something in it has one.
type buffer [16 << 10]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// Read is called by the library.
func (in *input) Read(p []byte) (n int, err error) {
	for len(in.rest) == 0 && in.raw != nil {
		if err := in.fill(); err == errQuiet {
			continue
		} else if err != nil {
			return 0, err
		}
	}
	if len(in.rest) > 0 {
		n = copy(p, in.rest)
		if in.rest = in.rest[n:]; len(in.rest) == 0 {
			in.rest = nil
		}
		return n, nil
	}
	if n, err = in.conn.Read(p); err != nil {
		in.lost = true
	}
	return n, err
}

// await returns when something has come, or with ErrIdle when nothing has for
// the time that idle says, once.
func (in *input) await() error {
	for {
		if in.idle > 0 && in.heard && !in.watched {
			in.watched, in.heard = true, false
			_ = in.conn.SetReadDeadline(time.Now().Add(in.idle))
		}
		if err := in.fill(); err != errQuiet {
			return err
		}
		if !in.heard {
			return ErrIdle
		}
	}
}

// errQuiet is what fill returns when the deadline of a watch has passed.
var errQuiet = errors.New("nothing came in time")

// fill reads from a bare socket. While it waits there is no buffer.
func (in *input) fill() error {
	if in.read == nil {
		in.read = in.readSocket
	}
	err := in.raw.Read(in.read)
	if err == nil {
		err = in.readErr
	}
	switch {
	case err == nil:
		in.heard = true
		return nil
	case in.watched && errors.Is(err, os.ErrDeadlineExceeded):
		in.watched = false
		_ = in.conn.SetReadDeadline(time.Time{})
		return errQuiet
	}
	in.lost = true
	return err
}

// readSocket reports false if there is nothing to be read yet.
func (in *input) readSocket(fd uintptr) bool {
	if in.buf == nil {
		in.buf = buffers.Get().(*buffer)
	}
	n, again, err := tryRead(fd, in.buf[:])
	if n > 0 {
		in.rest, in.readErr = in.buf[:n], nil
		return true
	}
	buffers.Put(in.buf) // also at the end, which may come for many at once
	in.buf, in.rest = nil, nil
	if err == nil {
		err = io.EOF
	}
	in.readErr = err
	return !again
}

// dataFrame returns the opcode of the data frame that b begins with, and the
// sizes of its header and its payload. The opcode is 0 if the frame is not all
// there, if it is not a message by itself, or if it is wrong.
func dataFrame(b []byte) (opcode byte, head, size int) {
	if len(b) < 6 || b[0] != finalBit|opText && b[0] != finalBit|opBinary || b[1] < maskBit {
		return 0, 0, 0
	}
	head, size = 6, int(b[1]&^maskBit)
	switch {
	case size == 127:
		return 0, 0, 0 // more than a buffer holds
	case size == 126:
		head, size = 8, int(binary.BigEndian.Uint16(b[2:]))
	}
	if len(b) < head+size {
		return 0, 0, 0
	}
	return b[0] &^ finalBit, head, size
}

// unmask takes the mask, of 4 bytes, off the payload: RFC 6455 §5.3.
func unmask(payload, mask []byte) {
	word := binary.LittleEndian.Uint32(mask)
	long := uint64(word)<<32 | uint64(word)
	for len(payload) >= 8 {
		binary.LittleEndian.PutUint64(payload, binary.LittleEndian.Uint64(payload)^long)
		payload = payload[8:]
	}
	for i := range payload {
		payload[i] ^= mask[i&3]
	}
}
