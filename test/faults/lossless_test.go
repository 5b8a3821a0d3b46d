package faults_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A run is worlds on one server, behind a proxy, with their clients.
type run struct {
	testing.TB
	base     string // where the members find the server
	listener *smallListener
	proxy    *proxy
	worlds   []*world
	members  []*member
	stop     context.CancelFunc
	done     sync.WaitGroup

	last map[*world]int64 // the newest event that is looked at in the end
}

// launch serves the worlds behind a proxy.
func launch(t testing.TB, plan func(n uint64) plan, worlds ...*world) *run {
	t.Helper()
	r := launchBare(t, worlds...)
	r.proxy = newProxy(t, strings.TrimPrefix(r.base, "http://"), plan)
	r.base = r.proxy.url()
	return r
}

// launchBare serves the worlds.
func launchBare(t testing.TB, worlds ...*world) *run {
	t.Helper()
	mux := http.NewServeMux()
	for _, w := range worlds {
		mux.Handle(w.path+"/", w.handler)
	}
	server := httptest.NewUnstartedServer(mux)
	l := &smallListener{Listener: server.Listener}
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	return &run{TB: t, base: server.URL, listener: l, worlds: worlds, stop: func() {}}
}

// A smallListener accepts connections with small buffers, and can cut them.
type smallListener struct {
	net.Listener

	mu   sync.Mutex
	open map[*smallConn]bool
}

// Accept implements net.Listener.
func (l *smallListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &smallConn{conn.(*net.TCPConn), l}
	_ = c.SetWriteBuffer(64 << 10)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = make(map[*smallConn]bool)
	}
	l.open[c] = true
	return c, nil
}

// sever resets all connections, and returns how many there were.
func (l *smallListener) sever() int {
	l.mu.Lock()
	open := slices.Collect(maps.Keys(l.open))
	l.mu.Unlock()
	for _, c := range open {
		_ = c.SetLinger(0)
		_ = c.TCPConn.Close()
	}
	return len(open)
}

type smallConn struct {
	*net.TCPConn
	listener *smallListener
}

// Close implements net.Conn.
func (c *smallConn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.open, c)
	c.listener.mu.Unlock()
	return c.TCPConn.Close()
}

// enlist starts n members in each world.
func (r *run) enlist(n int, change func(m *member)) {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	for _, w := range r.worlds {
		for i := range n {
			m := newMember(r.TB, w, r.base, i)
			change(m)
			r.members = append(r.members, m)
			r.done.Go(func() { m.run(ctx) })
		}
	}
}

// publish has every world send messages for a while.
func (r *run) publish(d time.Duration, perSecond int) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var publishers sync.WaitGroup
	for i, w := range r.worlds {
		rng := rand.New(rand.NewPCG(*seed, uint64(i)))
		publishers.Go(func() { w.publishing(ctx, perSecond, rng) })
	}
	publishers.Wait()
}

// giveUp is how long a test waits for what must come: so long that no machine is
// slow enough for it.
const giveUp = 4 * time.Minute

// settle waits until every member has what was sent. It sends a last message now
// and then, since who was about to connect does not get the one before.
func (r *run) settle() {
	r.Helper()
	r.last = make(map[*world]int64)
	for _, w := range r.worlds {
		for done, end := false, time.Now().Add(giveUp); !done; {
			w.post(address{all: true})
			r.last[w] = w.now()
			done = upTo(r.of(w), r.last[w], time.Second)
			if !done && !time.Now().Before(end) {
				r.Errorf("%s: some members are not up to date, and are audited all the same", w.path)
				break
			}
		}
	}
}

func (r *run) of(w *world) []*member {
	return slices.DeleteFunc(slices.Clone(r.members), func(m *member) bool { return m.world != w })
}

// upTo waits until all members have got message n. It reports false if that
// takes too long.
func upTo(members []*member, n int64, patience time.Duration) bool {
	for end := time.Now().Add(patience); slices.ContainsFunc(members, func(m *member) bool { return !m.current(n) }); {
		if !time.Now().Before(end) {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}

// finish ends the members and then the worlds.
func (r *run) finish() {
	r.Helper()
	r.stop()
	r.done.Wait()
	for _, w := range r.worlds {
		ctx, cancel := context.WithTimeout(context.Background(), giveUp)
		if err := w.shutdown(ctx); err != nil {
			r.Errorf("%s: shutdown: %v", w.path, err)
		}
		cancel()
		w.wantPairs(r.TB)
	}
}

// A row is what became of the clients of one family in one world.
type row struct {
	world  *world
	family *family

	members int
	verdict
	books
	trouble []string // connections that went wrong
}

// audit audits the members, family by family.
func (r *run) audit() (rows []row) {
	for _, w := range r.worlds {
		for _, f := range w.families {
			rows = append(rows, r.row(w, f))
		}
	}
	return rows
}

func (r *run) row(w *world, f *family) row {
	last, events := r.last[w], w.all()
	row := row{world: w, family: f}
	for _, m := range r.of(w) {
		if m.family != f {
			continue
		}
		row.members++
		row.books.add(m.books)
		for i, l := range m.lives {
			l.got = slices.DeleteFunc(l.got, func(n int64) bool { return n > last })
			l.since, l.until = min(l.since, last), min(l.until, last)
			v := audit(events[:last], []*life{l})
			row.verdict.add(v)
			if !v.clean() {
				_, must := l.due(events[:last])
				row.trouble = append(row.trouble, fmt.Sprintf("client %d, connection %d, %+v, due %v: %v", m.no, i, l, must, v))
			}
		}
	}
	return row
}

// eventless reports whether nothing has happened that would show anything.
func (r *row) eventless() bool {
	return r.got == 0 || r.answered == 0 || r.family.lasting && r.returns == 0
}

// eventful reports whether enough has happened in each row.
func (r *run) eventful() bool {
	for _, w := range r.worlds {
		for _, f := range w.families {
			row := row{family: f}
			for _, m := range r.of(w) {
				if m.family == f {
					m.count(func(b *books) { row.books.add(*b) })
					row.got += m.got()
				}
			}
			if row.eventless() {
				return false
			}
		}
	}
	return true
}

// verdict audits all members.
func (r *run) verdict() (v verdict, b books) {
	for _, row := range r.audit() {
		v.add(row.verdict)
		b.add(row.books)
	}
	return v, b
}

// table writes the rows one below the other.
func table(rows []row) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nclients\tmessages\tconnections\treturns\tfor them\tdelivered\tlost\tdoubled\tswapped\tforeign\tgaps\tcalls\tanswered\trefused\tunknown\twrong\t")
	for _, r := range rows {
		v, c := r.verdict, r.books
		fmt.Fprintf(w, "%s, %s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", r.world.path, r.family.name, r.world.sent(),
			v.lives, c.returns, v.due, v.got, v.lost, v.duplicated, v.reordered, v.foreign, v.gaps, c.calls, c.answered, c.refused, c.unknown, len(c.wrong))
	}
	_ = w.Flush()
	return b.String()
}

// Nothing is lost, doubled, swapped or given to others, whatever the network
// does: hundreds of clients of every family and transport, raw and of hubs, that
// change transports, go away and come back, enter and leave groups.
//
// Who hears nothing for longer than the log keeps messages is told so, which a
// busy machine and a few bad connections in a row may bring about; who was not
// away for that long has no gap.
func TestNothingLost(t *testing.T) {
	t.Parallel()
	witnesses := []*witness{newWitness(), newWitness()}
	raw, hubs := options(), options()
	raw.Log, hubs.Log = witnesses[0], witnesses[1]
	r := launch(t, func(n uint64) plan { return newPlan(*seed, n) }, rawWorld(t, raw), hubWorld(hubs))
	r.enlist(*members, func(m *member) { m.mortal = m.no/3%3 == 0 })
	r.publish(*duration, *rate)
	for end := time.Now().Add(giveUp); !r.eventful() && time.Now().Before(end); {
		r.publish(time.Second, *rate)
	}
	for _, m := range r.members {
		m.calm()
	}
	r.proxy.heal()
	r.settle()
	r.finish()
	rows := r.audit()
	t.Logf("%v%s", &r.proxy.counts, table(rows))
	for i, w := range r.worlds {
		counted := w.endpoint.Stats().Gaps
		t.Logf("%s: events %v; gaps counted %d, of them told to the program %d", w.path, w.told, counted, w.gapped)
		if found, early := witnesses[i].verdict(); len(early) > 0 || counted > found {
			t.Errorf("%s: %d gaps are counted, %d were found in the log, and too early %q", w.path, counted, found, early)
		}
	}
	t.Logf("the servers complained:\n%s", &complaints)
	for _, row := range rows {
		what := row.world.path + ", " + row.family.name
		if !row.clean() || len(row.wrong) > 0 {
			t.Errorf("%s: something went wrong: %q %q", what, row.trouble, row.wrong)
		}
		if len(row.missed) > 0 {
			t.Logf("%s: told of gaps when what they had last was so old: %v", what, row.missed)
		}
		if slices.ContainsFunc(row.missed, func(age time.Duration) bool { return age <= kept }) {
			t.Errorf("%s: told of a gap without having been away", what)
		}
		if row.eventless() {
			t.Errorf("%s: nothing happened", what)
		}
	}
}

// A log that is too small loses messages, and every client that is hit is told.
func TestGapsAreTold(t *testing.T) {
	t.Parallel()
	small := func() persistent.Options {
		o := options()
		o.Log = messagelog.NewMemory(messagelog.MemoryOptions{MaxBytes: 3_000})
		return o
	}
	r := launch(t, func(n uint64) plan { return newPlan(*seed+1, n) }, rawWorld(t, small()), hubWorld(small()))
	r.enlist(min(*members, 25), func(*member) {})
	for end := time.Now().Add(giveUp); !r.gapped() && time.Now().Before(end); {
		r.publish(500*time.Millisecond, 200)
	}
	r.proxy.heal()
	r.settle()
	r.finish()
	rows := r.audit()
	t.Log(table(rows))
	for _, row := range rows {
		what, counted := row.world.path+", "+row.family.name, row.world.endpoint.Stats().Gaps
		if !row.clean() {
			t.Errorf("%s: something went wrong without a word: %q", what, row.trouble)
		}
		if row.family == classicFamily && (row.gaps == 0 || row.excuse == 0) {
			t.Errorf("%s: the log was not too small", what)
		}
		if int64(row.gaps) > counted {
			t.Errorf("%s: %d gaps were told, %d counted", what, row.gaps, counted)
		}
	}
}

// gapped reports whether classic clients in each world have lost messages where
// they were told of a gap.
func (r *run) gapped() bool {
	return !slices.ContainsFunc(r.worlds, func(w *world) bool {
		lost := 0
		for _, m := range r.of(w) {
			if m.family == classicFamily {
				lost += m.lost()
			}
		}
		return lost < 10
	})
}

// lost returns how many messages the member has lost where it was told of a gap:
// between others, so that none of them can be on its way.
func (m *member) lost() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	events, n := m.world.all(), 0
	for _, l := range m.lives {
		before := *l
		before.until = l.newest()
		n += audit(events[:before.until], []*life{&before}).excuse
	}
	return n
}

// got returns how many messages the member has got.
func (m *member) got() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lives {
		for _, number := range l.got {
			if number != gap {
				n++
			}
		}
	}
	return n
}

// The checks find a log that drops, doubles, swaps, or sends to everyone what is
// for one.
func TestBrokenLog(t *testing.T) {
	t.Parallel()
	const every = 21 // odd, as messages go to all and to one client in turns
	n := 0
	var before *messagelog.Entry
	for name, c := range map[string]struct {
		mistake func(m *messagelog.Entry) []*messagelog.Entry
		found   func(v verdict) int
	}{
		"dropped": {func(m *messagelog.Entry) []*messagelog.Entry {
			if n++; n%every == 0 {
				return nil
			}
			return []*messagelog.Entry{m}
		}, func(v verdict) int { return v.lost }},
		"doubled": {func(m *messagelog.Entry) []*messagelog.Entry {
			if n++; n%every == 0 {
				again := *m
				return []*messagelog.Entry{m, &again}
			}
			return []*messagelog.Entry{m}
		}, func(v verdict) int { return v.duplicated }},
		"swapped": {func(m *messagelog.Entry) []*messagelog.Entry {
			if n++; n%every == 0 {
				before = m
				return nil
			}
			if before != nil {
				defer func() { before = nil }()
				return []*messagelog.Entry{m, before}
			}
			return []*messagelog.Entry{m}
		}, func(v verdict) int { return v.reordered }},
		"leaked": {func(m *messagelog.Entry) []*messagelog.Entry {
			if n++; n%every == 0 {
				m.Topics = []string{"pc"}
			}
			return []*messagelog.Entry{m}
		}, func(v verdict) int { return v.foreign }},
	} {
		t.Run(name, func(t *testing.T) {
			n, before = 0, nil
			rng := rand.New(rand.NewPCG(*seed, 0))
			o := options()
			o.Log = &broken{Log: messagelog.NewMemory(messagelog.MemoryOptions{}), mistake: c.mistake}
			r := launch(t, perfect, rawWorld(t, o))
			r.enlist(10, func(m *member) { m.mute = true })
			r.settle()
			for range 50 { // any two in a row have a client in common
				r.worlds[0].post(address{all: true})
				r.worlds[0].post(address{conn: r.worlds[0].anyone(rng)})
			}
			r.settle()
			r.finish()
			v, _ := r.verdict()
			if t.Log(v); c.found(v) == 0 {
				t.Errorf("the mistake was not found")
			}
		})
	}
}
