package persistent_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// A connection that is held takes nothing from its client, and everything in
// order when it is released. Its end releases it.
func TestHold(t *testing.T) {
	for _, transport := range []string{"webSockets", "serverSentEvents"} {
		t.Log(transport)
		var got []string
		h := persistent.Handler{OnReceived: func(_ *persistent.Conn, p []byte) error {
			got = append(got, string(p))
			return nil
		}}
		bubble(t, h, persistent.Options{}, func(t *testing.T, s *server, client func(string) *classictest.Client) {
			c := client("/raw")
			st := c.Open(transport)
			conn, _ := s.Conn(c.Answer.ConnectionID)
			send := func(text string) {
				if transport == "webSockets" {
					st.Write(text)
				} else {
					c.Send(transport, text)
				}
			}
			send("1")
			synctest.Wait()
			conn.Hold()
			conn.Hold()
			if transport == "webSockets" {
				send("2") // is being read
				synctest.Wait()
			}
			n := len(got)
			go send("3")
			synctest.Wait()
			if len(got) != n {
				t.Errorf("got %q while held", got)
			}
			s.must(s.Broadcast("out"))
			if f, err := st.Next(); err != nil || len(f.M) != 1 {
				t.Errorf("what goes out is held: %q, %v", f.Raw, err)
			}
			conn.Release()
			conn.Release()
			synctest.Wait()
			if len(got) != n+1 || !slices.IsSorted(got) {
				t.Errorf("got %q when released", got)
			}
			conn.Hold()
			held := conn.Held()
			conn.Abort()
			<-held
			if conn.Hold(); conn.Held() != nil {
				t.Error("held behind its end")
			}
		})
	}
}
