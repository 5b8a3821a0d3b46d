package faults_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// A siege is a server under attack, and those who are there beside the attacker.
type siege struct {
	*testing.T
	server *hub.Server
	hub    *hub.Hub[defender]
	url    string

	bystanders []bystander
	news       int
}

// A defender is what the clients of the server under attack can do.
type defender struct {
	Tell  func(text string) error
	Guess func(what string) (string, error)
}

// A fort is the hub under attack.
type fort struct{}

// Echo returns what it is given.
func (fort) Echo(_ *hub.Call[defender], v any) (any, error) { return v, nil }

// Enter puts the caller into the group that it names: what no program should
// let everyone do.
func (fort) Enter(c *hub.Call[defender], group string) error {
	return c.Groups.Add(c.ConnectionID, group)
}

// OnConnected does nothing. It is there to be called by those who should not.
func (fort) OnConnected(*hub.Call[defender]) error { return nil }

// A bystander is a client that wants nothing but peace.
type bystander struct {
	hear func(text string)        // the next message, with the text in it
	call func(text string) string // returns the answer
}

// besiege starts a server with bystanders.
func besiege(t *testing.T, change func(o *persistent.Options)) *siege {
	t.Helper()
	o := options()
	o.BodyTimeout = 10 * time.Second
	o.DisconnectTimeout = giveUp // so that no attacker is gone before the attack is over
	if change != nil {
		change(&o)
	}
	s := &siege{T: t, server: hub.NewServer(hub.Options{Options: o})}
	s.hub = hub.Register[defender](s.server, "fort", fort{})
	hub.Register[defender](s.server, "annex", fort{})
	server := httptest.NewUnstartedServer(s.server)
	server.Config.ReadHeaderTimeout = o.BodyTimeout
	server.Start()
	s.url = server.URL + "/signalr"
	t.Cleanup(func() {
		if err := s.server.Shutdown(context.Background()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		server.Close()
	})
	for _, transport := range []string{"webSockets", "serverSentEvents"} {
		c := s.client("friend").Negotiate()
		st := c.Connect(transport)
		c.Start(transport)
		s.bystanders = append(s.bystanders, bystander{
			func(text string) { st.WantMessage("a bystander", text) },
			func(text string) string { return string(c.Invoke(st, "fort", "echo", text).R) },
		})
	}
	for _, transport := range []string{"webSockets", "serverSentEvents"} {
		st := s.core("friend").Open(transport)
		s.bystanders = append(s.bystanders, bystander{
			func(text string) { st.Want("a bystander", text) },
			func(text string) string { return string(st.Invoke("echo", text).Result) },
		})
	}
	return s
}

func (s *siege) client(user string) *classictest.Client {
	c := classictest.New(s.T, s.url).Hubs("fort")
	c.Header.Set("X-User", user)
	return c
}

// calm checks that the bystanders are served as if nothing happened: each gets
// the next message and nothing else, on the transport that it had from the
// start, and an answer to a call.
func (s *siege) calm() {
	s.Helper()
	s.news++
	text := fmt.Sprintf("all is well %d", s.news)
	if err := s.hub.Clients.All().Tell(text); err != nil {
		s.Fatal(err)
	}
	for _, b := range s.bystanders {
		b.hear(text)
		if r := b.call(text); r != `"`+text+`"` {
			s.Errorf("a bystander's call gets %s", r)
		}
	}
}

// wantReason checks the status and the reason of a refusal.
func (s *siege) wantReason(what string, r classictest.Reply, status int, reason string) {
	s.Helper()
	if got := r.Header.Get(negotiate.ReasonHeader); r.Status != status || got != reason {
		s.Errorf("%s gets %d %q (%.100q), want %d %q", what, r.Status, got, r.Body, status, reason)
	}
}

// wantDenied checks the refusal of a transport.
func (s *siege) wantDenied(what string, err error, status int, reason string) {
	s.Helper()
	var refused *classictest.Refused
	if !errors.As(err, &refused) {
		s.Errorf("%s gets %v, want %d %q", what, err, status, reason)
		return
	}
	s.wantReason(what, refused.Reply, status, reason)
}

// wantFailed checks that a call was answered with an error.
func (s *siege) wantFailed(what, body string) {
	s.Helper()
	var r classictest.Result
	if json.Unmarshal([]byte(body), &r) != nil || r.E == "" {
		s.Errorf("%s gets %.200q, want a result with an error", what, body)
	}
}

// dial opens a plain TCP connection to the server.
func (s *siege) dial() net.Conn {
	s.Helper()
	u, _ := url.Parse(s.url)
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(giveUp))
	return conn
}

// request is the head of a request for the address.
func request(method, address string, headers ...string) string {
	u, _ := url.Parse(address)
	head := append([]string{method + " " + u.RequestURI() + " HTTP/1.1", "Host: " + u.Host}, headers...)
	return strings.Join(head, "\r\n") + "\r\n\r\n"
}

// socket opens a WebSocket by hand, started, for frames that no library writes.
func (s *siege) socket() (net.Conn, *bufio.Reader) {
	s.Helper()
	c := s.client("attacker").Negotiate()
	conn := s.dial()
	s.write(conn, request("GET", c.Address("connect", "transport", "webSockets"), "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "X-User: attacker"))
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		s.Fatalf("upgrade: %v %v", res, err)
	}
	c.Start("webSockets")
	return conn, r
}

func (s *siege) write(conn net.Conn, text string) {
	s.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		s.Fatal(err)
	}
}

// frame is a WebSocket frame of a client. The mask is all zeros.
func frame(first byte, masked bool, payload string) string {
	b := []byte{first}
	bit := byte(0)
	if masked {
		bit = 0x80
	}
	if len(payload) < 126 {
		b = append(b, bit|byte(len(payload)))
	} else {
		b = append(b, bit|126)
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	}
	if masked {
		b = append(b, 0, 0, 0, 0)
	}
	return string(b) + payload
}

// closeCode reads up to the server's close frame and returns its code, or 0 if
// the connection ends without one.
func closeCode(r *bufio.Reader) int {
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(r, head); err != nil {
			return 0
		}
		size := int(head[1] & 0x7f)
		if size == 126 {
			long := make([]byte, 2)
			_, _ = io.ReadFull(r, long)
			size = int(binary.BigEndian.Uint16(long))
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(r, body); err != nil {
			return 0
		}
		if head[0]&0xf == 8 && size >= 2 {
			return int(binary.BigEndian.Uint16(body))
		}
	}
}
