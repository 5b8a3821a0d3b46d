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

// An offer is the answer to negotiate (protocols/core.md 1.2). It must never
// get a property ProtocolVersion, the mark of a SignalR 2 server.
type offer struct {
	NegotiateVersion int                  `json:"negotiateVersion"`
	ConnectionID     string               `json:"connectionId"`
	ConnectionToken  string               `json:"connectionToken,omitempty"`
	Transports       []availableTransport `json:"availableTransports"`
	Stateful         bool                 `json:"useStatefulReconnect,omitempty"`
}

type availableTransport struct {
	Transport string   `json:"transport"`
	Formats   []string `json:"transferFormats"`
}

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
	o := offer{
		NegotiateVersion: version,
		ConnectionID:     t.publicID(token),
		Transports:       q.transports(),
		Stateful:         stateful,
	}
	if version > 0 {
		o.ConnectionToken = token
	}
	return q.respond(o)
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

// transports lists what is enabled and possible, best first.
func (q *request) transports() []availableTransport {
	list := make([]availableTransport, 0, 3)
	for _, k := range []transports.Kind{transports.WebSockets, transports.ServerSentEvents, transports.LongPolling} {
		if !q.host.Settings().Transports[k] || k == transports.WebSockets && !transports.CanUpgrade(q.w, q.r) {
			continue
		}
		formats := []string{"Text", "Binary"}
		if k == transports.ServerSentEvents {
			formats = formats[:1]
		}
		list = append(list, availableTransport{transportNames[k], formats})
	}
	return list
}

func (q *request) respond(v any) *negotiate.Refusal {
	text, err := json.Marshal(v)
	if err != nil {
		return &negotiate.Refusal{Status: http.StatusInternalServerError, Reason: "internal"}
	}
	h := q.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("Cache-Control", "no-store")
	_, _ = q.w.Write(text)
	return nil
}
