package transports

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// A flushWriter is what a response needs of a ResponseWriter.
type flushWriter interface {
	io.Writer
	Flush() error
}

// A response is a stream of frames within one HTTP response. Its ResponseWriter
// belongs to the handler's goroutine, which calls send; close may come from
// anywhere, at any time, also after the handler has returned.
type response struct {
	// Immutable after newResponse.
	w       flushWriter
	control *http.ResponseController
	timeout time.Duration
	timed   bool // The writer knows deadlines; if not, a stalled client stays.

	// Guarded by mu, which is never held during a write.
	mu       sync.Mutex
	writing  bool // The handler is in send, so the ResponseWriter is valid.
	closed   bool
	broken   error
	deadline time.Time
}

func (r *response) init(w flushWriter, rw http.ResponseWriter, o Options) {
	r.w = w
	r.control = http.NewResponseController(rw)
	r.timeout = o.withDefaults().WriteTimeout
	// The server's own deadlines are meant for short exchanges.
	_ = r.control.SetReadDeadline(time.Time{})
	r.timed = r.control.SetWriteDeadline(time.Time{}) == nil
}

// begin enters a write. Every begin without an error has its end.
func (r *response) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	if r.broken != nil {
		return r.broken
	}
	r.writing = true
	r.deadline = time.Time{}
	if r.timeout > 0 {
		r.setDeadline(time.Now().Add(r.timeout))
	}
	return nil
}

// end leaves a write. It clears the deadline, also since over HTTP/2 one that
// passes resets the stream, whether or not something is being written.
func (r *response) end(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writing = false
	if err == nil {
		if !r.deadline.IsZero() {
			r.setDeadline(time.Time{})
		}
		return nil
	}
	if !r.deadline.IsZero() && !time.Now().Before(r.deadline) {
		// Each protocol has its own error for this; the clock is the same.
		r.broken = ErrWriteTimeout
	} else {
		r.broken = fmt.Errorf("transports: send: %w", err)
	}
	if r.closed {
		return ErrClosed
	}
	return r.broken
}

func (r *response) setDeadline(t time.Time) {
	if r.timed {
		r.deadline = t
		_ = r.control.SetWriteDeadline(t)
	}
}

// flush is the end of a write whose pieces are in b.
func (r *response) flush(b *batch, err error) error {
	if err == nil {
		err = b.flush()
	}
	b.free()
	if err == nil {
		err = r.w.Flush()
	}
	return r.end(err)
}

// Close ends the stream: Sends that follow return [ErrClosed]. One that waits
// for the client returns soon, without having to give up on a client that is
// merely in the middle of reading. The response ends when the handler returns.
func (r *response) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	// Outside a write the handler may have returned. Then the deadline would
	// hit the next response on the same connection; over HTTP/2 the writer
	// would panic.
	if !r.writing {
		return
	}
	if t := time.Now().Add(closeTimeout); r.deadline.IsZero() || t.Before(r.deadline) {
		r.setDeadline(t)
	}
}

// state returns the error that a Send would return at once.
func (r *response) state() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	return r.broken
}

// A controlledWriter writes to the outermost writer and flushes through all of
// them.
type controlledWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func newControlledWriter(w http.ResponseWriter) controlledWriter {
	return controlledWriter{w, http.NewResponseController(w)}
}

func (w controlledWriter) Flush() error {
	return w.control.Flush()
}

// canFlush reports whether w or a writer that it wraps can flush. The
// ResponseController can tell only by trying, which sends the headers.
func canFlush(w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return false
		}
	}
}

// flushError makes one error of the two ways to lack a Flush.
func flushError(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return ErrNoFlush
	}
	return err
}
