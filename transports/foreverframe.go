package transports

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// A ForeverFrameStream is the stream of [ForeverFrame]: an HTML page without an
// end in a hidden frame, whose scripts hand each frame to the page around it.
// Only the handler's goroutine may call Send and KeepAlive.
type ForeverFrameStream struct {
	response
}

// NewForeverFrame sends the headers and the prologue, which must end where a
// script element may stand and define c and r; see [ForeverFramePrologue].
// [ErrNoFlush] means that nothing has been written.
func NewForeverFrame(w http.ResponseWriter, r *http.Request, prologue string, o Options) (*ForeverFrameStream, error) {
	if !canFlush(w) {
		return nil, ErrNoFlush
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=UTF-8")
	header.Set("Cache-Control", "no-cache, no-store")
	header.Set("X-Accel-Buffering", "no")
	s := new(ForeverFrameStream)
	s.init(newControlledWriter(w), w, o)
	if err := s.begin(); err != nil {
		return nil, err
	}
	b := newBatch(s.w)
	b.text(prologue)
	if err := s.flush(b, nil); err != nil {
		return nil, fmt.Errorf("transports: open forever frame: %w", err)
	}
	return s, nil
}

// Kind returns [ForeverFrame].
func (*ForeverFrameStream) Kind() Kind {
	return ForeverFrame
}

// Send sends each frame, a JavaScript expression such as JSON, as a script that
// the browser runs when it arrives.
func (s *ForeverFrameStream) Send(frames [][]byte) error {
	if err := s.begin(); err != nil {
		return err
	}
	b := newBatch(s.w)
	for _, frame := range frames {
		if err := addScript(b, frame, "\r\n"); err != nil {
			return s.flush(b, err)
		}
	}
	return s.flush(b, nil)
}

// KeepAlive sends the frame as a script.
func (s *ForeverFrameStream) KeepAlive(frame []byte) error {
	if err := s.begin(); err != nil {
		return err
	}
	b := newBatch(s.w)
	return s.flush(b, addScript(b, frame, "\n\n"))
}

func addScript(b *batch, frame []byte, end string) error {
	b.text("<script>r(c, ")
	if err := addEscaped(b, frame, true); err != nil {
		return err
	}
	b.text(");</script>")
	b.text(end)
	return nil
}

// addEscaped adds JSON as a JavaScript expression. U+2028 and U+2029 end a line
// in the strings of engines before ECMAScript 2019. With html, no < or > is
// left that could end the script element; in JSON they stand in strings only.
func addEscaped(b *batch, p []byte, html bool) error {
	start := 0
	for i := 0; i < len(p); i++ {
		var escape string
		size := 1
		switch c := p[i]; {
		case c == '<' && html:
			escape = `\u003c`
		case c == '>' && html:
			escape = `\u003e`
		case c == 0xe2 && i+2 < len(p) && p[i+1] == 0x80 && p[i+2] == 0xa8:
			escape, size = `\u2028`, 3
		case c == 0xe2 && i+2 < len(p) && p[i+1] == 0x80 && p[i+2] == 0xa9:
			escape, size = `\u2029`, 3
		default:
			continue
		}
		if err := b.bytes(p[start:i]); err != nil {
			return err
		}
		b.text(escape)
		i += size - 1
		start = i + 1
	}
	return b.bytes(p[start:])
}

// prologueSize is the size up to which the prologue is padded. Browsers look at
// the first bytes of a page to guess what it is before they run anything: 256
// in the Internet Explorers that need this transport, 1,024 in most others.
const prologueSize = 1024

// ForeverFramePrologue returns the head of a page that finds the frame with the
// id in the window around it, calls started, and defines c and r for the scripts
// that follow.
func ForeverFramePrologue(frameID uint32) string {
	page := `<!DOCTYPE html><html><head><title>SignalR</title><script>` +
		`var $ = window.parent.jQuery,` +
		` t = $ && $.signalR && $.signalR.transports.foreverFrame,` +
		` c = t ? t.getConnection('` + strconv.FormatUint(uint64(frameID), 10) + `') : null,` +
		` r = t && t.receive || function () {};` +
		` if (t) { t.started(c); }` +
		"</script></head><body>\r\n"
	return page + strings.Repeat(" ", max(0, prologueSize-len(page)-2)) + "\r\n"
}

// ParseFrameID parses a frame id: decimal digits only, below 2^32.
func ParseFrameID(s string) (uint32, error) {
	id, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("transports: frame id %q: %w", s, errors.Unwrap(err))
	}
	return uint32(id), nil
}
