package jsclient_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/jsclient"
)

func get(t *testing.T, method, path, etag string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	w := httptest.NewRecorder()
	jsclient.Handler().ServeHTTP(w, r)
	return w
}

func TestFiles(t *testing.T) {
	for _, c := range []struct{ name, contentType, holds string }{
		{"client.js", "text/javascript; charset=utf-8", "export{"},
		{"client.global.js", "text/javascript; charset=utf-8", "var hubwire="},
		{"client.d.ts", "application/typescript; charset=utf-8", "declare class HubConnection"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := get(t, "GET", "/signalr/"+c.name, "")
			if w.Code != http.StatusOK {
				t.Fatalf("status %d", w.Code)
			}
			if got := w.Header().Get("Content-Type"); got != c.contentType {
				t.Errorf("content type %q, want %q", got, c.contentType)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-cache" {
				t.Errorf("cache control %q: a new server must bring its client along", got)
			}
			if !strings.Contains(w.Body.String(), c.holds) {
				t.Errorf("the file does not hold %q", c.holds)
			}

			etag := w.Header().Get("ETag")
			if again := get(t, "GET", "/signalr/"+c.name, etag); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
				t.Errorf("with the current ETag %q: status %d, %d bytes; want 304 and none", etag, again.Code, again.Body.Len())
			}
			if head := get(t, "HEAD", "/signalr/"+c.name, ""); head.Code != http.StatusOK || head.Body.Len() > 0 || head.Header().Get("Content-Length") == "" {
				t.Errorf("HEAD: status %d, %d bytes, length %q", head.Code, head.Body.Len(), head.Header().Get("Content-Length"))
			}
		})
	}
}

func TestNoSuchFile(t *testing.T) {
	if w := get(t, "GET", "/signalr/other.js", ""); w.Code != http.StatusNotFound {
		t.Errorf("status %d for a file that is not there, want 404", w.Code)
	}
	w := httptest.NewRecorder()
	if jsclient.ServeFile(w, httptest.NewRequest("GET", "/", nil), "dist/hubwire.js") {
		t.Error("ServeFile claims to have served a file that it has not")
	}
	if len(w.Header()) > 0 {
		t.Errorf("ServeFile touched the response of a file that it has not: %v", w.Header())
	}
}

func TestOtherMethods(t *testing.T) {
	if w := get(t, "POST", "/signalr/client.js", ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d, want 405", w.Code)
	}
}
