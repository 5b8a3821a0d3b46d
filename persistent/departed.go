package persistent

import "time"

// departed remembers the connections that timed out after they had started, for
// an hour or two, and at most some 100,000 of them: their clients may still come
// back. All others that this endpoint made a token for, and that are not live,
// may not: they would pass by the connected event. Guarded by the endpoint's mu.
type departed struct {
	ids, older map[string]departure
	since      time.Time // when ids began
}

// A departure is what is left of a connection that timed out.
type departure struct {
	groups []string      // those that it was in, whatever its client's token says
	over   chan struct{} // closed when the program has been told of the end
}

const (
	departedFor = time.Hour
	maxDeparted = 50_000
)

func (d *departed) add(id string, left departure, now time.Time) {
	if d.ids == nil || len(d.ids) >= maxDeparted || now.Sub(d.since) > departedFor {
		d.ids, d.older, d.since = make(map[string]departure), d.ids, now
	}
	d.ids[id] = left
}

// remove forgets a connection that came back and then ended otherwise.
func (d *departed) remove(id string) {
	delete(d.ids, id)
	delete(d.older, id)
}

func (d *departed) find(id string) (left departure, ok bool) {
	if left, ok = d.ids[id]; !ok {
		left, ok = d.older[id]
	}
	return left, ok
}

func (d *departed) has(id string) bool {
	_, ok := d.find(id)
	return ok
}
