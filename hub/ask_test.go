package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent/core/coretest"
)

// QuizClient answers.
type QuizClient struct {
	hub.Sender
	Name    func() (string, error)
	Add     func(ctx context.Context, a int, rest ...int) (int, error)
	Message func(text string) error
}

type Quiz struct {
	events notebook
	early  bool
}

func (q *Quiz) OnConnected(c *hub.Call[QuizClient]) error {
	if !q.early {
		return nil
	}
	_, err := c.Clients.Caller().Name()
	q.events.add(fmt.Sprint(errors.Is(err, hub.ErrTooEarly)))
	return nil
}

func (*Quiz) Greet(c *hub.Call[QuizClient]) (string, error) {
	name, err := c.Clients.Caller().Name()
	return "hello " + name, err
}

func (q *Quiz) Ask(c *hub.Call[QuizClient], id string) (string, error) {
	name, err := c.Clients.Client(id).Name()
	q.events.add(fmt.Sprint(name, " ", err))
	return name, err
}

func (*Quiz) Sum(c *hub.Call[QuizClient], a, b int) (int, error) {
	ctx, cancel := context.WithTimeout(c, coretest.Patience)
	defer cancel()
	return c.Clients.Caller().Add(ctx, a, b, 1)
}

func (*Quiz) Join(c *hub.Call[QuizClient], g string) error { return c.Groups.Add(c.ConnectionID, g) }
func (*Quiz) Plain(_ *hub.Call[QuizClient], n int) int     { return n }
func (*Quiz) Tell(c *hub.Call[QuizClient], text string) error {
	return c.Clients.Caller().Message(text)
}

func newQuizSite(t *testing.T, opts ...hub.RegisterOption) (*site, *Quiz, *hub.Hub[QuizClient]) {
	s := newSite(t, hub.Options{})
	q := new(Quiz)
	return s, q, hub.Register[QuizClient](s.Server, "quiz", q, opts...)
}

func question(id, target, args string) string {
	return fmt.Sprintf(`{"type":1,"invocationId":%q,"target":%q,"arguments":%s}`, id, target, args)
}

func answer(id string, v any) string {
	return fmt.Sprintf(`{"type":3,"invocationId":%q,"result":%s}`, id, text(v))
}

// A method asks its caller. In the meantime the client's other calls run, and
// one of them may be what the client needs for the answer.
func TestAskCaller(t *testing.T) {
	for _, width := range []int{1, 2} {
		s, _, _ := newQuizSite(t, hub.Concurrently(width))
		s.onEach(t, func(t *testing.T, s *site, transport string) {
			c := s.core("", "quiz").Open(transport)
			c.Send(invocation("a", "greet", "[]"))
			c.WantExactly("the question", question("s1", "name", "[]"))
			for i := range 3 { // one after another, whatever the width
				if r := c.Invoke("plain", i); string(r.Result) != fmt.Sprint(i) {
					t.Errorf("a call while one waits: %s", r.Raw)
				}
			}
			c.Send(answer("s1", "ann"))
			c.WantExactly("the answer", answer("a", "hello ann"))
			c.Send(invocation("b", "sum", "[1,2]"))
			c.WantExactly("the next question", question("s2", "add", "[1,2,1]"))
			c.Send(answer("s2", 4), answer("s2", 5), answer("s1", 6), answer("s99", 7))
			c.WantExactly("the first answer counts", answer("b", 4))
		})
	}
}

// What comes in place of an answer is the error.
func TestAskErrors(t *testing.T) {
	s, q, h := newQuizSite(t)
	asker := s.core("", "quiz").Open("webSockets")
	client := s.core("", "quiz")
	c := client.Open("webSockets")
	id := client.Answer.ConnectionID
	if _, err := h.Clients.Client("nope").Name(); !errors.Is(err, hub.ErrNoConnection) {
		t.Errorf("unknown id: %v", err)
	}
	if _, err := h.Clients.All().Name(); !errors.Is(err, hub.ErrManyClients) {
		t.Errorf("all: %v", err)
	}
	if _, err := h.Clients.Group("g").Name(); !errors.Is(err, hub.ErrManyClients) {
		t.Errorf("group: %v", err)
	}
	if _, err := h.Clients.Clients(id, id).Name(); !errors.Is(err, hub.ErrManyClients) {
		t.Errorf("two: %v", err)
	}
	g := s.connect("webSockets", "", "quiz")
	if _, err := h.Clients.Client(g.id()).Name(); !errors.Is(err, hub.ErrCannotAnswer) {
		t.Errorf("classic client: %v", err)
	}
	other := s.connect("webSockets", "", "quiz")
	if r := other.invoke("quiz", "greet"); r.E == "" {
		t.Errorf("classic caller: %s", r.Raw)
	}

	ask := func(do func(id string)) (string, error) {
		type outcome struct {
			name string
			err  error
		}
		got := make(chan outcome, 1)
		go func() {
			name, err := h.Clients.Client(id).Name()
			got <- outcome{name, err}
		}()
		var m struct {
			InvocationID string `json:"invocationId"`
		}
		unmarshal(t, c.Want("a question", `"target":"name"`), &m)
		do(m.InvocationID)
		o := <-got
		return o.name, o.err
	}
	_, err := ask(func(s string) { c.Send(failed(s, "no handler")) })
	if e, ok := errors.AsType[*hub.ClientError](err); !ok || e.Message != "no handler" || e.ConnectionID != id {
		t.Errorf("a failure: %v", err)
	}
	if _, err := ask(func(s string) { c.Send(answer(s, 7)) }); err == nil {
		t.Error("an answer of another type was taken")
	}
	if name, err := ask(func(s string) { c.Send(done(s)) }); name != "" || err != nil {
		t.Errorf("nothing: %q, %v", name, err)
	}
	// An answer from somebody else counts for nothing.
	if name, err := ask(func(s string) {
		asker.Send(answer(s, "eve"))
		asker.Invoke("plain", 1)
		c.Send(answer(s, "ann"))
	}); name != "ann" || err != nil {
		t.Errorf("got %q, %v", name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := h.Clients.Client(id).Add(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	c.Want("its question", `"target":"add"`)
	var n int
	asked := make(chan error, 1)
	go func() { asked <- h.Clients.Client(id).Ask(t.Context(), &n, "dynamic", 1, "x") }()
	c.WantExactly("by name", question("s6", "dynamic", `[1,"x"]`))
	c.Send(answer("s6", 3))
	if err := <-asked; err != nil || n != 3 {
		t.Errorf("by name: %d, %v", n, err)
	}

	// The words of a client are for itself only.
	asker.Send(invocation("a", "ask", text([]string{id})))
	c.Want("a question", `"s7"`)
	c.Send(failed("s7", "private"))
	asker.WantExactly("no words", failed("a", "An unexpected error occurred invoking 'ask' on the server."))
	asker.Send(invocation("b", "greet", "[]"))
	asker.Want("a question", `"s1"`)
	asker.Send(failed("s1", "mine"))
	asker.WantExactly("its own words", failed("b", "An unexpected error occurred invoking 'greet' on the server. HubException: mine"))

	// The end of either connection ends the wait.
	if _, err := ask(func(string) { c.Drop() }); !errors.Is(err, hub.ErrNoConnection) {
		t.Errorf("a client that goes away: %v", err)
	}
	client = s.core("", "quiz")
	c = client.Open("webSockets")
	asker.Send(invocation("c", "ask", text([]string{client.Answer.ConnectionID})))
	c.Want("a question", `"s1"`)
	asker.Drop()
	lines := q.events.wait(t, 2)
	if got := lines[len(lines)-1]; !strings.Contains(got, context.Canceled.Error()) {
		t.Errorf("an asker that goes away: %q", got)
	}
}

// Filters see questions, and may answer themselves.
func TestAskThroughFilters(t *testing.T) {
	s, _, h := newQuizSite(t, hub.Use(hub.Filter{Send: func(c *hub.ClientCall, next func(*hub.ClientCall) error) error {
		if c.Method == "name" {
			*c.Answer.(*string) = "the filter"
			return nil
		}
		if err := next(c); err != nil || c.Answer == nil {
			return err
		}
		*c.Answer.(*int)++
		return nil
	}}))
	client := s.core("", "quiz")
	c := client.Open("webSockets")
	if r := c.Invoke("greet"); string(r.Result) != `"hello the filter"` {
		t.Error(r.Raw)
	}
	asked := make(chan string, 1)
	go func() {
		asked <- fmt.Sprint(h.Clients.Client(client.Answer.ConnectionID).Add(t.Context(), 1))
	}()
	c.WantExactly("the question", question("s1", "add", "[1]"))
	c.Send(answer("s1", 3))
	if got := <-asked; got != "4 <nil>" {
		t.Error(got)
	}
}

// A client cannot answer before it is connected.
func TestAskTooEarly(t *testing.T) {
	s, q, _ := newQuizSite(t)
	q.early = true
	s.core("", "quiz").Open("webSockets")
	if got := q.events.wait(t, 1)[0]; got != "true" {
		t.Error(got)
	}
}

// A shutdown waits for the answers of clients no longer than it may.
func TestShutdownEndsQuestions(t *testing.T) {
	inDock(t, hub.Options{}, func(t *testing.T, d *dock) {
		hub.Register[QuizClient](d.Server, "quiz", new(Quiz))
		c := d.client()
		c.URL = strings.Replace(c.URL, "dock", "quiz", 1)
		s := c.Open("webSockets")
		s.Send(invocation("a", "greet", "[]"))
		s.Want("the question", `"s1"`)
		var reading sync.WaitGroup
		reading.Go(func() { s.WantEnd("the end") })
		defer reading.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := d.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("shutdown took %v", took)
		}
	})
}

func unmarshal(t *testing.T, message string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(message), v); err != nil {
		t.Fatalf("%s: %v", message, err)
	}
}
