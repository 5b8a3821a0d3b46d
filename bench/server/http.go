package main

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/coder/websocket"
	"github.com/tmaxmax/go-sse"
)

// A list is who gets a broadcast over HTTP.
type list[T any] struct {
	mu  sync.RWMutex
	all map[*T]struct{}
}

func (l *list[T]) add(m *T) (remove func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = make(map[*T]struct{})
	}
	l.all[m] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.all, m)
	}
}

func (l *list[T]) each(f func(*T)) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for m := range l.all {
		f(m)
	}
}

// publisher calls f with each message of a WebSocket.
func publisher(f func(m []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		conn, err := websocket.Accept(w, q, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			_, m, err := conn.Read(q.Context())
			if err != nil {
				return
			}
			f(m)
		}
	}
}

// events is an event stream on go-sse: a channel for each client, and a flush
// for each event.
func events() http.Handler {
	var streams list[chan []byte]
	mux := http.NewServeMux()
	mux.HandleFunc("/subscribe", func(w http.ResponseWriter, q *http.Request) {
		session, err := sse.Upgrade(w, q)
		if err != nil || session.Flush() != nil {
			return
		}
		queue := make(chan []byte, queueSize)
		defer streams.add(&queue)()
		for {
			select {
			case text := <-queue:
				var m sse.Message
				m.AppendData(string(text))
				if session.Send(&m) != nil || session.Flush() != nil {
					return
				}
			case <-q.Context().Done():
				return
			}
		}
	})
	mux.HandleFunc("/publish", publisher(func(text []byte) {
		streams.each(func(queue *chan []byte) { *queue <- text })
	}))
	return mux
}

// A mailbox is what waits for the next poll of one client.
type mailbox struct {
	mu    sync.Mutex
	items [][]byte
	full  chan struct{} // holds one while items may be there
}

func (b *mailbox) put(m []byte) {
	b.mu.Lock()
	b.items = append(b.items, m)
	b.mu.Unlock()
	select {
	case b.full <- struct{}{}:
	default:
	}
}

// answer writes all that waits, if anything does.
func (b *mailbox) answer(w http.ResponseWriter) bool {
	b.mu.Lock()
	items := b.items
	b.items = nil
	b.mu.Unlock()
	for _, m := range items {
		if _, err := w.Write(m); err != nil {
			return true
		}
	}
	return len(items) > 0
}

// polls is long polling on net/http alone: the first poll of a client names it,
// each is answered with all that waits.
func polls() http.Handler {
	var boxes list[mailbox]
	var mu sync.RWMutex
	byID := make(map[string]*mailbox)
	mux := http.NewServeMux()
	mux.HandleFunc("/subscribe", func(w http.ResponseWriter, q *http.Request) {
		id := q.URL.Query().Get("id")
		mu.RLock()
		b := byID[id]
		mu.RUnlock()
		if b == nil {
			b = &mailbox{full: make(chan struct{}, 1)}
			boxes.add(b)
			mu.Lock()
			id = strconv.Itoa(len(byID) + 1)
			byID[id] = b
			mu.Unlock()
			_, _ = w.Write([]byte(id))
			return
		}
		for !b.answer(w) {
			select {
			case <-b.full:
			case <-q.Context().Done():
				return
			}
		}
	})
	mux.HandleFunc("/publish", publisher(func(m []byte) {
		boxes.each(func(b *mailbox) { b.put(m) })
	}))
	return mux
}
