package classictest

import (
	"net/http"
	"testing"

	"github.com/hubwire/hubwire/transports/transporttest"
)

// Serve serves h on connections in memory, so that a test may run in a bubble
// of testing/synctest, and returns a function that makes clients for the
// endpoint at a path. The server is closed when the test ends, or by the
// returned stop, which a bubble must call.
func Serve(t testing.TB, h http.Handler) (client func(path string) *Client, stop func()) {
	l := transporttest.NewListener()
	server := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	stop = func() {
		_ = server.Close()
		<-served
	}
	t.Cleanup(stop)
	client = func(path string) *Client {
		c := New(t, "http://server.test"+path)
		c.HTTP.Transport = &http.Transport{DialContext: l.DialContext, DisableKeepAlives: true}
		return c
	}
	return client, stop
}
