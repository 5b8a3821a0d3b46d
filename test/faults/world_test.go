package faults_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/hub/classic"
	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/hub/core"
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A world is one endpoint with the ledger of what it sends, and what its program
// was told of connections.
type world struct {
	ledger
	handler  http.Handler
	path     string
	families []*family // of its clients
	hubs     string    // the hubs that they name, if any
	endpoint *persistent.Endpoint
	shutdown func(context.Context) error

	// Guarded by the ledger's mu once there are clients.
	send    func(to address, n int64) error
	join    func(id, group string) error
	leave   func(id, group string) error
	padding string // of the message that is being sent

	begun, thought atomic.Int64 // calls that take a while, at their start and end

	mu       sync.Mutex
	live     map[string]bool // connections that the program knows of
	known    map[string]bool // those that it ever knew of
	mistakes []string        // events that should not have been
	told     map[string]int  // events by name
	served   map[string]int  // how often each call was run
	gapped   int             // reconnected events that told of a gap
}

// complaints are what the servers logged, one line after the other.
var (
	complaints bytes.Buffer
	logger     = slog.New(slog.NewTextHandler(&complaints, &slog.HandlerOptions{Level: slog.LevelWarn}))
)

const disconnectTimeout = 6 * time.Second

// options are those that all servers here have in common: times as short as they
// may be, so that much happens.
func options() persistent.Options {
	return persistent.Options{
		KeepAlive:         2 * time.Second,
		DisconnectTimeout: disconnectTimeout,
		ConnectionTimeout: 3 * time.Second,
		SendTimeout:       2 * time.Second,
		Keys:              []negotiate.Key{negotiate.Key("a key that all servers here share")},
		Authenticate:      func(r *http.Request) (string, error) { return r.Header.Get("X-User"), nil },
		Logger:            logger,
	}
}

// patient returns options for tests in which no transport is to be lost but by
// what the test does, however slow the machine is.
func patient() persistent.Options {
	o := options()
	o.DisconnectTimeout, o.SendTimeout = giveUp, giveUp
	o.Log = messagelog.NewMemory(messagelog.MemoryOptions{Retention: time.Hour})
	return o
}

func newWorld(path string) *world {
	return &world{
		path:     path,
		families: []*family{classicFamily},
		live:     make(map[string]bool),
		known:    make(map[string]bool),
		told:     make(map[string]int),
		served:   make(map[string]int),
	}
}

// A note is the payload of a raw message.
type note struct {
	N    int64  `json:"n"`
	Text string `json:"text"`
}

// rawWorld is a world of plain messages. Users have no address there.
func rawWorld(t testing.TB, o persistent.Options) *world {
	t.Helper()
	w := newWorld("/raw")
	s, err := persistent.NewServer(persistent.Handler{
		OnConnected:    func(c *persistent.Conn) error { return w.opened(c.ID()) },
		OnReconnected:  func(c *persistent.Conn, m persistent.Missed) error { return w.back(c.ID(), m) },
		OnDisconnected: func(c *persistent.Conn, _ bool) { w.ended(c.ID()) },
		OnReceived: func(c *persistent.Conn, data []byte) error {
			w.serve(string(data))
			return w.ledger.send(address{conn: c.ID()}, func(n int64) error { return w.send(address{conn: c.ID()}, n) })
		},
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	w.handler, w.endpoint, w.shutdown = s, s.Endpoint, s.Shutdown
	w.join, w.leave = s.Join, s.Leave
	w.send = func(to address, n int64) error {
		v := note{n, filling(n) + w.padding}
		switch {
		case to.conn != "":
			return s.Send(to.conn, v)
		case to.group != "":
			return s.SendGroup(to.group, v, to.except)
		case to.all:
			return s.Broadcast(v, to.except)
		}
		return errNoUsers
	}
	return w
}

var errNoUsers = errors.New("raw connections have no users to send to")

// A peer is what the hub's clients can do.
type peer struct {
	Got func(n int64, text string) error
}

// A fleet is the hub of a world.
type fleet struct{ *world }

// Echo sends the caller a message and returns its number.
func (f fleet) Echo(c *hub.Call[peer], key string) (int64, error) {
	f.serve(key)
	to := address{conn: c.ConnectionID}
	return f.record(event{kind: message, to: to}, func(n int64) error { return c.Clients.Caller().Got(n, filling(n)) })
}

// Switch makes the caller a member of a group, or not any more.
func (f fleet) Switch(c *hub.Call[peer], key, group string) (string, error) {
	f.serve(key)
	in, err := c.Groups.Of(c.ConnectionID)
	if err != nil {
		return "", err
	}
	f.change(c.ConnectionID, group, !slices.Contains(in, group))
	return group, nil
}

// Think takes a while. It is not to be disturbed.
func (f fleet) Think(c *hub.Call[peer], key string) (string, error) {
	f.serve(key)
	f.begun.Add(1)
	time.Sleep(200 * time.Millisecond)
	if err := c.Err(); err != nil {
		return "", err
	}
	f.thought.Add(1)
	return key, nil
}

func (f fleet) OnConnected(c *hub.Call[peer]) error   { return f.opened(c.ConnectionID) }
func (f fleet) OnReconnected(c *hub.Call[peer]) error { return f.back(c.ConnectionID, c.Missed()) }
func (f fleet) OnDisconnected(c *hub.Call[peer], _ bool) {
	f.ended(c.ConnectionID)
}

// hubWorld is a world of hubs.
func hubWorld(o persistent.Options) *world {
	w := newWorld("/signalr")
	w.hubs = "fleet"
	w.families = []*family{classicFamily, coreFamily, statefulFamily}
	w.serveHub(o)
	return w
}

// serveHub makes a server for the world, in the place of the one that it has.
func (w *world) serveHub(o persistent.Options) {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	s := hub.NewServer(hub.Options{Options: o, Families: []codec.Family{
		core.Family(core.Options{
			KeepAlive:         o.KeepAlive,
			DisconnectTimeout: o.DisconnectTimeout,
			PollTimeout:       o.ConnectionTimeout,
			StatefulReconnect: true,
		}),
		classic.Family(),
	}})
	h := hub.Register[peer](s, "fleet", fleet{w})
	w.handler, w.endpoint, w.shutdown = s, s.Endpoint(), s.Shutdown
	w.join, w.leave = h.Groups.Add, h.Groups.Remove
	w.send = func(to address, n int64) error {
		switch c := h.Clients; {
		case to.conn != "":
			return c.Client(to.conn).Got(n, filling(n))
		case to.group != "":
			return c.GroupExcept(to.group, to.except).Got(n, filling(n))
		case to.user != "":
			return c.User(to.user).Got(n, filling(n))
		default:
			return c.AllExcept(to.except).Got(n, filling(n))
		}
	}
}

const letters = "There is nothing here that a parser would stumble over: \u2028 </script> \" \\ ü "

// filling is a text for message n, of some length.
func filling(n int64) string { return letters[:(n*7)%int64(len(letters)/2)] }

// opened notes a connected event. What is sent from here on is for the
// connection.
func (w *world) opened(id string) error {
	w.note("connected", id, !w.isLive(id), true)
	_, err := w.record(event{kind: opened, id: id}, func(int64) error { return nil })
	return err
}

func (w *world) back(id string, m persistent.Missed) error {
	w.note("reconnected", id, true, true)
	if m.Gap {
		w.mu.Lock()
		w.gapped++
		w.mu.Unlock()
	}
	return nil
}

func (w *world) ended(id string) { w.note("disconnected", id, w.isLive(id), false) }

// note notes an event, which is a mistake unless it fits.
func (w *world) note(name, id string, fits, live bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told[name]++
	w.known[id] = true
	if !fits {
		w.mistakes = append(w.mistakes, name+" "+id)
	}
	if live {
		w.live[id] = true
	} else {
		delete(w.live, id)
	}
}

// was returns what the program was told so far: the events, and how many of them
// told of a gap.
func (w *world) was() (told map[string]int, gaps int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.told), w.gapped
}

func (w *world) isLive(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.live[id]
}

// serve notes that the call with the key was run.
func (w *world) serve(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.served[key]++
}

// change puts a connection into a group or takes it out. One that is gone stays
// as it is.
func (w *world) change(id, group string, in bool) {
	e := event{kind: joined, id: id, name: group}
	if !in {
		e.kind = left
	}
	_, _ = w.record(e, func(int64) error {
		if in {
			return w.join(id, group)
		}
		return w.leave(id, group)
	})
}

// publish sends a message to somebody, or changes a group, as rng has it.
func (w *world) publish(rng *rand.Rand) {
	switch p := rng.IntN(100); {
	case p < 8:
		w.change(w.anyone(rng), groupName(rng), rng.IntN(3) > 0)
	case p < 20:
		w.post(address{all: true, except: w.sometimes(rng)})
	case p < 55:
		w.post(address{group: groupName(rng), except: w.sometimes(rng)})
	case p < 75 && w.hubs != "":
		w.post(address{user: userName(rng.IntN(20))})
	default:
		w.post(address{conn: w.anyone(rng)})
	}
}

// post sends a message. That nobody has the address is no mistake.
func (w *world) post(to address) {
	_ = w.ledger.send(to, func(n int64) error { return w.send(to, n) })
}

// postLong sends a message with so many bytes more.
func (w *world) postLong(to address, size int) {
	_ = w.ledger.send(to, func(n int64) error {
		w.padding = strings.Repeat("x", size)
		defer func() { w.padding = "" }()
		return w.send(to, n)
	})
}

// anyone returns the id of a connection.
func (w *world) anyone(rng *rand.Rand) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.live) == 0 {
		return "nobody"
	}
	ids := slices.Sorted(maps.Keys(w.live))
	return ids[rng.IntN(len(ids))]
}

func (w *world) sometimes(rng *rand.Rand) string {
	if rng.IntN(4) > 0 {
		return "nobody"
	}
	return w.anyone(rng)
}

func groupName(rng *rand.Rand) string { return "group" + strconv.Itoa(rng.IntN(8)) }
func userName(n int) string           { return "user" + strconv.Itoa(n) }

// publishing sends messages at a rate until the context ends.
func (w *world) publishing(ctx context.Context, perSecond int, rng *rand.Rand) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.publish(rng)
		case <-ctx.Done():
			return
		}
	}
}

// wantPairs checks that each connection that began has ended once. Call it after
// the shutdown.
func (w *world) wantPairs(t testing.TB) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.live) > 0 || len(w.mistakes) > 0 {
		t.Errorf("%s: %d connections without a disconnected event, and events that do not fit: %.200q", w.path, len(w.live), w.mistakes)
	}
	for key, n := range w.served {
		if n > 1 {
			t.Errorf("%s: call %s was run %d times", w.path, key, n)
		}
	}
}

// A broken log is a log that makes mistakes, to see that they are found. Each
// may return what else to append in the place of an entry.
type broken struct {
	messagelog.Log
	mistake func(m *messagelog.Entry) []*messagelog.Entry
	mu      sync.Mutex
}

// Append appends what the mistake makes of m.
func (b *broken) Append(m *messagelog.Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.Change() {
		return b.Log.Append(m)
	}
	for _, e := range b.mistake(m) {
		if err := b.Log.Append(e); err != nil {
			return err
		}
	}
	return nil
}
