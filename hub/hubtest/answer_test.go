package hubtest_test

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/hub/hubtest"
)

type Player struct {
	Move func(board []string, turn int) (int, error)
}

type Game struct{}

func (Game) Turn(c *hub.Call[Player], opponent string) (int, error) {
	return c.Clients.Client(opponent).Move([]string{"x", "o"}, 3)
}

func (Game) Size(*hub.Call[Player]) int { return 3 }

func (Game) Record(_ *hub.Call[Player], name string, moves iter.Seq2[int, error], notes <-chan string) (string, error) {
	total := 0
	for n, err := range moves {
		if err != nil {
			return "", hub.Errorf("%s after %d", err, total)
		}
		total += n
	}
	var all []string
	for note := range notes {
		all = append(all, note)
	}
	return fmt.Sprint(name, " ", total, " ", strings.Join(all, ",")), nil
}

func (Game) Watch(c *hub.Call[Player], to int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		defer c.Items().Store("ended", true)
		for n := range to {
			if !yield(n, nil) {
				return
			}
		}
		yield(0, hub.Errorf("no more than %d", to))
	}
}

func (Game) Ended(c *hub.Call[Player]) bool {
	_, ended := c.Items().LoadAndDelete("ended")
	return ended
}

func (Game) Ignore(_ *hub.Call[Player], _ <-chan int) {}

func newGame(t *testing.T) *hubtest.Server {
	s := hubtest.NewServer(t, hub.Options{})
	hub.Register[Player](s.Server, "game", Game{})
	return s
}

func TestAnswer(t *testing.T) {
	s := newGame(t)
	ann, bob := s.Connect("ann", "game"), s.Connect("bob", "game")
	bob.Answer("Game", "Move", func(c hubtest.Call) (any, error) {
		var (
			board      []string
			turn, size int
		)
		if err := c.Decode(&board, &turn); err != nil {
			return nil, err
		}
		if err := bob.Invoke("game", "size").Decode(&size); err != nil { // before it answers
			return nil, err
		}
		return len(board)*turn + size, nil
	})
	var n int
	if err := ann.Invoke("game", "turn", bob.ID).Decode(&n); err != nil || n != 9 {
		t.Errorf("got %d, %v", n, err)
	}
	wantCalls(t, bob, "questions are calls", `game.move(["x","o"],3)`)
}

// What comes in place of an answer is the error of those who asked. Its words
// are for their client only.
func TestAnswerFails(t *testing.T) {
	s := newGame(t)
	ann := s.Connect("ann", "game")
	turn := func() string { return ann.Invoke("game", "turn", ann.ID).Err.Error() }
	if got := turn(); got != "nobody here answers game.move" {
		t.Errorf("no answer: %s", got)
	}
	for want, f := range map[string]func(hubtest.Call) (any, error){
		"not my turn":            func(hubtest.Call) (any, error) { return 1, errors.New("not my turn") },
		"json: unsupported type": func(hubtest.Call) (any, error) { return func() {}, nil },
		"game.move(":             func(c hubtest.Call) (any, error) { return nil, c.Decode() },
	} {
		ann.Answer("game", "move", f)
		if got := turn(); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestUploads(t *testing.T) {
	s := newGame(t)
	ann := s.Connect("ann", "game")
	moves := func(yield func(int, error) bool) { _ = yield(1, nil) && yield(2, nil) }
	notes := make(chan string)
	p := ann.Begin("game", "record", "chess", moves, notes)
	notes <- "a"
	notes <- "b"
	close(notes)
	var got string
	if err := p.Wait().Decode(&got); err != nil || got != "chess 3 a,b" {
		t.Errorf("got %q, %v", got, err)
	}

	failing := func(yield func(int, error) bool) { _ = yield(1, nil) && yield(0, errors.New("no more")) }
	if r := ann.Invoke("game", "record", "go", iter.Seq2[int, error](failing), make(chan string)); r.Err == nil || !strings.HasSuffix(r.Err.Error(), "no more after 1") {
		t.Errorf("a stream that fails: %v", r.Err)
	}
	if r := ann.Invoke("game", "record", "go"); r.Err == nil {
		t.Error("streams that are missing")
	}
	endless := func(yield func(int, error) bool) {
		for yield(1, nil) {
		}
	}
	if r := ann.Invoke("game", "ignore", endless); r.Err != nil {
		t.Errorf("a stream that nobody reads: %v", r.Err)
	}
	if r := ann.Invoke("game", "ignore", make(chan int)); r.Err != nil {
		t.Errorf("a channel that is never closed: %v", r.Err)
	}
}

// A Counter counts when it may.
type Counter struct{ gate chan struct{} }

func (c Counter) Count(_ *hub.Call[hub.Sender], in iter.Seq2[int, error]) (n int, err error) {
	<-c.gate
	for _, err = range in {
		n++
	}
	return n, err
}

// A client is held back by a slow method.
func TestUploadIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hubtest.NewServer(t, hub.Options{})
		c := Counter{make(chan struct{})}
		hub.Register[hub.Sender](s.Server, "counter", c)
		sent := 0
		p := s.Connect("", "counter").Begin("counter", "count", iter.Seq2[int, error](func(yield func(int, error) bool) {
			for sent = 0; sent < 10_000 && yield(sent, nil); sent++ {
			}
		}))
		synctest.Wait()
		if sent > 2000 {
			t.Errorf("%d items are under way", sent)
		}
		close(c.gate)
		var n int
		if err := p.Wait().Decode(&n); err != nil || n != 10_000 {
			t.Errorf("got %d, %v", n, err)
		}
	})
}

func TestStreams(t *testing.T) {
	s := newGame(t)
	ann := s.Connect("ann", "game")
	var got []string
	for item, err := range ann.Stream("game", "watch", 3) {
		got = append(got, fmt.Sprintf("%s %v", item, err))
	}
	if want := []string{"0 <nil>", "1 <nil>", "2 <nil>", " no more than 3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	ann.Invoke("game", "ended")
	for item, err := range ann.Stream("game", "watch", math.MaxInt) {
		if err != nil {
			t.Fatal(err)
		}
		if string(item) == "10" {
			break
		}
	}
	var ended bool
	if err := ann.Invoke("game", "ended").Decode(&ended); err != nil || !ended {
		t.Errorf("a stream that was left goes on: %v", err)
	}
	for _, err := range ann.Stream("game", "size") {
		if err == nil || !strings.Contains(err.Error(), "does not stream") {
			t.Errorf("no stream: %v", err)
		}
	}
}
