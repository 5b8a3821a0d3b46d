package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// TestModel lets people connect, join, leave, send, lose their transport, come
// back and go for good, all at the same time, and holds what each of them got
// against a model that is no more than lists: everybody gets every message that
// is for them once and in order, and no other; each hub is told once that a
// connection began, and once that it ended.
//
// What each of them does follows from the seed; how it mixes does not.
func TestModel(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { runModel(t, seed) })
	}
}

const (
	modelPeople = 8
	modelLives  = 3  // of each of them, one after the other
	modelSteps  = 50 // of a life
)

var (
	modelGroups     = []string{"red", "green", "blue"}
	modelUsers      = []string{"ann", "bob", "cid"}
	modelTransports = []string{"webSockets", "serverSentEvents", "foreverFrame", "longPolling"}
)

func runModel(t *testing.T, seed uint64) {
	s := newSite(t, hub.Options{Options: persistent.Options{DisconnectTimeout: 5 * classictest.Patience}})
	w := &world{t: t, site: s}
	for _, name := range []string{"left", "right"} {
		r := &modelRoom{world: w, lives: make(map[string][]string)}
		r.Hub = hub.Register[number](s.Server, name, &modelHub{modelMembers{r}}, hub.MethodName("ToCaller", "to.me"))
		w.rooms = append(w.rooms, r)
	}
	var wg sync.WaitGroup
	for i := range modelPeople {
		p := &person{world: w, Rand: rand.New(rand.NewPCG(seed, uint64(i))), user: modelUsers[i%len(modelUsers)]}
		wg.Go(func() {
			for range modelLives {
				p.live()
			}
		})
	}
	wg.Wait()
	if gaps := s.Endpoint().Stats().Gaps; gaps != 0 {
		t.Errorf("%d returns were told of a gap", gaps)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.checkLives()
}

// number is what the hubs call.
type number struct {
	Number func(n int) error
}

// A world is the model: who is there, and what each must get. Whatever changes
// it happens together with what it stands for, under mu.
type world struct {
	t     *testing.T
	site  *site
	rooms []*modelRoom

	mu      sync.Mutex
	sent    int
	present []*member
	ever    []*member
}

// A modelRoom is one of the hubs.
type modelRoom struct {
	*hub.Hub[number]
	*world

	events sync.Mutex
	lives  map[string][]string // what it was told of each connection
}

// A member is a connection in the model.
type member struct {
	id      string
	user    string
	hubs    []string
	groups  map[string]bool // "hub.group"
	want    []string
	stopped bool // by the client
}

func (m *member) listens(r *modelRoom) bool          { return slices.Contains(m.hubs, r.Name()) }
func (m *member) in(r *modelRoom, group string) bool { return m.groups[r.Name()+"."+group] }

// send sends the next number, and notes for whom it is. The lock makes the
// order of the notes that of the calls.
func (r *modelRoom) send(to number, hears func(*member) bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sendLocked(to, hears)
}

func (r *modelRoom) sendLocked(to number, hears func(*member) bool) error {
	r.sent++
	for _, m := range r.present {
		if m.listens(r) && hears(m) {
			m.want = append(m.want, fmt.Sprint(r.Name(), " ", r.sent))
		}
	}
	return to.Number(r.sent)
}

// change puts a connection into a group or takes it out. One that does not
// listen to the hub stays out.
func (r *modelRoom) change(id, group string, in bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.present[slices.IndexFunc(r.present, func(m *member) bool { return m.id == id })]
	if in && m.listens(r) {
		m.groups[r.Name()+"."+group] = true
	} else {
		delete(m.groups, r.Name()+"."+group)
	}
	if in {
		return r.Groups.Add(id, group)
	}
	return r.Groups.Remove(id, group)
}

// fromOutside sends from outside of a hub method, to targets of any kind.
func (r *modelRoom) fromOutside(rng *rand.Rand) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	g, h := pick(rng, modelGroups), pick(rng, modelGroups)
	u, v := pick(rng, modelUsers), pick(rng, modelUsers)
	a, b := pick(rng, r.present), pick(rng, r.present)
	switch c := r.Clients; rng.IntN(9) {
	case 0:
		return r.sendLocked(c.All(), func(*member) bool { return true })
	case 1:
		return r.sendLocked(c.AllExcept(a.id, b.id), func(m *member) bool { return m != a && m != b })
	case 2:
		return r.sendLocked(c.Client(a.id), func(m *member) bool { return m == a })
	case 3:
		return r.sendLocked(c.Clients(a.id, b.id), func(m *member) bool { return m == a || m == b })
	case 4:
		return r.sendLocked(c.User(u), func(m *member) bool { return m.user == u })
	case 5:
		return r.sendLocked(c.Users(u, v), func(m *member) bool { return m.user == u || m.user == v })
	case 6:
		return r.sendLocked(c.GroupExcept(g, a.id), func(m *member) bool { return m.in(r, g) && m != a })
	case 7:
		return r.sendLocked(c.Groups(g, h), func(m *member) bool { return m.in(r, g) || m.in(r, h) })
	default:
		return r.sendLocked(c.Group(g), func(m *member) bool { return m.in(r, g) })
	}
}

// A modelHub is what people call.
type modelHub struct{ modelMembers }

type modelMembers struct{ r *modelRoom }

func (h *modelMembers) Join(c *hub.Call[number], group string) error {
	return h.r.change(c.ConnectionID, group, true)
}

func (h *modelMembers) Leave(c *hub.Call[number], group string) error {
	return h.r.change(c.ConnectionID, group, false)
}

func (h *modelHub) ToCaller(c *hub.Call[number]) error {
	return h.r.send(c.Clients.Caller(), func(m *member) bool { return m.id == c.ConnectionID })
}

func (h *modelHub) ToOthers(c *hub.Call[number]) error {
	return h.r.send(c.Clients.Others(), func(m *member) bool { return m.id != c.ConnectionID })
}

func (h *modelHub) ToOthersIn(c *hub.Call[number], groups ...string) error {
	to := c.Clients.OthersInGroups(groups...)
	if len(groups) == 1 {
		to = c.Clients.OthersInGroup(groups[0])
	}
	return h.r.send(to, func(m *member) bool {
		in := slices.ContainsFunc(groups, func(g string) bool { return m.in(h.r, g) })
		return in && m.id != c.ConnectionID
	})
}

func (h *modelHub) note(c *hub.Call[number], event string) {
	h.r.events.Lock()
	defer h.r.events.Unlock()
	h.r.lives[c.ConnectionID] = append(h.r.lives[c.ConnectionID], event)
}

func (h *modelHub) OnConnected(c *hub.Call[number]) error {
	h.note(c, "connected")
	return nil
}

func (h *modelHub) OnReconnected(c *hub.Call[number]) error {
	h.note(c, "reconnected")
	return nil
}

func (h *modelHub) OnDisconnected(c *hub.Call[number], stopCalled bool) {
	h.note(c, fmt.Sprint("disconnected ", stopCalled))
}

// checkLives checks that each hub was told of the beginning and the end of all
// connections that listened to it, and of no others.
func (w *world) checkLives() {
	for _, r := range w.rooms {
		for _, m := range w.ever {
			told := r.lives[m.id]
			delete(r.lives, m.id)
			if !m.listens(r) {
				if told != nil {
					w.t.Errorf("%s was told %q of a connection that does not listen to it", r.Name(), told)
				}
				continue
			}
			told = slices.DeleteFunc(told, func(e string) bool { return e == "reconnected" })
			if want := []string{"connected", fmt.Sprint("disconnected ", m.stopped)}; !slices.Equal(told, want) {
				w.t.Errorf("%s was told %q, want %q", r.Name(), told, want)
			}
		}
		if len(r.lives) > 0 {
			w.t.Errorf("%s was told of connections that nobody opened: %v", r.Name(), r.lives)
		}
	}
}

// A person drives one connection after the other.
type person struct {
	*world
	*rand.Rand
	user string

	member *member
	client *classictest.Client
	stream *classictest.Stream // nil while it is away
	got    []string
}

func (p *person) live() {
	p.connect()
	for range modelSteps {
		p.step()
	}
	p.leave()
}

// connect opens a connection. Nobody sends meanwhile, so that it is clear what
// came before.
func (p *person) connect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	hubs := [][]string{{"left"}, {"right"}, {"left", "right"}}[p.IntN(3)]
	p.client = p.site.client(p.user, hubs...)
	p.client.Query.Set("frameId", "7")
	p.stream = p.client.Open(pick(p.Rand, modelTransports))
	if p.stream.Transport == "longPolling" {
		p.stream = p.client.Poll() // the request that connected is answered
	}
	p.member = &member{id: p.client.Answer.ConnectionID, user: p.user, hubs: hubs, groups: make(map[string]bool)}
	p.present, p.ever = append(p.present, p.member), append(p.ever, p.member)
	p.got = nil
}

func (p *person) step() {
	r, g := pick(p.Rand, p.rooms), pick(p.Rand, modelGroups)
	switch p.IntN(16) {
	case 0, 1, 2:
		p.call(r, "join", g)
	case 3:
		p.call(r, "leave", g)
	case 4:
		p.call(r, "to.me")
	case 5:
		p.call(r, "toOthers")
	case 6:
		p.call(r, "toOthersIn", g)
	case 7:
		p.call(r, "toOthersIn", g, pick(p.Rand, modelGroups))
	case 8: // the network is gone, at any point of what comes
		if p.stream != nil {
			p.readSome()
			p.stream.Drop()
			p.stream = nil
		}
	case 9, 10:
		p.comeBack()
	default:
		p.must(r.fromOutside(p.Rand))
	}
}

// comeBack opens a transport again. The server may learn of it before it learns
// of the end of the last one.
func (p *person) comeBack() {
	last := p.stream
	p.stream = p.client.Reconnect(pick(p.Rand, modelTransports))
	if last != nil {
		last.Drop()
	}
}

// call calls a hub method, over the socket or by a request of its own.
func (p *person) call(r *modelRoom, method string, args ...any) {
	payload, id := p.client.Invocation(r.Name(), method, args...)
	if p.stream == nil || p.stream.Socket() == nil || p.IntN(2) == 0 {
		reply := p.client.Send("longPolling", payload)
		if result := classictest.ParseResult(p.t, reply.Body); result.E != "" {
			p.t.Errorf("%s: %s", payload, reply.Body)
		}
		return
	}
	p.stream.Write(payload)
	for {
		f := p.next()
		if f.I != nil && *f.I == id {
			if result := classictest.ParseResult(p.t, f.Raw); result.E != "" {
				p.t.Errorf("%s: %s", payload, f.Raw)
			}
			return
		}
	}
}

// next takes the next frame. A poll is over with it.
func (p *person) next() classictest.Frame {
	f, err := p.stream.Next()
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.t.Fatalf("%s of %s on %s, after %d messages of %d: %v",
			p.member.id, p.user, p.stream.Transport, len(p.got), len(p.member.want), err)
	}
	for _, text := range f.M {
		var m struct {
			H, M string
			A    []int
		}
		if err := json.Unmarshal(text, &m); err != nil || m.M != "number" || len(m.A) != 1 {
			p.t.Errorf("message %s: %v", text, err)
			continue
		}
		p.got = append(p.got, fmt.Sprint(m.H, " ", m.A[0]))
	}
	if p.stream.Transport == "longPolling" {
		p.stream = p.client.Poll()
	}
	return f
}

// readSome reads some of what must have come.
func (p *person) readSome() {
	p.mu.Lock()
	want := len(p.member.want)
	p.mu.Unlock()
	for len(p.got) < want && p.IntN(3) > 0 {
		p.next()
	}
}

// leave ends the connection in one of the ways in which connections end. Most
// read first what is for them; the others got the beginning of it.
func (p *person) leave() {
	thorough := p.IntN(4) > 0
	if thorough && p.stream == nil {
		p.comeBack()
	}
	want := p.depart()
	for thorough && !slices.Contains(p.got, want[len(want)-1]) {
		p.next()
	}
	if !thorough && len(p.got) < len(want) {
		want = want[:len(p.got)]
	}
	// What came with the last message may have been sent after it.
	p.compare(p.got[:min(len(p.got), len(want))], want)

	switch p.IntN(3) {
	case 0:
		p.member.stopped = true
		p.client.Abort("longPolling")
	case 1:
		if c, ok := p.site.Endpoint().Conn(p.member.id); ok {
			c.Abort()
		} else {
			p.t.Errorf("%s is no more", p.member.id)
		}
	default: // it stays until the server shuts down
	}
	if p.stream != nil {
		p.stream.Drop()
	}
}

// depart takes the member out of the model, with a last message that marks the
// end of what is for it, and returns all that is. The groups are still those of
// the model.
func (p *person) depart() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rooms {
		groups, err := r.Groups.Of(p.member.id)
		p.must(err)
		for _, g := range modelGroups {
			if slices.Contains(groups, g) != p.member.in(r, g) {
				p.t.Errorf("%s: a member of %s is in %q, want %v", r.Name(), p.user, groups, p.member.groups)
			}
		}
	}
	last := p.rooms[slices.IndexFunc(p.rooms, p.member.listens)]
	p.must(last.sendLocked(last.Clients.Client(p.member.id), func(m *member) bool { return m == p.member }))
	p.present = slices.DeleteFunc(p.present, func(m *member) bool { return m == p.member })
	return p.member.want
}

func (p *person) compare(got, want []string) {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			p.t.Errorf("%s of %s: message %d is %q, want %q", p.member.id, p.user, i, got[i], want[i])
			return
		}
	}
	if len(got) != len(want) {
		p.t.Errorf("%s of %s: %d messages, want %d", p.member.id, p.user, len(got), len(want))
	}
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Error(err)
	}
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }
