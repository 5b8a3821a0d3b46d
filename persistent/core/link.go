package core

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
	"github.com/hubwire/hubwire/transports"
)

// A phase is how far a link has come. It only grows.
type phase int

const (
	waiting  phase = iota // for a transport
	shaking               // for the handshake
	starting              // for the application's connected handler
	running
	ended
)

// A link is one client from its first request to the end, in whatever way that
// comes. Its token can be used until then, and never again.
type link struct {
	// Immutable after newLink.
	dialect *Dialect
	opts    *Options
	host    dialect.Host
	key     [16]byte
	id      string
	user    string
	expires time.Time // of the token
	named   bool      // it has a token, and stands in the table

	input input
	track *track       // nil unless the connection is stateful
	heard atomic.Int64 // when the client last said something, in ns
	stuck atomic.Int32 // how many wait to go on with what the client said

	greeted atomic.Bool // the answer to the handshake is written, or will be
	torn    atomic.Bool // messages are missing: none is written any more

	mu    sync.Mutex    // guards what follows; nothing is called with it held
	posts chan struct{} // holds one while the body of a POST is read; nil before the first
	phase phase
	moved chan struct{} // closed when the phase changes; nil if nobody waits for that

	kind      transports.Kind // 0 while waiting
	request   *http.Request
	admission dialect.Admission
	format    *format            // from the handshake on
	conn      dialect.Connection // from the handshake on
	socket    *socket            // the current one
	poll      *poll              // the one that is held
	handshake *time.Timer        // for the transport, and then for the handshake
	silence   *time.Timer        // armed with the client's first ping
	expiry    *time.Timer
	detached  func() bool // forgets the host's shutdown

	end ending
}

// An ending is what a link has still to say when it has ended.
type ending struct {
	words   []byte         // for the next poll, or whatever transport there is
	why     dialect.Ending // of the connection, if there was one
	said    bool           // no more is to be said
	retired bool           // the id answers 404
}

// find returns the link of a ticket, made if the ticket is fresh, or nil.
func (d *Dialect) find(h dialect.Host, t ticket, token string) *link {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.links[t.id]; l != nil {
		if l.gone() {
			return nil
		}
		return l
	}
	expires := t.issued.Add(d.opts.DisconnectTimeout)
	if !time.Now().Before(expires) {
		return nil
	}
	l := d.newLink(h, t, token)
	l.expires, l.named = expires, true
	d.links[t.id] = l
	return l
}

// newLink returns a link that ends with the host, or if no transport comes.
func (d *Dialect) newLink(h dialect.Host, t ticket, token string) *link {
	l := &link{
		dialect: d,
		opts:    &d.opts,
		host:    h,
		key:     t.id,
		id:      t.publicID(token),
	}
	if t.stateful {
		l.track = newTrack(l)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handshake = time.AfterFunc(d.opts.DisconnectTimeout, l.late)
	l.detached = context.AfterFunc(h.Context(), l.abandon)
	return l
}

// gone reports whether the id answers 404.
func (l *link) gone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end.retired
}

// at returns the phase.
func (l *link) at() phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.phase
}

// past returns a channel that is closed when the link is past the phase.
func (l *link) past(p phase) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase > p {
		return already
	}
	if l.moved == nil {
		l.moved = make(chan struct{})
	}
	return l.moved
}

// already is closed.
var already = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// advance enters a later phase. It reports false if the link is there already.
func (l *link) advance(p phase) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.enter(p)
}

// enter is advance with mu held.
func (l *link) enter(p phase) bool {
	if p <= l.phase {
		return false
	}
	l.phase = p
	if l.moved != nil {
		close(l.moved)
		l.moved = nil
	}
	return true
}

// bind makes the transport of the request the link's.
func (l *link) bind(q *request, kind transports.Kind) *negotiate.Refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.phase == ended:
		return errUnknownID
	case l.kind == 0:
	case l.kind != kind:
		return errSwitch
	default:
		return errTwice
	}
	l.kind, l.request, l.user, l.admission = kind, q.r, q.user, q.admission
	if kind != transports.WebSockets {
		l.track = nil
	}
	l.handshake.Reset(l.opts.HandshakeTimeout)
	l.watchExpiry(q.r)
	l.enter(shaking)
	return nil
}

// watchExpiry ends the connection when the request's authentication does.
// Called with mu held.
func (l *link) watchExpiry(r *http.Request) {
	if l.opts.Expires == nil {
		return
	}
	if l.expiry != nil {
		l.expiry.Stop()
	}
	if at := l.opts.Expires(r); !at.IsZero() {
		l.expiry = time.AfterFunc(time.Until(at), func() { l.finish(dialect.Expired) })
	}
}

// open makes the connection, when the handshake is done. It reports false if
// the link has ended instead.
func (l *link) open(f *format, version int) bool {
	l.mu.Lock()
	if version < maxVersion {
		l.track = nil
	}
	l.format = f
	request, adm, kind := l.request, l.admission, l.kind
	l.mu.Unlock()
	conn, _, err := l.host.Open(dialect.Opening{
		ID:                l.id,
		User:              l.user,
		Dialect:           l.dialect.Name(),
		Protocol:          f.protocol,
		Request:           request,
		Admission:         adm,
		Transport:         kind,
		DisconnectTimeout: l.opts.DisconnectTimeout,
		OneChannel:        true,
		Ended:             l.ended,
	})
	if err != nil {
		l.refuse(handshakeClosing)
		return false
	}
	l.mu.Lock()
	l.conn = conn
	l.handshake.Stop()
	late := !l.enter(starting)
	l.mu.Unlock()
	if late {
		conn.End(dialect.Lost)
	}
	return !late
}

// connection returns the connection, or nil before the handshake.
func (l *link) connection() dialect.Connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn
}

// start raises the connected event, and handles what has come in the meantime
// when that is done.
func (l *link) start() {
	conn := l.connection()
	l.host.Do(func() {
		if conn.Start() != nil {
			return // it has ended
		}
		l.advance(running)
		_ = l.feed(nil, nil, untilReady)
	})
}

// refuse ends a link whose handshake does not come to a good end.
func (l *link) refuse(text string) {
	l.mu.Lock()
	if l.conn != nil || !l.enter(ended) {
		l.mu.Unlock()
		return
	}
	l.end.words = handshakeError(text)
	l.end.retired = l.kind != transports.LongPolling
	l.settle()
	s := l.socket
	l.mu.Unlock()
	if s != nil {
		s.close(l.end.words)
	}
}

// late ends a link whose transport or handshake takes too long.
func (l *link) late() {
	if l.at() == waiting {
		l.abandon()
	} else {
		l.refuse(handshakeCanceled)
	}
}

// abandon ends a link that has no connection and whose client is gone.
func (l *link) abandon() {
	l.mu.Lock()
	if l.conn != nil || !l.enter(ended) {
		l.mu.Unlock()
		return
	}
	l.end.retired = true
	l.settle()
	s := l.socket
	l.mu.Unlock()
	if s != nil {
		s.close(nil)
	}
}

// finish ends the link, with its connection if there is one.
func (l *link) finish(why dialect.Ending) {
	if conn := l.connection(); conn != nil {
		conn.End(why)
		return
	}
	l.abandon()
}

// ended is told by the host that the connection has.
func (l *link) ended(why dialect.Ending, rest []*messagelog.Entry) {
	l.mu.Lock()
	l.over(why)
	if l.kind != transports.LongPolling || why == dialect.TimedOut {
		l.end.retired = true // a poll may have seen to it already
	}
	for _, m := range rest {
		if m.Payload != nil && !l.torn.Load() {
			l.end.words = append(l.end.words, m.Payload.Bytes(l.format.protocol)...)
		}
	}
	s := l.socket
	l.mu.Unlock()
	if l.track != nil && l.track.cancel() {
		s.close(l.collect())
	}
}

// over enters the last phase of a link with a connection. The host tells of it
// twice where there is an exchange, in any order. Called with mu held.
func (l *link) over(why dialect.Ending) {
	if l.enter(ended) {
		l.end.why = why
		l.settle()
	}
}

// parting returns the last word of the connection, once.
func (l *link) parting(why dialect.Ending) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over(why)
	if l.end.said {
		return nil
	}
	l.end.said = true
	return slices.Concat(l.greeting(), l.format.parting(why))
}

// collect returns what a link that has ended has still to say to a poll, or nil.
// The id is good for nothing any more after that.
func (l *link) collect() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end.said {
		l.end.retired = true
		return nil
	}
	words := l.end.words
	if l.conn != nil {
		words = slices.Concat(l.greeting(), words, l.format.parting(l.end.why))
	}
	l.end.said = true
	return words
}

// settle stops what goes on beside the link, and sees to it that its id is
// known for as long as somebody could come with it. Called with mu held.
func (l *link) settle() {
	for _, t := range []*time.Timer{l.handshake, l.silence, l.expiry} {
		if t != nil {
			t.Stop()
		}
	}
	l.detached()
	if !l.named {
		return
	}
	linger := max(time.Until(l.expires), l.opts.DisconnectTimeout)
	time.AfterFunc(linger, func() {
		l.dialect.mu.Lock()
		defer l.dialect.mu.Unlock()
		delete(l.dialect.links, l.key)
	})
}

// hear notes that the client is there.
func (l *link) hear() { l.heard.Store(time.Now().UnixNano()) }

// pinged starts the watch over a client that pings (protocols/core.md 5.9).
func (l *link) pinged() {
	if l.opts.ClientTimeout < 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.silence == nil && l.phase != ended && l.kind != transports.LongPolling {
		l.silence = time.AfterFunc(l.opts.ClientTimeout, l.checkSilence)
	}
}

func (l *link) checkSilence() {
	if l.stuck.Load() > 0 {
		l.hear() // there may be pings in what is not read
	}
	silent := time.Since(time.Unix(0, l.heard.Load()))
	if silent >= l.opts.ClientTimeout {
		l.finish(dialect.Failed)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != ended {
		l.silence.Reset(l.opts.ClientTimeout - silent)
	}
}
