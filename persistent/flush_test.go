package persistent_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// Clients that do not read at all, more than there are goroutines that write
// for everybody, stop nobody: the others get everything, in order. Nothing ever
// times out here.
func TestClientsThatDoNotReadStopNobody(t *testing.T) {
	const stalled, reading, messages = 8, 4, 200
	s := start(t, persistent.Handler{}, persistent.Options{SendTimeout: time.Hour, MaxQueuedBytes: 64 << 20})
	open := func() *classictest.Stream {
		stream := s.client().Open("webSockets")
		t.Cleanup(stream.Drop)
		return stream
	}
	for range stalled {
		open()
	}
	streams := make([]*classictest.Stream, reading)
	for i := range streams {
		streams[i] = open()
		streams[i].Socket().SetReadLimit(-1)
	}
	padding := strings.Repeat("x", 32<<10) // so that no buffer of the system takes it all
	go func() {
		for i := range messages {
			if err := s.Broadcast(fmt.Sprint(i, padding)); err != nil {
				t.Error(err)
			}
		}
	}()
	var wg sync.WaitGroup
	for _, stream := range streams {
		wg.Go(func() { readNumbered(t, stream, messages) })
	}
	wg.Wait()
	if n := s.Stats().SlowConsumers; n > 0 {
		t.Errorf("%d clients were cut off: they must only wait", n)
	}
}

// readNumbered reads messages that begin with a number, in order.
func readNumbered(t *testing.T, stream *classictest.Stream, n int) {
	for i := 0; i < n; {
		f, err := stream.Next()
		if err != nil {
			t.Errorf("message %d: %v", i, err)
			return
		}
		for _, m := range f.M {
			if want := fmt.Sprintf(`"%dx`, i); !strings.HasPrefix(string(m), want) {
				t.Errorf("got %.12s, want %s", m, want)
				return
			}
			i++
		}
	}
}
