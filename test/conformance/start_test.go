package conformance_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

func TestClassic042ConnectedEventIsInStart(t *testing.T) {
	for _, version := range []string{"1.4", "1.5", "2.0", "2.1"} {
		on(t, all, func(t *testing.T, kind string) {
			bubble(t, persistent.Options{}, func(s *site) {
				c := s.newClient()
				c.Protocol = version
				connect(c.Negotiate(), kind)
				time.Sleep(time.Second)
				s.wantEvents("after the init frame", id(c))
				c.Start(kind)
				s.wantEvents("after start", id(c), "connected")
			})
		})
	}
}

// blocked makes the connected event wait until the gate is closed.
func blocked(gate chan struct{}) func(*persistent.Handler) {
	return func(h *persistent.Handler) {
		note := h.OnConnected
		h.OnConnected = func(c *persistent.Conn) error {
			<-gate
			return note(c)
		}
	}
}

// asynchronously makes a request and returns where the answer will be.
func (s *site) asynchronously(method, address string) chan classictest.Reply {
	answer := make(chan classictest.Reply, 1)
	go func() { answer <- s.do(method, address, "") }()
	return answer
}

func TestClassic043StartWaitsForTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		server, j := raw(t, persistent.Options{}, []func(*persistent.Handler){blocked(gate)})
		s := listenInMemory(t, server, server.Shutdown)
		s.Server, s.journal = server, j

		c := s.newClient().Negotiate()
		connect(c, sse)
		first := s.asynchronously("GET", c.Address("start", "transport", sse))
		second := s.asynchronously("GET", c.Address("start", "transport", sse))
		time.Sleep(20 * time.Second)
		s.want("answers while the handler runs", len(first)+len(second), 0)
		close(gate)
		for _, answer := range []chan classictest.Reply{first, second} {
			s.wantReply("start", <-answer, 200, `{"Response":"started"}`)
		}
		s.wantEvents("one event for both", id(c), "connected")
	})
}

func TestClassic044FailingHandlerFailsStart(t *testing.T) {
	for name, row := range map[string]struct {
		handler func() error
		status  int
		reason  string
	}{
		"error": {func() error { return errors.New("secret") }, 500, "connect_failed"},
		"panic": {func() error { panic("secret") }, 500, "connect_failed"},
		"refusal": {func() error { // the program may choose a better answer
			return &negotiate.Refusal{Status: 503, Reason: "full", Text: "Full."}
		}, 503, "full"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, persistent.Options{}, func(s *site) {
				c := s.newClient().Negotiate()
				r := record(s, connect(c, sse))
				reply := s.do("GET", c.Address("start", "transport", sse), "")
				s.wantRefusal("start", reply, row.status, row.reason)
				at, _ := r.end()
				s.want("the stream ends, too", at, time.Duration(1))
				time.Sleep(time.Minute)
				s.wantEvents("no disconnected without connected", id(c))

				old := s.newClient()
				old.Protocol = ""
				old.Negotiate()
				reply = s.do("GET", old.Address("connect", "transport", sse), "")
				s.wantRefusal("connect of an old client", reply, row.status, row.reason)
			}, func(h *persistent.Handler) {
				h.OnConnected = func(*persistent.Conn) error { return row.handler() }
			})
		})
	}
}

func TestClassic045OldClientsNeedNoStart(t *testing.T) {
	for _, version := range []string{"", "1.2", "1.3"} {
		on(t, all, func(t *testing.T, kind string) {
			synctest.Test(t, func(t *testing.T) {
				gate := make(chan struct{})
				server, j := raw(t, persistent.Options{}, []func(*persistent.Handler){blocked(gate)})
				s := listenInMemory(t, server, server.Shutdown)
				s.Server, s.journal = server, j

				c := s.newClient()
				c.Protocol = version
				c.Negotiate()
				streams := make(chan *classictest.Stream, 1)
				go func() { streams <- connect(c, kind) }()
				time.Sleep(5 * time.Second)
				s.want("init frames before the event", len(streams), 0)
				close(gate)
				stream := <-streams
				s.wantEvents("at the init frame", id(c), "connected")

				s.must(s.Send(id(c), "hello"))
				if kind == poll {
					s.want("a message", len(pollOnce(c, "without start").M), 1)
				} else {
					s.want("a message", record(s, stream).messages(), `"hello"`)
				}
				s.want("send", c.Send(poll, "x").Status, 200)
				c.Abort(kind)
				s.wantEvents("all", id(c), "connected", "received x", "disconnected true")
			})
		})
	}
}

func TestClassic046MessagesOfTheConnectedHandler(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		for _, version := range []string{"2.1", "1.3"} {
			var s *site
			change := func(h *persistent.Handler) {
				h.OnConnected = func(c *persistent.Conn) error {
					return errors.Join(
						c.Send(messagelog.JSON(`"to you"`)),
						s.Join(c.ID(), "group"),
						s.SendGroup("group", "to the group"),
						s.Broadcast("to all"),
					)
				}
			}
			s = serve(t, persistent.Options{}, change)
			c := s.newClient()
			c.Protocol = version
			c.Negotiate()
			stream := c.Dial("connect", kind, "frameId", "7")
			if version == "2.1" {
				stream.Frame("init")
				c.Start(kind)
			}
			got := stream
			if kind == poll {
				if version != "2.1" {
					stream.Frame("init")
				}
				got = c.Poll()
			}
			var list []string
			for len(list) < 3 { // old clients may get all of it in front of the init frame's place
				for _, m := range got.Frame("messages of the handler").M {
					list = append(list, string(m))
				}
			}
			s.want(kind+" "+version, list, []string{`"to you"`, `"to the group"`, `"to all"`})
		}
	})
}

func TestClassic047FallbackWithTheSameToken(t *testing.T) {
	for _, row := range []struct{ from, to string }{{ws, sse}, {ws, poll}, {sse, page}, {sse, poll}, {page, poll}, {poll, ws}} {
		t.Run(row.from+" to "+row.to, func(t *testing.T) {
			bubble(t, persistent.Options{}, func(s *site) {
				c := s.newClient().Negotiate()
				first := connect(c, row.from)
				if row.from != poll {
					record(s, first) // so that the server gets rid of what it writes
				}
				s.must(s.Send(id(c), "between")) // which a client that gives up has not seen
				synctest.Wait()
				first.Drop()
				second := c.Dial("connect", row.to, "frameId", "7")
				f := second.Frame("the init frame of the second")
				s.want("S", f.S != nil, true)
				c.Cursor = f.C
				c.Start(row.to)
				s.must(s.Send(id(c), "after"))
				if row.to == poll {
					s.want("messages", pollMessages(c), []string{`"between"`, `"after"`})
				} else {
					s.want("messages", record(s, second).messages(), `"between","after"`)
				}
				s.wantEvents("events", id(c), "connected")
				if row.to != poll {
					time.Sleep(2 * time.Minute)
					s.wantEvents("two minutes later", id(c), "connected")
				}
			})
		})
	}
}

// pollMessages returns the messages of one poll.
func pollMessages(c *classictest.Client) []string {
	var list []string
	for _, m := range pollOnce(c, "messages").M {
		list = append(list, string(m))
	}
	return list
}
