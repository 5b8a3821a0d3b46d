package conformancecore_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/core/coretest"
	"github.com/hubwire/hubwire/transports"
)

func Test13OtherMethods(t *testing.T) {
	try(t, config{}, func(l *lab) {
		l.want("PUT", l.do(http.MethodPut), 405, "")
	})
}

func Test14MissingID(t *testing.T) {
	try(t, config{}, func(l *lab) {
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
			l.want(method, l.do(method), 400, "Connection ID required")
		}
		c := l.new()
		c.Header.Set("Accept", "text/event-stream")
		r, _ := c.Do(http.MethodGet, c.URL, "")
		l.want("SSE", r, 400, "Connection ID required")
	})
}

func Test15UnknownID(t *testing.T) {
	try(t, config{}, func(l *lab) {
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
			l.want(method, l.do(method, "id", "nope"), 404, "No Connection with that ID")
		}
		c := l.new()
		c.Answer.ConnectionID = "nope"
		l.want("upgrade", l.socketRefused("an unknown id", c), 404, "No Connection with that ID")
		c.Header.Set("Accept", "text/event-stream")
		l.want("SSE", c.Poll(), 404, "No Connection with that ID")
	})
}

func Test16ChangeOfTransports(t *testing.T) {
	for _, first := range all {
		for _, second := range all {
			if first == second {
				continue
			}
			t.Run(first+"/"+second, func(t *testing.T) {
				try(t, config{}, func(l *lab) {
					c := l.new()
					c.Open(first)
					_, err := c.TryDial(second)
					refused, ok := err.(*coretest.Refused)
					if !ok {
						t.Fatalf("not refused: %v", err)
					}
					l.want(second, refused.Reply, 400, "Cannot change transports mid-connection")
				})
			})
		}
	}
}

func Test17SecondTransport(t *testing.T) {
	for _, transport := range []string{webSockets, serverSentEvents} {
		t.Run(transport, func(t *testing.T) {
			try(t, config{}, func(l *lab) {
				c := l.new()
				s := c.Open(transport)
				_, err := c.TryDial(transport)
				refused, ok := err.(*coretest.Refused)
				if !ok {
					t.Fatalf("not refused: %v", err)
				}
				l.want("the second", refused.Reply, 409, "")
				if got := s.Invoke("echo", "x"); string(got.Result) != `"x"` {
					t.Errorf("the first one then: %s", got.Raw)
				}
			})
		})
	}
}

func Test18DisabledTransports(t *testing.T) {
	for transport, c := range map[string]struct {
		kind transports.Kind
		name string
	}{
		webSockets:       {transports.LongPolling, "WebSockets"},
		serverSentEvents: {transports.LongPolling, "ServerSentEvents"},
		longPolling:      {transports.WebSockets, "LongPolling"},
	} {
		try(t, config{Options: persistent.Options{Transports: []transports.Kind{c.kind}}}, func(l *lab) {
			_, err := l.new().Negotiate().TryDial(transport)
			refused, ok := err.(*coretest.Refused)
			if !ok {
				t.Fatalf("%s: not refused: %v", transport, err)
			}
			l.want(transport, refused.Reply, 404, c.name+" transport not supported by this end point type")
		})
	}
}

func Test19WrongVerbs(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.new()
		c.Open(webSockets)
		l.want("POST to a WebSocket", c.Request(http.MethodPost, "x"), 405, "POST requests are not allowed for WebSocket connections.")
	})
	for _, transport := range []string{webSockets, serverSentEvents} {
		try(t, config{}, func(l *lab) {
			c := l.new()
			s := c.Open(transport)
			l.want("DELETE", c.Request(http.MethodDelete, ""), 400, "Cannot terminate this connection using the DELETE endpoint.")
			if got := s.Invoke("echo", "x"); string(got.Result) != `"x"` {
				t.Errorf("afterwards: %s", got.Raw)
			}
		})
	}
}

func Test20Preflight(t *testing.T) {
	const headers = "authorization,content-type,x-requested-with,x-signalr-user-agent"
	try(t, config{Options: persistent.Options{AllowedOrigins: []string{"https://app.example"}}}, func(l *lab) {
		ask := func(origin, method, below string) http.Header {
			c := l.new()
			c.Header.Set("Origin", origin)
			c.Header.Set("Access-Control-Request-Method", method)
			c.Header.Set("Access-Control-Request-Headers", headers)
			r, err := c.Do(http.MethodOptions, c.Address(below), "")
			if err != nil || origin == "https://app.example" && r.Status >= 300 {
				t.Errorf("%s of %s: %d %v", method, below, r.Status, err)
			}
			return r.Header
		}
		for _, below := range []string{"", "/negotiate"} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
				h := ask("https://app.example", method, below)
				if h.Get("Access-Control-Allow-Origin") != "https://app.example" || h.Get("Access-Control-Allow-Credentials") != "true" {
					t.Errorf("%s of %q: %v", method, below, h)
				}
				if !strings.Contains(h.Get("Access-Control-Allow-Methods"), method) {
					t.Errorf("%s of %q: the methods are %q", method, below, h.Get("Access-Control-Allow-Methods"))
				}
				for name := range strings.SplitSeq(headers, ",") {
					if !strings.Contains(strings.ToLower(h.Get("Access-Control-Allow-Headers")), name) {
						t.Errorf("%s of %q: the headers are %q", method, below, h.Get("Access-Control-Allow-Headers"))
					}
				}
			}
		}
		if h := ask("https://evil.example", http.MethodPost, "/negotiate"); h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("another origin: %v", h)
		}
	})
}
