package negotiate

import "net/http"

// ReasonHeader is the response header that carries the stable reason word of
// a refused request.
const ReasonHeader = "Hubwire-Reason"

// A Refusal is a request that is turned down before anything of it is done:
// the peer's fault, never ours. It is an error, so that it can travel up to the
// place that writes it.
type Refusal struct {
	// Status is the HTTP status, 4xx or 503.
	Status int

	// Reason is a stable word that programs can act on, for example
	// "unknown_hub". It goes into the ReasonHeader.
	Reason string

	// Text is one line for people, the response body. It may be empty.
	Text string
}

// Error returns the reason and the text.
func (r *Refusal) Error() string {
	if r.Text == "" {
		return r.Reason
	}
	return r.Reason + ": " + r.Text
}

// Write answers w with the refusal. The response has no body where Text is
// empty.
func (r *Refusal) Write(w http.ResponseWriter) {
	h := w.Header()
	h.Set(ReasonHeader, r.Reason)
	h.Set("Cache-Control", "no-store")
	if r.Text == "" {
		h.Set("Content-Length", "0")
		w.WriteHeader(r.Status)
		return
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(r.Status)
	_, _ = w.Write([]byte(r.Text))
}

// Denied is the refusal of a user who may not have what they ask for: 401 for
// nobody, who could log in, and 403 for anyone else.
func Denied(user string) *Refusal {
	if user == "" {
		return &Refusal{Status: http.StatusUnauthorized, Reason: "unauthenticated"}
	}
	return &Refusal{Status: http.StatusForbidden, Reason: "forbidden"}
}
