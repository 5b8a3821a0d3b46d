package persistent_test

import (
	"maps"
	"testing"

	"github.com/hubwire/hubwire/persistent"
)

// A connection counts for the transport that it began with.
func TestTransportsOfOneConnection(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{})
	c := s.client()
	c.Open("longPolling")
	c.Reconnect("webSockets")
	c.Reconnect("serverSentEvents")
	if got := s.Transports(); !maps.Equal(got, map[string]persistent.TransportStats{"longPolling": {Live: 1}}) {
		t.Errorf("after three transports: %+v", got)
	}
	s.must(s.Shutdown(t.Context()))
	if got := s.Transports()["longPolling"]; got.Live != 0 || got.Ended != 1 || got.ShutDown != 1 || got.Lifetime <= 0 {
		t.Errorf("after the end: %+v", got)
	}
}
