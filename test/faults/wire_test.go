package faults_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// A wire is one connection of a member, as its client family has it. One
// goroutine opens it, reads and comes back; others make calls meanwhile.
type wire interface {
	// open begins the connection on a transport and returns its id.
	open(kind string) (id string, err error)

	// read waits for what the server says next. An error is the end of the
	// transport.
	read() (heard, error)

	// back goes on in another transport. The error is errOver if the connection
	// cannot.
	back(kind string) error

	// drop cuts the transport.
	drop()

	// stop ends the connection as a client does that is closed.
	stop()

	// line returns what sends a call on the current transport, or nil without
	// one. Later says that the answer will be read, if there is one.
	line() (send func(call) (*answer, error), later bool)

	// keeps reports whether answers still come after the loss of a transport.
	keeps() bool
}

var (
	errOver       = errors.New("the connection is over")
	errForgotten  = fmt.Errorf("%w: the server knows it no more", errOver)
	errTurnedAway = errors.New("the call was refused")
)

// patience is how long most clients hear nothing before they give a transport up.
const patience = 5 * time.Second

// What a server said at once.
type heard struct {
	got    []int64 // the numbers of messages, and gap
	answer *answer
	called bool // to come back
}

type call struct {
	id, method string
	args       []string
}

// An answer is that to a call.
type answer struct {
	id     string
	after  int64 // the message that it must come after, if any
	failed bool  // the call did
	bad    bool  // it does not look like an answer
}

// A family is a kind of clients.
type family struct {
	name  string
	kinds []string // of transports
	wire  func(ctx context.Context, m *member) wire

	// lasting connections survive the loss of a transport. Of any other, what
	// is under way then is lost with it.
	lasting bool

	// fresh makes each request use a connection of its own: net/http repeats a
	// GET whose kept connection breaks, and tells nobody.
	fresh bool
}

var classicFamily = &family{name: "classic", kinds: transportNames, wire: newClassicWire, lasting: true}

// The transports, as classic clients name them.
var transportNames = []string{"webSockets", "serverSentEvents", "foreverFrame", "longPolling"}

// A classicWire is a connection of a SignalR 2 client.
type classicWire struct {
	ctx    context.Context
	hubs   string
	chance func(percent int) bool
	client *classictest.Client

	mu     sync.Mutex
	kind   string
	stream *classictest.Stream // nil for none
}

func newClassicWire(ctx context.Context, m *member) wire {
	c := classictest.New(m.tb, m.base+m.world.path)
	c.HTTP, c.Patience = m.http, m.quiet
	c.Query.Set("gaps", "1")
	c.Header.Set("X-User", m.user())
	if m.world.hubs != "" {
		c.Hubs(m.world.hubs)
	}
	return &classicWire{ctx: ctx, hubs: m.world.hubs, chance: m.chance, client: c}
}

func (w *classicWire) open(kind string) (string, error) {
	r, err := w.client.Do(http.MethodGet, w.client.Address("negotiate"), "")
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal([]byte(r.Body), &w.client.Answer); err != nil {
		return "", fmt.Errorf("negotiate: %d %q", r.Status, r.Body)
	}
	if err := w.dial("connect", kind); err != nil {
		return "", err
	}
	if f, err := w.stream.Next(); err != nil || f.S == nil {
		return "", fmt.Errorf("the first frame is %q: %w", f.Raw, err)
	}
	r, err = w.client.Do(http.MethodGet, w.client.Address("start", "transport", kind), "")
	if err == nil && r.Status != http.StatusOK {
		err = fmt.Errorf("start: %d %q", r.Status, r.Body)
	}
	return w.client.Answer.ConnectionID, err
}

// dial opens a transport and makes it the current one.
func (w *classicWire) dial(operation, kind string) error {
	stream, err := w.client.TryDial(operation, kind,
		"frameId", "1", "messageId", w.client.Cursor, "groupsToken", w.client.GroupsToken)
	if err != nil {
		stream.Drop()
		return err
	}
	context.AfterFunc(w.ctx, stream.Drop)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kind, w.stream = kind, stream
	return nil
}

// read reads a frame. Polls follow each other.
func (w *classicWire) read() (heard, error) {
	f, err := w.stream.Next()
	if err == io.EOF && w.kind == "longPolling" { // the poll is answered
		w.drop()
		if err = w.dial("poll", w.kind); err == nil {
			f, err = w.stream.Next()
		}
	}
	if err != nil {
		return heard{}, err
	}
	if f.I != nil {
		return heard{answer: classicAnswer(f.Raw, true)}, nil
	}
	h := heard{called: f.T != nil}
	if f.X != nil {
		h.got = append(h.got, gap)
	}
	for _, raw := range f.M {
		var t text
		_ = json.Unmarshal(raw, &t) // a text without a number is found by the auditor
		h.got = append(h.got, t.number())
	}
	return h, nil
}

func (w *classicWire) back(kind string) error {
	operation := "reconnect"
	if kind == "longPolling" && w.chance(50) {
		operation = "poll"
	}
	return w.dial(operation, kind)
}

func (w *classicWire) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stream != nil {
		w.stream.Drop()
	}
	w.stream = nil
}

func (w *classicWire) stop() {
	_, _ = w.client.Do(http.MethodPost, w.client.Address("abort", "transport", w.kind), "")
}

// Answers on a WebSocket are lost with it.
func (w *classicWire) keeps() bool { return false }

func (w *classicWire) line() (send func(call) (*answer, error), later bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.stream == nil:
		return nil, false
	case w.stream.Socket() != nil:
		socket := w.stream.Socket()
		return func(c call) (*answer, error) {
			return nil, socket.Write(w.ctx, websocket.MessageText, []byte(w.text(c)))
		}, w.hubs != ""
	}
	address := w.client.Address("send", "transport", w.kind)
	return func(c call) (*answer, error) { return w.post(address, c) }, false
}

func (w *classicWire) post(address string, c call) (*answer, error) {
	r, err := w.client.Do(http.MethodPost, address, url.Values{"data": {w.text(c)}}.Encode())
	switch {
	case err != nil:
		return nil, err
	case r.Status != http.StatusOK:
		return nil, errTurnedAway
	case w.hubs == "":
		return &answer{id: c.id}, nil
	}
	return classicAnswer(r.Body, false), nil
}

func (w *classicWire) text(c call) string {
	if w.hubs == "" {
		return c.args[0]
	}
	b, _ := json.Marshal(map[string]any{"H": w.hubs, "M": c.method, "A": c.args, "I": c.id})
	return string(b)
}

// classicAnswer reads the answer to a call, which is in one order with the
// messages or not.
func classicAnswer(raw string, ordered bool) *answer {
	var r struct {
		I string
		R json.RawMessage
		E string
	}
	err := json.Unmarshal([]byte(raw), &r)
	a := &answer{id: r.I, failed: r.E != "", bad: err != nil || r.E == "" && len(r.R) == 0}
	if ordered {
		_ = json.Unmarshal(r.R, &a.after) // if it is a number
	}
	return a
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
