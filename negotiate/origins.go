package negotiate

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rs/cors"
)

// preflightAge is how many seconds a browser may remember the answer to a
// preflight.
const preflightAge = 600

var originRefusal = &Refusal{
	Status: http.StatusForbidden,
	Reason: "origin_not_allowed",
	Text:   "requests from pages of this origin are not allowed",
}

// Origins is the rule which pages may connect. It is the same for every
// endpoint and for WebSocket upgrades. Its methods may be called from any
// goroutine.
type Origins struct {
	any       bool
	null      bool
	exact     map[origin]bool
	wildcards []origin // the host is what follows the "*"
	cors      *cors.Cors
}

// NewOrigins returns the rule that allows the server's own origin and those in
// the list. An entry is one of
//
//   - an origin as browsers send it: "https://app.example.com",
//     "http://localhost:3000";
//   - an origin with a wildcard: "https://*.example.com", for every subdomain
//     at any depth but not for example.com itself. Trust all who can put a page
//     on any of them;
//   - "null", for pages without an origin of their own: files and sandboxed
//     frames. Any site can make such a frame, so that "null" is hardly better
//     than "*";
//   - "*", for every page on the web. It is dangerous: browsers send the cookies
//     of their users along, so that any page can then act as the visitor.
//
// A page is of the server's own origin if its host and port are those in the
// Host header. A proxy must pass that header on, or else the public origin must
// be listed. The scheme is not compared, as a server behind a proxy does not
// know its own.
func NewOrigins(allowed []string) (*Origins, error) {
	o := &Origins{exact: make(map[origin]bool)}
	for _, entry := range allowed {
		if err := o.allow(entry); err != nil {
			return nil, err
		}
	}
	o.cors = cors.New(cors.Options{
		AllowOriginVaryRequestFunc: func(r *http.Request, _ string) (bool, []string) {
			return o.Allowed(r), nil
		},
		AllowedMethods:     []string{http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodOptions},
		AllowedHeaders:     []string{"X-Requested-With", "X-SignalR-User-Agent", "Authorization", "Content-Type"},
		ExposedHeaders:     []string{ReasonHeader},
		AllowCredentials:   true,
		MaxAge:             preflightAge,
		OptionsPassthrough: true, // Handler answers, since it may be with a refusal.
	})
	return o, nil
}

func (o *Origins) allow(entry string) error {
	switch entry {
	case "*":
		o.any = true
		return nil
	case "null":
		o.null = true
		return nil
	}
	if plain := strings.Replace(entry, "://*.", "://", 1); plain != entry {
		parsed, ok := parseOrigin(plain)
		if !ok || strings.HasPrefix(parsed.host, "[") {
			return badOrigin(entry)
		}
		parsed.host = "." + parsed.host
		o.wildcards = append(o.wildcards, parsed)
		return nil
	}
	parsed, ok := parseOrigin(entry)
	if !ok {
		return badOrigin(entry)
	}
	o.exact[parsed] = true
	return nil
}

func badOrigin(entry string) error {
	return fmt.Errorf(`negotiate: allowed origin %q is malformed: want "scheme://host[:port]" in ASCII and `+
		`without a path, "scheme://*.domain[:port]", "null" or "*"`, entry)
}

// Allowed reports whether r may be served: it names no origin, as requests of
// other programs than browsers, or the server's own, or one that is listed.
func (o *Origins) Allowed(r *http.Request) bool {
	values := r.Header["Origin"]
	if len(values) > 1 {
		return false // No browser does this, and one of them would be echoed.
	}
	if len(values) == 0 || values[0] == "" || o.any {
		return true
	}
	if values[0] == "null" {
		return o.null
	}
	from, ok := parseOrigin(values[0])
	return ok && (o.exact[from] || from.servedBy(r.Host) || slices.ContainsFunc(o.wildcards, from.below))
}

// Handler returns a handler that answers preflights, refuses requests that are
// not allowed with 403 and the reason "origin_not_allowed", and hands all
// others to next with the CORS headers of the answer in place, whatever next
// answers. Next must not replace the Vary header but add to it.
func (o *Origins) Handler(next http.Handler) http.Handler {
	return o.cors.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !o.Allowed(r):
			originRefusal.Write(w)
		case preflight(r):
			w.WriteHeader(http.StatusNoContent)
		default:
			next.ServeHTTP(w, r)
		}
	}))
}

func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// An origin is what RFC 6454 §6.2 writes as text, in lower case and without the
// default port.
type origin struct{ scheme, host, port string }

func parseOrigin(s string) (origin, bool) {
	scheme, authority, ok := strings.Cut(s, "://")
	if !ok || !validScheme(scheme) {
		return origin{}, false
	}
	o := origin{scheme: strings.ToLower(scheme)}
	o.host, o.port, ok = splitAuthority(authority, o.scheme)
	return o, ok
}

func validScheme(s string) bool {
	for i, c := range []byte(s) {
		if !letter(c) && (i == 0 || !digit(c) && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

func splitAuthority(s, scheme string) (host, port string, ok bool) {
	end := strings.IndexByte(s, ']') + 1 // an IPv6 address has colons of its own
	host = s
	if i := strings.IndexByte(s[end:], ':'); i >= 0 {
		host, port = s[:end+i], s[end+i+1:]
		if !validPort(port) {
			return "", "", false
		}
	}
	if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		port = ""
	}
	return strings.ToLower(host), port, validHost(host)
}

func validPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil && s[0] != '0'
}

func validHost(s string) bool {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		a, err := netip.ParseAddr(s[1 : len(s)-1])
		return err == nil && a.Is6() && a.Zone() == ""
	}
	last := byte('.')
	for _, c := range []byte(s) {
		if c == '.' && last == '.' || !letter(c) && !digit(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
		last = c
	}
	return s != ""
}

// servedBy reports whether a page of origin o came from the server that a Host
// header names.
func (o origin) servedBy(hostHeader string) bool {
	if o.scheme != "http" && o.scheme != "https" {
		return false
	}
	host, port, ok := splitAuthority(hostHeader, o.scheme)
	return ok && host == o.host && port == o.port
}

// below reports whether o is in a subdomain that the wildcard stands for.
func (o origin) below(wildcard origin) bool {
	return o.scheme == wildcard.scheme && o.port == wildcard.port && strings.HasSuffix(o.host, wildcard.host)
}
