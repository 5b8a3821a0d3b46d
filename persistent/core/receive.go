package core

import (
	"bytes"
	"context"
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
// It waits while there is no room. The error is about the end of ctx, or a
// refusal if the link has ended.
func (l *link) feed(ctx context.Context, from *socket, p []byte) error {
	for {
		l.input.Lock()
		at, moved := l.state()
		if at == ended {
			l.input.Unlock()
			return errUnknownID
		}
		if at != waiting && at != starting || len(l.input.buf) < maxInput {
			break
		}
		l.input.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer l.input.Unlock()
	if from != nil && !from.current() {
		return nil // another socket took over
	}
	l.input.source(from)
	l.input.buf = append(l.input.buf, p...)
	l.process()
	return nil
}

// attached handles what came before the transport did.
func (l *link) attached() {
	l.input.Lock()
	defer l.input.Unlock()
	l.process()
}

// process handles the messages that are complete, as far as the phase allows.
// Called with the input's lock held.
func (l *link) process() {
	in := &l.input
	rest := in.buf
	defer func() { in.keep(rest) }()
	for len(rest) > 0 {
		switch at, _ := l.state(); at {
		case waiting, starting:
			return
		case ended:
			rest = nil
			return
		case shaking:
			text, size, err := cutText(rest, l.opts.MaxMessageSize, in.searched)
			if err != nil {
				l.refuse(handshakeCanceled)
				continue
			}
			if size == 0 {
				in.searched = len(rest)
				return
			}
			in.searched, rest = 0, rest[size:]
			l.shake(text)
		case running:
			f := l.format
			message, size, err := f.cut(rest, l.opts.MaxMessageSize, in.searched)
			if err != nil {
				l.fail(err)
				continue
			}
			if size == 0 {
				in.searched = len(rest)
				return
			}
			in.searched, rest = 0, rest[size:]
			l.message(message)
		}
	}
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

// keep keeps what is not handled yet.
func (in *input) keep(rest []byte) {
	if len(rest) == 0 {
		in.searched = 0
		if cap(in.buf) > maxIdle {
			in.buf = nil
			return
		}
	}
	if cap(in.buf) > 0 {
		n := copy(in.buf[:cap(in.buf)], rest)
		in.buf = in.buf[:n]
	}
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
