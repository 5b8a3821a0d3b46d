package conformance_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// follow moves the client to where the recording is.
func (r *recording) follow(c *classictest.Client) {
	for _, f := range r.frames() {
		if c.Cursor = f.C; f.G != nil {
			c.GroupsToken = *f.G
		}
	}
}

// pollOnce returns the frame of one poll and follows it.
func pollOnce(c *classictest.Client, why string) classictest.Frame {
	c.T.Helper()
	stream := c.Poll()
	defer stream.Drop()
	return stream.Frame(why)
}

// walk leads a connection through everything that has a frame of its own, in a
// bubble, and returns the frames: connect, a message, two changes of groups,
// the same after coming back, the end of a poll or an event for what others
// got, and the shutdown.
func walk(s *site, kind string) []classictest.Frame {
	s.Helper()
	c := s.newClient().Negotiate()
	steps := []func() error{
		func() error { return s.Send(id(c), "hello") },
		func() error { return s.Join(id(c), "group") },
		func() error { return s.Leave(id(c), "group") },
	}
	if kind == poll {
		return walkPolls(s, c, steps)
	}
	stream := c.Dial("connect", kind, "frameId", "7")
	first := record(s, stream)
	c.Start(kind)
	second := func() *recording {
		first.follow(c)
		stream.Drop()
		synctest.Wait()
		return record(s, resume(c, kind))
	}
	for _, r := range []func() *recording{func() *recording { return first }, second} {
		current := r()
		for _, step := range steps {
			s.must(step())
			synctest.Wait()
		}
		s.must(s.Broadcast("others", id(c)))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if current != first {
			s.must(s.Shutdown(s.Context()))
			return append(first.frames(), current.frames()...)
		}
	}
	return nil
}

func walkPolls(s *site, c *classictest.Client, steps []func() error) []classictest.Frame {
	frames := []classictest.Frame{c.Dial("connect", poll).Frame("connect")}
	c.Cursor = frames[0].C
	c.Start(poll)
	for _, operation := range []string{"poll", "reconnect"} {
		for _, step := range steps {
			s.must(step())
			f := c.Dial(operation, poll, "messageId", c.Cursor, "groupsToken", c.GroupsToken).Frame(operation)
			frames = append(frames, f)
		}
	}
	frames = append(frames, pollOnce(c, "a poll with nothing to say"))
	last := record(s, c.Poll())
	synctest.Wait()
	s.must(s.Shutdown(s.Context()))
	return append(frames, last.frames()...)
}

func TestClassic032EveryFrameHasCAndM(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			for _, f := range walk(s, kind) {
				var wire struct{ C, M any }
				s.must(json.Unmarshal([]byte(f.Raw), &wire))
				if cursor, ok := wire.C.(string); !ok || cursor == "" || strings.ContainsAny(cursor, "\"\\ \n") {
					s.Errorf("C in %s", f.Raw)
				}
				if _, ok := wire.M.([]any); !ok {
					s.Errorf("M in %s", f.Raw)
				}
				if strings.ContainsAny(f.Raw, "\r\n") {
					s.Errorf("a line end in %q", f.Raw)
				}
			}
		})
	})
}

// Every transport has a last frame with T, not polls only: it costs nothing, and
// the Java client comes back at once for it.
func TestClassic033OnlyWhatApplies(t *testing.T) {
	want := map[string]string{
		ws:   "CSM CM CGM CGM CM CM CGM CGM CM CTM",
		sse:  "CSM CM CGM CGM CM CM CGM CGM CM CTM",
		page: "CSM CM CGM CGM CM CM CGM CGM CM CTM",
		poll: "CSM CM CGM CGM CM CGM CGM CM CTM",
	}
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			var got []string
			for _, f := range walk(s, kind) {
				got = append(got, keysOf(t, f.Raw))
			}
			s.want("the keys of the frames, in their order", strings.Join(got, " "), want[kind])
		})
	})
}

func TestClassic034OneInitFramePerConnect(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			var at []int
			for i, f := range walk(s, kind) {
				if f.S != nil {
					at = append(at, i)
					s.want("S", *f.S, 1)
				}
			}
			s.want("places of S on one connect and one reconnect", fmt.Sprint(at), "[0]")

			c := beside(s).newClient().Negotiate()
			for range 3 {
				stream := c.Dial("connect", kind, "frameId", "7")
				f := stream.Frame("another connect for the same id")
				s.want("its S", f.S != nil && *f.S == 1, true)
			}
		})
	})
}

func TestClassic035GroupsTokenAfterAChange(t *testing.T) {
	keyring, err := negotiate.NewKeyring(keys...)
	if err != nil {
		t.Fatal(err)
	}
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c, stream := s.open(kind)
			var r *recording
			if kind != poll {
				r = record(s, stream)
			}
			seen := 0
			next := func() string { // the groups of the next frame
				var f classictest.Frame
				if kind == poll {
					f = pollOnce(c, "a change")
				} else {
					frames := r.frames()
					if len(frames) != seen+1 {
						s.Fatalf("got %d frames, want 1", len(frames)-seen)
					}
					f, seen = frames[seen], seen+1
				}
				if f.G == nil {
					return "no G"
				}
				groups, err := keyring.OpenGroupsToken(*f.G, id(c))
				s.must(err)
				return fmt.Sprint(groups)
			}
			s.must(s.Join(id(c), "a"))
			s.want("a", next(), "[a]")
			s.must(s.Send(id(c), 1))
			s.want("a message", next(), "no G")
			s.must(s.Join(id(c), "b"))
			s.want("b too", next(), "[a b]")
			s.must(s.Join(id(c), "b"))
			s.must(s.Leave(id(c), "never there"))
			s.must(s.SendGroup("b", 2))
			s.want("a message after changes that change nothing", next(), "no G")
			s.must(s.Leave(id(c), "a"))
			s.want("without a", next(), "[b]")
			s.must(s.Leave(id(c), "b"))
			s.want("the last one gone", next(), "[]")
		})
	})
}

func TestClassic036LongPollDelayInMilliseconds(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{LongPollDelay: 1250 * time.Millisecond}, func(s *site) {
			for _, f := range walk(s, kind) {
				if kind == poll {
					s.want(f.Raw, strings.Contains(f.Raw, `"L":1250,"M":`), true)
				} else {
					s.want(f.Raw, f.L == nil, true)
				}
			}
		})
		bubble(t, persistent.Options{}, func(s *site) {
			for _, f := range walk(s, kind) {
				s.want("without a delay: "+f.Raw, f.L == nil, true)
			}
		})
	})
}

// An excluded message does not wake everyone whom it is not for. Their cursor
// moves on with the next frame, or when a keep-alive would be due.
func TestClassic037EmptyFrames(t *testing.T) {
	on(t, streaming, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c, stream := s.open(kind)
			r := record(s, stream)
			s.must(s.Join(id(c), "group"))
			frames := r.frames()
			s.want("frames after a change of groups", len(frames), 1)
			s.want("its messages", len(frames[0].M), 0)

			s.must(s.Broadcast("not for you", id(c)))
			s.want("frames at once after an excluded message", len(r.frames()), 1)
			time.Sleep(10 * time.Second)
			frames = r.frames()
			s.want("frames after the keep-alive interval", len(frames), 2)
			s.want("its messages", len(frames[1].M), 0)
			s.want("the cursor moved", frames[1].C != frames[0].C, true)
			s.want("keep-alives beside it", len(r.keepAlives()), 0)

			s.must(s.Broadcast("not for you either", id(c)))
			s.must(s.Broadcast("for you"))
			s.want("messages", r.messages(), `"for you"`)
			r.follow(c)
			stream.Drop()
			s.want("what comes back after a reconnect", record(s, resume(c, kind)).messages(), "")
		})
	})
	bubble(t, persistent.Options{}, func(s *site) {
		c, _ := s.open(poll)
		r := record(s, c.Poll())
		s.must(s.Broadcast("not for you", id(c)))
		s.want("a poll after an excluded message", len(r.frames()), 0)
		s.must(s.Join(id(c), "group"))
		s.want("after a change of groups", len(r.frames()), 1)
		s.want("its messages", len(r.frames()[0].M), 0)
	})
}

// chunks makes a request by itself and records the answer as it is flushed.
func (s *site) chunks(method, address string, header ...string) (*recording, *http.Response) {
	s.Helper()
	req, err := http.NewRequest(method, address, nil)
	s.must(err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.client.Do(req)
	s.must(err)
	s.Cleanup(func() { _ = res.Body.Close() })
	r := &recording{t: s, began: time.Now(), close: func() { _ = res.Body.Close() }}
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := res.Body.Read(buf)
			if n > 0 {
				r.add(string(buf[:n]), nil)
			}
			if err != nil {
				r.add("", err)
				return
			}
		}
	}()
	synctest.Wait()
	return r, res
}

// texts returns the chunks so far.
func (r *recording) texts() []string {
	var list []string
	for _, i := range r.look() {
		list = append(list, i.raw)
	}
	return list
}

// wantCadence checks that a keep-alive came once in each interval of 10 s: never
// later, and at most a twentieth earlier, by which connections differ so that
// they do not all fall due at once.
func (s *site) wantCadence(times []time.Duration, n int) {
	s.Helper()
	s.want("keep-alives", len(times), n)
	last := time.Duration(0)
	for _, at := range times {
		if gap := at - last; gap > 10*time.Second || gap < 9500*time.Millisecond {
			s.Errorf("%v between two keep-alives", gap)
		}
		last = at
	}
}

func TestClassic038KeepAliveBytes(t *testing.T) {
	bubble(t, persistent.Options{}, func(s *site) {
		_, stream := s.open(ws)
		r := record(s, stream)
		time.Sleep(35 * time.Second)
		s.want("on webSockets", strings.Join(r.texts(), " "), "{} {} {}")
		s.wantCadence(r.keepAlives(), 3)
	})
	for kind, want := range map[string]string{sse: "data: {}\n\n", page: "<script>r(c, {});</script>\n\n"} {
		bubble(t, persistent.Options{}, func(s *site) {
			c := s.newClient().Negotiate()
			r, _ := s.chunks("GET", c.Address("connect", "transport", kind, "frameId", "7"))
			c.Start(kind)
			before := len(r.look())
			time.Sleep(35 * time.Second)
			s.want("on "+kind, strings.Join(r.texts()[before:], ""), want+want+want)
		})
	}
}

func TestClassic039KeepAliveOfAPollIsASpace(t *testing.T) {
	bubble(t, persistent.Options{}, func(s *site) {
		c, _ := s.open(poll)
		began := time.Now()
		c.Reconnect(poll).Drop()
		s.want("the headers of a reconnect came after", time.Since(began), time.Duration(0))
		began = time.Now()
		r, res := s.chunks("POST", c.Address("poll", "transport", poll, "messageId", c.Cursor))
		r.since(began)
		s.want("the headers came after", time.Since(began), 100*time.Millisecond)
		s.want("status", res.StatusCode, 200)
		time.Sleep(25 * time.Second)
		s.want("what came", strings.Join(r.texts(), "|"), " | ")
		var times []time.Duration
		for _, i := range r.look() {
			times = append(times, i.at)
		}
		s.wantCadence(times, 2)
		s.must(s.Send(id(c), "hello"))
		body := strings.Join(r.texts(), "")
		s.want("the message", strings.Contains(body, `"M":["hello"]`), true)
		s.want("the body is JSON", json.Valid([]byte(body)), true)
		_, err := r.end()
		s.want("and ends", err, io.EOF)
	})
}

func TestClassic040NothingBeforeTheCallback(t *testing.T) {
	bubble(t, persistent.Options{JSONP: true}, func(s *site) {
		c, _ := s.open(poll)
		r, _ := s.chunks("GET", c.Address("poll", "transport", poll, "messageId", c.Cursor, "callback", "f"))
		time.Sleep(35 * time.Second)
		s.want("chunks while held", len(r.look()), 0)
		s.must(s.Send(id(c), "a\u2028b"))
		body := strings.Join(r.texts(), "")
		s.want("the body", strings.HasPrefix(body, `f({"C":"`) && strings.HasSuffix(body, `"M":["a\u2028b"]});`), true)
	})
}

// The reference server sends keep-alives whatever else there is. We send one
// where nothing else was sent for the interval: that is what a client listens
// for. TestClassic041ResultsAreNoKeepAlive has what does not count.
func TestClassic041KeepAliveOnlyInSilence(t *testing.T) {
	on(t, streaming, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			_, stream := s.open(kind)
			r := record(s, stream)
			for i := range 40 {
				time.Sleep(time.Second)
				s.must(s.Broadcast(i))
			}
			s.want("keep-alives under traffic", len(r.keepAlives()), 0)
			s.want("messages", len(r.frames()), 40)
			time.Sleep(10 * time.Second)
			s.want("keep-alives in silence", len(r.keepAlives()), 1)

			longest, last := time.Duration(0), time.Duration(0)
			for _, i := range r.look() {
				longest, last = max(longest, i.at-last), i.at
			}
			s.want("no silence longer than KeepAlive", longest <= 10*time.Second, true)
		})
	})
	bubble(t, persistent.Options{KeepAlive: -1}, func(s *site) {
		_, stream := s.open(sse)
		r := record(s, stream)
		time.Sleep(109 * time.Second)
		s.want("with keep-alives off", len(r.look()), 0)
	})
}

// Whatever the order in which the server learns of the end of a transport and
// of the next one, the next one has its keep-alives in time.
func TestClassic041KeepAliveAfterAQuickReturn(t *testing.T) {
	on(t, streaming, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c, stream := s.open(kind)
			for range 100 {
				stream.Drop()
				stream = resume(c, kind)
				r := record(s, stream)
				time.Sleep(10 * time.Second)
				if n := len(r.look()); n != 1 {
					s.Fatalf("%d keep-alives after 10 s", n)
				}
			}
		})
	})
	bubble(t, persistent.Options{}, func(s *site) {
		c, _ := s.open(poll)
		for range 100 {
			s.must(s.Send(id(c), "hello"))
			pollOnce(c, "a message")
			r, _ := s.chunks("POST", c.Address("poll", "transport", poll, "messageId", c.Cursor))
			time.Sleep(10 * time.Second)
			s.want("what came after 10 s", strings.Join(r.texts(), "|"), " ")
		}
	})
}
