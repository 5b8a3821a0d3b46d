package transports

import (
	"fmt"
	"net/http"
	"strconv"
)

// LongPollOptions are the options of one poll.
type LongPollOptions struct {
	Options

	// Callback makes the response a script that calls this JavaScript function
	// (JSONP). The caller decides whether the name is a good one; here it may
	// have ASCII letters, digits, '$', '_' and '.' only, so that it can not
	// carry a script of its own. Any site can load such a script with the
	// user's cookies.
	Callback string

	// ContentType is by default "application/json; charset=UTF-8", with a
	// Callback "application/javascript; charset=UTF-8".
	ContentType string

	// Late has Hold and KeepAlive do nothing. Until there is a frame the handler
	// may answer otherwise.
	Late bool
}

// A LongPoll is the stream of [LongPolling]: one frame, which ends it. Only the
// handler's goroutine may call Send and KeepAlive.
type LongPoll struct {
	response
	callback string
	late     bool
	headers  http.Header

	// Owned by the handler's goroutine.
	held bool // the headers are sent
	done bool
}

// NewLongPoll writes nothing yet. The headers go with the frame, and with its
// length, unless Hold or KeepAlive come before. On a bad callback and on
// [ErrNoFlush] the handler may answer otherwise.
func NewLongPoll(w http.ResponseWriter, r *http.Request, o LongPollOptions) (*LongPoll, error) {
	if !plainCallback(o.Callback) {
		return nil, fmt.Errorf("transports: callback %q is not a function name", o.Callback)
	}
	if !canFlush(w) {
		return nil, ErrNoFlush
	}
	header := w.Header()
	header.Set("Content-Type", o.contentType())
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no")
	p := &LongPoll{callback: o.Callback, late: o.Late, headers: header}
	p.init(newControlledWriter(w), w, o.Options)
	return p, nil
}

// Hold implements [Holder]: it sends the headers, if that has not been done.
func (p *LongPoll) Hold() error {
	if p.late || p.held || p.done {
		return p.state()
	}
	if err := p.begin(); err != nil {
		return err
	}
	p.held = true
	return p.end(p.w.Flush())
}

func (o LongPollOptions) contentType() string {
	switch {
	case o.ContentType != "":
		return o.ContentType
	case o.Callback != "":
		return "application/javascript; charset=UTF-8"
	default:
		return "application/json; charset=UTF-8"
	}
}

func plainCallback(name string) bool {
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '$', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// Kind returns [LongPolling].
func (*LongPoll) Kind() Kind {
	return LongPolling
}

// Send answers the poll with the one frame. Any other number is [ErrOneFrame],
// and leaves the poll open. After that Send returns [ErrClosed].
func (p *LongPoll) Send(frames [][]byte) error {
	if p.done {
		return ErrClosed
	}
	if len(frames) != 1 {
		return ErrOneFrame
	}
	if err := p.begin(); err != nil {
		return err
	}
	p.done = true
	if !p.held && p.callback == "" {
		p.headers.Set("Content-Length", strconv.Itoa(len(frames[0])))
	}
	if p.callback != "" {
		b := newBatch(p.w)
		return p.flush(b, p.addCall(b, frames[0]))
	}
	_, err := p.w.Write(frames[0])
	if err == nil {
		err = p.w.Flush()
	}
	return p.end(err)
}

func (p *LongPoll) addCall(b *batch, frame []byte) error {
	b.text(p.callback)
	b.text("(")
	if err := addEscaped(b, frame, false); err != nil {
		return err
	}
	b.text(");")
	return nil
}

// Done reports whether the poll has had its frame. Only the handler's goroutine
// may call it.
func (p *LongPoll) Done() bool {
	return p.done
}

// KeepAlive sends one space, on its own, which JSON may begin with. A script
// gets none: nothing may stand before the callback's name.
func (p *LongPoll) KeepAlive([]byte) error {
	if p.done {
		return ErrClosed
	}
	if p.callback != "" || p.late {
		return p.state()
	}
	if err := p.begin(); err != nil {
		return err
	}
	p.held = true
	b := newBatch(p.w)
	b.text(" ")
	return p.flush(b, nil)
}
