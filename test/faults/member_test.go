package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A member is one client of a fleet. It connects, comes back whenever it loses
// its transport, often on another one, and now and then begins anew.
type member struct {
	no     int
	world  *world
	family *family
	base   string // the URL of the proxy
	tb     testing.TB
	rng    *rand.Rand // guarded by mu
	http   *http.Client

	mortal bool              // ends its connection now and then; guarded by mu
	mute   bool              // makes no calls; guarded by mu
	eager  bool              // always comes back at once
	quiet  time.Duration     // how long it hears nothing before it gives a transport up
	kinds  []string          // the transports that it uses
	method string            // what it calls, if not this and that
	gate   sync.RWMutex      // held by who wants the member to stop reading
	seen   func(got []int64) // told of messages, if it is not nil

	mu    sync.Mutex
	lives []*life // the last one is the current one
	books books
}

// books count what became of calls, and how often a transport was lost.
type books struct {
	calls, answered, refused, unknown int
	wrong                             []string // answers that do not fit, and connections that the server gave up before their time
	transports                        int
	returns                           int // how often the connection went on in another transport
	called                            int // how often the server said to come back

	// missed is the age of the last message that the client had got each time
	// that it was told of lost ones.
	missed []time.Duration
}

func (b *books) add(c books) {
	b.calls += c.calls
	b.answered += c.answered
	b.refused += c.refused
	b.unknown += c.unknown
	b.wrong = append(b.wrong, c.wrong...)
	b.transports += c.transports
	b.returns += c.returns
	b.called += c.called
	b.missed = append(b.missed, c.missed...)
}

// untidy keeps the cleanups of a test from growing with each transport.
type untidy struct{ testing.TB }

func (untidy) Cleanup(func()) {}

func newMember(t testing.TB, w *world, base string, no int) *member {
	f := w.families[no%len(w.families)]
	return &member{
		no:     no,
		world:  w,
		family: f,
		base:   base,
		tb:     untidy{t},
		rng:    rand.New(rand.NewPCG(*seed, uint64(no))),
		http:   &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, DialContext: dialSmall, DisableKeepAlives: f.fresh}},
		kinds:  f.kinds,
		quiet:  patience,
	}
}

// dialSmall opens connections with small buffers, so that who does not read is
// soon noticed.
func dialSmall(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		_ = conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	}
	return conn, err
}

// run lives one life after another until the context ends.
func (m *member) run(ctx context.Context) {
	defer m.http.CloseIdleConnections()
	for ctx.Err() == nil {
		m.live(ctx)
		m.rest(ctx, 100*time.Millisecond)
	}
}

func (m *member) rest(ctx context.Context, most time.Duration) {
	m.mu.Lock()
	d := time.Duration(m.rng.Int64N(int64(most)))
	m.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (m *member) chance(percent int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rng.IntN(100) < percent
}

func (m *member) transport() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kinds[m.rng.IntN(len(m.kinds))]
}

func (m *member) user() string { return userName(m.no % 20) }

func (m *member) count(f func(b *books)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.books)
}

// A session is one connection of a member in use.
type session struct {
	*member
	ctx  context.Context
	wire wire
	life *life
	last time.Time // when it is to end, unless that is zero

	mu      sync.Mutex // held while a transport is dropped
	waiting []*pending // calls whose answers are to be read, in order
}

// A pending call waits for its answer, or if it is in doubt, for nothing.
type pending struct {
	id    string
	doubt bool
}

// live is one connection, from its beginning to its end.
func (m *member) live(ctx context.Context) {
	s := &session{
		member: m,
		ctx:    ctx,
		wire:   m.family.wire(ctx, m),
		life:   &life{user: m.user(), since: m.world.now()},
	}
	kind := m.transport()
	id, err := s.wire.open(kind)
	if err != nil {
		s.wire.drop()
		return
	}
	m.mu.Lock()
	s.life.id, s.life.began = id, kind
	m.lives = append(m.lives, s.life)
	if m.mortal {
		s.last = time.Now().Add(between(m.rng, 2*time.Second, 20*time.Second))
	}
	m.mu.Unlock()
	var calling sync.WaitGroup
	over, stop := context.WithCancel(ctx)
	calling.Go(func() { s.call(over) })
	s.follow(kind)
	stop()
	calling.Wait()
}

// follow reads until the connection or the member is to end, and comes back
// whenever need be.
func (s *session) follow(kind string) {
	for {
		s.read()
		if s.ctx.Err() == nil && s.due() {
			s.over()
			s.wire.stop()
			s.drop()
			return
		}
		s.drop()
		switch err := s.back(kind); {
		case errors.Is(err, errOver):
			s.over()
			if errors.Is(err, errForgotten) {
				s.forgotten()
			}
			return
		case err != nil:
			return
		}
	}
}

// back comes back, on any transport, however often that takes.
func (s *session) back(kind string) error {
	switch {
	case s.eager:
	case s.chance(1):
		s.rest(s.ctx, 8*time.Second) // longer than the disconnect timeout, maybe
	case s.chance(60):
		s.rest(s.ctx, 300*time.Millisecond)
	}
	for s.ctx.Err() == nil {
		if s.chance(40) {
			kind = s.transport()
		}
		switch err := s.wire.back(kind); {
		case err == nil:
			s.count(func(b *books) { b.returns++ })
			return nil
		case errors.Is(err, errOver):
			return err
		}
		s.rest(s.ctx, 500*time.Millisecond)
	}
	return s.ctx.Err()
}

// forgotten looks at whether the server had reason to forget the connection: when
// the newest message was sent, or later, it had a transport of the client's.
func (s *session) forgotten() {
	s.member.mu.Lock()
	defer s.member.mu.Unlock()
	if age := s.world.age(s.life.newest()); age < disconnectTimeout {
		s.books.wrong = append(s.books.wrong, fmt.Sprintf("%s: forgotten after %v", s.life.id, age))
	}
}

// due reports whether the time of the connection has come.
func (s *session) due() bool { return !s.last.IsZero() && time.Now().After(s.last) }

// over notes that nothing that is sent from here on is for the connection.
func (s *session) over() {
	now := s.world.now()
	s.member.mu.Lock()
	s.life.until = now
	s.member.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveUp()
}

// giveUp waits for no answer any more. Called with mu held.
func (s *session) giveUp() {
	n := len(s.waiting)
	s.waiting = nil
	s.count(func(b *books) { b.unknown += n })
}

// drop ends the current transport. Calls may wait in vain from here on.
func (s *session) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wire.drop()
	if !s.wire.keeps() {
		s.giveUp()
	}
	s.count(func(b *books) { b.transports++ })
}

// pass waits while the gate is closed.
func (s *session) pass() {
	s.gate.RLock()
	defer s.gate.RUnlock()
}

// read notes what the current transport brings until it ends.
func (s *session) read() {
	for {
		s.pass()
		h, err := s.wire.read()
		if err != nil {
			return
		}
		s.member.mu.Lock()
		if slices.Contains(h.got, gap) { // before all else that was said at once
			s.books.missed = append(s.books.missed, s.world.age(s.life.newest()))
		}
		s.life.got = append(s.life.got, h.got...)
		if h.called {
			s.books.called++
		}
		s.member.mu.Unlock()
		if h.answer != nil {
			s.answered(*h.answer)
		}
		if s.seen != nil {
			s.seen(h.got)
		}
		if h.called || s.due() {
			return
		}
	}
}

// call makes calls, one after the other, until the context ends or there are to
// be none.
func (s *session) call(ctx context.Context) {
	for n := 0; ctx.Err() == nil && !s.muted(); n++ {
		s.rest(ctx, 2*time.Second)
		s.invoke(strconv.Itoa(n), fmt.Sprintf("%s/%d", s.life.id, n))
	}
}

// invoke makes a call over whatever transport there is.
func (s *session) invoke(id, key string) {
	c := call{id: id, method: "echo", args: []string{key}}
	switch {
	case s.method != "":
		c.method = s.method
	case s.chance(30):
		c.method, c.args = "switch", append(c.args, "group"+strconv.Itoa(len(key)%8))
	}
	p := &pending{id: id}
	s.mu.Lock()
	send, later := s.wire.line()
	if send != nil && later {
		s.waiting = append(s.waiting, p)
	}
	s.mu.Unlock()
	if send == nil {
		return
	}
	s.count(func(b *books) { b.calls++ })
	a, err := send(c)
	switch {
	case err != nil && later:
		s.mu.Lock()
		defer s.mu.Unlock()
		p.doubt = true
	case errors.Is(err, errTurnedAway):
		s.count(func(b *books) { b.refused++ })
	case err != nil:
		s.count(func(b *books) { b.unknown++ })
	case a != nil:
		s.judge(*a, a.id == id)
	}
}

// answered takes an answer that was read. Answers come in the order of the
// calls, and none is left out; but a call that is refused does not wait for
// those before it.
func (s *session) answered(a answer) {
	s.mu.Lock()
	at := slices.IndexFunc(s.waiting, func(p *pending) bool { return p.id == a.id })
	fits := at >= 0
	switch {
	case a.failed && fits:
		s.waiting = slices.Delete(s.waiting, at, at+1)
	case fits:
		fits = !slices.ContainsFunc(s.waiting[:at], func(p *pending) bool { return !p.doubt })
		s.waiting = s.waiting[at+1:]
	}
	s.mu.Unlock()
	s.judge(a, fits)
}

// judge looks at an answer: it must be that of the call, and come after what the
// call sent.
func (s *session) judge(a answer, fits bool) {
	s.member.mu.Lock()
	defer s.member.mu.Unlock()
	s.books.answered++
	got := int64(0)
	if n := len(s.life.got); n > 0 {
		got = s.life.got[n-1]
	}
	if !fits || a.bad || a.after > 0 && got < a.after {
		s.books.wrong = append(s.books.wrong, fmt.Sprintf("%s: answer %+v after message %d; it fits: %t", s.life.id, a, got, fits))
	}
}

// id is that of the current connection.
func (m *member) id() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.lives) == 0 {
		return "nobody"
	}
	return m.lives[len(m.lives)-1].id
}

// place tells how far the member's connection is: it began after event since, and
// got is the newest message that it has. They are -1 without a connection.
func (m *member) place() (since, got int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.lives) == 0 || m.lives[len(m.lives)-1].until > 0 {
		return -1, -1
	}
	l := m.lives[len(m.lives)-1]
	if len(l.got) == 0 {
		return l.since, -1
	}
	return l.since, l.got[len(l.got)-1]
}

// current reports whether the member has a connection that has got message n, or
// that began after it.
func (m *member) current(n int64) bool {
	since, got := m.place()
	return max(since, got) >= n
}

// calm has the member make no more calls, and keep the connection that it begins
// next, or the current one unless its end has come.
func (m *member) calm() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mortal, m.mute = false, true
}

func (m *member) muted() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mute
}
