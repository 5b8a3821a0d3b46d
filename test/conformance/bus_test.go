package conformance_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// More than that: one order for all topics (see line 62).
func TestClassic098OrderOfPublishing(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		s := serve(t, persistent.Options{})
		c, stream := s.open(kind)
		s.must(s.Join(id(c), "group"))
		const n = 600
		go func() {
			for i := range n {
				switch i % 3 {
				case 0:
					_ = s.Broadcast(i)
				case 1:
					_ = s.SendGroup("group", i)
				case 2:
					_ = s.Send(id(c), i)
				}
			}
		}()
		if kind == poll {
			stream = c.Poll()
		}
		for i, m := range stream.Messages("numbers", n) {
			if m != fmt.Sprint(i) {
				s.Fatalf("message %d is %s", i, m)
			}
		}
	})
}

// The client gets what comes from here on, and unlike with the reference server
// the program is told of the gap, and so is a client that asked for it.
func TestClassic099CursorOfAnotherProcess(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		for _, foreign := range []string{"0123456789abcdef-5", "d-8DC3F1A2", "s-0"} {
			bubble(t, persistent.Options{}, func(s *site) {
				c, stream := s.open(kind)
				stream.Drop()
				s.must(s.Send(id(c), "unreachable from there"))
				c.Cursor = foreign
				r := record(s, c.Reconnect(kind, "frameId", "7", "gaps", "1"))
				synctest.Wait()
				frames := r.frames()
				s.want("frames", len(frames), 1)
				s.want("X", frames[0].X != nil && *frames[0].X == 1, true)
				s.want("messages", len(frames[0].M), 0)
				s.wantEvents("events", id(c), "connected", "reconnected with a gap")
				s.want("gaps", s.Stats().Gaps, int64(1))
				if kind == poll {
					c.Cursor = frames[0].C
					r = record(s, c.Poll())
				}
				s.must(s.Send(id(c), "hello"))
				s.want("messages", r.messages(), `"hello"`)
			})
		}
	})
	bubble(t, persistent.Options{}, func(s *site) {
		c, stream := s.open(sse)
		stream.Drop()
		c.Cursor = "0123456789abcdef-5"
		r := record(s, resume(c, sse))
		s.must(s.Send(id(c), "hello"))
		s.want("X for clients that do not ask for it", strings.Contains(fmt.Sprint(r.texts()), `"X"`), false)
	})
}

// 400 and a reason, where the reference server says 500: it is the peer's
// fault. The cursors of classic servers have a place for each topic and mean
// nothing here.
func TestClassic100MalformedCursor(t *testing.T) {
	s := serve(t, persistent.Options{})
	c, stream := s.open(sse)
	epoch, _, _ := strings.Cut(c.Cursor, "-")
	for _, bad := range []string{
		"nonsense", "-", epoch, epoch + "-", epoch + "-xyz", epoch + "--1", epoch + "-+1", epoch + "-1-2", epoch + "-FFFFFFFFFFFFFFFFF",
		epoch + "-ffff", epoch + "-ffffffffffffffff", "d-8DC3F1A2-B,5|C,2|Ea,0", "é-1", strings.Repeat("a", 5000) + "-1",
	} {
		for _, operation := range []string{"connect", "reconnect", "poll"} {
			for _, kind := range all {
				_, err := c.TryDial(operation, kind, "frameId", "7", "messageId", bad)
				refused, ok := err.(*classictest.Refused)
				if !ok {
					s.Fatalf("%s %s with %.40q: %v", operation, kind, bad, err)
				}
				s.wantRefusal(fmt.Sprintf("%s %s with %.40q", operation, kind, bad), refused.Reply, 400, "bad_cursor")
			}
		}
	}
	s.must(s.Send(id(c), "hello"))
	stream.WantMessage("the stream that was open is open", "hello")
	s.wantEvents("events", id(c), "connected")
}

// The gap is reported, where the reference server is silent.
func TestClassic101CursorOlderThanTheLog(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		log := func() messagelog.Log { return messagelog.NewMemory(messagelog.MemoryOptions{MaxBytes: 50 * 1000}) }
		bubble(t, persistent.Options{Log: log()}, func(s *site) {
			c, stream := s.open(kind)
			stream.Drop()
			text := strings.Repeat("x", 1000-200) // about 50 of them are kept
			for i := range 200 {
				s.must(s.Send(id(c), fmt.Sprintf("%d %s", i, text)))
			}
			r := record(s, resume(c, kind))
			var numbers []int
			for _, f := range r.frames() {
				for _, m := range f.M {
					var n int
					_, err := fmt.Sscanf(string(m), `"%d`, &n)
					s.must(err)
					numbers = append(numbers, n)
				}
			}
			s.want("how many", len(numbers) >= 45 && len(numbers) <= 55, true)
			for i, n := range numbers {
				if n != 200-len(numbers)+i {
					s.Fatalf("the numbers are %v", numbers)
				}
			}
			s.wantEvents("events", id(c), "connected", "reconnected with a gap")
		})
	})
}

// The bound is in bytes: 64 MiB for all topics together.
func TestClassic102AThousandMessagesAreKept(t *testing.T) {
	on(t, []string{sse, poll}, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c, stream := s.open(kind)
			stream.Drop()
			text := strings.Repeat("x", 4000)
			for i := range 1000 {
				s.must(s.Send(id(c), fmt.Sprintf("%d %s", i, text)))
				s.must(s.Broadcast("another topic", id(c)))
			}
			got := 0
			r := record(s, resume(c, kind))
			for len(r.frames()) > 0 {
				for _, f := range r.frames() {
					if len(f.M) == 0 {
						s.Fatalf("an empty frame after %d messages: %s", got, f.Raw)
					}
					c.Cursor, got = f.C, got+len(f.M)
				}
				if kind != poll || got == 1000 {
					break
				}
				r = record(s, c.Poll())
			}
			s.want("messages", got, 1000)
			s.wantEvents("events", id(c), "connected", "reconnected")
		})
	})
}

// The connection ended after 30 s, and nobody else was in the group. The client
// comes back later than that, but before the log forgets.
func TestClassic103TopicWithoutSubscribers(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c, stream := s.open(kind)
			s.must(s.Join(id(c), "group"))
			if kind == poll {
				pollOnce(c, "the group")
			} else {
				r := record(s, stream)
				r.follow(c)
			}
			stream.Drop()
			s.must(s.SendGroup("group", "early"))
			time.Sleep(50 * time.Second)
			s.wantEvents("it is gone", id(c), "connected", "disconnected false")
			s.must(s.SendGroup("group", "late"))
			time.Sleep(49 * time.Second)
			r := record(s, resume(c, kind))
			s.want("messages", r.messages(), `"early","late"`)
			s.wantEvents("events", id(c), "connected", "disconnected false", "reconnected")
		})
	})
}

// Frames are bounded by bytes: small messages go out together, large ones in
// frames of 256 KiB.
func TestClassic104Batches(t *testing.T) {
	for name, row := range map[string]struct{ messages, size, most int }{
		"small":  {2000, 10, 2000},
		"large":  {20, 100_000, 2},
		"larger": {4, 300_000, 1},
	} {
		on(t, all, func(t *testing.T, kind string) {
			t.Run(name, func(t *testing.T) {
				bubble(t, persistent.Options{}, func(s *site) {
					c, stream := s.open(kind)
					stream.Drop()
					text := strings.Repeat("x", row.size)
					for range row.messages {
						s.must(s.Send(id(c), text))
					}
					got, frames := 0, 0
					r := record(s, resume(c, kind))
					for got < row.messages {
						list := r.frames()
						for _, f := range list {
							if len(f.M) != row.most {
								s.Fatalf("%d messages in a frame, want %d", len(f.M), row.most)
							}
							c.Cursor, got, frames = f.C, got+len(f.M), frames+1
						}
						if len(list) == 0 {
							s.Fatalf("%d messages of %d", got, row.messages)
						}
						if kind == poll && got < row.messages {
							r = record(s, c.Poll())
						}
					}
					s.want("frames", frames, row.messages/row.most)
				})
			})
		})
	}
}

// Nodes with a shared log are not there yet: a messagelog.Memory serves one
// endpoint. What holds today: another node that knows the keys takes the client
// in, with its groups, and says that it cannot know what was missed.
func TestClassic105AnotherNode(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c, stream := s.open(kind)
			s.must(s.Join(id(c), "group"))
			if kind == poll {
				pollOnce(c, "the group")
			} else {
				r := record(s, stream)
				r.follow(c)
			}
			stream.Drop()

			node := beside(s)
			c.HTTP = node.client
			r := arrive(node, c, "reconnect", kind)
			node.wantEvents("there", id(c), "reconnected with a gap")
			s.must(node.SendGroup("group", "hello"))
			s.want("messages", r.messages(), `"hello"`)
			r.follow(c)
			r = record(s, resume(c, kind)) // and its cursors are good there
			s.must(node.SendGroup("group", "again"))
			s.want("messages", r.messages(), `"again"`)
			node.wantEvents("there", id(c), "reconnected with a gap", "reconnected")

			time.Sleep(40 * time.Second)
			s.wantEvents("the node that it left", id(c), "connected", "disconnected false")
		})
	})
}

// A client that brings a token, as the official ones do not, is also told
// whether it is still good.
func TestClassic108Ping(t *testing.T) {
	s := serve(t, persistent.Options{})
	r := s.do("GET", s.url+"/ping?connectionToken=garbage", "")
	s.want("status with a token of nobody's", r.Status, 400)
	for _, query := range []string{"", "?_=1", "?transport=carrierPigeon&messageId=x"} {
		r := s.do("GET", s.url+"/ping"+query, "")
		s.wantReply(query, r, 200, `{"Response":"pong"}`)
		s.want("content type", r.Header.Get("Content-Type"), "application/json; charset=UTF-8")
	}
	s.want("connections", s.Stats().Connections, 0)
}
