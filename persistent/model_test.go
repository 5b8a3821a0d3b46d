package persistent_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// TestModel drives connections through random joins, leaves, sends, losses of
// the transport and returns, and holds what each of them got against a model
// that is no more than lists: every member gets every message once and in
// order, nobody else gets any.
func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { runModel(t, rand.New(rand.NewPCG(seed, 7))) })
	}
}

var modelGroups = []string{"red", "green", "blue"}

// A member is one connection of the model.
type member struct {
	client *classictest.Client
	stream *classictest.Stream // nil while it is away
	groups map[string]bool
	want   []string
	got    []string
}

func runModel(t *testing.T, rng *rand.Rand) {
	s := start(t, persistent.Handler{}, persistent.Options{DisconnectTimeout: time.Hour}) // nobody is away for longer
	transports := []string{"webSockets", "serverSentEvents", "longPolling"}
	var members []*member
	for range 12 {
		c := s.client()
		m := &member{client: c, groups: map[string]bool{}}
		if m.stream = c.Open(transports[rng.IntN(3)]); m.stream.Transport == "longPolling" {
			m.stream = c.Poll() // the request that connected is answered
		}
		members = append(members, m)
	}
	for n := range 1500 {
		m := members[rng.IntN(len(members))]
		g := modelGroups[rng.IntN(len(modelGroups))]
		switch rng.IntN(12) {
		case 0, 1:
			s.must(s.Join(m.client.Answer.ConnectionID, g))
			m.groups[g] = true
		case 2:
			s.must(s.Leave(m.client.Answer.ConnectionID, g))
			delete(m.groups, g)
		case 3:
			if m.stream != nil {
				m.readSome(rng)
				m.stream.Drop()
				m.stream = nil
			}
		case 4, 5:
			if m.stream == nil {
				m.stream = m.client.Reconnect(transports[rng.IntN(3)])
			}
		case 6:
			for _, o := range members {
				o.want = append(o.want, fmt.Sprint(n))
			}
			s.must(s.Broadcast(n))
		case 7:
			m.want = append(m.want, fmt.Sprint(n))
			s.must(s.Send(m.client.Answer.ConnectionID, n))
		case 8: // to two groups at once, but not to m
			topics := []string{persistent.GroupTopic(g), persistent.GroupTopic("red")}
			for _, o := range members {
				if o != m && (o.groups[g] || o.groups["red"]) {
					o.want = append(o.want, fmt.Sprint(n))
				}
			}
			s.must(s.Publish(persistent.Publication{
				Topics: topics, Except: []string{m.client.Answer.ConnectionID}, Payload: number(n),
			}))
		default:
			for _, o := range members {
				if o.groups[g] {
					o.want = append(o.want, fmt.Sprint(n))
				}
			}
			s.must(s.SendGroup(g, n))
		}
	}
	var wg sync.WaitGroup
	for _, m := range members {
		wg.Go(func() { m.finish(t, s, transports[0]) })
	}
	wg.Wait()
	for i, m := range members {
		wantSame(t, fmt.Sprint("member ", i), m.got, m.want)
		c, _ := s.Conn(m.client.Answer.ConnectionID)
		if groups := c.Groups(); len(groups) != len(m.groups) {
			t.Errorf("member %d is in %v, want %v", i, groups, m.groups)
		}
	}
}

type number int

func (n number) Bytes(*messagelog.Protocol) []byte { return fmt.Append(nil, int(n)) }
func (n number) Size() int                         { return 8 }

// readSome reads some of what has come, so that the loss comes at any point.
func (m *member) readSome(rng *rand.Rand) {
	for len(m.got) < len(m.want) && rng.IntN(3) > 0 {
		m.read()
		if m.stream == nil {
			return
		}
	}
}

// read takes the next frame. A poll is over with it.
func (m *member) read() {
	f, err := m.stream.Next()
	if err != nil {
		m.client.T.Errorf("read: %v", err)
		return
	}
	for _, text := range f.M {
		m.got = append(m.got, string(text))
	}
	if m.stream.Transport == "longPolling" {
		m.stream = m.client.Poll()
	}
}

// finish brings the member back and reads until it has what it must have, and
// then what it must not have: a last message of its own marks the end.
func (m *member) finish(t *testing.T, s *server, transport string) {
	if m.stream == nil {
		m.stream = m.client.Reconnect(transport)
	}
	if err := s.Send(m.client.Answer.ConnectionID, "end"); err != nil {
		t.Error(err)
	}
	for !slices.Contains(m.got, `"end"`) {
		if t.Failed() {
			return
		}
		m.read()
	}
	m.got = m.got[:len(m.got)-1]
}
