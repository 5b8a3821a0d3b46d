package leaks_test

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/hubwire/hubwire/test/leaks"
)

// A goroutine that ends late is none that is left.
func TestFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		others := goleak.IgnoreCurrent()
		go time.Sleep(5 * time.Second)
		if err := leaks.Find(others); err != nil {
			t.Errorf("it was on its way out: %v", err)
		}
		end := make(chan struct{})
		go func() { <-end }()
		if leaks.Find(others) == nil {
			t.Error("what is left is not found")
		}
		close(end)
	})
}
