package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
)

// hubs are what clients can talk to: two hubs below /signalr, and a raw
// connection at /raw.
type hubs struct {
	server *hub.Server
	room   *hub.Hub[RoomClient]
	raw    *persistent.Server

	term *term // of the tokens that are good

	// release lets those methods return that wait for it.
	release chan struct{}
}

func newHubs(options hub.Options, out *printer) (*hubs, error) {
	h := &hubs{term: new(term), release: make(chan struct{})}
	options.Authenticate = h.term.believe
	h.server = hub.NewServer(options)
	h.room = hub.Register[RoomClient](h.server, "room", Room{reporter{"room", out}, h.release})
	hub.Register[ClockClient](h.server, "", ClockTower{reporter{"clockTower", out}})
	var err error
	h.raw, err = newRaw(options, out)
	return h, err
}

// A term is what tokens are good for. The end of one makes them all stale.
type term struct{ atomic.Int64 }

// believe takes whatever name the client gives, in its query or as its token.
// Only a test may. A token may say for which term it is: ann@0.
func (t *term) believe(r *http.Request) (string, error) {
	name, of, dated := strings.Cut(negotiate.BearerToken(r), "@")
	if dated && of != fmt.Sprint(t.Load()) {
		return "", negotiate.Denied("")
	}
	return cmp.Or(r.URL.Query().Get("user"), name), nil
}

func (h *hubs) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/signalr/", h.server)
	mux.Handle("/raw/", h.raw)
	return mux
}

func (h *hubs) shutdown(ctx context.Context) error {
	return errors.Join(h.server.Shutdown(ctx), h.raw.Shutdown(ctx))
}

// A report is a life-cycle event, for the test to see.
type report struct {
	Event      string `json:"event"`
	Hub        string `json:"hub"`
	ID         string `json:"id"`
	Transport  string `json:"transport,omitempty"`
	StopCalled *bool  `json:"stopCalled,omitempty"`
}

type reporter struct {
	hub string
	out *printer
}

func (r reporter) connected(id string, transport fmt.Stringer) {
	r.out.print(report{Event: "connected", Hub: r.hub, ID: id, Transport: transport.String()})
}

func (r reporter) reconnected(id string, transport fmt.Stringer) {
	r.out.print(report{Event: "reconnected", Hub: r.hub, ID: id, Transport: transport.String()})
}

func (r reporter) disconnected(id string, stopCalled bool) {
	r.out.print(report{Event: "disconnected", Hub: r.hub, ID: id, StopCalled: &stopCalled})
}

// RoomClient is what the room calls in the browser.
type RoomClient struct {
	AddMessage func(from, text, room string) error
	Numbered   func(n int) error
	Painted    func(color string) error
	Choose     func(ctx context.Context, question string) (string, error)
}

// Room is the hub of most tests.
type Room struct {
	reporter reporter
	release  <-chan struct{}
}

func (r Room) OnConnected(c *hub.Call[RoomClient]) error {
	if c.User == "mallory" {
		return hub.Errorf("you are not welcome here")
	}
	r.reporter.connected(c.ConnectionID, c.Transport())
	return nil
}

func (r Room) OnReconnected(c *hub.Call[RoomClient]) error {
	r.reporter.reconnected(c.ConnectionID, c.Transport())
	return nil
}

func (r Room) OnDisconnected(c *hub.Call[RoomClient], stopCalled bool) {
	r.reporter.disconnected(c.ConnectionID, stopCalled)
}

func (Room) Join(c *hub.Call[RoomClient], room string) error {
	return c.Groups.Add(c.ConnectionID, room)
}

func (Room) Leave(c *hub.Call[RoomClient], room string) error {
	return c.Groups.Remove(c.ConnectionID, room)
}

func (Room) Say(c *hub.Call[RoomClient], room, text string) error {
	return c.Clients.Group(room).AddMessage(c.User, text, room)
}

func (Room) TellOthers(c *hub.Call[RoomClient], room, text string) error {
	return c.Clients.OthersInGroup(room).AddMessage(c.User, text, room)
}

func (Room) Tell(c *hub.Call[RoomClient], user, text string) error {
	return c.Clients.User(user).AddMessage(c.User, text, "")
}

// Flood sends numbers while the call is still running.
func (Room) Flood(c *hub.Call[RoomClient], room string, count int) error {
	for n := range count {
		if err := c.Clients.Group(room).Numbered(n + 1); err != nil {
			return err
		}
	}
	return nil
}

func (Room) Add(_ *hub.Call[RoomClient], a, b int) int { return a + b }

func (Room) Echo(_ *hub.Call[RoomClient], value any) any { return value }

// Identity is who calls, as the server sees it.
type Identity struct {
	ID        string `json:"id"`
	User      string `json:"user"`
	Transport string `json:"transport"`
}

func (Room) WhoAmI(c *hub.Call[RoomClient]) Identity {
	return Identity{c.ConnectionID, c.User, c.Transport().String()}
}

func (Room) Refuse(*hub.Call[RoomClient]) error {
	return &hub.Error{Message: "the room is full", Data: map[string]int{"max": 10}}
}

func (Room) Break(*hub.Call[RoomClient]) error {
	return errors.New("the secret reason")
}

func (Room) Panic(*hub.Call[RoomClient]) {
	panic("on purpose")
}

// KickMe ends the caller's connection for good.
func (Room) KickMe(c *hub.Call[RoomClient]) error {
	defer c.Abort()
	return c.Clients.Caller().AddMessage("the server", "out with you", "")
}

// Paint returns the color in the client's state, and sets another.
func (Room) Paint(c *hub.Call[RoomClient], color string) (before string, err error) {
	if _, err := c.State().Get("color", &before); err != nil {
		return "", err
	}
	if err := c.State().Set("color", color); err != nil {
		return "", err
	}
	return before, c.Clients.Caller().Painted(color)
}

// Count reports its progress and returns, where it is told to only when the
// test says so.
func (r Room) Count(c *hub.Call[RoomClient], to int, wait bool, progress hub.Progress[int]) (string, error) {
	for n := range to {
		if err := progress.Report(n + 1); err != nil {
			return "", err
		}
	}
	if wait {
		select {
		case <-r.release:
		case <-c.Done():
		}
	}
	return fmt.Sprintf("counted to %d", to), nil
}

// Range streams count numbers from first on.
func (Room) Range(_ *hub.Call[RoomClient], first, count int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for n := range count {
			if !yield(first+n, nil) {
				return
			}
		}
	}
}

// Trickle streams numbers until nobody wants more, and reports that.
func (r Room) Trickle(c *hub.Call[RoomClient]) <-chan int {
	numbers := make(chan int)
	go func() {
		defer close(numbers)
		for n := 1; ; n++ {
			select {
			case numbers <- n:
			case <-c.Done():
				r.reporter.out.print(report{Event: "trickled", Hub: "room", ID: c.ConnectionID})
				return
			}
		}
	}()
	return numbers
}

// Pulse streams numbers, one after each while, until nobody wants more or the test
// says so.
func (r Room) Pulse(c *hub.Call[RoomClient], milliseconds int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		every := time.NewTicker(time.Duration(milliseconds) * time.Millisecond)
		defer every.Stop()
		for n := 1; yield(n, nil); n++ {
			select {
			case <-every.C:
			case <-r.release:
				return
			case <-c.Done():
				return
			}
		}
	}
}

// Crumble streams one number and fails.
func (Room) Crumble(*hub.Call[RoomClient]) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		if yield(1, nil) {
			yield(0, hub.Errorf("that was all"))
		}
	}
}

// Concat joins what the client streams.
func (Room) Concat(_ *hub.Call[RoomClient], separator string, parts iter.Seq2[string, error]) (string, error) {
	var all []string
	for part, err := range parts {
		if err != nil {
			return "", hub.Errorf("after %d: %v", len(all), err)
		}
		all = append(all, part)
	}
	return strings.Join(all, separator), nil
}

// Ask asks the client with the id, and returns what it says.
func (Room) Ask(c *hub.Call[RoomClient], id, question string) (string, error) {
	choice, err := c.Clients.Client(id).Choose(c, question)
	if err != nil {
		return "", hub.Errorf("%v", err)
	}
	return choice, nil
}

// ClockClient is what the clock tower calls in the browser.
type ClockClient struct {
	Struck func(n int) error
}

// ClockTower is a second hub on the same connection. It goes by the name of its
// type, and in generated proxies by clockTower.
type ClockTower struct{ reporter reporter }

func (t ClockTower) OnConnected(c *hub.Call[ClockClient]) error {
	t.reporter.connected(c.ConnectionID, c.Transport())
	return nil
}

func (ClockTower) Strike(c *hub.Call[ClockClient], times int) error {
	for n := range times {
		if err := c.Clients.Caller().Struck(n + 1); err != nil {
			return err
		}
	}
	return nil
}
