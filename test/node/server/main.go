// Command server is the server under the tests of Core clients in Node. It
// prints its URL, and ends with its standard input: with 1 if it left anything
// running.
//
//	-addr  where it listens, a free port of this machine unless it is given
//	-key   what its tokens are sealed with, a random key unless it is given
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"

	"go.uber.org/goleak"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/hub/classic"
	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/hub/core"
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/test/leaks"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	addr := flag.String("addr", "127.0.0.1:0", "")
	key := flag.String("key", "", "")
	flag.Parse()
	before := goleak.IgnoreCurrent()
	o := hub.Options{Families: []codec.Family{core.Family(core.Options{StatefulReconnect: true, Redirect: redirect}), classic.Family()}}
	o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if *key != "" {
		o.Keys = []negotiate.Key{negotiate.Key(*key)}
	}
	server := hub.NewServer(o)
	hub.Register[client](server, "chat", &chat{})
	hub.Register[contestant](server, "quiz", &quiz{})
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/signalr/", server)
	web := &http.Server{Handler: mux}
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	fmt.Printf("http://%s/signalr/chat\n", l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	// Not web.Shutdown, which waits for the connections that clients have opened
	// and not used.
	err = errors.Join(server.Shutdown(ctx), web.Close())
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return errors.Join(err, leaks.Find(before))
}

// redirect sends those elsewhere, with a token, who ask for it with ?elsewhere=.
func redirect(r *http.Request) (url, token string) {
	if host := r.URL.Query().Get("elsewhere"); host != "" {
		return "http://" + host + "/signalr/chat", "granted"
	}
	return "", ""
}

// client is what the tests listen to.
type client struct {
	hub.Sender
	Said  func(from, text string) error
	Tick  func(n int) error
	Value func(v any) error
}

type chat struct{}

type call = hub.Call[client]

// A Thing has a bit of everything.
type Thing struct {
	Name  string         `json:"name"`
	N     int            `json:"n"`
	F     float64        `json:"f"`
	On    bool           `json:"on"`
	List  []string       `json:"list"`
	Map   map[string]int `json:"map"`
	Maybe *int           `json:"maybe"`
}

func (*chat) Echo(_ *call, t Thing) Thing          { return t }
func (*chat) Bytes(_ *call, b []byte) []byte       { return append(b, 1) }
func (*chat) Later(_ *call, t time.Time) time.Time { return t.Add(time.Second) }
func (*chat) Add(_ *call, a, b int) int            { return a + b }
func (*chat) Nothing(*call)                        {}
func (*chat) Fail(*call) error                     { return &hub.Error{Message: "boom"} }
func (*chat) ID(c *call) string                    { return c.ConnectionID }
func (*chat) Join(c *call, room string) error      { return c.Groups.Add(c.ConnectionID, room) }
func (*chat) Leave(c *call, room string) error     { return c.Groups.Remove(c.ConnectionID, room) }
func (*chat) Say(c *call, room, text string) error {
	return c.Clients.Group(room).Said(c.ConnectionID, text)
}
func (*chat) Back(c *call, v any) error     { return c.Clients.Caller().Value(v) }
func (*chat) Abort(c *call)                 { c.Abort() }
func (*chat) Size(_ *call, text string) int { return len(text) }

// Count calls Tick with the numbers below n, and returns n.
func (*chat) Count(c *call, n int) (int, error) {
	for i := range n {
		if err := c.Clients.Caller().Tick(i); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// Slowly calls Tick with the numbers below n, one each millisecond, in the
// background.
func (*chat) Slowly(c *call, n int) {
	caller := c.Clients.Caller()
	go func() {
		for i := range n {
			if caller.Tick(i) != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
}

// Token returns what the caller's transport was authenticated with.
func (*chat) Token(c *call) string { return negotiate.BearerToken(c.Request()) }

// Wait calls Tick and waits for the end of the connection.
func (*chat) Wait(c *call) error {
	if err := c.Clients.Caller().Tick(-1); err != nil {
		return err
	}
	<-c.Done()
	return nil
}

func (*chat) Numbers(_ *call, n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
	}
}

// Forever counts until nobody listens any more.
func (*chat) Forever(*call) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := 0; yield(i, nil); i++ {
			time.Sleep(time.Millisecond)
		}
	}
}

func (*chat) Broken(*call) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		_ = yield(1, nil) && yield(0, &hub.Error{Message: "boom"})
	}
}

func (*chat) Sum(_ *call, numbers iter.Seq2[int, error]) (sum int, err error) {
	for n, err := range numbers {
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// A Freight is how many items have come, and the most memory that was in use
// meanwhile.
type Freight struct {
	Items int
	Peak  uint64
}

// Unload is a slow reader.
func (*chat) Unload(_ *call, items iter.Seq2[string, error]) (f Freight, err error) {
	for _, err := range items {
		if err != nil {
			return f, err
		}
		if f.Items++; f.Items%100 == 0 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			f.Peak = max(f.Peak, m.HeapAlloc)
		}
		time.Sleep(time.Millisecond)
	}
	return f, nil
}

func (*chat) Double(_ *call, numbers <-chan int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for n := range numbers {
			if !yield(2*n, nil) {
				return
			}
		}
	}
}

// A quiz asks its clients.
type quiz struct{}

type contestant struct {
	hub.Sender
	Name func(ctx context.Context) (string, error)
}

func (*quiz) Greet(c *hub.Call[contestant]) (string, error) {
	name, err := c.Clients.Caller().Name(c)
	return "hello " + name, err
}

func (*quiz) Hint(*hub.Call[contestant]) string { return "it begins with a" }
