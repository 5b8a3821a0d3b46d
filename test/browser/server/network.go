package main

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hubwire/hubwire/transports"
)

// A network is what lies between the browser and the server: it can lose every
// connection, and go away altogether.
type network struct {
	mu    sync.Mutex
	conns map[*wire]bool
	down  bool
}

// listen returns l as seen through the network.
func (n *network) listen(l net.Listener) net.Listener {
	return &throughNetwork{Listener: l, network: n}
}

// cut loses all connections, as a router that restarts does.
func (n *network) cut() {
	n.mu.Lock()
	lost := n.conns
	n.conns = nil
	n.mu.Unlock()
	for w := range lost {
		w.reset()
	}
}

// setDown says whether connections can be made.
func (n *network) setDown(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
}

// add reports false if there is no network.
func (n *network) add(w *wire) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return false
	}
	if n.conns == nil {
		n.conns = make(map[*wire]bool)
	}
	n.conns[w] = true
	return true
}

func (n *network) remove(w *wire) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, w)
}

type throughNetwork struct {
	net.Listener
	network *network
}

func (l *throughNetwork) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		w := &wire{TCPConn: c.(*net.TCPConn), network: l.network}
		if l.network.add(w) {
			return w, nil
		}
		w.reset()
	}
}

// A wire is one connection.
type wire struct {
	*net.TCPConn
	network *network
}

func (w *wire) Close() error {
	w.network.remove(w)
	return w.TCPConn.Close()
}

// reset ends the connection without a good-bye.
func (w *wire) reset() {
	_ = w.SetLinger(0)
	_ = w.TCPConn.Close()
}

// A proxy stands in front of the server and does not know every transport.
type proxy struct {
	next http.Handler

	// refuse are the transports that are turned down, swallow those whose
	// responses never arrive.
	refuse, swallow []transports.Kind
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, ok := opens(r)
	switch {
	case !ok:
	case slices.Contains(p.refuse, kind):
		http.Error(w, "not through this proxy", http.StatusBadRequest)
		return
	case slices.Contains(p.swallow, kind):
		w = &blackHole{header: make(http.Header)}
	}
	p.next.ServeHTTP(w, r)
}

// opens tells which transport a request opens, if it opens one. Classic clients
// say it, Core clients show it.
func opens(r *http.Request) (kind transports.Kind, ok bool) {
	query := r.URL.Query()
	switch {
	case strings.HasSuffix(r.URL.Path, "/connect"):
		return transports.ParseKind(query.Get("transport"))
	case r.Method != http.MethodGet || !query.Has("id"):
		return kind, false
	case r.Header.Get("Upgrade") != "":
		return transports.WebSockets, true
	case r.Header.Get("Accept") == "text/event-stream":
		return transports.ServerSentEvents, true
	}
	return transports.LongPolling, true
}

// A blackHole takes a response and shows nothing of it to the client.
type blackHole struct{ header http.Header }

func (b *blackHole) Header() http.Header              { return b.header }
func (b *blackHole) WriteHeader(int)                  {}
func (b *blackHole) Write(p []byte) (int, error)      { return len(p), nil }
func (b *blackHole) Flush()                           {}
func (b *blackHole) SetWriteDeadline(time.Time) error { return nil }
