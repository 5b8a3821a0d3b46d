package hub_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/hub"
)

// The additions of this project to the classic wire, which docs/compatibility.md
// lists: streams that are cancelled and outlive a transport, and answers.

// ours connects a client of this project.
func (s *site) ours(transport string, hubs ...string) *guest {
	s.t.Helper()
	c := s.client("", hubs...)
	c.Query.Set("answers", "1")
	return &guest{Client: c, Stream: c.Open(transport), t: s.t}
}

// say sends one payload and returns the answer to it, which has the id.
func (g *guest) say(id, payload string) string {
	g.t.Helper()
	if g.Transport == "webSockets" {
		g.Write(payload)
		return g.results(id)[id].Raw
	}
	r := g.Client.Send(g.Transport, payload)
	if r.Status != http.StatusOK {
		g.t.Fatalf("%s: %d %s", payload, r.Status, r.Body)
	}
	return r.Body
}

func (g *guest) wantSay(why, id, payload, want string) {
	g.t.Helper()
	if got := g.say(id, payload); got != want {
		g.t.Fatalf("%s: got %s, want %s", why, got, want)
	}
}

// back comes back after a lost transport.
func (g *guest) back() {
	g.t.Helper()
	g.Drop()
	g.Stream = g.Reconnect(g.Transport)
}

func streamCall(hub, method, args, id string) string {
	return fmt.Sprintf(`{"H":%q,"M":%q,"A":%s,"I":%q,"Q":"stream"}`, hub, method, args, id)
}

func taken(id string) string { return fmt.Sprintf(`{"I":%q,"Q":"taken"}`, id) }

func streamed(id, item string) string {
	return fmt.Sprintf(`{"I":"P|%s","P":{"I":"%[1]s","D":%s}}`, id, item)
}

func TestDetachedStreams(t *testing.T) {
	s := newSite(t, hub.Options{})
	p := newPipes()
	hub.Register[RoomClient](s.Server, "pipes", p)
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		g := s.ours(transport, "pipes")
		g.wantSay("the receipt", "a", streamCall("pipes", "count", "[2]", "a"), taken("a"))
		g.want("the first item", streamed("a", "0"))
		g.want("the second item", streamed("a", "1"))
		g.want("the end is a message", `{"I":"a"}`)

		g.wantSay("the receipt", "b", streamCall("pipes", "broken", `["told"]`, "b"), taken("b"))
		g.want("an item", streamed("b", "0"))
		g.want("the error is a message", `{"I":"b","H":true,"E":"boom"}`)

		g.wantSay("no stream", "c", streamCall("pipes", "plain", "[1]", "c"),
			`{"I":"c","E":"There was an error invoking Hub method 'pipes.plain'. Method \"Plain\" does not stream."}`)

		g.wantSay("the receipt", "d", streamCall("pipes", "silent", "[]", "d"), taken("d"))
		g.want("an item", streamed("d", "1"))
		g.ok("pipes", "plain", 1) // nothing waits for the stream
		if got := g.say("d", streamCall("pipes", "silent", "[]", "d")); !strings.Contains(got, "in use") {
			t.Errorf("a second stream of the id: %s", got)
		}
		g.wantSay("the cancel", "d", `{"I":"d","Q":"cancel"}`, taken("d"))
		g.want("the end", `{"I":"d"}`)
		g.wantSay("a cancel that comes late", "d", `{"I":"d","Q":"cancel"}`, taken("d"))
	})
	if got := p.events.wait(t, 3); !slices.Equal(got, slices.Repeat([]string{"silent context canceled"}, 3)) {
		t.Errorf("the streams ended with %q", got)
	}
}

// A stream goes on over the next transport, with the items that were missed.
func TestDetachedStreamsSurviveTransports(t *testing.T) {
	s := newSite(t, hub.Options{})
	hub.Register[RoomClient](s.Server, "pipes", newPipes())
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		const n = 500
		g := s.ours(transport, "pipes")
		g.wantSay("the receipt", "a", streamCall("pipes", "count", fmt.Sprintf("[%d]", n), "a"), taken("a"))
		for i := range n {
			g.want("an item", streamed("a", fmt.Sprint(i)))
			if i%100 == 50 {
				g.back()
			}
		}
		g.back()
		g.want("the end", `{"I":"a"}`)
	})
}

func TestAskClassicClient(t *testing.T) {
	s, _, h := newQuizSite(t)
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		g, eve := s.ours(transport, "quiz"), s.ours(transport, "quiz")
		type outcome struct {
			name string
			err  error
		}
		asked := make(chan outcome, 1)
		ask := func(n int) string {
			go func() {
				name, err := h.Clients.Client(g.id()).Name()
				asked <- outcome{name, err}
			}()
			id := fmt.Sprint("s", n)
			g.want("the question", fmt.Sprintf(`{"H":"quiz","M":"name","A":[],"I":%q}`, id))
			return id
		}
		give := func(id, what string) string { return fmt.Sprintf(`{"I":%q,"Q":"answer",%s}`, id, what) }

		id := ask(1)
		eve.wantSay("an answer of another connection", id, give(id, `"R":"eve"`), taken(id))
		g.wantSay("the answer", id, give(id, `"R":"ann"`), taken(id))
		if o := <-asked; o.name != "ann" || o.err != nil {
			t.Errorf("the answer: %+v", o)
		}
		g.wantSay("a second answer", id, give(id, `"R":"anna"`), taken(id))

		id = ask(2)
		g.wantSay("an error", id, give(id, `"E":"no name"`), taken(id))
		o := <-asked
		if e, ok := errors.AsType[*hub.ClientError](o.err); !ok || e.Message != "no name" || e.ConnectionID != g.id() {
			t.Errorf("an error: %+v", o)
		}

		// The client is away while it is asked, and once more before it answers.
		g.Drop()
		go func() {
			name, err := h.Clients.Client(g.id()).Name()
			asked <- outcome{name, err}
		}()
		g.Stream = g.Reconnect(g.Transport)
		g.want("the question that was missed", `{"H":"quiz","M":"name","A":[],"I":"s3"}`)
		g.back()
		g.wantSay("the answer", "s3", give("s3", `"R":"bea"`), taken("s3"))
		if o := <-asked; o.name != "bea" || o.err != nil {
			t.Errorf("after the return: %+v", o)
		}
	})
}

// A call that waits for an answer holds up no other, and its client is told so.
func TestAskClassicCaller(t *testing.T) {
	s, _, _ := newQuizSite(t)
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		g := s.ours(transport, "quiz")
		greet := `{"H":"quiz","M":"greet","A":[],"I":"a"}`
		result := make(chan string, 1)
		if transport == "webSockets" {
			g.Write(greet)
		} else {
			go func() { result <- g.Client.Send(transport, greet).Body }()
		}
		g.want("the question", `{"H":"quiz","M":"name","A":[],"I":"s1"}`)
		g.want("the call gives way", taken("a"))
		g.ok("quiz", "plain", 1)
		answer := `{"I":"s1","Q":"answer","R":"ann"}`
		if transport == "webSockets" {
			g.Write(answer)
			result <- g.results("s1", "a")["a"].Raw
		} else {
			g.wantSay("the answer", "s1", answer, taken("s1"))
		}
		if got := <-result; got != `{"R":"hello ann","I":"a"}` {
			t.Errorf("got %s", got)
		}
	})
	official := s.connect("webSockets", "", "quiz")
	if r := official.invoke("quiz", "greet"); r.E == "" {
		t.Errorf("the official client: %s", r.Raw)
	}
}
