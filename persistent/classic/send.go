package classic

import (
	"net/http"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/transports"
)

// start raises the connected event (protocols/classic.md 5.2).
func (q *request) start() *negotiate.Refusal {
	c, _, err := q.open(false)
	if err != nil {
		return err.(*negotiate.Refusal) // by contract
	}
	if err := c.Start(); err != nil {
		return startRefusal(err)
	}
	return q.respond(started)
}

var started = []byte(`{"Response":"started"}`) // never changed

// startRefusal is the answer where the application's connected handler failed.
func startRefusal(err error) *negotiate.Refusal {
	if r, ok := err.(*negotiate.Refusal); ok {
		return r
	}
	return &negotiate.Refusal{
		Status: http.StatusInternalServerError,
		Reason: "connect_failed",
		Text:   "The connection was not accepted.",
	}
}

// abort ends the connection for its client. One that is gone is as good.
func (q *request) abort() *negotiate.Refusal {
	if c := q.host.Find(q.id); c != nil {
		c.Stop()
	}
	q.w.Header().Set("Content-Type", "text/plain")
	return nil
}

var errNoData = &negotiate.Refusal{
	Status: http.StatusBadRequest, Reason: "missing_data", Text: "The request has no data."}

// send hands one payload on and answers with what comes back.
func (q *request) send() *negotiate.Refusal {
	if q.kind == transports.WebSockets {
		return errNotWebSocket
	}
	data, err := q.data()
	if err != nil {
		return err
	}
	c, _, openErr := q.open(true)
	if openErr != nil {
		return openErr.(*negotiate.Refusal) // by contract
	}
	if held := c.Held(); held != nil {
		select {
		case <-held:
		case <-q.r.Context().Done():
			return nil
		}
	}
	answer := make(answer, 1) // so that an answer to nobody blocks nobody
	c.Receive(dialect.Incoming{Payload: []byte(data), Request: q.r, Replier: answer})
	select {
	case a := <-answer:
		return q.answer(a)
	case <-q.r.Context().Done():
		return nil
	}
}

// data returns the payload: from the form, or where that has none from the
// query (protocols/classic.md 1.4).
func (q *request) data() (string, *negotiate.Refusal) {
	limit := q.host.Settings().MaxMessageSize
	body := int64(1) << 40
	if limit > 0 {
		body = 3*limit + 1024 // every byte may be escaped
	}
	form, err := q.form(body)
	if err != nil {
		return "", err
	}
	data := form.Get("data")
	if !form.Has("data") {
		data = q.query.Get("data")
	}
	switch {
	case data == "":
		return "", errNoData
	case limit > 0 && int64(len(data)) > limit:
		return "", errTooLarge
	}
	return data, nil
}

// answer is what comes back for a payload that was sent by itself.
type answer chan result

type result struct {
	payload []byte
	refusal *negotiate.Refusal
}

// Reply takes the payload of the answer.
func (a answer) Reply(payload []byte) { a <- result{payload: payload} }

// Reject takes a refusal for an answer.
func (a answer) Reject(r *negotiate.Refusal) { a <- result{refusal: r} }

// answer writes what came back, as a script only where the connection's
// transport is one, too (protocols/classic.md 1.7).
func (q *request) answer(a result) *negotiate.Refusal {
	switch {
	case a.refusal != nil:
		return a.refusal
	case len(a.payload) == 0:
		return nil
	}
	callback := ""
	if q.kind == transports.LongPolling {
		callback = q.query.Get("callback")
	}
	return q.respondTo(callback, a.payload)
}
