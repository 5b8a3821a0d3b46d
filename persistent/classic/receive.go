package classic

import (
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/transports"
)

var (
	errNotWebSocket = &negotiate.Refusal{
		Status: http.StatusBadRequest, Reason: "not_a_websocket", Text: "Not a valid web socket request."}
	errFrameID = &negotiate.Refusal{
		Status: http.StatusBadRequest, Reason: "bad_frame_id", Text: "The supplied frameId is in the incorrect format."}
	errBody = &negotiate.Refusal{
		Status: http.StatusBadRequest, Reason: "bad_body", Text: "The request's body cannot be read."}
	errSlowBody = &negotiate.Refusal{
		Status: http.StatusRequestTimeout, Reason: "body_timeout", Text: "The request's body takes too long."}
	errTooLarge = &negotiate.Refusal{
		Status: http.StatusRequestEntityTooLarge, Reason: "message_too_large", Text: "The message is too large."}
)

// receive opens a transport: connect, reconnect, and everything else that is
// no operation, of which poll is the usual name (protocols/classic.md 5).
func (q *request) receive(operation string) *negotiate.Refusal {
	x, err := q.exchange(operation)
	if err != nil {
		return err
	}
	if err := q.host.Resumable(x.Cursor); err != nil {
		return err.(*negotiate.Refusal) // by contract
	}
	c, _, openErr := q.open(!x.Connect)
	if openErr == dialect.ErrEnded && x.Once {
		return q.ended(x.Cursor)
	}
	if openErr != nil {
		return openErr.(*negotiate.Refusal) // by contract
	}
	x.Framer.(*framer).id = c.ID() // q.id is part of the whole token
	if x.Connect && !q.version().AtLeast(1, 4) {
		if err := c.Start(); err != nil {
			return startRefusal(err)
		}
	}
	if q.kind == transports.WebSockets {
		return q.serveSocket(c, x)
	}
	return q.serveStream(c, x)
}

// ended answers the poll of a client that has nothing to come back to. Who is
// between two polls when its connection is aborted would otherwise ask again and
// again: polling clients take a status for a fault of the network. The cursor is
// one that Resumable let pass: letters, digits and a hyphen.
func (q *request) ended(cursor string) *negotiate.Refusal {
	q.w.Header().Set(negotiate.ReasonHeader, dialect.ErrEnded.Reason)
	return q.respond([]byte(`{"C":"` + cursor + `"` + forGood + `,"M":[]}`))
}

// exchange describes the transport request.
func (q *request) exchange(operation string) (dialect.Exchange, *negotiate.Refusal) {
	s := q.host.Settings()
	x := dialect.Exchange{
		Request:   q.r,
		Admission: q.admission,
		Connect:   operation == "connect",
		AnyWriter: q.kind == transports.WebSockets,
		Once:      q.kind == transports.LongPolling,
	}
	x.Reconnect = operation == "reconnect" || !x.Connect && !x.Once
	if x.Once || s.KeepAlive == 0 {
		x.IdleTimeout = s.ConnectionTimeout
	}
	cursor, groups, err := q.position()
	if err != nil {
		return x, err
	}
	x.Cursor, x.Groups = cursor, q.groups(groups)
	f := &framer{keyring: q.host.Keyring(), connect: x.Connect, gaps: q.query.Get("gaps") == "1"}
	if x.Once {
		f.delay = s.LongPollDelay
	}
	x.Framer = f
	if q.kind == transports.WebSockets && !transports.IsWebSocketRequest(q.r) {
		return x, errNotWebSocket
	}
	if q.kind == transports.ForeverFrame {
		if _, err := transports.ParseFrameID(q.query.Get("frameId")); err != nil {
			return x, errFrameID
		}
	}
	return x, nil
}

// position returns the client's cursor and groups token: from the query, or
// for long polling from the form (protocols/classic.md 1.4).
func (q *request) position() (cursor, groups string, refusal *negotiate.Refusal) {
	cursor, groups = q.query.Get("messageId"), q.query.Get("groupsToken")
	inQuery := q.query.Has("messageId") && q.query.Has("groupsToken")
	if q.kind != transports.LongPolling || inQuery {
		return cursor, groups, nil
	}
	form, refusal := q.form(1 << 20)
	if refusal != nil {
		return "", "", refusal
	}
	if !q.query.Has("messageId") {
		cursor = form.Get("messageId")
	}
	if !q.query.Has("groupsToken") {
		groups = form.Get("groupsToken")
	}
	return cursor, groups, nil
}

// form reads the body as a form, whatever it declares itself to be.
func (q *request) form(limit int64) (negotiate.Form, *negotiate.Refusal) {
	if q.r.ContentLength == 0 {
		return negotiate.Form{}, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, limit))
	if _, tooLarge := err.(*http.MaxBytesError); tooLarge {
		return negotiate.Form{}, errTooLarge
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return negotiate.Form{}, errSlowBody
	}
	if err != nil {
		return negotiate.Form{}, errBody
	}
	return negotiate.ParseForm(string(body)), nil
}

func (q *request) open(restored bool) (dialect.Connection, bool, error) {
	return q.host.Open(dialect.Opening{
		ID:        q.id,
		User:      q.user,
		Dialect:   "classic",
		Protocol:  JSON,
		Request:   q.r,
		Admission: q.admission,
		Restored:  restored,
		Own:       q.own,
	})
}

func (q *request) version() negotiate.Version {
	return negotiate.ResolveVersion(q.query.Get("clientProtocol"))
}

// serveStream writes an event stream, a page or a poll on this goroutine.
func (q *request) serveStream(c dialect.Connection, x dialect.Exchange) *negotiate.Refusal {
	stream, err := q.newStream()
	switch {
	case err == nil:
	case !errors.Is(err, transports.ErrNoFlush):
		return nil // the client is gone
	default:
		q.host.Logger().Error("hubwire: cannot open a transport", "transport", q.kind, "err", err)
		return &negotiate.Refusal{Status: http.StatusInternalServerError, Reason: "no_streaming"}
	}
	x.Stream = stream
	a, err := c.Attach(x)
	if err != nil {
		return nil // the connection ended since; so does the stream
	}
	_ = a.Run(q.r.Context())
	return nil
}

func (q *request) newStream() (transports.Stream, error) {
	o := transports.Options{WriteTimeout: q.host.Settings().SendTimeout}
	switch q.kind {
	case transports.ServerSentEvents:
		s, err := transports.NewServerSentEvents(q.w, q.r, o)
		if err != nil {
			return nil, err
		}
		return s, s.Send([][]byte{[]byte("initialized")})
	case transports.ForeverFrame:
		id, err := transports.ParseFrameID(q.query.Get("frameId"))
		if err != nil {
			return nil, err
		}
		return transports.NewForeverFrame(q.w, q.r, transports.ForeverFramePrologue(id), o)
	default:
		return transports.NewLongPoll(q.w, q.r, transports.LongPollOptions{Options: o, Callback: q.query.Get("callback")})
	}
}

// serveSocket leaves the HTTP handler: one goroutine of the host's reads.
func (q *request) serveSocket(c dialect.Connection, x dialect.Exchange) *negotiate.Refusal {
	s := q.host.Settings()
	ws, err := transports.AcceptWebSocket(q.w, q.r, transports.Options{
		WriteTimeout: s.SendTimeout,
		ReadLimit:    s.MaxMessageSize,
		IdleTimeout:  dialect.IdleTimeout,
		HoldAnswer:   x.Connect, // which is followed by the first frame
	})
	if err != nil {
		return nil // answered
	}
	x.Stream = ws
	a, err := c.Attach(x)
	if err != nil {
		ws.Close()
		return nil
	}
	a.Spawn()
	r := &socketReader{socketReplier{ws, a}, q.host, c, q.r}
	q.host.Go(r.read)
	return nil
}

// A socketReader hands on what comes from a socket.
type socketReader struct {
	socketReplier
	host    dialect.Host
	conn    dialect.Connection
	request *http.Request
}

// read hands on what comes until the socket ends.
func (s *socketReader) read() {
	for {
		if held := s.conn.Held(); held != nil {
			<-held
		}
		payload, binary, err := s.ws.Receive()
		switch {
		case err == transports.ErrIdle:
			s.host.Go(s.read)
			return
		case err != nil:
			s.a.Detach(err)
			return
		case binary:
			s.Reject(errBinary)
		default:
			s.conn.Receive(dialect.Incoming{Payload: payload, Request: s.request, Replier: &s.socketReplier})
		}
	}
}

var errBinary = &negotiate.Refusal{
	Status: http.StatusUnsupportedMediaType, Reason: "binary_message", Text: "Messages are text."}

// A socketReplier answers on the socket, outside of any frame
// (protocols/classic.md 6.3).
type socketReplier struct {
	ws *transports.WebSocket
	a  dialect.Attachment
}

// Reply writes the payload behind what is queued.
func (s *socketReplier) Reply(payload []byte) {
	if len(payload) > 0 {
		s.a.Reply(payload)
	}
}

// Reject closes the socket. The client comes back with its cursor.
func (s *socketReplier) Reject(r *negotiate.Refusal) {
	s.ws.CloseWith(closeCode(r.Status), r.Reason)
	s.a.Detach(r)
}

// closeCode is the WebSocket close code for an HTTP status (RFC 6455 §7.4.1).
func closeCode(status int) int {
	switch status {
	case http.StatusUnsupportedMediaType:
		return 1003
	case http.StatusBadRequest:
		return 1007
	case http.StatusRequestEntityTooLarge:
		return 1009
	case http.StatusServiceUnavailable:
		return 1012
	}
	return 1008
}
