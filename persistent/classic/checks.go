package classic

import (
	"net/http"
	"strings"

	"github.com/goccy/go-json"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/transports"
)

// Refusals with the texts of protocols/classic.md 1.2, which clients show.
var (
	// ErrJSONP refuses every request that asks for JSONP where it is off.
	ErrJSONP = &negotiate.Refusal{
		Status: http.StatusForbidden, Reason: "jsonp_disabled", Text: "Forbidden: JSONP is disabled."}
	errCallback = &negotiate.Refusal{
		Status: http.StatusBadRequest, Reason: "bad_callback", Text: "The callback is not a valid function name."}
	errTransport = &negotiate.Refusal{
		Status: http.StatusBadRequest, Reason: "unknown_transport", Text: "Protocol error: Unknown transport."}
	errNoToken = &negotiate.Refusal{
		Status: http.StatusBadRequest, Reason: "missing_token", Text: "Protocol error: Missing connection token."}
	errBadToken = &negotiate.Refusal{
		Status: http.StatusBadRequest, Reason: "bad_token", Text: "The ConnectionId is in the incorrect format."}
	errUser = &negotiate.Refusal{
		Status: http.StatusForbidden, Reason: "user_changed",
		Text: "Unrecognized user identity.  The user identity cannot change during an active SignalR connection."}
	errConnectionData = &negotiate.Refusal{
		Status: http.StatusBadRequest, Reason: "bad_connection_data",
		Text: `The connectionData must be a JSON array of objects with a "name".`}
	errManyHubs = &negotiate.Refusal{
		Status: http.StatusBadRequest, Reason: "connection_data_too_large", Text: "The connectionData is too large."}
)

// checkCallback refuses JSONP where it is off, and names that cannot be put
// into a script. The reference server checks them on some answers only.
func (q *request) checkCallback() *negotiate.Refusal {
	name := q.query.Get("callback")
	switch {
	case name == "":
		return nil
	case !q.host.Settings().JSONP:
		return ErrJSONP
	case !negotiate.ValidCallback(name):
		return errCallback
	}
	return nil
}

// authorize finds out who asks, and what the application admits them to.
func (q *request) authorize() *negotiate.Refusal {
	user, err := q.host.Authenticate(q.r)
	if err != nil {
		return err.(*negotiate.Refusal) // by contract
	}
	names, refusal := hubNames(q.query.Get("connectionData"), q.host.Settings().MaxConnectionData)
	if refusal != nil {
		return refusal
	}
	adm, err := q.host.Admit(q.r, user, names)
	if err != nil {
		return err.(*negotiate.Refusal) // by contract
	}
	q.user, q.admission = user, adm
	return nil
}

// hubNames reads the list of hubs that a client wants to hear
// (protocols/classic.md 3.4).
func hubNames(data string, limit int) ([]string, *negotiate.Refusal) {
	if data == "" {
		return nil, nil
	}
	if len(data) > limit {
		return nil, errManyHubs
	}
	if names := plainHubNames(data); names != nil {
		return names, nil
	}
	var list []*struct{ Name *string }
	if err := json.Unmarshal([]byte(data), &list); err != nil {
		return nil, errConnectionData
	}
	names := make([]string, len(list))
	for i, hub := range list {
		if hub == nil || hub.Name == nil || *hub.Name == "" {
			return nil, errConnectionData
		}
		names[i] = *hub.Name
	}
	return names, nil
}

// plainHubNames reads the list as clients write it, without a JSON decoder. It
// returns nil if there is anything else in it.
func plainHubNames(data string) (names []string) {
	for rest, before := data, "["; ; before = "," {
		text, ok := strings.CutPrefix(rest, before+`{"`)
		if !ok || len(text) < 4 || text[1:4] != "ame" || text[0] != 'n' && text[0] != 'N' {
			return nil
		}
		text, ok = strings.CutPrefix(text[4:], `":"`)
		name, after, ended := strings.Cut(text, `"}`)
		if !ok || !ended || name == "" || strings.ContainsFunc(name, needsDecoding) {
			return nil
		}
		names, rest = append(names, name), after
		if rest == "]" {
			return names
		}
	}
}

// needsDecoding reports whether c may be something else in a JSON string than it
// looks like.
func needsDecoding(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }

// checkToken finds out which connection the request belongs to.
func (q *request) checkToken() *negotiate.Refusal {
	kind, ok := transports.ParseKind(q.query.Get("transport"))
	if !ok || !q.host.Settings().Transports[kind] {
		return errTransport
	}
	token := q.query.Get("connectionToken")
	if token == "" {
		return errNoToken
	}
	q.kind = kind
	return q.readToken(token)
}

func (q *request) readToken(token string) *negotiate.Refusal {
	name, user, err := q.host.Keyring().OpenConnectionToken(token)
	if err != nil {
		return errBadToken
	}
	if !negotiate.SameUser(user, q.user) {
		return errUser
	}
	id, instance, _ := strings.Cut(name, ".")
	q.id, q.own = id, instance == q.host.Instance()
	return nil
}

// ping tells that the server is there, and to clients that bring their token
// whether they may come back: a transport that fails to open does not say why.
func (q *request) ping() *negotiate.Refusal {
	if token := q.query.Get("connectionToken"); token != "" {
		if err := q.readToken(token); err != nil {
			return err
		}
		if err := q.host.MayReturn(q.id); err != nil && q.own {
			return err.(*negotiate.Refusal) // by contract
		}
	}
	return q.respond([]byte(`{"Response":"pong"}`))
}

// groups returns the groups that the client proves to be in. A token that
// proves nothing is not an error for the client (protocols/classic.md 3.3).
func (q *request) groups(token string) []string {
	if token == "" {
		return nil
	}
	groups, err := q.host.Keyring().OpenGroupsToken(token, q.id)
	if err != nil {
		q.host.Logger().Warn("hubwire: groups token ignored", "connection", q.id, "err", err)
		return nil
	}
	return groups
}

// negotiate answers with a new connection token. Nothing is kept of it.
func (q *request) negotiate() *negotiate.Refusal {
	s := q.host.Settings()
	id := negotiate.NewConnectionID()
	return q.respond(negotiate.Response{
		URL:                     strings.ReplaceAll(q.host.PublicPath(q.r), "/negotiate", ""),
		ConnectionToken:         q.host.Keyring().ConnectionToken(id+"."+q.host.Instance(), q.user),
		ConnectionID:            id,
		KeepAliveTimeout:        2 * s.KeepAlive,
		DisconnectTimeout:       s.DisconnectTimeout,
		ConnectionTimeout:       s.ConnectionTimeout,
		TryWebSockets:           s.Transports[transports.WebSockets] && transports.CanUpgrade(q.w, q.r),
		ProtocolVersion:         negotiate.ResolveVersion(q.query.Get("clientProtocol")),
		TransportConnectTimeout: s.TransportConnectTimeout,
		LongPollDelay:           s.LongPollDelay,
	}.JSON())
}
