package main

import (
	"context"
	"log"
	"net/http"
	"sync"

	"github.com/coder/websocket"
	"github.com/goccy/go-json"
)

// queueSize is how many messages wait for one client of a reference server.
const queueSize = 256

// A room is the way that servers are usually written on coder/websocket: a map
// of connections, and for each a goroutine that writes what comes through a
// channel, one message with one write.
type room struct {
	mu    sync.RWMutex
	conns map[*member]struct{}
}

type member struct {
	conn  *websocket.Conn
	queue chan []byte
}

// coder is the reference c, and cj at /call.
func coder() http.Handler {
	r := &room{conns: make(map[*member]struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/subscribe", r.handler(func(*member, []byte) {}))
	mux.HandleFunc("/publish", r.handler(func(_ *member, m []byte) { r.broadcast(m) }))
	mux.HandleFunc("/echo", r.handler(func(c *member, m []byte) { c.queue <- m }))
	mux.HandleFunc("/call", r.handler(func(c *member, m []byte) { c.queue <- call(m) }))
	return mux
}

func (r *room) handler(received func(*member, []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		conn, err := websocket.Accept(w, q, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		c := &member{conn, make(chan []byte, queueSize)}
		if q.URL.Path == "/subscribe" {
			r.join(c)
			defer r.leave(c)
		}
		go c.write(ctx, cancel)
		for {
			_, m, err := conn.Read(ctx)
			if err != nil {
				return
			}
			received(c, m)
		}
	}
}

func (c *member) write(ctx context.Context, cancel func()) {
	defer cancel()
	for {
		select {
		case m := <-c.queue:
			if err := c.conn.Write(ctx, websocket.MessageText, m); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (r *room) join(c *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c] = struct{}{}
}

func (r *room) leave(c *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

// broadcast waits for clients that are slow: what is measured loses nothing.
func (r *room) broadcast(m []byte) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for c := range r.conns {
		c.queue <- m
	}
}

// direct is the reference c2: no channel and no goroutine for writing. Who
// publishes writes.
func direct() http.Handler {
	var mu sync.RWMutex
	conns := make(map[*websocket.Conn]struct{})
	accept := func(received func(*websocket.Conn, []byte), joins bool) http.HandlerFunc {
		return func(w http.ResponseWriter, q *http.Request) {
			conn, err := websocket.Accept(w, q, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
			if err != nil {
				return
			}
			defer conn.CloseNow()
			if joins {
				mu.Lock()
				conns[conn] = struct{}{}
				mu.Unlock()
				defer func() {
					mu.Lock()
					defer mu.Unlock()
					delete(conns, conn)
				}()
			}
			for {
				_, m, err := conn.Read(context.Background())
				if err != nil {
					return
				}
				received(conn, m)
			}
		}
	}
	write := func(c *websocket.Conn, m []byte) { _ = c.Write(context.Background(), websocket.MessageText, m) }
	mux := http.NewServeMux()
	mux.HandleFunc("/subscribe", accept(func(*websocket.Conn, []byte) {}, true))
	mux.HandleFunc("/publish", accept(func(_ *websocket.Conn, m []byte) {
		mu.RLock()
		defer mu.RUnlock()
		for c := range conns {
			write(c, m)
		}
	}, false))
	mux.HandleFunc("/echo", accept(write, false))
	mux.HandleFunc("/call", accept(func(c *websocket.Conn, m []byte) { write(c, call(m)) }, false))
	return mux
}

// call decodes a hub call, whose method is to return its argument, and encodes
// the result.
func call(m []byte) []byte {
	var in struct {
		H, M string
		A    []json.RawMessage
		I    int
	}
	var text string
	if err := json.Unmarshal(m, &in); err != nil || len(in.A) != 1 {
		log.Fatalf("not a call: %q", m)
	}
	if err := json.Unmarshal(in.A[0], &text); err != nil {
		log.Fatalf("not a text: %q", in.A[0])
	}
	out, err := json.Marshal(struct {
		I int
		R string
	}{in.I, text})
	if err != nil {
		log.Fatal(err)
	}
	return out
}
