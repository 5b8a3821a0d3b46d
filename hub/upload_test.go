package hub_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent/core/coretest"
)

// Dock is a hub whose methods are slow.
type Dock struct {
	peak uint64        // the most memory that was in use, of Unload
	gate chan struct{} // the others read no item before it is closed
}

const (
	crates    = 3_000
	crateSize = 10_000
)

func crate(i int) string { return fmt.Sprintf("%0*d", crateSize, i) }

// Unload takes 60 ms for each item. It returns how many have come in order.
func (d *Dock) Unload(_ *hub.Call[QuizClient], in iter.Seq2[string, error]) (int, error) {
	n := 0
	for s, err := range in {
		if err != nil || s != crate(n) {
			return n, err
		}
		if n++; n%500 == 0 {
			d.peak = max(d.peak, heap())
		}
		time.Sleep(60 * time.Millisecond)
	}
	return n, nil
}

// heap returns how much memory is in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Total adds up, when it may.
func (d *Dock) Total(c *hub.Call[QuizClient], in iter.Seq2[int, error]) (total int, err error) {
	<-d.gate
	for n, err := range in {
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// Greet asks the caller, and then counts the items.
func (d *Dock) Greet(c *hub.Call[QuizClient], in iter.Seq2[int, error]) (string, error) {
	<-d.gate
	name, err := c.Clients.Caller().Name()
	if err != nil {
		return "", err
	}
	n := 0
	for _, err := range in {
		if errors.Is(err, hub.ErrOverrun) {
			return name, hub.Errorf("overrun after %d", n)
		}
		n++
	}
	return fmt.Sprint(name, n), nil
}

// Pair reads the second stream first.
func (d *Dock) Pair(_ *hub.Call[QuizClient], a, b iter.Seq2[int, error]) (count int) {
	<-d.gate
	for range b {
		count++
	}
	for range a {
		count++
	}
	return count
}

// Take reads so many items at first.
func (d *Dock) Take(_ *hub.Call[QuizClient], first int, in iter.Seq2[int, error]) {
	<-d.gate
	n := 0
	for range in {
		if n++; n == first {
			<-d.gate
		}
	}
}

// Echo sends everything back.
func (*Dock) Echo(_ *hub.Call[QuizClient], in iter.Seq2[string, error]) iter.Seq2[string, error] {
	return in
}

// Ignore reads nothing.
func (d *Dock) Ignore(c *hub.Call[QuizClient], _ iter.Seq2[int, error]) {
	select {
	case <-d.gate:
	case <-c.Done():
	}
}

func (*Dock) Plain(_ *hub.Call[QuizClient], n int) int { return n }

// A dock is a server in a bubble.
type dock struct {
	*Dock
	*hub.Server
	t      *testing.T
	client func() *coretest.Client
}

// inDock runs a test in a bubble.
func inDock(t *testing.T, o hub.Options, f func(t *testing.T, d *dock)) {
	synctest.Test(t, func(t *testing.T) {
		o.Logger = slog.New(slog.DiscardHandler)
		d := &dock{t: t, Dock: &Dock{gate: make(chan struct{})}, Server: hub.NewServer(o)}
		hub.Register[QuizClient](d.Server, "dock", d.Dock)
		client, stop := coretest.Serve(t, d.Server)
		defer stop()
		d.client = func() *coretest.Client {
			c := client("/signalr/dock")
			c.Patience = 2 * time.Hour
			return c
		}
		f(t, d)
		if err := d.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// upload sends the messages without waiting for the server to read them, and
// returns when it would have to.
func (d *dock) upload(c *coretest.Client, s *coretest.Stream, messages ...string) {
	body := strings.Join(messages, coretest.Separator) + coretest.Separator
	go func() { // what the server did not take is seen by what does not come
		if ws := s.Socket(); ws != nil {
			_ = ws.Write(context.Background(), websocket.MessageText, []byte(body))
			return
		}
		_, _ = c.Do(http.MethodPost, c.Address("", c.ID()...), body)
	}()
	synctest.Wait()
}

// items returns the items of a stream, and its end.
func items(id string, n int) (list []string) {
	for range n {
		list = append(list, itemOf(id, 1))
	}
	return append(list, done(id))
}

// A client that sends 30 MB to a method that takes minutes for it is held back:
// nothing is lost, little is in memory at a time, and neither the client's
// timeout nor that of a request's body counts.
func TestUploadBackPressure(t *testing.T) {
	for _, transport := range []string{"webSockets", "longPolling"} {
		t.Run(transport, func(t *testing.T) {
			inDock(t, hub.Options{}, func(t *testing.T, d *dock) {
				c := d.client()
				s := c.Open(transport)
				before := heap()
				s.Send(coretest.Ping, invocation("a", "unload", "[]", "0"))
				go ship(t, c, s)
				if r := s.Completion("a"); string(r.Result) != fmt.Sprint(crates) {
					t.Errorf("got %.200s, want all items", r.Raw)
				}
				if used := int64(d.peak) - int64(before); used > 8<<20 {
					t.Errorf("%d MiB in use", used>>20)
				}
			})
		})
	}
}

// ship sends the items as fast as it can: by POST, all in one.
func ship(t *testing.T, c *coretest.Client, s *coretest.Stream) {
	if s.Transport == "webSockets" {
		for i := range crates {
			s.Send(itemOf("0", crate(i)))
		}
		s.Send(done("0"))
		return
	}
	body, w := io.Pipe()
	go func() {
		for i := range crates {
			_, _ = io.WriteString(w, itemOf("0", crate(i))+coretest.Separator)
		}
		_, _ = io.WriteString(w, done("0")+coretest.Separator)
		_ = w.Close()
	}()
	r, err := c.HTTP.Post(c.Address("", c.ID()...), "text/plain", body)
	if err != nil {
		t.Error(err)
		return
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Errorf("post: %s", r.Status)
	}
}

// What comes behind the items of a full upload waits for its method, however
// long that takes, and comes then.
func TestUploadHoldsWhatFollows(t *testing.T) {
	for _, transport := range transportNames {
		t.Run(transport, func(t *testing.T) {
			inDock(t, hub.Options{}, func(t *testing.T, d *dock) {
				c := d.client()
				s := c.Open(transport)
				d.upload(c, s, append([]string{coretest.Ping, invocation("a", "total", "[]", "0")}, items("0", 2000)...)...)
				held, _ := d.Endpoint().Conn(c.Answer.ConnectionID)
				if held.Held() == nil {
					t.Error("the client is not held back")
				}
				d.upload(c, s, invocation("b", "plain", "[7]"))
				time.AfterFunc(time.Hour, func() { close(d.gate) })
				got := s.Message("an answer") + s.Message("an answer")
				for _, want := range []string{answer("a", 2000), answer("b", 7)} {
					if !strings.Contains(got, want) {
						t.Errorf("got %s, want %s", got, want)
					}
				}
				if held.Held() != nil {
					t.Error("the client is held back behind the end")
				}
			})
		})
	}
}

// When half of what waits is taken, the client goes on.
func TestUploadGoesOn(t *testing.T) {
	for taken, held := range map[int]bool{500: true, 520: false} {
		inDock(t, hub.Options{}, func(t *testing.T, d *dock) {
			c := d.client()
			s := c.Open("webSockets")
			d.upload(c, s, append([]string{invocation("a", "take", fmt.Sprintf("[%d]", taken), "0")}, items("0", 1100)...)...)
			d.gate <- struct{}{}
			synctest.Wait()
			if conn, _ := d.Endpoint().Conn(c.Answer.ConnectionID); (conn.Held() != nil) != held {
				t.Errorf("%d items taken: held is %t", taken, !held)
			}
			close(d.gate)
			s.WantExactly("the answer", `{"type":3,"invocationId":"a","result":null}`)
		})
	}
}

// Bytes count as items do. What is too large for any bounds goes alone.
func TestUploadBytes(t *testing.T) {
	o := hub.Options{}
	o.MaxQueuedBytes = 2000
	for size, held := range map[int]bool{400: false, 500: true, 5000: true} {
		inDock(t, o, func(t *testing.T, d *dock) {
			c := d.client()
			s := c.Open("webSockets")
			d.upload(c, s, invocation("a", "ignore", "[]", "0"), itemOf("0", strings.Repeat("x", size)))
			if conn, _ := d.Endpoint().Conn(c.Answer.ConnectionID); (conn.Held() != nil) != held {
				t.Errorf("%d bytes: held is %t", size, !held)
			}
			close(d.gate)
			s.WantExactly("the answer", `{"type":3,"invocationId":"a","result":null}`)
		})
	}
}

// A client is not held back while the method waits for what it says.
func TestUploadWhileAsking(t *testing.T) {
	o := hub.Options{}
	o.MaxQueued = 100
	for _, row := range []struct {
		n    int
		want string
	}{
		{100, answer("a", "ann100")},
		{101, failed("a", "An unexpected error occurred invoking 'greet' on the server. HubException: overrun after 100")},
	} {
		inDock(t, o, func(t *testing.T, d *dock) {
			c := d.client()
			s := c.Open("webSockets")
			d.upload(c, s, append([]string{invocation("a", "greet", "[]", "0")}, items("0", row.n)...)...)
			close(d.gate)
			s.WantExactly("the question", question("s1", "name", "[]"))
			d.upload(c, s, answer("s1", "ann"))
			s.WantExactly("the answer", row.want)
		})
	}
}

// Nor while the method waits for another stream of the same call.
func TestUploadsOfOneCall(t *testing.T) {
	o := hub.Options{}
	o.MaxQueued = 100
	inDock(t, o, func(t *testing.T, d *dock) {
		c := d.client()
		s := c.Open("webSockets")
		send := append([]string{invocation("a", "pair", "[]", "0", "1")}, items("0", 100)...)
		d.upload(c, s, append(send, items("1", 1000)...)...)
		close(d.gate)
		s.WantExactly("all items", answer("a", 1100))
	})
}

// Nor while a client that counts messages has to acknowledge some before more
// are sent: what it says of them comes behind the items.
func TestUploadBeforeAcknowledgement(t *testing.T) {
	inDock(t, hub.Options{}, func(t *testing.T, d *dock) {
		c := d.client()
		c.Stateful = true
		s := c.Open("webSockets")
		var send []string
		for range 1500 {
			send = append(send, itemOf("0", strings.Repeat("x", 500)))
		}
		d.upload(c, s, append([]string{stream("a", "echo", "[]", "0")}, send...)...)
		for n := range 1500 {
			s.WantExactly("an item", itemOf("a", strings.Repeat("x", 500)))
			if n%150 == 149 {
				d.upload(c, s, fmt.Sprintf(`{"type":8,"sequenceId":%d}`, n+1))
			}
		}
		d.upload(c, s, done("0"))
		s.WantExactly("the end", done("a"))
	})
}

// A client that is held back may lose its socket, and goes on where it was.
func TestUploadOverTwoSockets(t *testing.T) {
	inDock(t, hub.Options{}, func(t *testing.T, d *dock) {
		c := d.client()
		c.Stateful = true
		s := c.Open("webSockets")
		send := append([]string{invocation("a", "total", "[]", "0")}, items("0", 2000)...)
		d.upload(c, s, send...)
		s.Drop()
		s = c.Dial("webSockets")
		d.upload(c, s, append([]string{`{"type":9,"sequenceId":1}`}, send...)...)
		time.AfterFunc(time.Minute, func() { close(d.gate) })
		var got string
		for !strings.Contains(got, `"type":3`) { // acknowledgements come as well
			got = s.Message("the answer")
		}
		if want := answer("a", 2000); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// The end of the call, and that of the connection, let the client go.
func TestUploadReleased(t *testing.T) {
	send := append([]string{invocation("a", "ignore", "[]", "0")}, items("0", 2000)...)
	for name, end := range map[string]func(*dock, string){
		"return": func(d *dock, _ string) { close(d.gate) },
		"abort": func(d *dock, id string) {
			c, _ := d.Endpoint().Conn(id)
			c.Abort()
		},
		"shutdown": func(d *dock, _ string) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = d.Shutdown(ctx)
		},
	} {
		for _, transport := range transportNames {
			t.Run(name+" "+transport, func(t *testing.T) {
				inDock(t, hub.Options{}, func(t *testing.T, d *dock) {
					c := d.client()
					s := c.Open(transport)
					d.upload(c, s, send...)
					end(d, c.Answer.ConnectionID)
					if name == "return" {
						s.WantExactly("the answer", `{"type":3,"invocationId":"a","result":null}`)
						d.upload(c, s, invocation("b", "plain", "[7]"))
						s.WantExactly("a call behind it", answer("b", 7))
						return
					}
					s.WantEnd("the end")
				})
			})
		}
	}
}

// A client that is gone does not stay held back: a ping finds out.
func TestUploadOfHeldClientLost(t *testing.T) {
	inDock(t, hub.Options{}, func(t *testing.T, d *dock) {
		c := d.client()
		s := c.Open("webSockets")
		d.upload(c, s, append([]string{invocation("a", "ignore", "[]", "0")}, items("0", 2000)...)...)
		conn, _ := d.Endpoint().Conn(c.Answer.ConnectionID)
		s.Drop()
		<-conn.Context().Done()
	})
}
