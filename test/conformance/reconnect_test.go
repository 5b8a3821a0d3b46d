package conformance_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// The reference server goes topic by topic. We have one order for all topics:
// that in which the messages were sent.
func TestClassic062ReconnectBringsWhatWasMissed(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c, stream := s.open(kind)
			s.must(s.Join(id(c), "group"))
			s.must(s.Send(id(c), "before"))
			if kind == poll {
				pollOnce(c, "before")
			} else {
				r := record(s, stream)
				s.want("before", r.messages(), `"before"`)
				r.follow(c)
			}
			stream.Drop()
			synctest.Wait()
			var want []string
			for i := range 30 {
				want = append(want, fmt.Sprint(i))
				switch i % 3 {
				case 0:
					s.must(s.SendGroup("group", i))
				case 1:
					s.must(s.Send(id(c), i))
				case 2:
					s.must(s.Broadcast(i))
				}
				s.must(s.Broadcast("for others", id(c)))
				s.must(s.SendGroup("another group", "for others"))
			}
			stream = resume(c, kind)
			r := record(s, stream)
			s.want("missed", r.messages(), strings.Join(want, ","))
			r.follow(c)
			stream.Drop()
			r = record(s, resume(c, kind))
			s.want("missed again", r.messages(), "")
			s.must(s.Send(id(c), "after"))
			s.want("and then", r.messages(), `"after"`)
			s.wantEvents("events", id(c), "connected", "reconnected", "reconnected")
		})
	})
}

func TestClassic063ReconnectedNeverConnected(t *testing.T) {
	on(t, streaming, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c, stream := s.open(kind)
			for _, operation := range []string{"reconnect", "poll", "whatever"} { // classic.md 5.8: any path but connect
				stream.Drop()
				stream = c.Dial(operation, kind, "frameId", "7", "messageId", c.Cursor)
				synctest.Wait()
			}
			s.wantEvents("events", id(c), "connected", "reconnected", "reconnected", "reconnected")
		})
	})
	bubble(t, persistent.Options{}, func(s *site) {
		c, _ := s.open(poll)
		for _, operation := range []string{"poll", "whatever"} {
			c.Dial(operation, poll, "messageId", c.Cursor)
			synctest.Wait()
		}
		s.wantEvents("polls", id(c), "connected")
		c.Reconnect(poll)
		synctest.Wait()
		s.wantEvents("a reconnect", id(c), "connected", "reconnected")
	})
}

// arrive comes back to a site that does not know the client, and records from
// there. A poll is answered at once, so that the client has a cursor of that
// site; the next one is held.
func arrive(s *site, c *classictest.Client, operation, kind string) *recording {
	s.Helper()
	r := record(s, c.Dial(operation, kind, "frameId", "7", "messageId", c.Cursor, "groupsToken", c.GroupsToken))
	if frames := r.frames(); kind == poll && len(frames) == 1 {
		s.want("messages in the answer", len(frames[0].M), 0)
		r.follow(c)
		r = record(s, c.Poll())
		r.look()
	}
	return r
}

// What was sent before the restart is lost with the log, and the program is
// told so. On long polling the first request may be a poll; without an event
// the program would not know of the connection, so that raises one, too.
func TestClassic064ReconnectAfterARestart(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		for _, operation := range []string{"reconnect", "poll"} {
			bubble(t, persistent.Options{}, func(s *site) {
				c, stream := s.open(kind)
				stream.Drop()
				s.must(s.Shutdown(s.Context()))

				s = beside(s)
				c.HTTP, c.URL = s.client, s.url
				r := arrive(s, c, operation, kind)
				s.wantEvents("events", id(c), "reconnected with a gap")
				s.must(s.Send(id(c), "welcome"))
				s.want("messages", r.messages(), `"welcome"`)
				s.want("send", c.Send(sse, "x").Status, 200)
				c.Abort(kind)
				s.wantEvents("events", id(c), "reconnected with a gap", "received x", "disconnected true")
			})
		}
	})
}

func TestClassic065GroupsSurviveAReconnect(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		for _, restart := range []bool{false, true} {
			bubble(t, persistent.Options{}, func(s *site) {
				c, stream := s.open(kind)
				r := record(s, stream)
				s.must(s.Join(id(c), "a"))
				s.must(s.Join(id(c), "b"))
				s.must(s.Leave(id(c), "a"))
				if kind == poll {
					pollOnce(c, "the groups")
				} else {
					r.follow(c)
				}
				stream.Drop()
				if restart {
					s = beside(s)
					c.HTTP = s.client
					r = arrive(s, c, "reconnect", kind)
				} else {
					r = record(s, resume(c, kind))
					synctest.Wait()
				}
				s.must(s.SendGroup("a", "to a"))
				s.must(s.SendGroup("b", "to b"))
				s.want("messages", r.messages(), `"to b"`)
			})
		}
	})
}

func TestClassic066GroupAddWhileOffline(t *testing.T) {
	keyring, err := negotiate.NewKeyring(keys...)
	if err != nil {
		t.Fatal(err)
	}
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c, stream := s.open(kind)
			s.must(s.Join(id(c), "old"))
			if kind == poll {
				pollOnce(c, "the group")
			} else {
				r := record(s, stream)
				r.follow(c)
			}
			stream.Drop()
			synctest.Wait()
			s.must(s.SendGroup("new", "before it was in"))
			s.must(s.Join(id(c), "new"))
			s.must(s.SendGroup("new", "since it is in"))
			s.must(s.SendGroup("old", "old"))
			s.must(s.Leave(id(c), "old"))
			s.must(s.SendGroup("old", "too late"))
			r := record(s, resume(c, kind))
			// The reference server joins at the tail and would lose what was
			// sent to the group since. Here it is a member from the join on.
			s.want("messages", r.messages(), `"since it is in","old"`)
			var token string
			for _, f := range r.frames() {
				if f.G != nil {
					token = *f.G
				}
			}
			groups, err := keyring.OpenGroupsToken(token, id(c))
			s.must(err)
			s.want("G", fmt.Sprint(groups), "[new]")
		})
	})
}

// A groups token counts where the server does not know the connection, after a
// restart for example. One that is bad does no harm to a connection that the
// server does know.
func TestClassic067BadGroupsToken(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c, stream := s.open(kind)
			stranger, other := s.open(kind)
			s.must(s.Join(id(c), "secret"))
			var token string
			if kind == poll {
				token = *pollOnce(c, "the group").G
			} else {
				r := record(s, stream)
				r.follow(c)
				token = c.GroupsToken
			}
			cursor := stranger.Cursor
			stream.Drop()
			other.Drop()
			here, node := stranger.HTTP, beside(s)
			for name, bad := range map[string]string{
				"another connection's": token, "cut short": token[:len(token)-1], "a connection token": stranger.Answer.ConnectionToken,
				"garbage": "garbage", "a lot": strings.Repeat("x", 5000),
			} {
				stranger.Cursor, stranger.GroupsToken = cursor, bad
				stranger.HTTP = here
				stranger.Negotiate() // the node itself would know that it never was connected
				stranger.HTTP = node.client
				r := arrive(node, stranger, "reconnect", kind)
				node.wantEvents(name, id(stranger), "reconnected with a gap")
				conn, _ := node.Conn(id(stranger))
				s.want(name+": groups", len(conn.Groups()), 0)
				s.must(node.SendGroup("secret", "secret"))
				s.must(node.Broadcast("public"))
				s.want(name, r.messages(), `"public"`)
			}

			c.GroupsToken = "garbage"
			r := record(s, resume(c, kind))
			s.must(s.SendGroup("secret", "secret"))
			s.want("a known connection", r.messages(), `"secret"`)
		})
	})
}

// A gone client is told by nobody; these are.
func TestClassic068AbortOnEveryTransport(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c, stream := s.open(kind)
			if kind == poll {
				stream = c.Poll()
			}
			record(s, stream)
			began := time.Now()
			r := c.Post("abort", nil, "transport", kind)
			s.wantReply("abort", r, 200, "")
			s.want("content type", r.Header.Get("Content-Type"), "text/plain")
			s.wantEvents("events", id(c), "connected", "disconnected true")
			s.want("it took", time.Since(began), time.Duration(0))

			s.wantReply("abort of a connection that is gone", c.Post("abort", nil, "transport", kind), 200, "")
			never := s.newClient().Negotiate()
			s.wantReply("abort of one that never was", never.Post("abort", nil, "transport", kind), 200, "")
			time.Sleep(2 * time.Minute)
			s.wantEvents("once", id(c), "connected", "disconnected true")
			s.wantEvents("never", id(never))
		})
	})
}

func TestClassic069AbortAfterTheSocketIsClosed(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		for _, pause := range []time.Duration{0, 29 * time.Second} {
			bubble(t, persistent.Options{}, func(s *site) {
				c, stream := s.open(kind)
				if kind == ws {
					r := record(s, stream)
					s.must(stream.Socket().Close(1000, ""))
					r.end()
				}
				stream.Drop()
				time.Sleep(pause)
				c.Abort(kind)
				s.wantEvents("events", id(c), "connected", "disconnected true")
			})
		}
	})
}

func TestClassic070AbortEndsTheTransport(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c, stream := s.open(kind)
			if kind == poll {
				stream = c.Poll()
			}
			r := record(s, stream)
			c.Abort(kind)
			at, err := r.end()
			s.want("ended at once", at > 0 && at < time.Second, true)
			switch kind {
			case ws:
				s.want("close code", websocket.CloseStatus(err), websocket.StatusNormalClosure)
			case poll:
				frames := r.frames()
				s.want("frames", len(frames), 1)
				s.want("keys", keysOf(t, frames[0].Raw), "CM")
				s.want("messages", len(frames[0].M), 0)
			default:
				s.want("in good order", err, io.EOF)
				s.want("frames", len(r.frames()), 0)
			}
		})
	})
}

func TestClassic071VanishedClient(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c, stream := s.open(kind)
			if kind == poll {
				stream = c.Poll()
			}
			record(s, stream)
			time.Sleep(73 * time.Second)
			s.wantEvents("while it is there", id(c), "connected")
			stream.Drop()
			time.Sleep(30*time.Second - time.Millisecond)
			synctest.Wait()
			s.wantEvents("just before the timeout", id(c), "connected")
			time.Sleep(10 * time.Second)
			synctest.Wait()
			s.wantEvents("10 s later at the latest", id(c), "connected", "disconnected false")
			time.Sleep(5 * time.Minute)
			s.wantEvents("once", id(c), "connected", "disconnected false")
			s.want("live connections", s.Stats().Connections, 0)
		})
	})
	bubble(t, persistent.Options{}, func(s *site) {
		c, _ := s.open(poll)
		time.Sleep(40 * time.Second)
		synctest.Wait()
		s.wantEvents("one that stopped between two polls", id(c), "connected", "disconnected false")
	})
}

func TestClassic072ReturnWithinTheWindow(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c, stream := s.open(kind)
			want := []string{"connected"}
			for range 5 {
				stream.Drop()
				time.Sleep(29 * time.Second)
				stream = resume(c, kind)
				record(s, stream)
				want = append(want, "reconnected")
				time.Sleep(15 * time.Second)
			}
			s.wantEvents("events", id(c), want...)
		})
	})
}

func TestClassic073SendsKeepNobodyAlive(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c, stream := s.open(kind)
			stream.Drop()
			want := []string{"connected"}
			for range 5 { // the last one at 25 s
				time.Sleep(5 * time.Second)
				s.want("send", c.Send(sse, "x").Status, 200)
				s.want("ping", c.Get("ping").Status, 200)
				want = append(want, "received x")
			}
			time.Sleep(15 * time.Second)
			synctest.Wait()
			s.wantEvents("at 40 s", id(c), append(want, "disconnected false")...)
		})
	})
}

func TestClassic074ReplacedTransport(t *testing.T) {
	for _, from := range all {
		for _, to := range all {
			t.Run(from+" to "+to, func(t *testing.T) {
				bubble(t, persistent.Options{}, func(s *site) {
					c, stream := s.open(from)
					if from == poll {
						stream = c.Poll()
					}
					first := record(s, stream)
					second := record(s, resume(c, to))
					at, _ := first.end()
					s.want("the first ends at once", at > 0 && at < time.Second, true)
					time.Sleep(100 * time.Second)
					s.wantEvents("events", id(c), "connected", "reconnected")
					s.must(s.Send(id(c), "hello"))
					s.want("messages", second.messages(), `"hello"`)
				})
			})
		}
	}
}

func TestClassic075Shutdown(t *testing.T) {
	bubble(t, persistent.Options{}, func(s *site) {
		type open struct {
			c *classictest.Client
			r *recording
		}
		list := make(map[string]open)
		for _, kind := range all {
			c, stream := s.open(kind)
			if kind == poll {
				stream = c.Poll()
			}
			list[kind] = open{c, record(s, stream)}
		}
		waiting, _ := s.open(poll) // between two polls
		s.must(s.Shutdown(s.Context()))
		for kind, o := range list {
			at, err := o.r.end()
			s.want(kind+": ended at once", at > 0 && at < time.Second, true)
			if kind == ws {
				code := websocket.CloseStatus(err)
				s.want("close code", code == websocket.StatusNormalClosure || code == websocket.StatusGoingAway || code == 1012, true)
			}
			frames := o.r.frames()
			s.want(kind+": frames", len(frames), 1)
			s.want(kind+": T", frames[0].T != nil && *frames[0].T == 1, true)
			s.wantEvents(kind, id(o.c), "connected", "disconnected false")
		}
		s.wantEvents("one without a transport", id(waiting), "connected", "disconnected false")
		s.want("a poll that comes too late", waiting.Get("poll", "transport", poll).Status, 503)
	})
}
