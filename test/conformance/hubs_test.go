package conformance_test

import (
	"testing"
	"testing/synctest"

	"github.com/hubwire/hubwire/hub"
)

// A hubSite is a server with hubs behind HTTP.
type hubSite struct {
	*site
	hubs *hub.Server
}

func newHubs(t *testing.T, o hub.Options) (*hub.Server, *journal) {
	o.Options = prepare(o.Options)
	server, j := hub.NewServer(o), newJournal()
	return server, j
}

func serveHubs(t *testing.T, o hub.Options) *hubSite {
	server, j := newHubs(t, o)
	s := listen(t, server, server.Shutdown)
	s.journal = j
	return &hubSite{s, server}
}

func bubbleHubs(t *testing.T, o hub.Options, test func(s *hubSite)) {
	synctest.Test(t, func(t *testing.T) {
		server, j := newHubs(t, o)
		s := listenInMemory(t, server, server.Shutdown)
		s.journal = j
		test(&hubSite{s, server})
	})
}
