package faults_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/persistent/classic/classictest"
	"github.com/hubwire/hubwire/persistent/core/coretest"
)

// Connections that never start cost what they cost until their transport is gone,
// and the program never hears of them.
func TestConnectsWithoutStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hubWorld(options())
		client, stop := classictest.Serve(t, w.handler)
		defer stop()
		for range 1000 {
			c := client(w.path).Hubs("fleet").Negotiate()
			c.Connect("longPolling")
		}
		if n := w.endpoint.Stats().Connections; n != 1000 {
			t.Errorf("there are %d connections", n)
		}
		time.Sleep(7 * time.Second)
		synctest.Wait()
		if told, _ := w.was(); w.endpoint.Stats().Connections != 0 || len(told) > 0 {
			t.Errorf("%+v are left, and the program was told of %v", w.endpoint.Stats(), told)
		}
		if err := w.shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Core connections without a handshake cost what they cost for 15 seconds, and
// the program never hears of them.
func TestCoreConnectsWithoutHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hubWorld(options())
		client, stop := coretest.Serve(t, w.handler)
		defer stop()
		for i := range 999 {
			c := client(w.path + "/" + w.hubs).Negotiate()
			c.Dial(coreFamily.kinds[i%3])
		}
		time.Sleep(25 * time.Second)
		synctest.Wait()
		if told, _ := w.was(); w.endpoint.Stats().Connections != 0 || len(told) > 0 {
			t.Errorf("%+v are left, and the program was told of %v", w.endpoint.Stats(), told)
		}
		if err := w.shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
