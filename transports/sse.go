package transports

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/tmaxmax/go-sse"
)

// An EventStream is the stream of [ServerSentEvents]: one event for each frame.
// Only the handler's goroutine may call Send and KeepAlive. See WHATWG HTML,
// server-sent events.
type EventStream struct {
	response
}

// NewServerSentEvents sends the headers of an event stream. On an error it has
// not written anything, unless the client is gone.
func NewServerSentEvents(w http.ResponseWriter, r *http.Request, o Options) (*EventStream, error) {
	session, err := sse.Upgrade(w, r)
	if err != nil {
		return nil, ErrNoFlush
	}
	header := w.Header()
	header.Set("Cache-Control", "no-cache, no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would hold events back.
	s := new(EventStream)
	s.init(eventWriter{session}, w, o)
	if err := s.begin(); err != nil {
		return nil, err
	}
	// The first Flush of a session sets the content type and sends the headers.
	if err := s.end(flushError(session.Flush())); err != nil {
		return nil, fmt.Errorf("transports: open event stream: %w", err)
	}
	return s, nil
}

// An eventWriter writes events past the library's Message, which allocates for
// each, drops an event without data, and drops a line end at the end of data.
type eventWriter struct {
	*sse.Session
}

func (w eventWriter) Write(p []byte) (int, error) {
	return w.Res.Write(p)
}

// Kind returns [ServerSentEvents].
func (*EventStream) Kind() Kind {
	return ServerSentEvents
}

// Comment sends a line that clients pass over, the text behind a colon. Some
// browsers take a stream for open only when the first bytes have come. The text
// must have no line ends.
func (s *EventStream) Comment(text string) error {
	if err := s.begin(); err != nil {
		return err
	}
	b := newBatch(s.w)
	b.text(":")
	b.text(text)
	b.text("\r\n")
	return s.flush(b, nil)
}

// Send sends each frame as an event of one line, flushed together.
func (s *EventStream) Send(frames [][]byte) error {
	if err := s.begin(); err != nil {
		return err
	}
	b := newBatch(s.w)
	for _, frame := range frames {
		if err := addEvent(b, frame); err != nil {
			return s.flush(b, err)
		}
	}
	return s.flush(b, nil)
}

// Prepare implements [Preparer].
func (s *EventStream) Prepare(b []byte, frames [][]byte) []byte {
	for _, frame := range frames {
		b = appendEvent(b, frame)
	}
	return b
}

// SendPrepared implements [Preparer].
func (s *EventStream) SendPrepared(b []byte) error {
	if err := s.begin(); err != nil {
		return err
	}
	_, err := s.w.Write(b)
	if err == nil {
		err = s.w.Flush()
	}
	return s.end(err)
}

// KeepAlive sends the frame as an event.
func (s *EventStream) KeepAlive(frame []byte) error {
	if err := s.begin(); err != nil {
		return err
	}
	b := newBatch(s.w)
	return s.flush(b, addEvent(b, frame))
}

// appendEvent is addEvent without a batch, which would write.
func appendEvent(b, frame []byte) []byte {
	for {
		b = append(b, "data: "...)
		end := bytes.IndexAny(frame, "\r\n")
		if end < 0 {
			break
		}
		b = append(append(b, frame[:end]...), '\n')
		if bytes.HasPrefix(frame[end:], []byte("\r\n")) {
			end++
		}
		frame = frame[end+1:]
	}
	return append(append(b, frame...), "\n\n"...)
}

// addEvent adds an event with a data line for each line of the frame, of which
// dialects send one. A line ends in CR, LF or both; the client puts them
// together again with LF.
func addEvent(b *batch, frame []byte) error {
	for {
		b.text("data: ")
		end := bytes.IndexAny(frame, "\r\n")
		if end < 0 {
			break
		}
		if err := b.bytes(frame[:end]); err != nil {
			return err
		}
		b.text("\n")
		if bytes.HasPrefix(frame[end:], []byte("\r\n")) {
			end++
		}
		frame = frame[end+1:]
	}
	if err := b.bytes(frame); err != nil {
		return err
	}
	b.text("\n\n")
	return nil
}
