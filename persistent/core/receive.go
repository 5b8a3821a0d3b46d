package core

import (
	"bytes"
	"net/http"
	"sync"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// An input is what has come from a client and is not handled yet. Whoever
// brings bytes holds the lock until they are handled.
type input struct {
	sync.Mutex
	buf      []byte
	searched int     // how much of buf has no end of a message in it
	from     *socket // where the rest of buf comes from, nil for a POST
}

// maxInput is how much may wait for a transport, or for the application's
// connected handler.
const maxInput = 64 << 10

// maxIdle is how much memory an input keeps that has nothing to handle.
const maxIdle = 512

// feed takes bytes from the client, and handles what messages they complete.
// While there is no room, or the application holds the client back, it calls
// wait, which returns when the channel is closed. The error is that of wait, or
// a refusal if the link has ended.
func (l *link) feed(from *socket, p []byte, wait func(<-chan struct{}) error) error {
	for {
		ready, err := l.take(from, &p)
		if ready == nil {
			return err
		}
		l.stuck.Add(1)
		err = wait(ready)
		l.hear()
		l.stuck.Add(-1)
		if err != nil {
			return err
		}
	}
}

// untilReady waits for as long as it takes. The end of the link ends it.
func untilReady(ready <-chan struct{}) error {
	<-ready
	return nil
}

// take is one step of feed. It takes p, if there is room, and returns what is to
// be waited for before the next one, nil if there is none.
func (l *link) take(from *socket, p *[]byte) (ready <-chan struct{}, err error) {
	l.input.Lock()
	defer l.input.Unlock()
	switch at := l.at(); {
	case at == ended:
		return nil, errUnknownID
	case from != nil && !from.current():
		return nil, nil // another socket took over
	case (at == waiting || at == starting) && len(*p) > 0 && len(l.input.buf) >= maxInput:
		return l.past(at), nil
	}
	l.input.source(from)
	rest := *p
	if len(l.input.buf) > 0 {
		l.input.buf = append(l.input.buf, rest...)
		rest = l.input.buf
	}
	*p = nil
	return l.process(rest), nil
}

// attached handles what came before the transport did.
func (l *link) attached() { _ = l.feed(nil, nil, untilReady) }

// process handles the messages in rest that are complete, as far as the phase
// and the application allow: it returns what the latter lets it wait for. Called
// with the input's lock held.
func (l *link) process(rest []byte) (held <-chan struct{}) {
	in := &l.input
	defer func() { in.keep(rest) }()
	for len(rest) > 0 {
		switch l.at() {
		case waiting, starting:
			return nil
		case ended:
			rest = nil
			return nil
		case shaking:
			text, size, err := cutText(rest, l.opts.MaxMessageSize, in.searched)
			if err != nil {
				l.refuse(handshakeCanceled)
				continue
			}
			if size == 0 {
				in.searched = len(rest)
				return nil
			}
			in.searched, rest = 0, rest[size:]
			l.shake(text)
		case running:
			if held := l.heldBack(); held != nil {
				return held
			}
			f := l.format
			message, size, err := f.cut(rest, l.opts.MaxMessageSize, in.searched)
			if err != nil {
				l.fail(err)
				continue
			}
			if size == 0 {
				in.searched = len(rest)
				return nil
			}
			in.searched, rest = 0, rest[size:]
			l.message(message)
		}
	}
	return nil
}

// heldBack returns what the application lets the client wait for. One that came back
// says first where it goes on, and is given up if it does not.
func (l *link) heldBack() <-chan struct{} {
	held := l.conn.Held()
	if held != nil && l.track != nil && l.track.resuming() {
		return nil
	}
	return held
}

// source says where the next bytes come from. Half a message from another socket
// will come again.
func (in *input) source(from *socket) {
	if from == nil || from == in.from {
		return
	}
	if in.from != nil {
		in.buf, in.searched = in.buf[:0], 0
	}
	in.from = from
}

// keep keeps what is not handled yet, which may be the end of buf.
func (in *input) keep(rest []byte) {
	if len(rest) == 0 {
		in.searched = 0
		if cap(in.buf) > maxIdle {
			in.buf = nil
		}
	}
	in.buf = append(in.buf[:0], rest...)
}

// shake handles the handshake.
func (l *link) shake(text []byte) {
	f, version, problem := readHandshake(text, l.kind)
	if problem != "" {
		l.refuse(problem)
		return
	}
	if !l.open(f, version) {
		return
	}
	l.hear()
	l.begin()
}

// fail ends the connection of a client that does not keep to the protocol.
func (l *link) fail(reason error) {
	l.host.Logger().Debug("hubwire: protocol error", "connection", l.id, "err", reason)
	l.finish(dialect.Failed)
}

// message handles one message of a running connection.
func (l *link) message(m []byte) {
	kind, number, err := l.format.read(m)
	if err != nil {
		l.fail(err)
		return
	}
	l.hear()
	if t := l.track; t != nil {
		if t.awaits(kind) {
			return
		}
		t.attach()
	}
	switch {
	case kind >= typeInvocation && kind <= typeCancel:
		if l.track == nil || l.track.accept() {
			l.conn.Receive(dialect.Incoming{Payload: bytes.Clone(m), Request: l.request, Replier: replier{l}})
		}
	case kind == typePing:
		l.pinged()
	case kind == typeClose:
		l.conn.Stop()
	case l.track == nil: // acknowledges nothing that we know of
	case kind == typeAck:
		l.track.acknowledged(uint64(number))
	case kind == typeSequence:
		if !l.track.resume(number) {
			l.fail(errMalformed)
		}
	}
}

// A replier answers on the connection's one channel.
type replier struct{ link *link }

// Reply writes the payload behind what is queued.
func (r replier) Reply(payload []byte) {
	if len(payload) > 0 {
		r.link.conn.Reply(messagelog.JSON(payload))
	}
}

// Reject ends the connection, unless that is what it is rejected for.
func (r replier) Reject(refusal *negotiate.Refusal) {
	if refusal.Status != http.StatusNotFound && refusal.Status != http.StatusServiceUnavailable {
		r.link.fail(refusal)
	}
}
