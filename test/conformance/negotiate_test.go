package conformance_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
	"github.com/hubwire/hubwire/transports"
)

type key = negotiate.Key

// fields returns what negotiate answered, value by value.
func (s *site) fields(query ...string) map[string]any {
	s.Helper()
	r := s.do("GET", with(s.url+"/negotiate", query...), "")
	var f map[string]any
	if err := json.Unmarshal([]byte(r.Body), &f); err != nil {
		s.Fatalf("negotiate: %d %s", r.Status, r.Body)
	}
	return f
}

func TestClassic016AllTenFields(t *testing.T) {
	s := serve(t, persistent.Options{TransportConnectTimeout: 1500 * time.Millisecond, LongPollDelay: 250 * time.Millisecond})
	f := s.fields("clientProtocol", "2.1")
	token, _ := f["ConnectionToken"].(string)
	s.want("ConnectionToken is good in any URL", regexp.MustCompile(`^[\w-]{40,}$`).MatchString(token), true)
	connectionID, _ := f["ConnectionId"].(string)
	s.want("ConnectionId is a GUID", regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(connectionID), true)
	delete(f, "ConnectionToken")
	delete(f, "ConnectionId")
	s.want("the rest", f, map[string]any{
		"Url": "/signalr", "KeepAliveTimeout": 20.0, "DisconnectTimeout": 30.0, "ConnectionTimeout": 110.0,
		"TryWebSockets": true, "ProtocolVersion": "2.0", "TransportConnectTimeout": 1.5, "LongPollDelay": 0.25,
	})
}

func TestClassic017KeepAliveTimeoutIsTwiceOrNull(t *testing.T) {
	for _, row := range []struct {
		keepAlive time.Duration
		want      any
	}{{0, 20.0}, {5 * time.Second, 10.0}, {2500 * time.Millisecond, 5.0}, {-1, nil}} {
		s := serve(t, persistent.Options{KeepAlive: row.keepAlive})
		got, has := s.fields()["KeepAliveTimeout"]
		s.want("the key is there", has, true)
		s.want(row.keepAlive.String(), got, row.want)
	}
}

func TestClassic018UrlIsThePathOfTheMount(t *testing.T) {
	server, _ := raw(t, persistent.Options{}, nil)
	mux := http.NewServeMux()
	mux.Handle("/signalr/", server)
	mux.Handle("/cut/", http.StripPrefix("/cut", server))
	mux.Handle("/", server)
	s := listen(t, mux, server.Shutdown)
	for path, want := range map[string]string{
		"/signalr/negotiate":             "/signalr",
		"/SignalR/negotiate":             "/SignalR",
		"/cut/negotiate":                 "/cut", // a router that cuts prefixes off
		"/a%20b/%C3%A9/negotiate":        "/a b/é",
		"/negotiate/x/negotiate":         "/x",
		"/signalr/signalr/negotiate?x=y": "/signalr/signalr",
		"/signalr/NEGOTIATE":             "/signalr/NEGOTIATE", // as the reference server
	} {
		var f struct {
			URL string `json:"Url"`
		}
		s.must(json.Unmarshal([]byte(s.do("GET", s.root+path, "").Body), &f))
		s.want(path, f.URL, want)
	}

	behind := serve(t, persistent.Options{PublicPath: func(r *http.Request) string { return "/outside" + r.URL.Path }})
	s.want("behind a proxy that rewrites paths", behind.fields()["Url"], "/outside/signalr")
}

func TestClassic019ProtocolVersion(t *testing.T) {
	s := serve(t, persistent.Options{})
	for sent, want := range map[string]string{
		"2.1": "2.0", "2.0": "2.0", "1.5": "1.5", "1.4": "1.4", "1.3": "1.3", "1.2": "1.2", "-": "1.2", "": "1.2",
		"1.0": "1.2", "nonsense": "1.2", "2": "1.2", "9.9": "2.0", "1.10": "1.10", "1.4.0": "1.4.0", "2.0.0.1": "2.0",
		"-1.5": "1.2", "1.5x": "1.2", "99999999999.1": "1.2",
	} {
		s.want("version for "+sent, s.fields("clientProtocol", sent)["ProtocolVersion"], want)
	}
}

func TestClassic020NoAvailableTransports(t *testing.T) {
	s := serveHubs(t, hub.Options{})
	for _, address := range []string{"/negotiate", "/negotiate?negotiateVersion=1&clientProtocol=2.1"} {
		r := s.do("POST", s.url+address, "")
		s.want(address, strings.Contains(strings.ToLower(r.Body), "availabletransports"), false)
	}
}

func TestClassic021TryWebSockets(t *testing.T) {
	without := serve(t, persistent.Options{Transports: []transports.Kind{transports.ServerSentEvents, transports.LongPolling}})
	without.want("not registered", without.fields()["TryWebSockets"], false)

	server, _ := raw(t, persistent.Options{}, nil)
	plain := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.ServeHTTP(struct {
			http.ResponseWriter
			http.Flusher
		}{w, w.(http.Flusher)}, r)
	}), server.Shutdown)
	plain.want("no way to upgrade", plain.fields()["TryWebSockets"], false)

	wrapped := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.ServeHTTP(middleware{w}, r)
	}), server.Shutdown)
	wrapped.want("below middleware", wrapped.fields()["TryWebSockets"], true)

	two := httptest.NewUnstartedServer(server)
	two.EnableHTTP2 = true
	two.StartTLS()
	t.Cleanup(two.Close)
	overTwo := &site{T: t, url: two.URL, client: two.Client(), patience: classictest.Patience}
	overTwo.want("over HTTP/2, beside which a browser opens HTTP/1.1", overTwo.fields()["TryWebSockets"], true)
}

// middleware hides everything but the way to what it wraps.
type middleware struct{ http.ResponseWriter }

func (m middleware) Unwrap() http.ResponseWriter { return m.ResponseWriter }

func TestClassic022NegotiateMakesNothing(t *testing.T) {
	s := serve(t, persistent.Options{})
	a, b := s.newClient().Negotiate().Answer, s.newClient().Negotiate().Answer
	s.want("same id", a.ConnectionID == b.ConnectionID, false)
	s.want("same token", a.ConnectionToken == b.ConnectionToken, false)
	s.want("stats", s.Stats(), persistent.Stats{})
	s.want("a send to the id", s.Send(a.ConnectionID, 1) != nil, true)
}

func TestClassic023StaleTokenOnNegotiate(t *testing.T) {
	s := serve(t, persistent.Options{})
	c := s.newClient()
	c.Header.Set("X-User", "ann")
	old := c.Negotiate().Answer
	for _, stale := range []string{old.ConnectionToken, "garbage"} {
		for _, user := range []string{"ann", "bob"} {
			r := s.do("GET", s.url+"/negotiate?connectionToken="+stale, "", "X-User", user)
			s.want("status", r.Status, 200)
			s.want("the old id", strings.Contains(r.Body, old.ConnectionID), false)
		}
	}
}

// Options are a struct, so there is no order in which they are set. Both may be
// set if they go together.
func TestClassic024DisconnectTimeoutAndKeepAlive(t *testing.T) {
	s := serve(t, persistent.Options{DisconnectTimeout: time.Minute})
	f := s.fields()
	s.want("DisconnectTimeout", f["DisconnectTimeout"], 60.0)
	s.want("twice the KeepAlive", f["KeepAliveTimeout"], 40.0)
	for text, o := range map[string]persistent.Options{
		"DisconnectTimeout must be at least six seconds":                         {DisconnectTimeout: 5 * time.Second},
		"KeepAlive value must be greater than two seconds":                       {KeepAlive: time.Second},
		"KeepAlive value must be no more than a third of the DisconnectTimeout":  {KeepAlive: 11 * time.Second},
		"KeepAlive value must be no more than a third of the DisconnectTimeout,": {DisconnectTimeout: 15 * time.Second, KeepAlive: 6 * time.Second},
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), text) {
			s.Errorf("Validate of %v and %v: %v", o.DisconnectTimeout, o.KeepAlive, err)
		}
		if _, err := persistent.NewServer(persistent.Handler{}, o); err == nil {
			s.Errorf("NewServer takes %v and %v", o.DisconnectTimeout, o.KeepAlive)
		}
	}
	for _, o := range []persistent.Options{
		{DisconnectTimeout: 6 * time.Second, KeepAlive: 2 * time.Second}, {DisconnectTimeout: 45 * time.Second, KeepAlive: 15 * time.Second},
	} {
		s.must(o.Validate())
	}
}
