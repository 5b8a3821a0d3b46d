package hub_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// A Mill has something to do.
type Mill struct{}

func (Mill) Grind(*hub.Call[QuizClient]) int { return 1 }

// A client that calls and does not read the answers loses its transport when as
// much waits for it as may, as with messages. The first answer waits to be
// written, the second call to be run, and all others are refused at once, with
// ids that are as long as their senders please.
func TestAnswersThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hub.NewServer(hub.Options{Options: persistent.Options{
			MaxQueuedCalls: 1,
			MaxQueuedBytes: 100_000,
			Logger:         slog.New(slog.DiscardHandler),
		}})
		hub.Register[QuizClient](s, "mill", Mill{})
		client, stop := classictest.Serve(t, s)
		defer stop()
		c := client("/signalr").Hubs("mill")
		st := c.Open("webSockets")
		begin := time.Now()
		for n := range 100 {
			call := fmt.Sprintf(`{"H":"mill","M":"grind","A":[],"I":"%d%s"}`, n, strings.Repeat("x", 10_000))
			if err := st.Socket().Write(context.Background(), websocket.MessageText, []byte(call)); err != nil {
				break
			}
			synctest.Wait()
		}
		if stats := s.Endpoint().Stats(); stats.SlowConsumers != 1 || time.Since(begin) > 0 {
			t.Errorf("%d slow consumers after %v, want one at once", stats.SlowConsumers, time.Since(begin))
		}
		c.Reconnect("webSockets").Drop()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
