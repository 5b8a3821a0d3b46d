package hub_test

import (
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent/core/coretest"
)

// readers are the goroutines on which WebSockets are read.
func readers() map[string]bool {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	list := make(map[string]bool)
	for _, m := range regexp.MustCompile(`goroutine (\d+) [^\n]*\n(?:[^\n]+\n)*?\S*(?:socketReader|socket)\)\.read\(`).FindAllSubmatch(stacks, -1) {
		list[string(m[1])] = true
	}
	return list
}

// WebSockets that have been silent for a while are read on other goroutines,
// and go on as if nothing had been.
func TestSilentSockets(t *testing.T) {
	s := newSite(t, hub.Options{})
	hub.Register[RoomClient](s.Server, "room", newRoom())
	classic := s.connect("webSockets", "ann", "room")
	core := s.core("bob", "room").Open("webSockets")
	talk := func(text string) {
		t.Helper()
		classic.ok("room", "join", text)
		core.Invoke("join", text)
		classic.ok("room", "say", text, text)
		core.Want("from a classic client", text)
		classic.want("its own", `{"H":"room","M":"message","A":["`+text+`"]}`)
	}
	talk("before")
	deadline := time.After(coretest.Patience)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	until := func(why string, so func() bool) {
		t.Helper()
		for !so() {
			select {
			case <-ticker.C:
			case <-deadline:
				t.Fatalf("%s: never", why)
			}
		}
	}
	var before map[string]bool
	until("two goroutines read two sockets", func() bool {
		before = readers()
		return len(before) == 2
	})
	talk("once more") // whatever they have been, they are silent after this
	until("others read them", func() bool {
		for id := range readers() {
			if before[id] {
				return false
			}
		}
		return true
	})
	talk("after")
}
