package hub_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent/core/coretest"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// Pipes is the hub of these tests.
type Pipes struct {
	events notebook
	rooms  chan struct{}
}

func newPipes() *Pipes { return &Pipes{rooms: make(chan struct{})} }

func (*Pipes) Count(_ *hub.Call[RoomClient], n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
	}
}

func (*Pipes) Tail(c *hub.Call[RoomClient], n int) (<-chan string, error) {
	if n < 0 {
		return nil, hub.Errorf("no such tail")
	}
	ch := make(chan string)
	go func() {
		defer close(ch)
		for i := range n {
			select {
			case ch <- fmt.Sprint("line ", i):
			case <-c.Done():
				return
			}
		}
	}()
	return ch, nil
}

// Forever yields what is large enough to fill any buffer, until it is stopped.
func (p *Pipes) Forever(c *hub.Call[RoomClient], size int) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		n := 0
		for yield(strings.Repeat("x", size), nil) {
			n++
		}
		p.events.add(fmt.Sprint("stopped ", c.Err() != nil, n < 1000))
	}
}

// Silent yields once and then waits for its end.
func (p *Pipes) Silent(c *hub.Call[RoomClient]) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		yield(1, nil)
		<-c.Done()
		p.events.add("silent " + c.Err().Error())
		yield(2, nil) // too late
	}
}

func (*Pipes) Broken(_ *hub.Call[RoomClient], how string) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		if !yield(0, nil) {
			return
		}
		switch how {
		case "error":
			yield(nil, errors.New("secret"))
		case "told":
			yield(nil, hub.Errorf("boom"))
		case "panic":
			panic("on purpose")
		case "value":
			yield(math.NaN(), nil)
		}
	}
}

func (*Pipes) NoStream(*hub.Call[RoomClient]) (<-chan int, error) { return nil, nil }
func (*Pipes) Plain(_ *hub.Call[RoomClient], n int) int           { return n }

func (p *Pipes) Sum(_ *hub.Call[RoomClient], by int, in iter.Seq2[int, error]) (int, error) {
	total := 0
	for n, err := range in {
		if err != nil {
			p.events.add("sum " + err.Error())
			return 0, err
		}
		total += by * n
	}
	return total, nil
}

// Zip takes streams of both kinds, with arguments between them, and streams.
func (*Pipes) Zip(_ *hub.Call[RoomClient], a <-chan string, sep string, b iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for s, err := range b {
			if !yield(<-a+sep+s, err) {
				return
			}
		}
	}
}

// Idle takes a stream and does not read it.
func (p *Pipes) Idle(c *hub.Call[RoomClient], in <-chan string) {
	<-p.rooms
	n := 0
	for range in {
		n++
	}
	p.events.add(fmt.Sprint("read ", n))
}

func newPipeSite(t *testing.T, o hub.Options) (*site, *Pipes) {
	s := newSite(t, o)
	p := newPipes()
	hub.Register[RoomClient](s.Server, "pipes", p)
	return s, p
}

func stream(id, target, args string, uploads ...string) string {
	return fmt.Sprintf(`{"type":4,"invocationId":%q,"target":%q,"arguments":%s,"streamIds":%s}`, id, target, args, text(uploads))
}

func invocation(id, target, args string, uploads ...string) string {
	return strings.Replace(stream(id, target, args, uploads...), `"type":4`, `"type":1`, 1)
}

func itemOf(id string, v any) string {
	return fmt.Sprintf(`{"type":2,"invocationId":%q,"item":%s}`, id, text(v))
}

func done(id string) string { return fmt.Sprintf(`{"type":3,"invocationId":%q}`, id) }

func failed(id, why string) string {
	return fmt.Sprintf(`{"type":3,"invocationId":%q,"error":%q}`, id, why)
}

// A method that returns a stream streams it, on every transport, whatever its
// kind, and the completion comes behind all items.
func TestStreamToClient(t *testing.T) {
	s, _ := newPipeSite(t, hub.Options{})
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		c := s.core("", "pipes").Open(transport)
		c.Send(stream("a", "count", "[300]"))
		for i := range 300 {
			c.WantExactly("an item", itemOf("a", i))
		}
		c.WantExactly("the end", done("a"))
		c.Send(stream("a", "Tail", "[2]"))
		c.WantExactly("an item", itemOf("a", "line 0"))
		c.WantExactly("an item", itemOf("a", "line 1"))
		c.WantExactly("the end", done("a"))
	})
}

func TestStreamErrors(t *testing.T) {
	s, _ := newPipeSite(t, hub.Options{})
	c := s.core("", "pipes").Open("webSockets")
	const streaming = "An error occurred on the server while streaming results."
	for how, want := range map[string]string{
		"error": streaming, "panic": streaming, "value": streaming, "told": streaming + " HubException: boom",
	} {
		c.Send(stream(how, "broken", text([]string{how})))
		c.WantExactly(how, itemOf(how, 0))
		c.WantExactly(how, failed(how, want))
	}
	for _, row := range []struct{ message, want string }{
		{stream("1", "tail", "[-1]"), "An unexpected error occurred invoking 'tail' on the server. HubException: no such tail"},
		{stream("1", "noStream", "[]"), "An unexpected error occurred invoking 'noStream' on the server."},
		{stream("1", "nope", "[]"), "Failed to invoke 'nope' due to an error on the server. HubException: Method does not exist."},
		{stream("1", "plain", "[1]"), "The client attempted to invoke the non-streaming 'plain' method with a streaming invocation."},
		{invocation("1", "Count", "[1]"), "The client attempted to invoke the streaming 'Count' method with a non-streaming invocation."},
		{invocation("1", "plain", "[1]", "0"), "An unexpected error occurred invoking 'plain' on the server. HubException: Client sent 1 stream(s), Hub method expects 0."},
		{invocation("1", "sum", "[1]"), "An unexpected error occurred invoking 'sum' on the server. HubException: Client sent 0 stream(s), Hub method expects 1."},
		{invocation("1", "sum", "[1]", "5", "5"), "Invocation ID '1' is already in use."},
	} {
		c.Send(row.message)
		c.WantExactly(row.message, failed("1", row.want))
	}
	c.Send(stream("2", "silent", "[]"))
	c.WantExactly("it runs", itemOf("2", 1))
	c.Send(stream("2", "count", "[1]"))
	c.WantExactly("its id is in use", failed("2", "Invocation ID '2' is already in use."))
	c.Send(`{"type":5,"invocationId":"2"}`)
	c.WantExactly("the end", done("2"))
}

// A stream does not hold other calls up, ends when the client cancels it, and
// completes without an error then.
func TestCancelStream(t *testing.T) {
	s, p := newPipeSite(t, hub.Options{})
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		p.events = notebook{}
		c := s.core("", "pipes").Open(transport)
		c.Send(`{"type":5,"invocationId":"unknown"}`, stream("a", "silent", "[]"))
		c.WantExactly("an item", itemOf("a", 1))
		if r := c.Invoke("plain", 7); string(r.Result) != "7" {
			t.Errorf("a call beside the stream: %s", r.Raw)
		}
		c.Send(`{"type":5,"invocationId":"a"}`)
		c.WantExactly("no error and nothing more", done("a"))
		p.events.wait(t, 1)
		c.Send(stream("b", "forever", "[10]"))
		c.WantExactly("an item", itemOf("b", "xxxxxxxxxx"))
		c.Send(`{"type":5,"invocationId":"b"}`)
		for c.Message("the end") != done("b") {
		}
		if r := c.Invoke("plain", 8); string(r.Result) != "8" {
			t.Errorf("behind the end: %s", r.Raw)
		}
	})
}

// What streams to a Core client takes no place in the log, which is there for
// those who come back.
func TestStreamPastTheLog(t *testing.T) {
	for _, transport := range transportNames {
		log := messagelog.NewMemory(messagelog.MemoryOptions{})
		o := hub.Options{}
		o.Log = log
		s, _ := newPipeSite(t, o)
		c := s.core("", "pipes").Open(transport)
		head := log.Head()
		c.Send(stream("a", "count", "[100]"))
		for i := range 100 {
			c.WantExactly("an item", itemOf("a", i))
		}
		c.WantExactly("the end", done("a"))
		if n := log.Head() - head; n > 0 {
			t.Errorf("%s: %d entries", transport, n)
		}
	}
}

// A client that does not read holds its stream up, loses nothing, and leaves
// nothing behind when it goes.
func TestStreamBackPressure(t *testing.T) {
	s, p := newPipeSite(t, hub.Options{})
	for _, transport := range transportNames {
		p.events = notebook{}
		c := s.core("", "pipes").Open(transport)
		c.Send(stream("a", "forever", "[50000]"))
		if transport == "webSockets" { // where much fits into the sockets
			for range 200 {
				c.WantExactly("an item", itemOf("a", strings.Repeat("x", 50000)))
			}
			if r := c.Invoke("plain", 1); string(r.Result) != "1" {
				t.Fatalf("beside it: %.100s", r.Raw)
			}
		}
		if transport == "longPolling" {
			c.WantExactly("an item", itemOf("a", strings.Repeat("x", 50000)))
			stop(t, s) // the next poll does not come
		} else {
			c.Drop()
		}
		if got := p.events.wait(t, 1)[0]; got != "stopped true true" {
			t.Errorf("%s: %s", transport, got)
		}
	}
}

// stop ends what there is.
func stop(t *testing.T, s *site) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), coretest.Patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// A shutdown ends streams to clients and tells them. No call is taken from then
// on, of whatever kind, but those that were taken get what they wait for: items
// of a stream from the client, and its answer.
func TestShutdownOfStreams(t *testing.T) {
	const stopping = "HubException: The server is shutting down."
	refused := func(id, method string) string {
		return failed(id, "Failed to invoke '"+method+"' due to an error on the server. "+stopping)
	}
	for _, transport := range transportNames {
		s, p := newPipeSite(t, hub.Options{})
		hub.Register[QuizClient](s.Server, "quiz", new(Quiz))
		hub.Register[RoomClient](s.Server, "lanes", newPipes(), hub.Concurrently(2))
		c, lanes, quiz := s.core("", "pipes").Open(transport), s.core("", "lanes").Open(transport), s.core("", "quiz").Open(transport)
		c.Send(stream("a", "silent", "[]"))
		c.WantExactly("an item", itemOf("a", 1))
		c.Send(invocation("b", "sum", "[10]", "0"), itemOf("0", 1))
		quiz.Send(invocation("c", "greet", "[]"))
		quiz.WantExactly("the question", question("s1", "name", "[]"))
		over := make(chan struct{})
		go func() {
			defer close(over)
			stop(t, s)
		}()
		c.WantExactly("the stream", failed("a", "An error occurred on the server while streaming results. "+stopping))
		c.Send(invocation("d", "plain", "[7]"), stream("e", "count", "[1]"), invocation("f", "sum", "[10]", "1"))
		for id, method := range map[string]string{"d": "plain", "e": "count", "f": "sum"} {
			if r := c.Completion(id); r.Raw != refused(id, method) {
				t.Errorf("a call that comes too late: %s", r.Raw)
			}
		}
		if r := lanes.Invoke("plain", 7); !strings.Contains(r.Error, stopping) {
			t.Errorf("a call that comes too late, in a lane: %s", r.Raw)
		}
		if r := s.client("", "pipes").Negotiate().Get("connect", "transport", "longPolling"); r.Status != http.StatusServiceUnavailable {
			t.Errorf("a client that comes too late gets %d", r.Status)
		}
		c.Send(itemOf("0", 2), done("0"))
		c.WantExactly("the sum", answer("b", 30))
		quiz.Send(answer("s1", "ann"))
		quiz.WantExactly("the result", answer("c", "hello ann"))
		<-over
		p.events.wait(t, 1)
	}
}

// Parameters take streams of the client, whose items may come with the call.
func TestStreamFromClient(t *testing.T) {
	s, p := newPipeSite(t, hub.Options{})
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		p.events = notebook{}
		c := s.core("", "pipes").Open(transport)
		c.Send(invocation("a", "sum", "[10]", "0"), itemOf("0", 1), itemOf("0", 2), itemOf("0", 3), done("0"), itemOf("0", 4))
		c.WantExactly("the sum", `{"type":3,"invocationId":"a","result":60}`)
		c.Send(invocation("b", "sum", "[1]", "0"), itemOf("0", 1), failed("0", "disk full"))
		c.WantExactly("the client's own words", failed("b", "An unexpected error occurred invoking 'sum' on the server. HubException: disk full"))
		c.Send(invocation("c", "sum", "[1]", "0"), itemOf("0", 1), itemOf("0", "x"), itemOf("0", 1))
		c.Want("an item that does not fit", `InvalidDataException: Item 2 of stream 1 of method \"Sum\" is not a int: `)
		c.Send(stream("d", "zip", `["-"]`, "0", "1"), itemOf("0", "a"), itemOf("1", "x"), itemOf("1", "y"), itemOf("0", "b"), done("1"), done("0"))
		c.WantExactly("both", itemOf("d", "a-x"))
		c.WantExactly("both", itemOf("d", "b-y"))
		c.WantExactly("the end", done("d"))
		c.Send(strings.Replace(invocation("e", "sum", "[1]", "0"), `"invocationId":"e",`, "", 1), itemOf("0", "x"))
		if lines := p.events.wait(t, 3); !strings.Contains(lines[2], "Item 1") {
			t.Errorf("a call without an answer: %q", lines)
		}
	})
}

// What a client sends ahead of the method waits, within bounds, and does not
// hold up what comes behind it.
func TestUploadBounds(t *testing.T) {
	s, p := newPipeSite(t, hub.Options{})
	c := s.core("", "pipes").Open("webSockets")
	send := []string{invocation("a", "idle", "[]", "0")}
	for range 100 {
		send = append(send, itemOf("0", "x"))
	}
	c.Send(append(send, done("0"))...)
	if r := c.Invoke("plain", 7); string(r.Result) != "7" {
		t.Error(r.Raw)
	}
	close(p.rooms)
	c.WantExactly("a void method", `{"type":3,"invocationId":"a","result":null}`)
	if got := p.events.wait(t, 1)[0]; got != "read 100" {
		t.Error(got)
	}
}

// A connection that ends ends the streams that its client sends.
func TestUploadOfLostClient(t *testing.T) {
	s, p := newPipeSite(t, hub.Options{})
	c := s.core("", "pipes").Open("webSockets")
	c.Send(invocation("a", "sum", "[1]", "0"), itemOf("0", 1), stream("b", "zip", `["-"]`, "1", "2"))
	if r := c.Invoke("plain", 7); string(r.Result) != "7" {
		t.Error(r.Raw)
	}
	c.Drop()
	if got := p.events.wait(t, 1)[0]; !strings.Contains(got, hub.ErrNoConnection.Error()) {
		t.Error(got)
	}
}

// Clients of a family without streams get the items as progress.
func TestStreamToClassic(t *testing.T) {
	s, _ := newPipeSite(t, hub.Options{})
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		g := s.connect(transport, "", "pipes")
		r := g.ok("pipes", "count", 3)
		if string(r.R) != "" && string(r.R) != "null" {
			t.Errorf("result: %s", r.Raw)
		}
		for i := range 3 {
			if m := g.messages("progress", 1)[0]; !strings.Contains(m, fmt.Sprintf(`"D":%d}`, i)) {
				t.Errorf("progress %d: %s", i, m)
			}
		}
		if r := g.invoke("pipes", "broken", "told"); r.E != "boom" {
			t.Error(r.Raw)
		}
		if r := g.invoke("pipes", "sum", 1); r.E != "Client sent 0 stream(s), Hub method expects 1." {
			t.Error(r.Raw)
		}
	})
}
