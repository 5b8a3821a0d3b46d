package conformancecore_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/hubwire/hubwire/hub/core"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/core/coretest"
)

// wantStats compares the counts of the transports.
func (l *lab) wantStats(why string, want map[string]persistent.TransportStats) {
	l.Helper()
	if got := l.server.Endpoint().Transports(); !maps.Equal(got, want) {
		l.Errorf("%s: got %+v, want %+v", why, got, want)
	}
}

type stats = map[string]persistent.TransportStats

// From the first exchange, which is behind the handshake, to the end: once,
// whatever comes between.
func Test97Metrics(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		c := l.new().Negotiate()
		l.wantStats("a token is no connection", stats{})
		s := c.Dial(transport)
		s.Handshake()
		for range 3 {
			if r := s.Invoke("echo", "x"); string(r.Result) != `"x"` {
				t.Error(r.Raw)
			}
		}
		l.wantStats("however many polls", stats{transport: {Live: 1}})
		time.Sleep(10 * time.Second)
		s.Send(`{"type":7}`)
		l.wait("stopped")
		l.wantStats("its client ended it", stats{transport: {Ended: 1, Lifetime: 10 * time.Second}})
		for range 2 {
			l.open(transport)
		}
		l.wantStats("two more", stats{transport: {Live: 2, Ended: 1, Lifetime: 10 * time.Second}})
	})
}

// The reasons of an end: who went without a word is given up, at once or after
// a time.
func Test97EndsAndReasons(t *testing.T) {
	try(t, stateful, func(l *lab) {
		c, s := l.stateful()
		time.Sleep(time.Second)
		s.Drop()
		time.Sleep(time.Second)
		s = back(l, c, 1)
		s.Send(`{"type":9,"sequenceId":1}`)
		l.wantStats("it came back", stats{webSockets: {Live: 1}})
		time.Sleep(time.Second)
		s.Drop()
		l.wait("lost")
		l.wantStats("it did not", stats{webSockets: {Ended: 1, TimedOut: 1, Lifetime: 18 * time.Second}})

		l.open(webSockets).Drop()
		poll := l.open(longPolling)
		if r := poll.Invoke("echo", "x"); string(r.Result) != `"x"` {
			t.Error(r.Raw)
		}
		l.open(serverSentEvents)
		time.Sleep(20 * time.Second)
		if err := l.server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		l.wantStats("the plain WebSocket was lost, the polls have stopped, the events went on", stats{
			webSockets:       {Ended: 2, TimedOut: 1, Lifetime: 18 * time.Second},
			longPolling:      {Ended: 1, TimedOut: 1, Lifetime: 15 * time.Second},
			serverSentEvents: {Ended: 1, ShutDown: 1, Lifetime: 20 * time.Second},
		})
	})
	try(t, config{core: core.Options{HandshakeTimeout: time.Second}}, func(l *lab) {
		l.new().Negotiate().Dial(webSockets).WantEnd("no handshake")
		l.wantStats("who never shook hands does not count", stats{})
		l.refuse = errRefused
		l.open(webSockets).WantEnd("refused")
		l.wantStats("who is refused does", stats{webSockets: {Ended: 1}})
		l.refuse = nil
		s := l.open(webSockets)
		s.Send(coretest.Ping, `{`)
		l.wait("lost")
		l.wantStats("a protocol error", stats{webSockets: {Ended: 2}})
	})
}
