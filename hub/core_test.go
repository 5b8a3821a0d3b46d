package hub_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent/core/coretest"
)

// core returns an ASP.NET Core client of a hub that is not connected yet.
func (s *site) core(user, hub string) *coretest.Client {
	s.t.Helper()
	c := coretest.New(s.t, s.url+"/"+hub)
	if user != "" {
		c.Query.Set("user", user)
	}
	return c
}

// wantError calls a hub method, which must fail with the text.
func wantError(t *testing.T, s *coretest.Stream, text, method string, args ...any) {
	t.Helper()
	if r := s.Invoke(method, args...); r.Error != text {
		t.Errorf("%s: got %s, want %q", method, r.Raw, text)
	}
}

// Both families are served on the same hubs, unless the options say otherwise.
func TestBothFamilies(t *testing.T) {
	s := newSite(t, hub.Options{})
	room := newRoom()
	hub.Register[RoomClient](s.Server, "room", room)
	s.onEach(t, func(t *testing.T, s *site, transport string) {
		old := s.connect(transport, "ann", "room")
		c := s.core("bob", "Room")
		modern := c.Open(transport)
		old.ok("room", "join", transport)
		if r := modern.Invoke("Join", transport); string(r.Result) != "null" || r.Error != "" {
			t.Fatalf("join: %s", r.Raw)
		}
		old.ok("room", "say", transport, "hello")
		modern.WantExactly("from a classic client", `{"type":1,"target":"message","arguments":["hello"]}`)
		old.want("its own", `{"H":"room","M":"message","A":["hello"]}`)
		modern.Invoke("say", transport, "hi")
		old.want("from a core client", `{"H":"room","M":"message","A":["hi"]}`)
		modern.WantExactly("its own", `{"type":1,"target":"message","arguments":["hi"]}`)
		if r := modern.Invoke("who"); !strings.Contains(string(r.Result), `"bob"`) || !strings.Contains(string(r.Result), `"core"`) {
			t.Errorf("who: %s", r.Raw)
		}
	})
	if r := s.core("", "nope").TryNegotiate(); r.Status != http.StatusNotFound {
		t.Errorf("unknown hub: %d %s", r.Status, r.Body)
	}
}

// Who runs a server can see how many clients each family has.
func TestDialects(t *testing.T) {
	s := newSite(t, hub.Options{})
	hub.Register[RoomClient](s.Server, "room", newRoom())
	if live := s.Endpoint().Dialects(); len(live) != 0 {
		t.Errorf("live before anybody came: %v", live)
	}
	s.connect("longPolling", "ann", "room")
	s.connect("webSockets", "bob", "room")
	s.core("cem", "room").Open("webSockets")
	if live := s.Endpoint().Dialects(); !maps.Equal(live, map[string]int{"classic": 2, "core": 1}) {
		t.Errorf("live after two classic clients and a core one: %v", live)
	}
}

// The server that has no word about families grants stateful reconnect.
func TestStatefulReconnectByDefault(t *testing.T) {
	s := newSite(t, hub.Options{})
	hub.Register[RoomClient](s.Server, "room", newRoom())
	for _, asked := range []bool{true, false} {
		c := s.core("ann", "room")
		c.Stateful = asked
		if r := c.TryNegotiate(); strings.Contains(r.Body, `"useStatefulReconnect":true`) != asked {
			t.Errorf("asked %v, got %s", asked, r.Body)
		}
	}
}

// Between two polls a client has no exchange, and a transport all the same.
func TestTransportWhileConnecting(t *testing.T) {
	s := newSite(t, hub.Options{})
	seen := make(chan string, 1)
	hub.Register[RoomClient](s.Server, "door", door{seen})
	c := s.core("", "door").Negotiate()
	c.Poll()
	c.Post(c.HandshakeRequest())
	if got := <-seen; got != "longPolling" {
		t.Errorf("OnConnected sees the transport %q", got)
	}
}

// A door tells over what its clients come in.
type door struct{ seen chan<- string }

func (d door) OnConnected(c *hub.Call[RoomClient]) error {
	d.seen <- c.Transport().String()
	return nil
}

// The errors of core clients have the words of protocols/core.md 5.3.
func TestCoreErrors(t *testing.T) {
	s := newSite(t, hub.Options{})
	room := newRoom()
	defer close(room.release)
	hub.Register[RoomClient](s.Server, "room", room, hub.Use(hub.Authorization(hub.Users("ann"), "secret")))
	c := s.core("", "room").Open("webSockets")
	wantError(t, c, "Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist.", "Nope")
	wantError(t, c, "An unexpected error occurred invoking 'break' on the server.", "break")
	wantError(t, c, "An unexpected error occurred invoking 'panic' on the server.", "panic")
	wantError(t, c, "An unexpected error occurred invoking 'bad' on the server.", "bad")
	wantError(t, c, "An unexpected error occurred invoking 'Refuse' on the server. HubException: Room is full", "Refuse")
	wantError(t, c, "Failed to invoke 'secret' because user is unauthorized", "secret")
	wantError(t, c, `Failed to invoke 'add' due to an error on the server. InvalidDataException: Method "Add" takes 2 arguments, not 1.`, "add", 1)
	if r := c.Invoke("add", 1, "x"); !strings.HasPrefix(r.Error, "Failed to invoke 'add' due to an error on the server. InvalidDataException: Argument 2 ") {
		t.Error(r.Raw)
	}
	if r := c.Invoke("work", 3); string(r.Result) != `"done"` {
		t.Errorf("progress, which this wire has not: %s", r.Raw)
	}
	if r := c.Invoke("paint", "red"); string(r.Result) != `""` {
		t.Errorf("state, which this wire has not: %s", r.Raw)
	}
}

// Counted counts how often it is encoded.
type Counted struct{ times *int }

func (c Counted) MarshalJSON() ([]byte, error) {
	*c.times++
	return []byte(`"x"`), nil
}

// A client call is encoded for the clients that there are: as MessagePack once
// the first client with that has come.
func TestEncodingsInUse(t *testing.T) {
	s := newSite(t, hub.Options{})
	h := hub.Register[hub.Sender](s.Server, "any", struct{}{})
	send := func() (times int) {
		if err := h.Clients.All().Send("m", Counted{&times}); err != nil {
			t.Fatal(err)
		}
		return times
	}
	nobody := send()
	modern := s.core("", "any").Open("webSockets")
	old := s.connect("webSockets", "", "any")
	one := send()
	client := s.core("", "any")
	client.Protocol = "messagepack"
	binary := client.Open("webSockets")
	two := send()
	if nobody == 0 || nobody != one || two <= one {
		t.Errorf("encoded %d times for nobody, %d times for JSON, %d times for both", nobody, one, two)
	}
	for range 2 {
		modern.WantExactly("in JSON", `{"type":1,"target":"m","arguments":["x"]}`)
		old.want("in JSON", `{"H":"any","M":"m","A":["x"]}`)
	}
	binary.WantExactly("in MessagePack", "\x96\x01\x80\xc0\xa1m\x91\xa1x\x90")
}
