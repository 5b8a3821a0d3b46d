package transports_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/transports"
	"github.com/hubwire/hubwire/transports/transporttest"
)

const (
	fin       = 0x80
	opMore    = 0x0
	opText    = 0x1
	opBinary  = 0x2
	opClose   = 0x8
	opPing    = 0x9
	opPong    = 0xa
	opUnknown = 0x3
)

const upgrade = "GET / HTTP/1.1\r\nHost: test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// frame returns a masked frame.
func frame(head byte, payload string) []byte {
	b := []byte{head}
	switch n := len(payload); {
	case n <= 125:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := [4]byte{1, 2, 3, 4}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i&3])
	}
	return b
}

func closePayload(code int, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
}

// A peer is a client of bytes: what it reads and writes is what is on the wire.
type peer struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func newPeer(t *testing.T, conn net.Conn) *peer {
	return &peer{t: t, conn: conn, r: bufio.NewReader(conn)}
}

func (p *peer) write(parts ...[]byte) {
	p.t.Helper()
	if _, err := p.conn.Write(bytes.Join(parts, nil)); err != nil {
		p.t.Errorf("write: %v", err) // also from goroutines
	}
}

func (p *peer) wantUpgrade() {
	p.t.Helper()
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatalf("upgrade: %v", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		p.t.Fatalf("upgrade: got %s", resp.Status)
	}
	if resp.Header.Get("Sec-WebSocket-Extensions") != "" {
		p.t.Error("upgrade: an extension that was not offered")
	}
}

func (p *peer) wantBytes(why string, want []byte) {
	p.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(p.r, got)
	if !bytes.Equal(got[:n], want) {
		p.t.Fatalf("%s: got %.100q (%v), want %.100q", why, got[:n], err, want)
	}
}

func (p *peer) wantEOF(why string) {
	p.t.Helper()
	if b, err := io.ReadAll(p.r); len(b) > 0 || err != nil {
		p.t.Fatalf("%s: got %.100q and %v, want the end", why, b, err)
	}
}

// sockets is a handler that hands over each WebSocket and returns, so that the
// request's context ends.
type sockets struct {
	o        transports.Options
	accepted chan *transports.WebSocket
	before   func()
}

func newSockets(o transports.Options) *sockets {
	return &sockets{o: o, accepted: make(chan *transports.WebSocket), before: func() {}}
}

func (h *sockets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.before()
	s, err := transports.AcceptWebSocket(w, r, h.o)
	if err != nil {
		panic(err)
	}
	go func() { h.accepted <- s }()
}

// connect returns the two ends of a WebSocket over TCP.
func connect(t *testing.T, o transports.Options) (*peer, *transports.WebSocket) {
	t.Helper()
	h := newSockets(o)
	return dial(t, startHTTP1(t, h), h)
}

// connectWrapped returns the two ends of a WebSocket whose socket is wrapped, as
// by TLS: the library does all the reading.
func connectWrapped(t *testing.T, o transports.Options) (*peer, *transports.WebSocket) {
	t.Helper()
	h := newSockets(o)
	server, _ := startCounting(t, h)
	return dial(t, server, h)
}

// A connector is connect or connectWrapped.
type connector func(*testing.T, transports.Options) (*peer, *transports.WebSocket)

// eachWay runs a test of what has to be alike whether the library reads or not.
func eachWay(t *testing.T, test func(*testing.T, connector)) {
	t.Run("bare", func(t *testing.T) { test(t, connect) })
	t.Run("wrapped", func(t *testing.T) { test(t, connectWrapped) })
}

func dial(t *testing.T, server *httptest.Server, h *sockets) (*peer, *transports.WebSocket) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute)) // when something hangs
	p := newPeer(t, conn)
	p.write([]byte(upgrade))
	p.wantUpgrade()
	s := <-h.accepted
	t.Cleanup(func() {
		_ = conn.Close()
		for err := error(nil); err == nil; {
			_, _, err = s.Receive()
		}
	})
	return p, s
}

// timeless runs a test of sockets in a bubble of testing/synctest: who waits for
// a socket there keeps time from passing. So nothing is given up for taking too
// long, however busy the machine is.
func timeless(t *testing.T, test func(*testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// bubble has run called with the two ends of a WebSocket over a pipe, where
// time is fake.
func bubble(t *testing.T, o transports.Options, run func(*testing.T, *peer, *transports.WebSocket)) {
	synctest.Test(t, func(t *testing.T) {
		h := newSockets(o)
		listener := transporttest.NewListener()
		// Timeouts that a WebSocket must not be subject to.
		server := &http.Server{Handler: h, ReadTimeout: time.Second, WriteTimeout: time.Second}
		go func() { _ = server.Serve(listener) }()
		conn, err := listener.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := newPeer(t, conn)
		p.write([]byte(upgrade))
		p.wantUpgrade()
		s := <-h.accepted
		run(t, p, s)
		_ = conn.Close()
		for err := error(nil); err == nil; {
			_, _, err = s.Receive()
		}
		_ = server.Close()
	})
}

func wantMessage(t *testing.T, s *transports.WebSocket, why, want string, wantBinary bool) {
	t.Helper()
	got, binary, err := s.Receive()
	if err != nil || string(got) != want || binary != wantBinary {
		t.Fatalf("%s: got %.100q, binary %v, %v, want %.100q, binary %v", why, got, binary, err, want, wantBinary)
	}
}

func wantReceiveError(t *testing.T, s *transports.WebSocket, why string, want error) {
	t.Helper()
	for range 2 {
		if got, _, err := s.Receive(); !errors.Is(err, want) {
			t.Fatalf("%s: got %.100q and %v, want %v", why, got, err, want)
		}
	}
}

func TestSocketBytes(t *testing.T) {
	p, s := connect(t, transports.Options{})
	for _, row := range []struct {
		size   int
		header string
	}{
		{0, "\x81\x00"},
		{1, "\x81\x01"},
		{125, "\x81\x7d"},
		{126, "\x81\x7e\x00\x7e"},
		{65535, "\x81\x7e\xff\xff"},
		{65536, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"},
		{300_000, "\x81\x7f\x00\x00\x00\x00\x00\x04\x93\xe0"},
	} {
		payload := bytes.Repeat([]byte("x"), row.size)
		go func() { _ = s.Send([][]byte{payload}) }()
		p.wantBytes(fmt.Sprintf("header of %d bytes", row.size), []byte(row.header))
		p.wantBytes(fmt.Sprintf("payload of %d bytes", row.size), payload)
	}
	if err := s.KeepAlive([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	p.wantBytes("keep-alive", []byte("\x81\x02{}"))
	s.SetBinary(true)
	if err := s.Send([][]byte{{0xff}, {0x00}}); err != nil {
		t.Fatal(err)
	}
	p.wantBytes("binary messages", []byte("\x82\x01\xff\x82\x01\x00"))
}

// A countingListener counts the writes of the connections that it accepts.
type countingListener struct {
	net.Listener
	writes atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &countingConn{c, &l.writes}, err
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func startCounting(t *testing.T, h http.Handler) (*httptest.Server, *countingListener) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	counter := &countingListener{Listener: server.Listener}
	server.Listener = counter
	server.Start()
	t.Cleanup(server.Close)
	return server, counter
}

func TestSocketWritesFramesAtOnce(t *testing.T) {
	h := newSockets(transports.Options{})
	server, counter := startCounting(t, h)
	p, s := dial(t, server, h)
	before := counter.writes.Load()
	var frames [][]byte
	var want []byte
	for i := range 16 {
		frames = append(frames, fmt.Appendf(nil, "frame %02d", i))
		want = fmt.Appendf(want, "\x81\x08frame %02d", i)
	}
	if err := s.Send(frames); err != nil {
		t.Fatal(err)
	}
	p.wantBytes("all frames", want)
	if got := counter.writes.Load() - before; got != 1 {
		t.Errorf("writes for 16 frames: got %d, want 1", got)
	}
}

func TestSocketReceive(t *testing.T) { eachWay(t, testSocketReceive) }

func testSocketReceive(t *testing.T, connect connector) {
	p, s := connect(t, transports.Options{})
	p.write(frame(fin|opText, "one"), frame(fin|opBinary, "\xff\x00"), frame(fin|opText, ""))
	wantMessage(t, s, "text", "one", false)
	wantMessage(t, s, "binary that is not UTF-8", "\xff\x00", true)
	wantMessage(t, s, "empty", "", false)

	// A ping may stand between fragments, which may split a character.
	p.write(frame(opText, "caf\xc3"), frame(fin|opPing, "p"), frame(opMore, "\xa9"), frame(fin|opMore, "!"))
	wantMessage(t, s, "fragments", "café!", false)
	p.wantBytes("pong", []byte("\x8a\x01p"))

	first, _ := func() ([]byte, error) {
		p.write(frame(fin|opText, "kept"))
		b, _, err := s.Receive()
		return b, err
	}()
	p.write(frame(fin|opText, "lost"))
	wantMessage(t, s, "next", "lost", false)
	if string(first) != "kept" {
		t.Errorf("a message of before has become %q", first)
	}
}

// net/http reads ahead: what came in the segment of the upgrade request is in
// its buffer.
func TestSocketEarlyFrames(t *testing.T) {
	h := newSockets(transports.Options{})
	server := startHTTP1(t, h)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, conn)
	long := strings.Repeat("early ", 400) // More than our buffer, less than theirs.
	p.write([]byte(upgrade), frame(fin|opText, long), frame(fin|opText, "second"))
	s := <-h.accepted
	wantMessage(t, s, "a frame with the request", long, false)
	wantMessage(t, s, "another frame with the request", "second", false)
	_ = conn.Close()
	_, _, _ = s.Receive()
}

// While a handler runs, net/http reads a byte to notice that the client leaves.
func TestSocketEarlyByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSockets(transports.Options{})
		release := make(chan struct{})
		h.before = func() { <-release }
		listener := transporttest.NewListener()
		server := &http.Server{Handler: h}
		go func() { _ = server.Serve(listener) }()
		conn, err := listener.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := newPeer(t, conn)
		message := frame(fin|opText, "early byte")
		p.write([]byte(upgrade))
		p.write(message[:1]) // Returns when the byte has been read.
		close(release)
		p.wantUpgrade()
		s := <-h.accepted
		go p.write(message[1:])
		wantMessage(t, s, "a frame of which net/http had a byte", "early byte", false)
		_ = conn.Close()
		_, _, _ = s.Receive()
		_ = server.Close()
	})
}

func TestSocketReadLimit(t *testing.T) { eachWay(t, testSocketReadLimit) }

func testSocketReadLimit(t *testing.T, connect connector) {
	tooBig := []byte("\x88\x1a\x03\xf1message exceeds 1000 bytes")
	tooBig[1] = byte(len(tooBig) - 2)
	for _, row := range []struct {
		name   string
		frames [][]byte
	}{
		{"one byte more", [][]byte{frame(fin|opText, strings.Repeat("x", 1001))}},
		{"fragments", [][]byte{frame(opText, strings.Repeat("x", 999)), frame(fin|opMore, "xx")}},
		{"a flood", [][]byte{frame(fin|opText, strings.Repeat("x", 2_000_000))}},
		{"a size that is only announced", [][]byte{
			{fin | opBinary, 0x80 | 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 1001)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			timeless(t, func(t *testing.T) {
				p, s := connect(t, transports.Options{ReadLimit: 1000})
				p.write(frame(fin|opText, strings.Repeat("x", 1000)))
				wantMessage(t, s, "as large as may be", strings.Repeat("x", 1000), false)
				sent := make(chan struct{})
				go func() {
					p.write(row.frames...)
					close(sent)
				}()
				received := make(chan struct{})
				go func() {
					wantReceiveError(t, s, "too large", transports.ErrMessageTooBig)
					close(received)
				}()
				p.wantBytes("close frame", tooBig)
				<-sent
				_ = p.conn.(*net.TCPConn).CloseWrite()
				p.wantEOF("all was taken: no reset, which may overtake the close frame")
				<-received
			})
		})
	}
}

func TestSocketWithoutReadLimit(t *testing.T) { eachWay(t, testSocketWithoutReadLimit) }

func testSocketWithoutReadLimit(t *testing.T, connect connector) {
	p, s := connect(t, transports.Options{ReadLimit: -1})
	long := strings.Repeat("x", 1<<20)
	go p.write(frame(fin|opText, long))
	wantMessage(t, s, "a large message", long, false)
}

func TestSocketViolations(t *testing.T) { eachWay(t, testSocketViolations) }

func testSocketViolations(t *testing.T, connect connector) {
	unmasked := []byte{fin | opText, 1, 'x'}
	for _, row := range []struct {
		name  string
		frame []byte
		code  int
		err   error
	}{
		{"text that is not UTF-8", frame(fin|opText, "\xff"), 1007, transports.ErrInvalidUTF8},
		{"half a character", frame(fin|opText, "caf\xc3"), 1007, transports.ErrInvalidUTF8},
		{"unmasked frame", unmasked, 1002, transports.ErrProtocol},
		{"reserved bit", frame(fin|0x40|opText, "x"), 1002, transports.ErrProtocol},
		{"unknown opcode", frame(fin|opUnknown, "x"), 1002, transports.ErrProtocol},
		{"continuation of nothing", frame(fin|opMore, "x"), 1002, transports.ErrProtocol},
		{"message within a message", append(frame(opText, "x"), frame(fin|opText, "y")...), 1002, transports.ErrProtocol},
		{"close code out of range", frame(fin|opClose, closePayload(999, "")), 1002, transports.ErrProtocol},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, s := connect(t, transports.Options{})
			p.write(row.frame)
			received := make(chan struct{})
			go func() {
				wantReceiveError(t, s, row.name, row.err)
				close(received)
			}()
			p.wantBytes("close frame", []byte{fin | opClose})
			if _, err := p.r.ReadByte(); err != nil {
				t.Fatal(err)
			}
			p.wantBytes("close code", []byte(closePayload(row.code, "")))
			if err := s.Send([][]byte{[]byte("x")}); !errors.Is(err, transports.ErrClosed) {
				t.Errorf("send after the close frame: got %v, want ErrClosed", err)
			}
			_ = p.conn.Close()
			<-received
		})
	}
}

// A stalled Send must not hold up the reader, though it must answer pings; nor
// may a pong stand within a message.
func TestSocketPingDuringStalledSend(t *testing.T) {
	bubble(t, transports.Options{WriteTimeout: time.Minute}, func(t *testing.T, p *peer, s *transports.WebSocket) {
		sent := make(chan error)
		go func() { sent <- s.Send([][]byte{[]byte("first"), []byte("second")}) }()
		synctest.Wait()
		longest := strings.Repeat("2", 125)
		go p.write(frame(fin|opPing, "1"), frame(fin|opPing, longest), frame(fin|opText, "heard"))
		wantMessage(t, s, "a message behind a ping", "heard", false)
		time.Sleep(30 * time.Second)
		p.wantBytes("messages, then a pong for the last ping", []byte("\x81\x05first\x81\x06second\x8a\x7d"+longest))
		if err := <-sent; err != nil {
			t.Errorf("send: %v", err)
		}
		go func() { sent <- s.Send([][]byte{[]byte("third")}) }()
		p.wantBytes("message after the pong", []byte("\x81\x05third"))
		if err := <-sent; err != nil {
			t.Errorf("send: %v", err)
		}
	})
}

// Send waits while the reader writes a pong.
func TestSocketSendDuringPong(t *testing.T) {
	bubble(t, transports.Options{}, func(t *testing.T, p *peer, s *transports.WebSocket) {
		received := make(chan struct{})
		go func() {
			wantMessage(t, s, "after the pong", "go on", false)
			close(received)
		}()
		p.write(frame(fin|opPing, "p"))
		synctest.Wait() // The pong is being written.
		sent := make(chan error)
		go func() { sent <- s.Send([][]byte{[]byte("x")}) }()
		synctest.Wait() // The message waits behind it.
		p.wantBytes("pong and message", []byte("\x8a\x01p\x81\x01x"))
		if err := <-sent; err != nil {
			t.Errorf("send: %v", err)
		}
		p.write(frame(fin|opText, "go on"))
		<-received
	})
}

func TestIsWebSocketRequest(t *testing.T) {
	for _, row := range []struct {
		connection, upgrade string
		want                bool
	}{
		{"Upgrade", "websocket", true},
		{"keep-alive, upgrade", "h2c, WebSocket", true},
		{"keep-alive", "websocket", false},
		{"Upgrade", "h2c", false},
		{"", "", false},
		{"xupgrade", "websockets", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Connection", row.connection)
		r.Header.Set("Upgrade", row.upgrade)
		if got := transports.IsWebSocketRequest(r); got != row.want {
			t.Errorf("Connection %q, Upgrade %q: got %v, want %v", row.connection, row.upgrade, got, row.want)
		}
	}
}

func TestAcceptRefuses(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	if _, err := transports.AcceptWebSocket(w, r, transports.Options{}); !errors.Is(err, transports.ErrNoHijack) {
		t.Errorf("writer without Hijack: got %v, want ErrNoHijack", err)
	}
	if w.Code != http.StatusNotImplemented {
		t.Errorf("writer without Hijack: got status %d, want 501", w.Code)
	}
	server := startHTTP1(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := transports.AcceptWebSocket(w, r, transports.Options{}); err == nil {
			t.Error("request without an upgrade: no error")
		}
	}))
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("request without an upgrade: got status %d, want 426", resp.StatusCode)
	}
}
