package faults_test

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// A ledger knows what was sent to whom, in one order. What it knows it has from
// the callers of the server's methods, not from the server.
type ledger struct {
	mu     sync.Mutex
	events []event
	ends   int64 // the number of the newest event
}

// An event is a message, or something that decides who gets the next ones. Its
// number is its place in the ledger, from 1.
type event struct {
	kind kind
	to   address // of a message
	id   string  // of the connection, of anything else
	name string  // of the group
	at   time.Time
}

type kind int

const (
	message kind = iota
	opened       // the connection was told that it is one
	joined
	left
)

// An address is whom a message is for: everyone, a group, a user, a connection.
type address struct {
	all               bool
	group, user, conn string
	except            string // a connection that is left out
}

// send carries out a send of the message with the next number, and notes it if
// there was no error.
func (l *ledger) send(to address, send func(n int64) error) error {
	_, err := l.record(event{kind: message, to: to}, send)
	return err
}

// record carries something out and notes it.
func (l *ledger) record(e event, do func(n int64) error) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.at = time.Now()
	if err := do(l.ends + 1); err != nil {
		return 0, err
	}
	l.ends++
	l.events = append(l.events, e)
	return l.ends, nil
}

// now returns the number of the newest event.
func (l *ledger) now() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ends
}

// age returns how long ago event n was. The server was given what came after it
// later than that.
func (l *ledger) age(n int64) time.Duration {
	if n == 0 {
		return math.MaxInt64
	}
	return time.Since(l.all()[n-1].at)
}

// all returns the events so far.
func (l *ledger) all() []event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events[:len(l.events):len(l.events)]
}

// sent returns how many messages there were.
func (l *ledger) sent() (n int) {
	for _, e := range l.all() {
		if e.kind == message {
			n++
		}
	}
	return n
}

// A life is one connection of a client: what it was given, in order. What was
// under way at its end may be missing, but nothing before what it was given.
type life struct {
	id, user string
	began    string  // the transport
	since    int64   // no message up to this event is for it
	until    int64   // the newest event when it ended, 0 if it did not
	sure     int64   // whatever its end, no message up to this event may be missing
	got      []int64 // numbers of messages, and gap where the server said so
}

// gap stands in life.got where the server told of lost messages.
const gap int64 = -1

// newest returns the number of the last message that l got, or of the event that
// it began after.
func (l *life) newest() int64 {
	for _, n := range slices.Backward(l.got) {
		if n != gap {
			return max(n, l.since)
		}
	}
	return l.since
}

// due returns the numbers of the messages that are for the life: those that it
// must get, and before them those that it may get, as they were sent between its
// connect request and the server's word that it is connected.
func (l *life) due(events []event) (may, must []int64) {
	open := false
	groups := make(map[string]bool)
	if l.until > 0 {
		events = events[:l.until]
	}
	for i, e := range events[l.since:] {
		n := l.since + int64(i+1)
		switch {
		case e.kind == message && e.to.covers(l, groups):
			if open {
				must = append(must, n)
			} else {
				may = append(may, n)
			}
		case e.id != l.id:
		case e.kind == opened:
			open = true
		case e.kind == joined:
			groups[e.name] = true
		case e.kind == left:
			delete(groups, e.name)
		}
	}
	return may, must
}

func (a address) covers(l *life, groups map[string]bool) bool {
	if a.except == l.id {
		return false
	}
	return a.all || a.group != "" && groups[a.group] || a.user != "" && a.user == l.user || a.conn == l.id
}

// A verdict says how what clients got differs from what was for them.
type verdict struct {
	lives, due, got                      int
	lost, duplicated, reordered, foreign int

	gaps   int // how often a client was told of lost messages
	excuse int // how many were lost where it was told so
}

// audit compares what the lives got with what was for them.
func audit(events []event, lives []*life) (v verdict) {
	for _, l := range lives {
		may, must := l.due(events)
		v.add(l.judge(may, must))
	}
	return v
}

func (v *verdict) add(w verdict) {
	v.lives += w.lives
	v.due += w.due
	v.got += w.got
	v.lost += w.lost
	v.duplicated += w.duplicated
	v.reordered += w.reordered
	v.foreign += w.foreign
	v.gaps += w.gaps
	v.excuse += w.excuse
}

// clean reports whether every message came once, in order, to those it was for.
func (v verdict) clean() bool { return v.lost+v.duplicated+v.reordered+v.foreign == 0 }

func (v verdict) String() string {
	return fmt.Sprintf("connections %d, for them %d, delivered %d, lost %d, duplicated %d, reordered %d, foreign %d, gaps told %d (%d messages)",
		v.lives, v.due, v.got, v.lost, v.duplicated, v.reordered, v.foreign, v.gaps, v.excuse)
}

// judge goes through what l got.
func (l *life) judge(may, must []int64) verdict {
	v := verdict{lives: 1, due: len(must)}
	seen := make(map[int64]bool, len(l.got))
	missing := make(map[int64]bool) // and whether the client was told
	next, newest, told := 0, int64(0), false
	for _, n := range l.got {
		if n == gap {
			v.gaps++
			told = true
			continue
		}
		v.got++
		_, mustHave := slices.BinarySearch(must, n)
		_, mayHave := slices.BinarySearch(may, n)
		switch {
		case !mustHave && !mayHave:
			v.foreign++
			continue
		case seen[n]:
			v.duplicated++
			continue
		case n < newest:
			v.reordered++
			delete(missing, n)
		default:
			for ; next < len(must) && must[next] < n; next++ {
				if !seen[must[next]] {
					missing[must[next]] = told
				}
			}
			newest, told = n, false
		}
		seen[n] = true
	}
	for ; next < len(must) && (l.until == 0 || must[next] <= l.sure); next++ {
		if !seen[must[next]] {
			missing[must[next]] = told
		}
	}
	for _, excused := range missing {
		if excused {
			v.excuse++
		} else {
			v.lost++
		}
	}
	return v
}
