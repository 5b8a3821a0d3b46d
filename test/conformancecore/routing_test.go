package conformancecore_test

import (
	"net/http"
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
		l.want("DELETE", c.Request(http.MethodDelete, ""), 400, "Cannot terminate this connection using the DELETE endpoint.")
	})
}

func Test20Preflight(t *testing.T) {
	try(t, config{Options: persistent.Options{AllowedOrigins: []string{"https://app.example"}}}, func(l *lab) {
		for _, method := range []string{http.MethodPost, http.MethodDelete} {
			c := l.new()
			c.Header.Set("Origin", "https://app.example")
			c.Header.Set("Access-Control-Request-Method", method)
			c.Header.Set("Access-Control-Request-Headers", "authorization,content-type,x-requested-with,x-signalr-user-agent")
			r, err := c.Do(http.MethodOptions, c.Address("/negotiate"), "")
			if err != nil || r.Status >= 300 || r.Header.Get("Access-Control-Allow-Origin") != "https://app.example" ||
				r.Header.Get("Access-Control-Allow-Credentials") != "true" || r.Header.Get("Access-Control-Allow-Headers") == "" {
				t.Errorf("%s: %d %v %v", method, r.Status, r.Header, err)
			}
		}
	})
}
