package faults_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A laptop is a client in a bubble of fake time, whose network goes with its lid.
type laptop struct {
	*testing.T
	*classictest.Client
	world  *world
	stream *classictest.Stream
	kind   string
	pause  pause
}

// A pause stands between the two sides of connections. What the server says
// comes when it is over, as when a process stands still: while its garbage is
// collected, or since somebody stopped it.
type pause struct {
	mu   sync.Mutex
	over chan struct{} // nil without a pause
}

func (p *pause) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = make(chan struct{})
}

func (p *pause) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.over)
	p.over = nil
}

// A paused connection brings nothing while there is a pause.
type paused struct {
	net.Conn
	pause *pause
}

// Read implements net.Conn.
func (c paused) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.pause.mu.Lock()
	over := c.pause.over
	c.pause.mu.Unlock()
	if over != nil {
		<-over
	}
	return n, err
}

type dialing func(ctx context.Context, network, address string) (net.Conn, error)

func (p *pause) dialing(dial dialing) dialing {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return paused{conn, p}, err
	}
}

// asleep runs a test with a laptop on each transport.
func asleep(t *testing.T, change func(o *persistent.Options), test func(l *laptop)) {
	for _, kind := range transportNames {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := persistent.Options{Keys: options().Keys, Logger: options().Logger, Authenticate: options().Authenticate}
				change(&o)
				w := hubWorld(o)
				client, stop := classictest.Serve(t, w.handler)
				defer stop()
				l := &laptop{T: t, Client: client(w.path).Hubs("fleet").Negotiate(), world: w, kind: kind}
				l.HTTP.Transport.(*http.Transport).DialContext = l.pause.dialing(l.HTTP.Transport.(*http.Transport).DialContext)
				l.Query.Set("gaps", "1")
				l.Patience = time.Hour
				if s := l.Connect(kind, "frameId", "1"); kind != "longPolling" {
					l.stream = s
				}
				l.Start(kind)
				w.change(l.Answer.ConnectionID, "group0", true)
				l.get(0, "", "the change of groups")
				test(l)
				if err := w.shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				w.wantPairs(t)
			})
		})
	}
}

// get reads n messages with the text in each, and returns the first frame.
func (l *laptop) get(n int, text, why string) classictest.Frame {
	l.Helper()
	if l.stream == nil {
		l.stream = l.Poll()
	}
	var first *classictest.Frame
	for got := 0; first == nil || got < n; {
		f := l.stream.Frame(why)
		if first == nil {
			first = &f
		}
		for _, m := range f.M {
			if got++; !strings.Contains(string(m), text) {
				l.Errorf("%s: got %s, want %q in it", why, m, text)
			}
		}
		if l.kind == "longPolling" && got < n {
			l.stream.Drop()
			l.stream = l.Poll()
		}
	}
	if l.kind == "longPolling" {
		l.stream.Drop()
		l.stream = nil
	}
	return *first
}

// sleep closes the lid for a while. Messages to a group and to everyone are sent
// meanwhile.
func (l *laptop) sleep(d time.Duration, messages int) {
	if l.stream != nil {
		l.stream.Drop()
	}
	time.Sleep(d / 2)
	for i := range messages {
		l.world.post([]address{{all: true}, {group: "group0"}}[i%2])
	}
	time.Sleep(d / 2)
}

func (l *laptop) wake() {
	l.stream = l.Reconnect(l.kind, "frameId", "1")
}

// A client that is away for less than the disconnect timeout has missed nothing,
// and one that is away for longer, but not for longer than the log keeps
// messages, neither, though the program has seen it go.
func TestSleep(t *testing.T) {
	asleep(t, func(*persistent.Options) {}, func(l *laptop) {
		l.sleep(25*time.Second, 10)
		l.wake()
		if f := l.get(10, "got", "after a nap"); f.X != nil {
			l.Error("a gap is told after a nap")
		}
		l.sleep(100*time.Second, 10)
		l.wake()
		if f := l.get(10, "got", "after two minutes"); f.X != nil {
			l.Error("a gap is told after two minutes")
		}
		synctest.Wait()
		if told, _ := l.world.was(); told["disconnected"] != 1 || told["reconnected"] != 2 {
			l.Errorf("the program was told %v", told)
		}
		l.world.post(address{group: "group0"})
		l.get(1, "got", "still in the group")
	})
}

// A client that is away for a night is told that it missed something, once, and
// is as good as any other from there on.
func TestLongSleep(t *testing.T) {
	asleep(t, func(*persistent.Options) {}, func(l *laptop) {
		l.sleep(8*time.Hour, 10)
		l.world.post(address{all: true})
		l.wake()
		if f := l.get(1, "got", "after a night"); f.X == nil {
			l.Errorf("no gap is told after a night: %s", f.Raw)
		}
		l.world.post(address{group: "group0"})
		if f := l.get(1, "got", "still in the group"); f.X != nil {
			l.Error("the gap is told twice")
		}
		synctest.Wait()
		if _, gaps := l.world.was(); gaps != 1 || l.world.endpoint.Stats().Gaps != 1 {
			l.Errorf("%d gaps are told to the program, %d counted", gaps, l.world.endpoint.Stats().Gaps)
		}
	})
}

// Sleep in which nothing was sent to the client is no gap, however long.
func TestQuietSleep(t *testing.T) {
	asleep(t, func(*persistent.Options) {}, func(l *laptop) {
		l.sleep(8*time.Hour, 0)
		l.world.post(address{all: true})
		l.wake()
		if f := l.get(1, "got", "after a quiet night"); f.X != nil {
			l.Error("a gap is told though nothing was sent")
		}
	})
}

// A client that stands still for a while keeps its transport if that is short,
// and loses it if it is long, but no message either way.
func TestPause(t *testing.T) {
	for name, long := range map[string]time.Duration{"short": 5 * time.Second, "long": 25 * time.Second} {
		t.Run(name, func(t *testing.T) {
			asleep(t, func(*persistent.Options) {}, func(l *laptop) {
				if l.stream == nil {
					l.stream = l.Poll()
				}
				before := l.world.now()
				l.pause.begin()
				time.Sleep(long / 5)
				for range 10 {
					l.world.post(address{group: "group0"})
					time.Sleep(long / 20)
				}
				time.Sleep(3 * long / 10)
				l.pause.end()
				for n := before; n < before+10; {
					f, err := l.stream.Next()
					if err != nil && l.kind != "longPolling" && name == "short" {
						l.Fatalf("the transport is lost: %v", err)
					}
					if err != nil {
						l.stream.Drop()
						l.wake()
						continue
					}
					if f.X != nil {
						l.Error("a gap is told")
					}
					for _, raw := range f.M {
						var m text
						_ = json.Unmarshal(raw, &m)
						if n++; m.number() != n {
							l.Fatalf("got message %d, want %d", m.number(), n)
						}
					}
				}
				l.stream.Drop()
			})
		})
	}
}

// A jump is a log whose clock was set, forward or back, since it kept its
// entries, and whose times have lost what would tell (time.Time, monotonic
// clocks), as after a restart from a snapshot.
type jump struct {
	messagelog.Log
	by time.Duration
}

// Append dates the entry anew.
func (j *jump) Append(e *messagelog.Entry) error {
	err := j.Log.Append(e)
	e.At = e.At.Round(0).Add(j.by)
	return err
}

// A clock that is set while a client is away costs it no message without a word.
func TestClockSteps(t *testing.T) {
	for name, by := range map[string]time.Duration{"back": time.Hour, "forward": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			asleep(t, func(o *persistent.Options) {
				o.Log = &jump{messagelog.NewMemory(messagelog.MemoryOptions{}), by}
			}, func(l *laptop) {
				l.sleep(20*time.Second, 10)
				l.wake()
				f := l.get(1, "got", "after the step")
				if f.X == nil && len(f.M) < 10 {
					l.get(10-len(f.M), "got", "the rest after the step")
				}
				if by > 0 && f.X != nil {
					l.Error("a clock that is set back loses messages")
				}
			})
		})
	}
}
