package classic_test

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/hub/classic"
	"github.com/hubwire/hubwire/hub/codec"
)

var update = flag.Bool("update", false, "write the golden files")

var siteHubs = []codec.HubDescriptor{
	{Name: "ChatHub", Methods: []codec.MethodDescriptor{
		{Name: "Join"}, {Name: "Say"}, {Name: "SPEAK_loud", Explicit: true}}},
	{Name: "Quiet-One", Explicit: true},
}

func site() *codec.Site {
	return &codec.Site{Hubs: siteHubs, PublicPath: func(r *http.Request) string { return r.URL.Path }}
}

// get asks the family's assets for a path. The answer is nil if they leave it.
func get(path string, s *codec.Site) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	if !classic.Family().Assets(w, httptest.NewRequest(http.MethodGet, path, nil), s) {
		return nil
	}
	return w
}

func TestScript(t *testing.T) {
	const golden = "testdata/hubs.js"
	got := get("/signalr/hubs", site()).Body.Bytes()
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the script is not that of %s; go test -update writes it. Got:\n%s", golden, got)
	}
}

func TestConformance003_107_ScriptPaths(t *testing.T) {
	for path, url := range map[string]string{
		"/signalr/hubs": "/signalr", "/signalr/hubs/": "/signalr", "/signalr/js": "/signalr", "/signalr/JS": "/signalr",
		"/foo/hubs": "/foo", "/hubs": "", "/a/b%22c/hubs": `/a/b\"c`, "/signalr/x/hubs//": "/signalr/x",
	} {
		w := get(path, site())
		if w == nil {
			t.Errorf("%s: not served", path)
			continue
		}
		if !strings.Contains(w.Body.String(), `$.hubConnection("`+url+`", { useDefaultPath: false })`) {
			t.Errorf("%s: not for %q:\n%s", path, url, w.Body)
		}
		if got := w.Header().Get("Content-Type"); got != "application/javascript; charset=UTF-8" {
			t.Errorf("%s: content type %q", path, got)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: no nosniff", path)
		}
	}
	for _, path := range []string{"/signalr/negotiate", "/signalr/hubs/negotiate", "/signalr/chathubs", "/signalr/x.js"} {
		if get(path, site()) != nil {
			t.Errorf("%s: served", path)
		}
	}
}

func TestConformance107_ScriptTurnedOff(t *testing.T) {
	s := site()
	s.NoProxies = true
	w := get("/signalr/hubs", s)
	if w.Code != 200 || !strings.HasPrefix(w.Body.String(), `throw new Error("SignalR: JavaScript Hub proxy generation has been disabled.")`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestConformance014_ScriptWithCallback(t *testing.T) {
	if w := get("/signalr/hubs?callback=f", site()); w.Code != http.StatusForbidden {
		t.Errorf("got %d", w.Code)
	}
	s := site()
	s.JSONP = true
	if w := get("/signalr/hubs?callback=f", s); w.Code != http.StatusOK {
		t.Errorf("got %d", w.Code)
	}
}
