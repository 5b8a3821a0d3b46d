package core

import (
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/transports"
)

// A Dialect serves ASP.NET Core SignalR clients.
type Dialect struct {
	opts Options // immutable

	mu    sync.Mutex // guards links
	links map[[16]byte]*link
}

// New returns the dialect. It panics if the options are not valid;
// [Options.Validate] tells beforehand.
func New(o Options) *Dialect {
	if err := o.Validate(); err != nil {
		panic(err)
	}
	return &Dialect{opts: o.withDefaults(), links: make(map[[16]byte]*link)}
}

// Name returns "core".
func (*Dialect) Name() string { return "core" }

// Away is twice as long as a connection is kept without a transport.
func (d *Dialect) Away() time.Duration { return 2 * d.opts.DisconnectTimeout }

var _ dialect.Patient = (*Dialect)(nil)

// Serve answers the requests of core clients. The hub is the last segment of
// the path, or the one before it on negotiate.
func (d *Dialect) Serve(w http.ResponseWriter, r *http.Request, h dialect.Host) bool {
	q := &request{w: w, r: r, host: h, dialect: d, query: negotiate.ParseQuery(r.URL.RawQuery)}
	last := strings.ToLower(path.Base(r.URL.Path))
	if !q.claims(last) {
		return false
	}
	hub := path.Base(r.URL.Path)
	if last == "negotiate" {
		hub = path.Base(path.Dir(r.URL.Path))
	}
	if err := q.serve(hub, last == "negotiate"); err != nil {
		answer(w, err)
	}
	return true
}

// Parameters that a SignalR 2 client always has one of, and the last segments
// of its paths.
var (
	classicParams     = []string{"transport", "connectionToken", "clientProtocol", "connectionData"}
	classicOperations = map[string]bool{
		"ping": true, "connect": true, "start": true, "send": true, "reconnect": true, "poll": true, "abort": true,
		"hubs": true, "js": true,
	}
)

// claims tells a request of this family from one of SignalR 2.
func (q *request) claims(last string) bool {
	switch {
	case q.query.Has(classicParams...):
		return false
	case q.query.Has("id", "negotiateVersion"):
		return true
	case classicOperations[last]:
		return false
	case last == "negotiate":
		return q.r.Method == http.MethodPost
	}
	return true
}

// A request is one HTTP request on its way through the checks.
type request struct {
	w       http.ResponseWriter
	r       *http.Request
	host    dialect.Host
	dialect *Dialect
	query   negotiate.Form

	// Filled in by authorize.
	user      string
	hub       string
	admission dialect.Admission
}

// Refusals with the texts of protocols/core.md 2.2, which clients show.
var (
	errMethod    = &negotiate.Refusal{Status: http.StatusMethodNotAllowed, Reason: "method_not_allowed"}
	errMissingID = &negotiate.Refusal{
		Status: http.StatusBadRequest, Reason: "missing_id", Text: "Connection ID required"}
	errUnknownID = &negotiate.Refusal{
		Status: http.StatusNotFound, Reason: "unknown_id", Text: "No Connection with that ID"}
	errSwitch = &negotiate.Refusal{
		Status: http.StatusBadRequest, Reason: "transport_changed", Text: "Cannot change transports mid-connection"}
	errTwice = &negotiate.Refusal{Status: http.StatusConflict, Reason: "transport_in_use"}
	errPost  = &negotiate.Refusal{
		Status: http.StatusMethodNotAllowed, Reason: "post_to_websocket",
		Text: "POST requests are not allowed for WebSocket connections."}
	errDelete = &negotiate.Refusal{
		Status: http.StatusBadRequest, Reason: "not_long_polling",
		Text: "Cannot terminate this connection using the DELETE endpoint."}
	errUser = &negotiate.Refusal{Status: http.StatusForbidden, Reason: "user_changed"}
	errBody = &negotiate.Refusal{
		Status: http.StatusBadRequest, Reason: "bad_body", Text: "The request's body cannot be read."}
	errStreaming = &negotiate.Refusal{Status: http.StatusInternalServerError, Reason: "no_streaming"}
)

// transportNames are those of negotiate.
var transportNames = map[transports.Kind]string{
	transports.WebSockets:       "WebSockets",
	transports.ServerSentEvents: "ServerSentEvents",
	transports.LongPolling:      "LongPolling",
}

// enabled refuses a transport that is turned off.
func (q *request) enabled(k transports.Kind) *negotiate.Refusal {
	if q.host.Settings().Transports[k] {
		return nil
	}
	return &negotiate.Refusal{
		Status: http.StatusNotFound, Reason: "transport_disabled",
		Text: transportNames[k] + " transport not supported by this end point type",
	}
}

// answer writes a refusal. Clients compare the text of a 401, which has none.
func answer(w http.ResponseWriter, r *negotiate.Refusal) {
	if r.Status == http.StatusUnauthorized {
		r = &negotiate.Refusal{Status: r.Status, Reason: r.Reason}
	}
	if r.Text == "" {
		w.Header().Set("Content-Type", "text/plain")
	}
	r.Write(w)
}

// serve routes the request as protocols/core.md 2.1 has it.
func (q *request) serve(hub string, negotiating bool) *negotiate.Refusal {
	if negotiating && q.r.Method != http.MethodPost {
		return errMethod
	}
	if err := q.authorize(hub); err != nil {
		return err
	}
	if negotiating {
		return q.negotiate()
	}
	switch q.r.Method {
	case http.MethodPost:
		return q.post()
	case http.MethodGet:
		return q.get()
	case http.MethodDelete:
		return q.delete()
	}
	return errMethod
}

// authorize finds out who asks, and what the application admits them to.
func (q *request) authorize(hub string) *negotiate.Refusal {
	user, err := q.host.Authenticate(q.r)
	if err != nil {
		return err.(*negotiate.Refusal) // by contract
	}
	adm, err := q.host.Admit(q.r, user, []string{hub})
	if err != nil {
		refusal := err.(*negotiate.Refusal) // by contract
		if refusal.Reason == "unknown_hub" {
			refusal = &negotiate.Refusal{Status: http.StatusNotFound, Reason: refusal.Reason, Text: refusal.Text}
		}
		return refusal
	}
	q.user, q.hub, q.admission = user, hub, adm
	return nil
}

// get opens a transport.
func (q *request) get() *negotiate.Refusal {
	switch {
	case accepts(q.r.Header, "text/event-stream"):
		return q.serveEvents()
	case transports.IsWebSocketRequest(q.r):
		return q.serveSocket()
	}
	return q.servePoll()
}

func accepts(h http.Header, mediaType string) bool {
	for _, line := range h["Accept"] {
		for entry := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(entry, ";")
			if strings.EqualFold(strings.TrimSpace(name), mediaType) {
				return true
			}
		}
	}
	return false
}

// link returns the link that the request's id names. One that is not known yet
// is made, unless its token is too old.
func (q *request) link() (*link, *negotiate.Refusal) {
	token := q.query.Get("id")
	if token == "" {
		return nil, errMissingID
	}
	t, ok := openTicket(q.host.Keyring(), token)
	switch {
	case !ok || t.hub != digest(q.hub):
		return nil, errUnknownID
	case t.user != digest(q.user):
		return nil, errUser
	}
	l := q.dialect.find(q.host, t, token)
	if l == nil {
		return nil, errUnknownID
	}
	return l, nil
}
