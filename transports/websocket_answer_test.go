package transports_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/transports"
)

// dialHeld asks h for an upgrade. Its writes are counted, which hides the bare
// socket unless there is no counter.
func dialHeld(t *testing.T, h http.Handler, counter *countingListener) *peer {
	t.Helper()
	p := dialAny(t, h, counter)
	p.write([]byte(upgrade))
	return p
}

// dialAny only connects.
func dialAny(t *testing.T, h http.Handler, counter *countingListener) *peer {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	if counter != nil {
		counter.Listener = server.Listener
		server.Listener = counter
	}
	server.Start()
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return newPeer(t, conn)
}

// Whatever is written first takes the answer to the upgrade along.
func TestSocketHoldsAnswer(t *testing.T) {
	for _, row := range []struct {
		name string
		do   func(*transports.WebSocket)
		want string
	}{
		{"Send", func(s *transports.WebSocket) { _ = s.Send([][]byte{[]byte("a"), []byte("b")}) }, "\x81\x01a\x81\x01b"},
		{"KeepAlive", func(s *transports.WebSocket) { _ = s.KeepAlive([]byte("a")) }, "\x81\x01a"},
		{"SendPrepared", func(s *transports.WebSocket) { _ = s.SendPrepared([]byte("\x81\x01a")) }, "\x81\x01a"},
		{"Close", func(s *transports.WebSocket) { s.Close() }, "\x88\x02\x03\xe8"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newSockets(transports.Options{HoldAnswer: true})
			counter := new(countingListener)
			p := dialHeld(t, h, counter)
			s := <-h.accepted
			if n := counter.writes.Load(); n > 0 {
				t.Errorf("%d writes before there is anything to send", n)
			}
			row.do(s)
			p.wantUpgrade()
			p.wantBytes("what was sent", []byte(row.want))
			if n := counter.writes.Load(); n != 1 {
				t.Errorf("%d writes, want 1", n)
			}
			_ = s.Send([][]byte{[]byte("c")})
			if row.name != "Close" {
				p.wantBytes("what was sent next", []byte("\x81\x01c"))
			}
			_ = p.conn.Close()
			_, _, _ = s.Receive()
		})
	}
	t.Run("TryPrepared", func(t *testing.T) {
		h := newSockets(transports.Options{HoldAnswer: true})
		p := dialHeld(t, h, nil)
		s := <-h.accepted
		if rest := s.TryPrepared([]byte("\x81\x01a")); rest != nil && rest() != nil {
			t.Error("cannot write")
		}
		p.wantUpgrade()
		p.wantBytes("what was sent", []byte("\x81\x01a"))
		_ = p.conn.Close()
		_, _, _ = s.Receive()
	})
}

// A watcher is a ResponseWriter of middleware that looks at the status, and adds
// to the header when it comes.
type watcher struct {
	http.ResponseWriter
	status int
}

func (w *watcher) WriteHeader(status int) {
	w.status = status
	w.Header().Set("Added", "late")
	w.ResponseWriter.WriteHeader(status)
}

func (w *watcher) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// The header that was set before is part of the answer, whoever writes it.
// Middleware sees the answer go by, and is not made to wait for it.
func TestSocketAnswerHeader(t *testing.T) {
	h := newSockets(transports.Options{HoldAnswer: true})
	var seen watcher
	for name, handler := range map[string]http.HandlerFunc{
		"direct":     h.ServeHTTP,
		"middleware": func(w http.ResponseWriter, r *http.Request) { seen.ResponseWriter = w; h.ServeHTTP(&seen, r) },
	} {
		t.Run(name, func(t *testing.T) {
			p := dialHeld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Before", "line one\r\nline two")
				handler(w, r)
			}), nil)
			s := <-h.accepted
			if name == "direct" {
				_ = s.Send(nil)
			}
			resp, err := http.ReadResponse(p.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			late := map[string]string{"middleware": "late"}[name]
			for key, want := range map[string]string{
				"Upgrade": "websocket", "Connection": "Upgrade", "Before": "line one  line two", "Added": late,
				"Sec-Websocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", // RFC 6455 §1.3
			} {
				if got := resp.Header.Get(key); got != want {
					t.Errorf("%s: %q, want %q", key, got, want)
				}
			}
			_ = p.conn.Close()
			_, _, _ = s.Receive()
		})
	}
	if seen.status != http.StatusSwitchingProtocols {
		t.Errorf("middleware saw the status %d", seen.status)
	}
}

// What is wrong with a request for an upgrade is refused with the same status
// whoever would write the answer, and what is unusual is not.
func TestSocketUpgradeChecks(t *testing.T) {
	key, version := "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"
	asks := []string{"Host: h", "Connection: Upgrade", "Upgrade: websocket"}
	for _, row := range []struct {
		name, line string
		header     []string
		want       int
	}{
		{"good", "GET / HTTP/1.1", []string{version, key}, 101},
		{"HTTP/1.0", "GET / HTTP/1.0", []string{version, key}, 426},
		{"POST", "POST / HTTP/1.1", []string{version, key, "Content-Length: 0"}, 405},
		{"no version", "GET / HTTP/1.1", []string{key}, 400},
		{"another version", "GET / HTTP/1.1", []string{"Sec-WebSocket-Version: 8", key}, 400},
		{"no key", "GET / HTTP/1.1", []string{version}, 400},
		{"two keys", "GET / HTTP/1.1", []string{version, key, key}, 400},
		{"short key", "GET / HTTP/1.1", []string{version, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"}, 400},
		{"17 bytes", "GET / HTTP/1.1", []string{version, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA="}, 400},
		{"18 bytes", "GET / HTTP/1.1", []string{version, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA"}, 400},
		{"no base64", "GET / HTTP/1.1", []string{version, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!!=="}, 400},
	} {
		for _, who := range []string{"direct", "middleware"} {
			t.Run(row.name+"/"+who, func(t *testing.T) {
				accepted := make(chan *transports.WebSocket, 1)
				p := dialAny(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Upgrade", "something else") // which is not for the client
					if who == "middleware" {
						w = &watcher{ResponseWriter: w}
					}
					if s, err := transports.AcceptWebSocket(w, r, transports.Options{}); err == nil {
						accepted <- s
					}
				}), nil)
				lines := append(append([]string{row.line}, asks...), row.header...)
				p.write([]byte(strings.Join(lines, "\r\n") + "\r\n\r\n"))
				resp, err := http.ReadResponse(p.r, nil)
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != row.want {
					t.Errorf("status %d, want %d", resp.StatusCode, row.want)
				}
				if got := resp.Header.Values("Upgrade"); row.want == 101 && (len(got) != 1 || got[0] != "websocket") {
					t.Errorf("Upgrade: %q, want websocket once", got)
				}
				if row.want == 101 {
					_ = p.conn.Close()
					_, _, _ = (<-accepted).Receive()
				}
			})
		}
	}
}
