// Package conformance_test goes through the conformance checklist at the end of
// the page on the SignalR 2 protocol, line by line: TestClassic007 is line 7.
// Where we mean to be better than the reference server, the comment of the test
// says what we do instead, and why.
//
// Everything goes over real HTTP. Tests that are about time, or about nothing
// happening, run in a bubble of testing/synctest: there a minute costs nothing
// and is exact.
package conformance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
	"github.com/hubwire/hubwire/test/leaks"
	"github.com/hubwire/hubwire/transports/transporttest"
)

func TestMain(m *testing.M) { leaks.VerifyTestMain(m) }

// The transports, as clients name them.
const (
	ws   = "webSockets"
	sse  = "serverSentEvents"
	page = "foreverFrame"
	poll = "longPolling"
)

var (
	streaming = []string{ws, sse, page}
	all       = []string{ws, sse, page, poll}
)

// on runs a test once for each of the transports.
func on(t *testing.T, kinds []string, test func(t *testing.T, kind string)) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) { test(t, kind) })
	}
}

// A site is an endpoint behind HTTP, and a journal of what its program was told.
type site struct {
	*testing.T
	*journal
	*persistent.Server // nil for hubs

	url    string // of the endpoint
	root   string // of the server
	client *http.Client

	patience time.Duration
}

var keys = []negotiate.Key{negotiate.Key("a key that all the tests share")}

// prepare fills in what all tests have in common.
func prepare(o persistent.Options) persistent.Options {
	o.Logger = slog.New(slog.DiscardHandler)
	if o.Keys == nil {
		o.Keys = keys
	}
	if o.Authenticate == nil {
		o.Authenticate = func(r *http.Request) (string, error) { return r.Header.Get("X-User"), nil }
	}
	return o
}

// raw returns a server for raw connections. The changes are made to a handler
// that writes the journal.
func raw(t *testing.T, o persistent.Options, changes []func(*persistent.Handler)) (*persistent.Server, *journal) {
	t.Helper()
	j := newJournal()
	h := j.handler()
	for _, change := range changes {
		change(&h)
	}
	server, err := persistent.NewServer(h, prepare(o))
	if err != nil {
		t.Fatal(err)
	}
	return server, j
}

// serve runs a raw endpoint on a real port until the end of the test.
func serve(t *testing.T, o persistent.Options, changes ...func(*persistent.Handler)) *site {
	t.Helper()
	server, j := raw(t, o, changes)
	s := listen(t, server, server.Shutdown)
	s.Server, s.journal = server, j
	return s
}

// bubble runs a test with a raw endpoint in memory, where time is fake.
func bubble(t *testing.T, o persistent.Options, test func(s *site), changes ...func(*persistent.Handler)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server, j := raw(t, o, changes)
		s := listenInMemory(t, server, server.Shutdown)
		s.Server, s.journal = server, j
		test(s)
	})
}

// beside returns another site in the same bubble, with the same keys: another
// node, or the same one after a restart.
func beside(s *site, changes ...func(*persistent.Handler)) *site {
	s.Helper()
	server, j := raw(s.T, persistent.Options{}, changes)
	other := listenInMemory(s.T, server, server.Shutdown)
	other.Server, other.journal = server, j
	return other
}

// listen serves h on a real port.
func listen(t *testing.T, h http.Handler, shutdown func(context.Context) error) *site {
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		if err := shutdown(context.Background()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		server.Close()
	})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &site{
		T:        t,
		root:     server.URL,
		url:      server.URL + "/signalr",
		client:   &http.Client{Transport: transport},
		patience: classictest.Patience,
	}
}

// listenInMemory serves h in the bubble that the test runs in.
func listenInMemory(t *testing.T, h http.Handler, shutdown func(context.Context) error) *site {
	transport, _ := transporttest.Serve(t, h)
	t.Cleanup(func() { _ = shutdown(context.Background()) })
	return &site{
		T:        t,
		root:     "http://memory",
		url:      "http://memory/signalr",
		client:   &http.Client{Transport: transport},
		patience: time.Hour,
	}
}

// newClient returns a client that has not done anything yet.
func (s *site) newClient() *classictest.Client {
	c := classictest.New(s.T, s.url)
	c.HTTP, c.Patience = s.client, s.patience
	return c
}

// open returns a client that has started on a transport, with its stream. On
// long polling the stream has ended already.
func (s *site) open(kind string) (*classictest.Client, *classictest.Stream) {
	s.Helper()
	c := s.newClient().Negotiate()
	stream := connect(c, kind)
	c.Start(kind)
	return c, stream
}

// connect is Connect with the parameter that only the foreverFrame needs.
func connect(c *classictest.Client, kind string) *classictest.Stream {
	c.T.Helper()
	return c.Connect(kind, "frameId", "7")
}

// resume is Reconnect, likewise.
func resume(c *classictest.Client, kind string) *classictest.Stream {
	c.T.Helper()
	return c.Reconnect(kind, "frameId", "7")
}

// id is the public id of the client's connection.
func id(c *classictest.Client) string { return c.Answer.ConnectionID }

// do makes a request as it is: no header that the pairs do not give.
func (s *site) do(method, address, body string, header ...string) classictest.Reply {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), s.patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.Fatalf("%s %s: %v", method, address, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatalf("%s %s: %v", method, address, err)
	}
	return classictest.Reply{Status: res.StatusCode, Header: res.Header, Body: string(text)}
}

// must fails the test on an error.
func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// want compares.
func (s *site) want(why string, got, want any) {
	s.Helper()
	if !reflect.DeepEqual(got, want) {
		s.Errorf("%s: got %v, want %v", why, got, want)
	}
}

// wantReply checks the status and, unless it is empty, the body of a reply.
func (s *site) wantReply(why string, r classictest.Reply, status int, body string) {
	s.Helper()
	if r.Status != status || body != "" && r.Body != body {
		s.Errorf("%s: got %d %q, want %d %q", why, r.Status, r.Body, status, body)
	}
}

// wantRefusal checks a reply that must have a reason word, too.
func (s *site) wantRefusal(why string, r classictest.Reply, status int, reason string) {
	s.Helper()
	if got := r.Header.Get(negotiate.ReasonHeader); r.Status != status || got != reason {
		s.Errorf("%s: got %d %q (%.150s), want %d %q", why, r.Status, got, r.Body, status, reason)
	}
}

// with changes parameters of an address. A pair with the value "-" removes one.
func with(address string, pairs ...string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	q := u.Query()
	for i := 0; i < len(pairs); i += 2 {
		if q.Set(pairs[i], pairs[i+1]); pairs[i+1] == "-" {
			q.Del(pairs[i])
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// keysOf returns the keys of a frame in their order, all of which have one
// letter: "CSM".
func keysOf(t testing.TB, frame string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(frame))
	if _, err := d.Token(); err != nil {
		t.Fatalf("frame %q: %v", frame, err)
	}
	var list string
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatalf("frame %q: %v", frame, err)
		}
		list += fmt.Sprint(key)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatalf("frame %q: %v", frame, err)
		}
	}
	return list
}

// A journal notes what a program was told of its connections.
type journal struct {
	mu     sync.Mutex
	events map[string][]string
	more   chan struct{}
}

func newJournal() *journal {
	return &journal{events: make(map[string][]string), more: make(chan struct{})}
}

// note adds an event of a connection.
func (j *journal) note(id, format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events[id] = append(j.events[id], fmt.Sprintf(format, args...))
	close(j.more)
	j.more = make(chan struct{})
}

func (j *journal) look(id string) (events []string, more chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.events[id]...), j.more
}

// handler returns a raw handler that notes everything.
func (j *journal) handler() persistent.Handler {
	return persistent.Handler{
		OnConnected:    func(c *persistent.Conn) error { j.note(c.ID(), "connected"); return nil },
		OnReceived:     func(c *persistent.Conn, data []byte) error { j.note(c.ID(), "received %s", data); return nil },
		OnDisconnected: func(c *persistent.Conn, stopCalled bool) { j.note(c.ID(), "disconnected %v", stopCalled) },
		OnReconnected: func(c *persistent.Conn, missed persistent.Missed) error {
			if missed.Gap {
				j.note(c.ID(), "reconnected with a gap")
			} else {
				j.note(c.ID(), "reconnected")
			}
			return nil
		},
	}
}

// wantEvents waits until the connection has had as many events, and compares.
func (s *site) wantEvents(why, id string, want ...string) {
	s.Helper()
	limit := time.After(s.patience)
	for {
		events, more := s.look(id)
		if len(events) >= len(want) {
			s.want(why, strings.Join(events, ", "), strings.Join(want, ", "))
			return
		}
		select {
		case <-more:
		case <-limit:
			s.Fatalf("%s: the events are %q, want %q", why, events, want)
		}
	}
}

// A recording is all that a stream brings, with the times. It is for bubbles:
// looking at it waits until there is nothing more to come at this time.
type recording struct {
	t     testing.TB
	began time.Time
	close func() // cuts the stream

	mu    sync.Mutex
	items []item
	ended time.Duration // when the stream ended, 0 while it has not
	err   error         // why
}

type item struct {
	at  time.Duration
	raw string
}

// record reads the stream from here to its end. When it returns the server has
// done what it does at once: the headers of a stream come before the rest.
func record(t testing.TB, s *classictest.Stream) *recording {
	r := &recording{t: t, began: time.Now(), close: s.Drop}
	go func() {
		for {
			raw, err := s.Raw()
			if r.add(raw, err) {
				return
			}
		}
	}()
	synctest.Wait()
	return r
}

// since has the times be those since t, for what comes from here on.
func (r *recording) since(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began = t
}

func (r *recording) add(raw string, err error) (ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.ended, r.err = max(time.Since(r.began), 1), err
		return true
	}
	r.items = append(r.items, item{time.Since(r.began), raw})
	return false
}

// look returns what came so far.
func (r *recording) look() []item {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]item(nil), r.items...)
}

// end returns when and why the stream ended, 0 if it is open.
func (r *recording) end() (time.Duration, error) {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended, r.err
}

// frames returns the frames so far, keep-alives left out.
func (r *recording) frames() []classictest.Frame {
	r.t.Helper()
	var frames []classictest.Frame
	for _, i := range r.look() {
		if f := frameOf(r.t, i.raw); !f.KeepAlive() {
			frames = append(frames, f)
		}
	}
	return frames
}

// messages returns the messages so far, with commas between.
func (r *recording) messages() string {
	r.t.Helper()
	var list []string
	for _, f := range r.frames() {
		for _, m := range f.M {
			list = append(list, string(m))
		}
	}
	return strings.Join(list, ",")
}

// keepAlives returns when keep-alives came.
func (r *recording) keepAlives() []time.Duration {
	var times []time.Duration
	for _, i := range r.look() {
		if i.raw == "{}" {
			times = append(times, i.at)
		}
	}
	return times
}

func frameOf(t testing.TB, raw string) classictest.Frame {
	t.Helper()
	var f classictest.Frame
	if err := json.Unmarshal([]byte(raw), &f); err != nil {
		t.Fatalf("frame %q: %v", raw, err)
	}
	f.Raw = raw
	return f
}
