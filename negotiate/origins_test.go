package negotiate_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/negotiate"
)

func origins(t testing.TB, allowed ...string) *negotiate.Origins {
	t.Helper()
	o, err := negotiate.NewOrigins(allowed)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func request(method, host string, from ...string) *http.Request {
	r := httptest.NewRequest(method, "/signalr/negotiate", nil)
	r.Host = host
	for _, origin := range from {
		r.Header.Add("Origin", origin)
	}
	return r
}

func TestOriginsAllowed(t *testing.T) {
	const host = "chat.example.com"
	for _, test := range []struct {
		name    string
		allowed []string
		host    string
		from    []string
		want    bool
	}{
		{"no origin", nil, host, nil, true},
		{"empty origin", nil, host, []string{""}, true},
		{"own", nil, host, []string{"https://chat.example.com"}, true},
		{"own behind a TLS proxy", nil, host, []string{"http://chat.example.com"}, true},
		{"own in another case", nil, "CHAT.example.com", []string{"https://Chat.Example.COM"}, true},
		{"own with a port", nil, "localhost:8080", []string{"http://localhost:8080"}, true},
		{"own, proxy adds the default port", nil, host + ":443", []string{"https://chat.example.com"}, true},
		{"own IPv6", nil, "[::1]:8080", []string{"http://[::1]:8080"}, true},
		{"own IPv6 without port", nil, "[::1]", []string{"http://[::1]"}, true},
		{"other port", nil, "localhost:8080", []string{"http://localhost:8081"}, false},
		{"default port of the other scheme", nil, host + ":80", []string{"https://chat.example.com"}, false},
		{"own host, other kind of page", nil, host, []string{"ftp://chat.example.com"}, false},
		{"other", nil, host, []string{"https://evil.example"}, false},
		{"own host in front", nil, host, []string{"https://chat.example.com.evil.example"}, false},
		{"own host as user", nil, host, []string{"https://chat.example.com@evil.example"}, false},
		{"own host as path", nil, host, []string{"https://evil.example/chat.example.com"}, false},
		{"own host with a path", nil, host, []string{"https://chat.example.com/"}, false},
		{"own host after a line break", nil, host, []string{"https://evil.example\nhttps://chat.example.com"}, false},
		{"host only", nil, host, []string{"chat.example.com"}, false},
		{"empty host", nil, "", []string{"https://"}, false},
		{"broken host header", nil, "chat.example.com:", []string{"https://chat.example.com"}, false},
		{"null", nil, host, []string{"null"}, false},
		{"null listed", []string{"null"}, host, []string{"null"}, true},
		{"null under any", []string{"*"}, host, []string{"null"}, true},
		{"two origins", nil, host, []string{"https://chat.example.com", "https://evil.example"}, false},
		{"two origins under any", []string{"*"}, host, []string{"https://a.example", "https://b.example"}, false},
		{"two origins in one value", nil, host, []string{"https://chat.example.com https://evil.example"}, false},

		{"listed", []string{"https://app.example.com"}, host, []string{"https://app.example.com"}, true},
		{"listed in another case", []string{"HTTPS://App.example.com"}, host, []string{"https://app.example.com"}, true},
		{"listed with the default port", []string{"https://app.example.com:443"}, host, []string{"https://app.example.com"}, true},
		{"listed with a port", []string{"http://localhost:3000"}, host, []string{"http://localhost:3000"}, true},
		{"listed, custom scheme", []string{"capacitor://localhost"}, host, []string{"capacitor://localhost"}, true},
		{"listed second", []string{"https://a.example", "https://b.example"}, host, []string{"https://b.example"}, true},
		{"list keeps the own one", []string{"https://a.example"}, host, []string{"https://chat.example.com"}, true},
		{"listed, other scheme", []string{"https://app.example.com"}, host, []string{"http://app.example.com"}, false},
		{"listed, other port", []string{"https://app.example.com"}, host, []string{"https://app.example.com:8443"}, false},
		{"listed, subdomain", []string{"https://app.example.com"}, host, []string{"https://x.app.example.com"}, false},
		{"listed, trailing point", []string{"https://app.example.com"}, host, []string{"https://app.example.com."}, false},

		{"wildcard", []string{"https://*.example.net"}, host, []string{"https://a.example.net"}, true},
		{"wildcard, deeper", []string{"https://*.example.net"}, host, []string{"https://b.a.example.net"}, true},
		{"wildcard with a port", []string{"http://*.localhost:3000"}, host, []string{"http://a.localhost:3000"}, true},
		{"wildcard, the domain itself", []string{"https://*.example.net"}, host, []string{"https://example.net"}, false},
		{"wildcard, empty subdomain", []string{"https://*.example.net"}, host, []string{"https://.example.net"}, false},
		{"wildcard, other scheme", []string{"https://*.example.net"}, host, []string{"http://a.example.net"}, false},
		{"wildcard, other port", []string{"https://*.example.net"}, host, []string{"https://a.example.net:8443"}, false},
		{"wildcard, name ends alike", []string{"https://*.example.net"}, host, []string{"https://evilexample.net"}, false},
		{"wildcard, path ends alike", []string{"https://*.example.net"}, host, []string{"https://evil.example/.example.net"}, false},
		{"wildcard, user part", []string{"https://*.example.net"}, host, []string{"https://evil.example#@a.example.net"}, false},
		{"any", []string{"*"}, host, []string{"https://evil.example"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := origins(t, test.allowed...)
			for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
				if got := o.Allowed(request(method, test.host, test.from...)); got != test.want {
					t.Errorf("%s from %q to %q: allowed = %v", method, test.from, test.host, got)
				}
			}
		})
	}
}

func TestMalformedAllowList(t *testing.T) {
	for _, entry := range []string{
		"", " ", "example.com", "//example.com", "https://", "https:example.com", "://example.com", "1http://a",
		"https://example.com/", "https://example.com/app", "https://example.com?x", "https://example.com#x",
		"https://user@example.com", "https://example.com:", "https://example.com:x", "https://example.com:0",
		"https://example.com:65536", "https://example.com:080", "https://exa mple.com", " https://example.com",
		"https://.example.com", "https://a..b", "https://bücher.example", "https://[::1", "https://[::1]x",
		"https://[fe80::1%25eth0]", "https://[1.2.3.4]", "https://::1", "https://*", "https://*.", "https://*.*.com",
		"https://a.*.com", "https://*example.com", "https://example.*", "https://*.[::1]", "*://example.com",
		"*.example.com", "https://example.com:*", "NULL", "https://a,https://b", "http*://a",
	} {
		_, err := negotiate.NewOrigins([]string{"https://fine.example", entry})
		if err == nil || !strings.Contains(err.Error(), `"`+entry+`"`) {
			t.Errorf("entry %q: err = %v, want one that names it", entry, err)
		}
	}
}

// serve runs r through the rule in front of a handler that answers 418 and
// reports whether the handler was reached.
func serve(o *negotiate.Origins, r *http.Request) (resp *http.Response, reached bool) {
	w := httptest.NewRecorder()
	o.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached = true
		http.Error(w, "short and stout", http.StatusTeapot)
	})).ServeHTTP(w, r)
	return w.Result(), reached
}

func wantHeader(t *testing.T, resp *http.Response, name string, want ...string) {
	t.Helper()
	if got := resp.Header.Values(name); !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", name, got, want)
	}
}

func TestErrorAnswersCarryCORSHeaders(t *testing.T) {
	const app = "https://app.example.com"
	for _, allowed := range []string{app, "*", "https://*.example.com"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			t.Run(method+" with "+allowed, func(t *testing.T) {
				resp, reached := serve(origins(t, allowed), request(method, "chat.example.com", app))
				if !reached || resp.StatusCode != http.StatusTeapot {
					t.Fatalf("reached = %v, status %d", reached, resp.StatusCode)
				}
				wantHeader(t, resp, "Access-Control-Allow-Origin", app)
				wantHeader(t, resp, "Access-Control-Allow-Credentials", "true")
				wantHeader(t, resp, "Access-Control-Expose-Headers", negotiate.ReasonHeader)
				wantHeader(t, resp, "Vary", "Origin")
			})
		}
	}
}

func TestRequestWithoutOriginGetsVaryOnly(t *testing.T) {
	resp, reached := serve(origins(t), request("GET", "chat.example.com"))
	if !reached {
		t.Error("a request without an origin was refused")
	}
	wantHeader(t, resp, "Vary", "Origin")
	wantHeader(t, resp, "Access-Control-Allow-Origin")
	wantHeader(t, resp, "Access-Control-Allow-Credentials")
}

func TestForeignOriginIsRefusedBeforeAnythingIsDone(t *testing.T) {
	upgrade := request("GET", "chat.example.com", "https://evil.example")
	upgrade.Header.Set("Connection", "Upgrade")
	upgrade.Header.Set("Upgrade", "websocket")
	foreignPreflight := request("OPTIONS", "chat.example.com", "https://evil.example")
	foreignPreflight.Header.Set("Access-Control-Request-Method", "POST")
	for _, test := range []struct {
		name string
		r    *http.Request
		vary string
	}{
		{"GET", request("GET", "chat.example.com", "https://evil.example"), "Origin"},
		{"POST", request("POST", "chat.example.com", "https://evil.example"), "Origin"},
		{"PUT", request("PUT", "chat.example.com", "https://evil.example"), "Origin"},
		{"null", request("POST", "chat.example.com", "null"), "Origin"},
		{"two origins", request("POST", "chat.example.com", "https://chat.example.com", "https://evil.example"), "Origin"},
		{"upgrade", upgrade, "Origin"},
		{"preflight", foreignPreflight, "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, reached := serve(origins(t), test.r)
			if reached || resp.StatusCode != http.StatusForbidden {
				t.Errorf("reached = %v, status %d, want a refusal with 403", reached, resp.StatusCode)
			}
			wantHeader(t, resp, negotiate.ReasonHeader, "origin_not_allowed")
			wantHeader(t, resp, "Vary", test.vary)
			wantHeader(t, resp, "Access-Control-Allow-Origin")
			wantHeader(t, resp, "Access-Control-Allow-Credentials")
			if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), "origin") {
				t.Errorf("body %q does not say why", body)
			}
		})
	}
}

func TestPreflight(t *testing.T) {
	const app = "https://app.example.com"
	for _, test := range []struct {
		name, method, headers string
		want                  bool
	}{
		{"send", "POST", "x-requested-with", true},
		{"all headers", "POST", "authorization,content-type,x-requested-with,x-signalr-user-agent", true},
		{"delete", "DELETE", "", true},
		{"method that is not ours", "PUT", "", false},
		{"header that is not ours", "POST", "x-other", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := request("OPTIONS", "chat.example.com", app)
			r.Header.Set("Access-Control-Request-Method", test.method)
			if test.headers != "" {
				r.Header.Set("Access-Control-Request-Headers", test.headers)
			}
			resp, reached := serve(origins(t, app), r)
			if reached || resp.StatusCode != http.StatusNoContent {
				t.Errorf("reached = %v, status %d, want 204 from the rule itself", reached, resp.StatusCode)
			}
			wantHeader(t, resp, "Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
			if !test.want {
				wantHeader(t, resp, "Access-Control-Allow-Origin")
				return
			}
			wantHeader(t, resp, "Access-Control-Allow-Origin", app)
			wantHeader(t, resp, "Access-Control-Allow-Credentials", "true")
			wantHeader(t, resp, "Access-Control-Allow-Methods", test.method)
			wantHeader(t, resp, "Access-Control-Max-Age", "600")
		})
	}
}

func TestPlainOptionsRequestIsNoPreflight(t *testing.T) {
	if _, reached := serve(origins(t), request("OPTIONS", "chat.example.com")); !reached {
		t.Error("an OPTIONS request that asks for no method did not get through")
	}
}

func FuzzOrigins(f *testing.F) {
	for _, seed := range [][3]string{
		{"https://app.example.com", "https://app.example.com", "chat.example.com"},
		{"https://*.example.com", "https://a.example.com", "localhost:80"},
		{"http://[::1]:80", "http://[::1]", "[::1]:80"},
		{"null", "null", ""},
		{"*", "https://a\r\nx: y", "a:b:c"},
		{"https://[", "https://]:1", "]["},
		{"a://b", "a://b.c@d", ":"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, entry, from, host string) {
		r := request("POST", host, from)
		own := origins(t)
		if own.Allowed(r) && from != "" && !strings.HasPrefix(strings.ToLower(from), "http") {
			t.Errorf("%q is the origin of %q", from, host)
		}
		o, err := negotiate.NewOrigins([]string{entry})
		if err != nil {
			return
		}
		if own.Allowed(r) && !o.Allowed(r) {
			t.Errorf("listing %q shuts %q out of %q", entry, from, host)
		}
		if entry != "*" && entry != "null" && !strings.Contains(entry, "*") && !o.Allowed(request("POST", host, entry)) {
			t.Errorf("%q is listed and refused", entry)
		}
		resp, reached := serve(o, r)
		if reached != o.Allowed(r) {
			t.Errorf("Handler and Allowed disagree on %q with %q", from, entry)
		}
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "" && (got != from || !reached) {
			t.Errorf("Access-Control-Allow-Origin: %q for %q", got, from)
		}
	})
}

func BenchmarkOriginsHandler(b *testing.B) {
	h := origins(b, "https://app.example.com").Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := request("GET", "chat.example.com", "https://app.example.com")
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		clear(w.Header())
		h.ServeHTTP(w, r)
	}
}
