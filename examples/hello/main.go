// Hello is the smallest Hubwire program: a bell that everybody hears.
//
//	go run ./examples/hello
//
// Open http://localhost:8080 in two windows.
package main

import (
	_ "embed"
	"io"
	"log"
	"net/http"
	"sync/atomic"

	"github.com/hubwire/hubwire/hub"
)

// Client is what the server may call in a browser.
type Client struct {
	Rang func(times int64) error
}

// Bell is what a browser may call.
type Bell struct{ times atomic.Int64 }

// Ring rings the bell for everybody.
func (b *Bell) Ring(c *hub.Call[Client]) error {
	return c.Clients.All().Rang(b.times.Add(1))
}

//go:embed page.html
var page string

func main() {
	server := hub.NewServer(hub.Options{})
	hub.Register[Client](server, "bell", new(Bell))
	http.Handle("/signalr/", server)
	http.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) })
	log.Println("open http://localhost:8080")
	log.Fatal(http.ListenAndServe("localhost:8080", nil))
}
