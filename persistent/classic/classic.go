package classic

import (
	"net/http"
	"path"
	"strings"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/transports"
)

// A Dialect serves SignalR 2 clients. It has no state of its own.
type Dialect struct{}

// New returns the dialect.
func New() *Dialect { return &Dialect{} }

// Name returns "classic".
func (*Dialect) Name() string { return "classic" }

// Serve answers every request: whatever is no operation of its own counts as
// a request to receive (protocols/classic.md 1.1).
func (d *Dialect) Serve(w http.ResponseWriter, r *http.Request, h dialect.Host) bool {
	q := &request{w: w, r: r, host: h, query: negotiate.ParseQuery(r.URL.RawQuery)}
	if err := q.serve(strings.ToLower(path.Base(r.URL.Path))); err != nil {
		err.Write(w)
	}
	return true
}

// A request is one HTTP request on its way through the checks.
type request struct {
	w     http.ResponseWriter
	r     *http.Request
	host  dialect.Host
	query negotiate.Form

	// Filled in by the checks, in this order.
	user      string
	admission dialect.Admission
	kind      transports.Kind
	id        string
	own       bool // this very host made the token
}

// serve runs the checks in the order of protocols/classic.md 1.2, and then the
// operation. What lies before the last segment of the path does not matter.
func (q *request) serve(operation string) *negotiate.Refusal {
	if err := q.checkCallback(); err != nil {
		return err
	}
	if err := q.authorize(); err != nil {
		return err
	}
	switch operation {
	case "negotiate":
		return q.negotiate()
	case "ping":
		return q.ping()
	}
	if err := q.checkToken(); err != nil {
		return err
	}
	switch operation {
	case "start":
		return q.start()
	case "send":
		return q.send()
	case "abort":
		return q.abort()
	}
	return q.receive(operation)
}

// respond answers with a JSON text, or with a script that calls back.
func (q *request) respond(json []byte) *negotiate.Refusal {
	return q.respondTo(q.query.Get("callback"), json)
}

func (q *request) respondTo(name string, json []byte) *negotiate.Refusal {
	h := q.w.Header()
	h["Cache-Control"], h["Content-Type"] = noStore, jsonType
	if name != "" {
		h.Set("Content-Type", "application/javascript; charset=UTF-8")
		json = []byte(name + "(" + scriptSafe.Replace(string(json)) + ");")
	}
	_, _ = q.w.Write(json)
	return nil
}

// Values of headers, which are never changed.
var (
	noStore  = []string{"no-store"}
	jsonType = []string{"application/json; charset=UTF-8"}
)

// scriptSafe replaces what is fine in JSON but ends a line of older scripts.
var scriptSafe = strings.NewReplacer("\u2028", `\u2028`, "\u2029", `\u2029`)
