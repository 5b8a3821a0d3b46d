package persistent

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/persistent/classic/classictest"
	"github.com/hubwire/hubwire/persistent/dialect"
)

// A client that comes back in the very moment that it is to be given up stays.
func TestEndOfWhoIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := NewServer(Handler{}, Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		client, stop := classictest.Serve(t, s)
		defer stop()
		c := client("/raw")
		c.Open("serverSentEvents").Drop()
		time.Sleep(29 * time.Second)
		st := c.Reconnect("serverSentEvents")
		synctest.Wait()
		conn, _ := s.Conn(c.Answer.ConnectionID)
		conn.end(dialect.TimedOut) // as of the timer, which saw nobody
		if _, ok := s.Conn(c.Answer.ConnectionID); !ok {
			t.Error("it is given up")
		}
		st.Drop()
		time.Sleep(time.Minute)
		if _, ok := s.Conn(c.Answer.ConnectionID); ok {
			t.Error("it is not given up when it is gone")
		}
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
