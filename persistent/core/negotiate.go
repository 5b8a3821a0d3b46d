package core

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/goccy/go-json"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/transports"
)

// A redirection sends a client elsewhere (1.4).
type redirection struct {
	URL         string `json:"url"`
	AccessToken string `json:"accessToken,omitempty"`
}

type failure struct {
	Error string `json:"error"`
}

// negotiate answers with a new connection token. Nothing is kept of it.
func (q *request) negotiate() *negotiate.Refusal {
	version, problem := q.version()
	if problem != "" {
		return q.respond(failure{problem})
	}
	if redirect := q.dialect.opts.Redirect; redirect != nil {
		if url, token := redirect(q.r); url != "" {
			return q.respond(redirection{url, token})
		}
	}
	stateful := q.dialect.opts.StatefulReconnect && strings.EqualFold(q.query.Get("useStatefulReconnect"), "true")
	t := newTicket(version, stateful, q.user, q.hub)
	token := t.seal(q.host.Keyring())
	return q.respondText(q.offer(version, t.publicID(token), token, stateful))
}

// offer is the answer to negotiate (protocols/core.md 1.2), which is written out
// here since ids and tokens need no escaping. It must never get a property
// ProtocolVersion, the mark of a SignalR 2 server.
func (q *request) offer(version int, id, token string, stateful bool) []byte {
	b := make([]byte, 0, 512)
	b = append(b, `{"negotiateVersion":`...)
	b = strconv.AppendInt(b, int64(version), 10)
	b = append(append(b, `,"connectionId":"`...), id...)
	if version > 0 {
		b = append(append(b, `","connectionToken":"`...), token...)
	}
	b = q.transports(append(b, `","availableTransports":[`...))
	b = append(b, ']')
	if stateful {
		b = append(b, `,"useStatefulReconnect":true`...)
	}
	return append(b, '}')
}

// version returns the version to answer with, or what is wrong with the one
// that the client asks for.
func (q *request) version() (version int, problem string) {
	text := q.query.Get("negotiateVersion")
	if text == "" {
		text = "0"
	}
	asked, err := strconv.ParseInt(text, 10, 32)
	switch {
	case err != nil:
		return 0, "The client requested a non-integer protocol version."
	case asked < int64(max(q.dialect.opts.MinVersion, 0)):
		return 0, fmt.Sprintf("The client requested version '%d', but the server does not support this version.", asked)
	}
	return int(min(asked, 1)), ""
}

// offered are the transports that there are, best first.
var offered = [...]struct {
	kind    transports.Kind
	formats string
}{
	{transports.WebSockets, `"Text","Binary"`},
	{transports.ServerSentEvents, `"Text"`},
	{transports.LongPolling, `"Text","Binary"`},
}

// transports appends those that are enabled and possible.
func (q *request) transports(b []byte) []byte {
	before := ""
	for _, t := range offered {
		if q.host.Settings().Transports[t.kind] && (t.kind != transports.WebSockets || transports.CanUpgrade(q.w, q.r)) {
			b = append(append(b, before...), `{"transport":"`...)
			b = append(append(b, transportNames[t.kind]...), `","transferFormats":[`...)
			b = append(append(b, t.formats...), "]}"...)
			before = ","
		}
	}
	return b
}

func (q *request) respond(v any) *negotiate.Refusal {
	text, err := json.Marshal(v)
	if err != nil {
		return &negotiate.Refusal{Status: http.StatusInternalServerError, Reason: "internal"}
	}
	return q.respondText(text)
}

func (q *request) respondText(text []byte) *negotiate.Refusal {
	h := q.w.Header()
	h["Content-Type"], h["Cache-Control"] = jsonType, noStore
	_, _ = q.w.Write(text) // net/http adds the length of what is short
	return nil
}

// Values of headers, which are never changed.
var (
	jsonType = []string{"application/json"}
	noStore  = []string{"no-store"}
)
