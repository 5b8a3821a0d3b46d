package faults_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// The transports, as clients name them.
var transportNames = []string{"webSockets", "serverSentEvents", "foreverFrame", "longPolling"}

// A member is one client of a fleet. It connects, comes back whenever it loses
// its transport, often on another one, and now and then begins anew.
type member struct {
	no    int
	world *world
	base  string // the URL of the proxy
	tb    testing.TB
	rng   *rand.Rand // of the receiving goroutine
	http  *http.Client

	mortal bool              // ends its connection now and then
	mute   bool              // makes no calls
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
	wrong                             int // answers that do not belong to the call, or before what they follow
	transports                        int
	called                            int // how often the server said to come back
}

func (b *books) add(c books) {
	b.calls += c.calls
	b.answered += c.answered
	b.refused += c.refused
	b.unknown += c.unknown
	b.wrong += c.wrong
	b.transports += c.transports
	b.called += c.called
}

// untidy keeps the cleanups of a test from growing with each transport.
type untidy struct{ testing.TB }

func (untidy) Cleanup(func()) {}

func newMember(t testing.TB, w *world, base string, no int) *member {
	return &member{
		no:    no,
		world: w,
		base:  base,
		tb:    untidy{t},
		rng:   rand.New(rand.NewPCG(*seed, uint64(no))),
		http:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, DialContext: dialSmall}},
		kinds: transportNames,
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

// A session is one connection of a member in use.
type session struct {
	*member
	ctx    context.Context
	client *classictest.Client
	life   *life
	last   time.Time // when it is to end, unless that is zero

	mu      sync.Mutex
	stream  *classictest.Stream
	waiting map[string]string // calls on the WebSocket, by id
}

// live is one connection, from negotiate to the end of it.
func (m *member) live(ctx context.Context) {
	c := classictest.New(m.tb, m.base+m.world.path)
	c.HTTP, c.Patience = m.http, 5*time.Second
	c.Query.Set("gaps", "1")
	user := userName(m.no % 20)
	c.Header.Set("X-User", user)
	if m.world.hubs != "" {
		c.Hubs(m.world.hubs)
	}
	s := &session{member: m, ctx: ctx, client: c, life: &life{user: user, since: m.world.now()}, waiting: make(map[string]string)}
	kind := m.transport()
	if !s.begin(kind) {
		return
	}
	m.mu.Lock()
	m.lives = append(m.lives, s.life)
	if m.mortal {
		s.last = time.Now().Add(between(m.rng, 2*time.Second, 20*time.Second))
	}
	m.mu.Unlock()
	var calling sync.WaitGroup
	over, stop := context.WithCancel(ctx)
	if !m.mute {
		calling.Go(func() { s.call(over) })
	}
	s.follow(kind)
	stop()
	calling.Wait()
}

// begin negotiates, connects and starts. It reports false if any of it failed.
func (s *session) begin(kind string) bool {
	r, err := s.client.Do(http.MethodGet, s.client.Address("negotiate"), "")
	if err != nil || r.Status != http.StatusOK || json.Unmarshal([]byte(r.Body), &s.client.Answer) != nil {
		return false
	}
	s.life.id = s.client.Answer.ConnectionID
	stream, ok := s.dial("connect", kind)
	if !ok {
		return false
	}
	f, err := stream.Next()
	if err != nil || f.S == nil {
		s.close()
		return false
	}
	r, err = s.client.Do(http.MethodGet, s.client.Address("start", "transport", kind), "")
	if err != nil || r.Status != http.StatusOK {
		s.close()
		return false
	}
	return true
}

// dial opens a transport and makes it the current one.
func (s *session) dial(operation, kind string) (*classictest.Stream, bool) {
	stream, err := s.client.TryDial(operation, kind,
		"frameId", "1", "messageId", s.client.Cursor, "groupsToken", s.client.GroupsToken)
	if err != nil {
		stream.Drop()
		return nil, false
	}
	context.AfterFunc(s.ctx, stream.Drop)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stream = stream
	s.waiting = make(map[string]string)
	return stream, true
}

// close ends the current transport. What waits for an answer on a WebSocket
// waits in vain.
func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream != nil {
		s.stream.Drop()
	}
	s.stream = nil
	s.member.mu.Lock()
	s.books.unknown += len(s.waiting)
	s.books.transports++
	s.member.mu.Unlock()
	s.waiting = make(map[string]string)
}

// follow reads until the member is to end, coming back whenever need be.
func (s *session) follow(kind string) {
	operation := ""
	for {
		if operation != "" && !s.again(operation, kind) {
			s.rest(s.ctx, 200*time.Millisecond)
		}
		s.read()
		s.close()
		switch {
		case s.ctx.Err() != nil:
			return
		case !s.last.IsZero() && time.Now().After(s.last):
			s.finish(kind)
			return
		case kind == "longPolling" && s.chance(95):
			operation = "poll"
			continue
		}
		operation = "reconnect"
		switch {
		case s.chance(1):
			s.rest(s.ctx, 8*time.Second) // longer than the disconnect timeout, maybe
		case s.chance(60):
			s.rest(s.ctx, 300*time.Millisecond)
		}
		if s.chance(40) {
			kind = s.transport()
		}
	}
}

func (s *session) again(operation, kind string) bool {
	_, ok := s.dial(operation, kind)
	return ok
}

// finish ends the connection as a client does that is closed.
func (s *session) finish(kind string) {
	s.member.mu.Lock()
	s.life.until = s.world.now()
	s.member.mu.Unlock()
	_, _ = s.client.Do(http.MethodPost, s.client.Address("abort", "transport", kind), "")
}

// A text is what a message carries: raw or of a hub.
type text struct {
	N int64 `json:"n"`
	M string
	A []json.RawMessage
}

func (t text) number() int64 {
	if t.M == "" {
		return t.N
	}
	var n int64
	if len(t.A) != 2 || t.M != "got" || json.Unmarshal(t.A[0], &n) != nil {
		return 0
	}
	return n
}

// pass waits while the gate is closed.
func (s *session) pass() {
	s.gate.RLock()
	defer s.gate.RUnlock()
}

// read notes what the current transport brings until it ends.
func (s *session) read() {
	s.mu.Lock()
	stream := s.stream
	s.mu.Unlock()
	for stream != nil {
		s.pass()
		f, err := stream.Next()
		if err != nil {
			return
		}
		if f.I != nil {
			s.answered(*f.I, f.Raw)
			continue
		}
		s.member.mu.Lock()
		had := len(s.life.got)
		if f.X != nil {
			s.life.got = append(s.life.got, gap)
		}
		if f.T != nil {
			s.books.called++
		}
		for _, raw := range f.M {
			var t text
			_ = json.Unmarshal(raw, &t) // a text without a number is found by the auditor
			s.life.got = append(s.life.got, t.number())
		}
		fresh := s.life.got[had:]
		s.member.mu.Unlock()
		if s.seen != nil {
			s.seen(fresh)
		}
		if f.T != nil || !s.last.IsZero() && time.Now().After(s.last) {
			return
		}
	}
}

// call makes calls, one after the other, until the context ends.
func (s *session) call(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		s.rest(ctx, 2*time.Second)
		key := fmt.Sprintf("%s/%d", s.life.id, n)
		s.invoke(strconv.Itoa(n), key)
	}
}

// invoke makes a call over whatever transport there is.
func (s *session) invoke(id, key string) {
	payload := key
	if s.world.hubs != "" {
		method, args := "echo", []string{key}
		if s.chance(30) {
			method, args = "switch", []string{key, "group" + strconv.Itoa(len(key)%8)}
		}
		if s.method != "" {
			method, args = s.method, []string{key}
		}
		b, _ := json.Marshal(map[string]any{"H": "fleet", "M": method, "A": args, "I": id})
		payload = string(b)
	}
	s.mu.Lock()
	stream := s.stream
	if stream == nil {
		s.mu.Unlock()
		return
	}
	socket := stream.Socket()
	if socket != nil && s.world.hubs != "" {
		s.waiting[id] = key
	}
	s.mu.Unlock()
	s.count(func(b *books) { b.calls++ })
	if socket != nil {
		_ = socket.Write(s.ctx, websocket.MessageText, []byte(payload))
		return
	}
	r, err := s.client.Do(http.MethodPost, s.client.Address("send", "transport", stream.Transport), url.Values{"data": {payload}}.Encode())
	switch {
	case err != nil:
		s.count(func(b *books) { b.unknown++ })
	case r.Status != http.StatusOK:
		s.count(func(b *books) { b.refused++ })
	case s.world.hubs == "":
		s.count(func(b *books) { b.answered++ })
	default:
		s.judge(id, r.Body, false)
	}
}

func (s *session) count(f func(b *books)) {
	s.member.mu.Lock()
	defer s.member.mu.Unlock()
	f(&s.books)
}

// answered takes an answer from the WebSocket.
func (s *session) answered(id, raw string) {
	s.mu.Lock()
	_, known := s.waiting[id]
	delete(s.waiting, id)
	s.mu.Unlock()
	if !known {
		s.count(func(b *books) { b.wrong++ })
		return
	}
	s.judge(id, raw, true)
}

// judge looks at an answer: it must be that of the call, and on a WebSocket come
// after what the call sent.
func (s *session) judge(id, raw string, ordered bool) {
	var a struct {
		I string
		R json.RawMessage
		E string
	}
	err := json.Unmarshal([]byte(raw), &a)
	var n int64
	s.member.mu.Lock()
	defer s.member.mu.Unlock()
	s.books.answered++
	switch {
	case err != nil || a.I != id || a.E == "" && len(a.R) == 0:
		s.books.wrong++
	case ordered && json.Unmarshal(a.R, &n) == nil:
		if got := s.life.got; len(got) == 0 || got[len(got)-1] < n {
			s.books.wrong++
		}
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

// current reports whether the member has a connection that has got message n, or
// that began after it.
func (m *member) current(n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.lives) == 0 {
		return false
	}
	l := m.lives[len(m.lives)-1]
	return l.until == 0 && (l.since >= n || len(l.got) > 0 && l.got[len(l.got)-1] >= n)
}

// immortal lets the member keep the connection that it begins next, or the
// current one unless its end has come.
func (m *member) immortal() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mortal = false
}
