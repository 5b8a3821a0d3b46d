package faults_test

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A proxy passes TCP connections on, and does to each of them what its plan
// says.
type proxy struct {
	counts tally // what was injected

	target   string
	listener net.Listener
	plan     func(n uint64) plan
	healed   chan struct{} // closed when the network is good from here on
	wg       sync.WaitGroup

	mu    sync.Mutex
	links map[*link]bool
	total uint64
	shut  bool
}

// perfect is the plan of a network without faults.
func perfect(uint64) plan { return plan{} }

// newProxy returns a proxy before the address. It is closed when the test ends.
func newProxy(t testing.TB, target string, plan func(n uint64) plan) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{target: target, listener: l, plan: plan, healed: make(chan struct{}), links: make(map[*link]bool)}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// url is where clients find the proxy.
func (p *proxy) url() string { return "http://" + p.listener.Addr().String() }

// heal makes the network a good one.
func (p *proxy) heal() { close(p.healed) }

// sever resets all connections at once, and returns how many there were.
func (p *proxy) sever() int {
	links := p.current()
	for _, l := range links {
		l.end(reset)
	}
	return len(links)
}

func (p *proxy) current() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	var links []*link
	for l := range p.links {
		links = append(links, l)
	}
	return links
}

func (p *proxy) close() {
	p.mu.Lock()
	p.shut = true
	p.mu.Unlock()
	_ = p.listener.Close()
	p.sever()
	p.wg.Wait()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	l := &link{proxy: p, client: client.(*net.TCPConn), server: server.(*net.TCPConn), gone: make(chan struct{})}
	if !p.add(l) {
		l.end(cut)
		return
	}
	defer p.remove(l)
	l.run()
}

// add notes the connection and gives it its plan.
func (p *proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total++
	if !p.good() {
		l.plan = p.plan(p.total)
	}
	p.links[l] = true
	return !p.shut
}

func (p *proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *proxy) good() bool {
	select {
	case <-p.healed:
		return true
	default:
		return false
	}
}

// A link is one connection through the proxy.
type link struct {
	proxy          *proxy
	client, server *net.TCPConn
	plan           plan

	struck atomic.Int64  // when the strike fell due: it comes with the next bytes
	once   sync.Once     // ends the link
	gone   chan struct{} // closed at the end
}

// run passes bytes on in both directions until the link ends.
func (l *link) run() {
	if l.plan.shape != none {
		l.proxy.counts.add(l.plan.shape)
	}
	if l.plan.shape == late {
		l.sleep(l.plan.after / 4)
	}
	if l.plan.strike != none {
		t := time.AfterFunc(l.plan.after, l.strike)
		defer t.Stop()
	}
	var both sync.WaitGroup
	both.Go(func() { l.pump(l.server, l.client, false) })
	l.pump(l.client, l.server, true)
	both.Wait()
	l.end(none)
}

// strike makes the fault of the plan due. A link with nothing to carry is struck
// a little later.
func (l *link) strike() {
	select {
	case <-l.gone:
		return
	default:
	}
	l.proxy.counts.add(l.plan.strike)
	l.struck.Store(time.Now().UnixNano())
	if l.plan.strike != stalled && l.plan.strike != blackHole {
		time.AfterFunc(300*time.Millisecond, func() { l.end(l.plan.strike) })
	}
}

// pump passes bytes from src on to dst.
func (l *link) pump(dst, src *net.TCPConn, down bool) {
	buf := make([]byte, 16<<10)
	for {
		n, err := l.read(src, buf)
		if n > 0 && !l.pass(dst, buf[:n], down) {
			return
		}
		if err != nil {
			l.finish(dst, err)
			return
		}
	}
}

// read reads what there is; of a connection that buffers, as much as comes
// before it is quiet for a while.
func (l *link) read(src *net.TCPConn, buf []byte) (n int, err error) {
	n, err = src.Read(buf)
	if l.plan.shape != buffered || l.proxy.good() {
		return n, err
	}
	for err == nil && n < 4<<10 {
		var more int
		_ = src.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		more, err = src.Read(buf[n:])
		n += more
	}
	_ = src.SetReadDeadline(time.Time{})
	if e, ok := err.(net.Error); ok && e.Timeout() {
		err = nil
	}
	return n, err
}

// pass writes the bytes, in the manner of the plan. It reports false if the
// link is no more.
func (l *link) pass(dst *net.TCPConn, b []byte, down bool) bool {
	if at := l.struck.Load(); at != 0 && !l.proxy.good() {
		switch l.plan.strike {
		case stalled:
			l.sleep(l.plan.pause - time.Since(time.Unix(0, at)))
		case blackHole:
			l.sleep(time.Minute)
			l.end(reset)
			return false
		default:
			_, _ = dst.Write(b[:len(b)/2]) // in the middle of whatever it is
			l.end(l.plan.strike)
			return false
		}
	}
	if l.proxy.good() {
		return l.write(dst, b)
	}
	switch l.plan.shape {
	case delayed:
		l.sleep(l.plan.pause / 20)
	case throttled:
		return l.pieces(dst, b, 1024, l.plan.pause/100)
	case sliced:
		return l.pieces(dst, b, 1+len(b)/40, 0)
	}
	return l.write(dst, b)
}

// pieces writes b in pieces with a rest after each.
func (l *link) pieces(dst *net.TCPConn, b []byte, size int, rest time.Duration) bool {
	for len(b) > 0 {
		n := min(size, len(b))
		if !l.write(dst, b[:n]) {
			return false
		}
		b = b[n:]
		l.sleep(rest)
	}
	return true
}

func (l *link) write(dst *net.TCPConn, b []byte) bool {
	_, err := dst.Write(b)
	if err != nil {
		l.end(cut)
	}
	return err == nil
}

// finish hands on how one direction ended.
func (l *link) finish(dst *net.TCPConn, err error) {
	if err == io.EOF {
		_ = dst.CloseWrite()
		return
	}
	l.end(reset)
}

// end closes the link in the manner of the fault.
func (l *link) end(how fault) {
	l.once.Do(func() {
		close(l.gone)
		if how == halfCut {
			_ = l.client.CloseWrite()
			time.AfterFunc(500*time.Millisecond, l.closeBoth)
			return
		}
		if how == reset {
			_ = l.client.SetLinger(0)
			_ = l.server.SetLinger(0)
		}
		l.closeBoth()
	})
}

func (l *link) closeBoth() {
	_ = l.client.Close()
	_ = l.server.Close()
}

// sleep waits, unless the link ends or the network heals.
func (l *link) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.gone:
	case <-l.proxy.healed:
	}
}
