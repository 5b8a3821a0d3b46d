package hub_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/hub"
)

func TestFiles(t *testing.T) {
	s := newSite(t, hub.Options{})
	hub.Register[RoomClient](s.Server, "room", newRoom(), hub.MethodName("Echo", "Say.again"))
	c := s.client("")
	for path, want := range map[string]string{
		"client.js":        "export",
		"client.global.js": "hubwire",
		"hubs":             `hub = hubs["room"] = this.createHubProxy("room");`,
		"js":               `"Say.again": caller(hub, "Say.again")`,
	} {
		r := c.Get(path)
		if r.Status != http.StatusOK || !strings.Contains(r.Body, want) || !strings.Contains(r.Header.Get("Content-Type"), "javascript") {
			t.Errorf("%s: got %d %s %.300s", path, r.Status, r.Header.Get("Content-Type"), r.Body)
		}
	}
	if r := c.Get("client.nope"); r.Status == http.StatusOK {
		t.Errorf("got %d", r.Status)
	}
}
