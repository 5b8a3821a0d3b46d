package core

import (
	"errors"
	"sync"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/transports"
)

// A socket is one WebSocket of a link. A stateful connection may have several,
// one after another.
type socket struct {
	link *link
	ws   *transports.WebSocket

	shook bool // something has come: owned by the reader

	mu  sync.Mutex // guards att
	att dialect.Attachment
}

// current reports whether no other socket took over.
func (s *socket) current() bool {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	return s.link.socket == s
}

// serveSocket opens a WebSocket, or lets a stateful connection go on in one.
// Whatever speaks against it is said before the upgrade: clients take an open
// socket for a good one.
func (q *request) serveSocket() *negotiate.Refusal {
	if err := q.enabled(transports.WebSockets); err != nil {
		return err
	}
	var l *link
	if q.query.Get("id") == "" {
		l = q.dialect.newLink(q.host, newTicket(1, false, q.user, q.hub), "")
	} else {
		var err *negotiate.Refusal
		if l, err = q.link(); err != nil {
			return err
		}
	}
	err := l.bind(q, transports.WebSockets)
	if err == errTwice && l.resumable() {
		return q.resume(l)
	}
	if err != nil {
		return err
	}
	ws, acceptErr := q.accept()
	if acceptErr != nil {
		l.abandon()
		return nil // answered
	}
	s := &socket{link: l, ws: ws}
	l.mu.Lock()
	l.socket = s
	late := l.phase == ended
	l.mu.Unlock()
	if late {
		s.close(nil)
	}
	q.host.Go(func() {
		l.attached()
		s.read()
	})
	return nil
}

func (q *request) accept() (*transports.WebSocket, error) {
	return transports.AcceptWebSocket(q.w, q.r, transports.Options{
		WriteTimeout: q.host.Settings().SendTimeout,
		ReadLimit:    -1, // there is a limit for each message in the stream
		IdleTimeout:  dialect.IdleTimeout,
	})
}

// read hands on what comes from the socket until it ends.
func (s *socket) read() {
	for {
		b, err := s.ws.Next()
		switch err {
		case nil:
			_ = s.link.feed(s, b, untilReady) // an ended link closes the socket
			if !s.shook {
				s.shook = true // for which the stack has grown; others need it more
				s.link.host.Go(s.read)
				return
			}
		case transports.ErrIdle:
			s.link.host.Go(s.read)
			return
		default:
			s.lost(err)
			return
		}
	}
}

// lost is called when the socket has ended. A close frame of the client's is
// the end of the connection, also if another socket took over meanwhile.
func (s *socket) lost(err error) {
	l := s.link
	s.mu.Lock()
	att := s.att
	s.mu.Unlock()
	_, closed := errors.AsType[*transports.CloseError](err)
	conn := l.connection()
	switch {
	case conn == nil:
		l.abandon()
	case closed:
		conn.Stop()
	case att != nil:
		att.Detach(err)
	}
}

// close writes last words on a socket that has no exchange, and closes it.
func (s *socket) close(words []byte) {
	if len(words) > 0 {
		_ = s.ws.Send([][]byte{words})
	}
	s.ws.Close()
}

// begin lets a new connection's messages go out, and raises its connected event.
func (l *link) begin() {
	switch l.kind {
	case transports.WebSockets:
		s := l.socket
		s.ws.SetBinary(l.format.binary)
		if l.track == nil {
			s.attach(dialect.Exchange{Framer: &sharer{framer{link: l}}, Final: true})
			break
		}
		l.greet(s)
		l.track.hold(s.attachFirst)
	case transports.ServerSentEvents:
		return // the handler of the stream does it
	}
	l.start()
}

// greet answers the handshake of a connection whose other messages wait.
func (l *link) greet(s *socket) {
	_ = s.ws.Send([][]byte{l.greeting()})
}

// attachFirst attaches the first exchange of a stateful connection.
func (s *socket) attachFirst() {
	t := s.link.track
	t.attaching.Lock()
	defer t.attaching.Unlock()
	if f := (&framer{link: s.link, track: t}); t.start(f) {
		s.attach(dialect.Exchange{Framer: f})
	}
}

// attach makes the socket the connection's exchange. The host closes it if the
// connection has ended.
func (s *socket) attach(x dialect.Exchange) {
	l := s.link
	l.mu.Lock()
	x.Request, x.Admission, x.Stream = l.request, l.admission, s.ws
	conn := l.conn
	l.mu.Unlock()
	x.KeepAlive, x.AnyWriter = l.opts.KeepAlive, true
	if l.track != nil {
		x.MaxBatch = max(l.opts.StatefulBuffer/4, 1)
	}
	att, err := conn.Attach(x)
	if err != nil {
		s.ws.Close()
		return
	}
	if l.track != nil {
		l.track.began(x.Framer.(*framer), att)
	}
	s.mu.Lock()
	s.att = att
	s.mu.Unlock()
	att.Spawn()
}

// resumable reports whether a second WebSocket may take the place of the first.
func (l *link) resumable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.track != nil && (l.phase == starting || l.phase == running)
}

// resume lets a stateful connection go on in a new WebSocket
// (protocols/core.md 5.11). The old one need not have ended.
func (q *request) resume(l *link) *negotiate.Refusal {
	ws, err := q.accept()
	if err != nil {
		return nil // answered
	}
	ws.SetBinary(l.format.binary)
	s := &socket{link: l, ws: ws}
	q.replace(l, s)
	q.host.Go(s.read)
	return nil
}

// replace makes s the socket of the link, and goes on in it where the client
// is. It closes s if the connection has ended.
func (q *request) replace(l *link, s *socket) {
	l.input.Lock() // what the old socket brought is handled
	defer l.input.Unlock()
	l.track.attaching.Lock()
	defer l.track.attaching.Unlock()
	l.mu.Lock()
	over, old := l.phase == ended, l.socket
	if !over {
		l.socket, l.request, l.admission = s, q.r, q.admission
		l.watchExpiry(q.r)
	}
	l.mu.Unlock()
	if over {
		s.ws.Close()
		return
	}
	l.host.Go(old.ws.Close) // it may take a moment, and may not have had an exchange
	f := &framer{link: l, track: l.track}
	cursor, first := l.track.takeOver(f)
	f.first = [][]byte{first}
	l.hear()
	s.attach(dialect.Exchange{Framer: f, Cursor: cursor, Reconnect: true})
	l.track.watch(f)
}
