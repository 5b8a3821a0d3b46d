package main

import (
	"net/http"
	"sync"

	"github.com/lxzan/gws"
)

// gwsServer is lxzan/gws with its Broadcaster, which encodes a frame once and
// writes it with one write for each connection.
func gwsServer() http.Handler {
	conns := &gwsConns{all: make(map[*gws.Conn]struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/subscribe", gwsHandler(gwsEvents{conns: conns, joins: true, received: func(*gws.Conn, []byte) {}}))
	mux.HandleFunc("/publish", gwsHandler(gwsEvents{received: func(_ *gws.Conn, m []byte) { conns.broadcast(m) }}))
	mux.HandleFunc("/echo", gwsHandler(gwsEvents{received: func(c *gws.Conn, m []byte) { _ = c.WriteMessage(gws.OpcodeText, m) }}))
	mux.HandleFunc("/call", gwsHandler(gwsEvents{received: func(c *gws.Conn, m []byte) { _ = c.WriteMessage(gws.OpcodeText, call(m)) }}))
	return mux
}

func gwsHandler(e gwsEvents) http.HandlerFunc {
	up := gws.NewUpgrader(e, nil)
	return func(w http.ResponseWriter, q *http.Request) {
		if c, err := up.Upgrade(w, q); err == nil {
			go c.ReadLoop()
		}
	}
}

type gwsConns struct {
	mu  sync.RWMutex
	all map[*gws.Conn]struct{}
}

func (s *gwsConns) broadcast(m []byte) {
	b := gws.NewBroadcaster(gws.OpcodeText, m)
	defer func() { _ = b.Close() }()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for c := range s.all {
		_ = b.Broadcast(c)
	}
}

type gwsEvents struct {
	gws.BuiltinEventHandler
	conns    *gwsConns
	joins    bool
	received func(*gws.Conn, []byte)
}

func (e gwsEvents) OnOpen(c *gws.Conn) {
	if e.joins {
		e.conns.mu.Lock()
		defer e.conns.mu.Unlock()
		e.conns.all[c] = struct{}{}
	}
}

func (e gwsEvents) OnClose(c *gws.Conn, _ error) {
	if e.joins {
		e.conns.mu.Lock()
		defer e.conns.mu.Unlock()
		delete(e.conns.all, c)
	}
}

func (e gwsEvents) OnMessage(c *gws.Conn, m *gws.Message) {
	defer func() { _ = m.Close() }()
	e.received(c, append([]byte(nil), m.Bytes()...))
}
