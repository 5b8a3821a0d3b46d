package persistent

import "time"

// departed remembers the connections that timed out for an hour or two, and at
// most some 100,000 of them: their clients may still come back. All others that
// this endpoint made a token for, and that are not live, may not: they would
// pass by the connected event. Guarded by the endpoint's mu.
type departed struct {
	ids, older map[string]struct{}
	since      time.Time // when ids began
}

const (
	departedFor = time.Hour
	maxDeparted = 50_000
)

func (d *departed) add(id string, now time.Time) {
	if d.ids == nil || len(d.ids) >= maxDeparted || now.Sub(d.since) > departedFor {
		d.ids, d.older, d.since = make(map[string]struct{}), d.ids, now
	}
	d.ids[id] = struct{}{}
}

func (d *departed) has(id string) bool {
	if _, ok := d.ids[id]; ok {
		return true
	}
	_, ok := d.older[id]
	return ok
}
