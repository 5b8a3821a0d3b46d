package classictest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// A stream that begins, and then says nothing, is given up.
func TestPatienceWithAStreamThatSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, stop := classictest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
		}))
		defer stop()
		c := client("/raw")
		c.Patience = 5 * time.Second
		begin := time.Now()
		if _, err := c.TryDial("reconnect", "serverSentEvents"); err == nil {
			t.Error("the stream is taken for a good one")
		}
		if took := time.Since(begin); took != c.Patience {
			t.Errorf("given up after %v, want %v", took, c.Patience)
		}
	})
}
