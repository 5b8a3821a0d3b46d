package messagelog

import "sort"

// A deque holds entries in the order of their numbers: new ones come in at the
// end, old ones go at the front.
type deque struct {
	entries []*Entry
	start   int    // entries before it are gone
	evicted uint64 // the number of the newest entry that is gone
}

func (d *deque) len() int      { return len(d.entries) - d.start }
func (d *deque) first() *Entry { return d.entries[d.start] }

// push adds e, unless e is the last entry already (a message that names a
// topic twice).
func (d *deque) push(e *Entry) {
	if n := len(d.entries); n > d.start && d.entries[n-1] == e {
		return
	}
	if len(d.entries) == cap(d.entries) && d.start > len(d.entries)/2 {
		d.compact()
	}
	d.entries = append(d.entries, e)
}

func (d *deque) pop() {
	d.entries[d.start] = nil
	d.start++
}

// compact moves the entries to the front of their array, or of a smaller one
// where most of it has no use.
func (d *deque) compact() {
	live := d.entries[d.start:]
	if cap(d.entries) > 64 && len(live) < cap(d.entries)/4 {
		d.entries = append(make([]*Entry, 0, 2*len(live)), live...)
	} else {
		n := copy(d.entries, live)
		clear(d.entries[n:])
		d.entries = d.entries[:n]
	}
	d.start = 0
}

// between returns the entries after one number, up to and including another.
func (d *deque) between(after, upTo uint64) []*Entry {
	live := d.entries[d.start:]
	if len(live) == 0 || live[len(live)-1].Seq <= after {
		return nil
	}
	i := sort.Search(len(live), func(i int) bool { return live[i].Seq > after })
	j := len(live)
	if live[j-1].Seq > upTo {
		j = i + sort.Search(len(live)-i, func(k int) bool { return live[i+k].Seq > upTo })
	}
	return live[i:j]
}
