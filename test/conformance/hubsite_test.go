package conformance_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// A receiver is what the hubs may call.
type receiver struct {
	hub.Sender
	Say func(text string) error
}

type call = *hub.Call[receiver]

// ChatHub is the hub that most tests talk to. Its name on the wire is that of
// the type.
type ChatHub struct {
	*journal
	gate chan struct{}
}

func (h ChatHub) OnConnected(c call) error   { h.note(c.ConnectionID, "chat connected"); return nil }
func (h ChatHub) OnReconnected(c call) error { h.note(c.ConnectionID, "chat reconnected"); return nil }
func (h ChatHub) OnDisconnected(c call, stopCalled bool) {
	h.note(c.ConnectionID, "chat disconnected %v", stopCalled)
}

func (ChatHub) Echo(_ call, v any) any   { return v }
func (ChatHub) Add(_ call, a, b int) int { return a + b }
func (ChatHub) Nothing(call)             {}
func (ChatHub) Null(call) *int           { return nil }
func (ChatHub) NoError(call) error       { return nil }
func (ChatHub) Fail(call) error          { return errors.New("the secret cause") }
func (ChatHub) Panic(call)               { panic("the secret cause") }
func (ChatHub) Refuse(_ call, data any) (any, error) {
	return 7, &hub.Error{Message: "Room is full", Data: data}
}
func (ChatHub) Join(c call, id, group string) error { return c.Groups.Add(id, group) }
func (ChatHub) Leave(c call, group string) error    { return c.Groups.Remove(c.ConnectionID, group) }

func (h ChatHub) Wait(c call, name string) string {
	h.note(c.ConnectionID, "begin %s", name)
	<-h.gate
	h.note(c.ConnectionID, "end %s", name)
	return name
}

// Tell calls Say on whoever is meant.
func (ChatHub) Tell(c call, whom string, names []string, text string) error {
	switch whom {
	case "all":
		return c.Clients.All().Say(text)
	case "allExcept":
		return c.Clients.AllExcept(names...).Say(text)
	case "others":
		return c.Clients.Others().Say(text)
	case "caller":
		return c.Clients.Caller().Say(text)
	case "clients":
		return c.Clients.Clients(names...).Say(text)
	case "groups":
		return c.Clients.Groups(names...).Say(text)
	case "othersInGroup":
		return c.Clients.OthersInGroup(names[0]).Say(text)
	case "users":
		return c.Clients.Users(names...).Say(text)
	}
	return fmt.Errorf("%q is nobody", whom)
}

// JoinAndTell sends to a group as soon as a connection is in it.
func (ChatHub) JoinAndTell(c call, id, group, text string) error {
	return errors.Join(c.Groups.Add(id, group), c.Clients.Group(group).Say(text))
}

func (ChatHub) SetState(c call, key string, value any) (string, error) {
	err := c.State().Set(key, value)
	return "done", errors.Join(err, c.Clients.Caller().Say("caller"), c.Clients.All().Say("all"))
}

func (h ChatHub) Count(c call, to int, p hub.Progress[int]) (int, error) {
	for i := range to {
		if err := p.Report(i); err != nil {
			return 0, err
		}
	}
	go func() {
		for p.Report(99) == nil { // until the call has completed
		}
		h.note(c.ConnectionID, "late progress refused")
	}()
	return to, nil
}

// other is a second hub. It has methods of names that ChatHub has.
type other struct{ *journal }

func (h other) OnConnected(c call) error { h.note(c.ConnectionID, "other connected"); return nil }
func (h other) OnDisconnected(c call, stopCalled bool) {
	h.note(c.ConnectionID, "other disconnected %v", stopCalled)
}
func (other) Echo(_ call, v any) any { return v }

// Vip is for ann and bob only.
type Vip struct{}

func (Vip) Echo(_ call, v any) any { return v }

// A hubSite is a server with hubs behind HTTP.
type hubSite struct {
	*site
	hubs *hub.Server
	gate chan struct{}
	chat *hub.Hub[receiver]
	vip  *hub.Hub[receiver]
}

func (s *hubSite) register(t *testing.T, o hub.Options) {
	o.Options = prepare(o.Options)
	s.hubs, s.gate = hub.NewServer(o), make(chan struct{})
	j := newJournal()
	s.chat = hub.Register[receiver](s.hubs, "", ChatHub{j, s.gate},
		hub.Use(hub.Authorization(hub.Users("ann"), "leave")))
	hub.Register[receiver](s.hubs, "other", other{j})
	hub.Register[receiver](s.hubs, "Wide", ChatHub{j, s.gate}, hub.Concurrently(2))
	s.vip = hub.Register[receiver](s.hubs, "", Vip{}, hub.Use(hub.Authorization(hub.Users("ann", "bob"))))
	hub.Register[receiver](s.hubs, "Filtered", other{j}, hub.Use(hub.Filter{
		Invoke: func(*hub.Invocation, func(*hub.Invocation) (any, error)) (any, error) { return nil, nil },
	}))
	s.site = &site{T: t, journal: j}
}

func serveHubs(t *testing.T, o hub.Options) *hubSite {
	s := new(hubSite)
	s.register(t, o)
	j := s.journal
	s.site = listen(t, s.hubs, s.hubs.Shutdown)
	s.journal = j
	return s
}

func bubbleHubs(t *testing.T, o hub.Options, test func(s *hubSite)) {
	synctest.Test(t, func(t *testing.T) {
		s := new(hubSite)
		s.register(t, o)
		j := s.journal
		s.site = listenInMemory(t, s.hubs, s.hubs.Shutdown)
		s.journal = j
		test(s)
	})
}

// join opens a connection of a user that listens to the hubs.
func (s *hubSite) join(kind, user string, hubs ...string) (*classictest.Client, *classictest.Stream) {
	s.Helper()
	c := s.newClient().Hubs(hubs...)
	if user != "" {
		c.Header.Set("X-User", user)
	}
	c.Negotiate()
	stream := connect(c, kind)
	c.Start(kind)
	return c, stream
}

// invoke calls a method with a /send request, whatever the transport.
func (s *hubSite) invoke(c *classictest.Client, hubName, method string, args ...any) classictest.Result {
	s.Helper()
	payload, _ := c.Invocation(hubName, method, args...)
	return s.send(c, payload)
}

func (s *hubSite) send(c *classictest.Client, payload string) classictest.Result {
	s.Helper()
	r := c.Send(sse, payload)
	if r.Status != 200 {
		s.Fatalf("send %s: %d %s", payload, r.Status, r.Body)
	}
	return classictest.ParseResult(s, r.Body)
}

// said is the message of Say(text) as it is on the wire.
func said(hubName, text string) string {
	return fmt.Sprintf(`{"H":%q,"M":"say","A":[%q]}`, hubName, text)
}

var operations = []string{"negotiate", "connect", "start", "send", "reconnect", "poll", "abort", "ping"}
