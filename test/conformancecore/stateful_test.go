package conformancecore_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/hub/core"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/core/coretest"
)

var stateful = config{core: core.Options{StatefulReconnect: true}}

// stateful opens a stateful connection that has said that it counts.
func (l *lab) stateful() (*coretest.Client, *coretest.Stream) {
	l.Helper()
	c := l.new()
	c.Stateful = true
	c.Patience = 5 * time.Minute
	s := c.Open(webSockets)
	s.Send(coretest.Ping)
	return c, s
}

// back dials again, and reads the server's Sequence.
func back(l *lab, c *coretest.Client, want int) *coretest.Stream {
	l.Helper()
	s := c.Dial(webSockets)
	m, err := s.Next()
	if want := fmt.Sprintf(`{"type":9,"sequenceId":%d}`, want); err != nil || m != want {
		l.Fatalf("the first message is %q (%v), want %s", m, err, want)
	}
	return s
}

// got is the message of a broadcast.
func got(text any) string {
	return fmt.Sprintf(`{"type":1,"target":"got","arguments":["%v"]}`, text)
}

func Test86Acks(t *testing.T) {
	try(t, stateful, func(l *lab) {
		_, s := l.stateful()
		start := time.Now()
		for range 3 {
			s.Send(`{"type":1,"target":"void","arguments":[]}`)
		}
		s.WantExactly("one ack for all", `{"type":8,"sequenceId":3}`)
		if took := time.Since(start); took > 1100*time.Millisecond {
			t.Errorf("after %v", took)
		}
		time.Sleep(5 * time.Second)
		s.Send(call("1", "echo", `["x"]`))
		s.Want("no ack for nothing", `"result":"x"`)
		s.WantExactly("the next ack", `{"type":8,"sequenceId":4}`)
	})
}

func Test87To89Resume(t *testing.T) {
	try(t, stateful, func(l *lab) {
		c, s := l.stateful()
		_ = l.hub.Clients.All().Got("1")
		_ = l.hub.Clients.All().Got("2")
		s.WantExactly("live", got(1))
		s.WantExactly("live", got(2))
		s.Send(`{"type":8,"sequenceId":1}`, call("a", "wait", `["call"]`)) // incoming 1
		l.wait("waiting call")
		s.Drop()
		time.Sleep(1500 * time.Millisecond)
		_ = l.hub.Clients.All().Got("3")
		l.release()
		synctest.Wait() // for the result
		_ = l.hub.Clients.All().Got("4")

		s = back(l, c, 2)
		s.WantExactly("not acknowledged", got(2))
		s.WantExactly("the ack that was due", `{"type":8,"sequenceId":1}`)
		s.WantExactly("while away", got(3))
		s.WantExactly("the result of a call while away", `{"type":3,"invocationId":"a","result":"call"}`)
		s.WantExactly("while away", got(4))
		s.Send(`{"type":9,"sequenceId":1}`, call("a", "echo", `["again"]`), call("b", "id", `[]`)) // 1 again, and 2
		s.WantExactly("the duplicate is dropped, the id is the same",
			fmt.Sprintf(`{"type":3,"invocationId":"b","result":%q}`, c.Answer.ConnectionID))
		_ = l.hub.Clients.All().Got("5")
		s.WantExactly("live again", got(5))
		s.WantExactly("ack", `{"type":8,"sequenceId":2}`)
		if l.count("connected") != 1 || l.count("lost") != 0 {
			t.Errorf("events %q", l.events)
		}
	})
}

// A second loss before anything was acknowledged resends everything again.
func TestResumeTwice(t *testing.T) {
	try(t, stateful, func(l *lab) {
		c, s := l.stateful()
		for i := range 5 {
			_ = l.hub.Clients.All().Got(fmt.Sprint(i))
		}
		for i := range 5 {
			s.WantExactly("live", got(i))
		}
		for round := range 3 {
			s.Drop()
			s = back(l, c, 1)
			_ = l.hub.Clients.All().Got(fmt.Sprint(5 + round))
			for i := range 6 + round {
				s.WantExactly("again", got(i))
			}
			s.Send(`{"type":9,"sequenceId":1}`)
		}
		s.Send(`{"type":8,"sequenceId":7}`)
		time.Sleep(time.Second)
		s.Drop()
		back(l, c, 8).WantExactly("the last one", got(7))
	})
}

func Test90SequenceTooHigh(t *testing.T) {
	try(t, stateful, func(l *lab) {
		c, s := l.stateful()
		s.Drop()
		time.Sleep(time.Second)
		s = back(l, c, 1)
		start := time.Now()
		s.Send(`{"type":9,"sequenceId":2}`)
		s.Want("closed", `"error":"Connection closed with an error.","allowReconnect":true}`)
		if took := time.Since(start); took > time.Second {
			t.Errorf("after %v", took)
		}
		s.WantEnd("closed")
		l.wait("lost")
	})
}

func Test91HalfOpenSocket(t *testing.T) {
	try(t, stateful, func(l *lab) {
		c, old := l.stateful()
		s := back(l, c, 1)
		old.WantEnd("the old one is closed")
		s.Send(`{"type":9,"sequenceId":1}`, call("1", "echo", `["x"]`))
		s.Want("the new one works", `"result":"x"`)
		if l.count("lost")+l.count("stopped") > 0 {
			t.Errorf("events %q", l.events)
		}
	})
	for name, end := range map[string]func(s *coretest.Stream){
		"close frame": (*coretest.Stream).Close,
		"Close":       func(s *coretest.Stream) { s.Send(`{"type":7}`); s.WantEnd("closed") },
		"abort":       func(s *coretest.Stream) { s.Send(call("1", "abortMe", "[]")); s.WantEnd("aborted") },
		"an error":    func(s *coretest.Stream) { s.Send(`{`); s.WantEnd("failed") },
	} {
		try(t, stateful, func(l *lab) {
			c, s := l.stateful()
			end(s)
			time.Sleep(time.Second)
			r := l.socketRefused("after "+name, c)
			l.want(name, r, 404, "No Connection with that ID")
		})
	}
}

func Test92BackPressure(t *testing.T) {
	try(t, stateful, func(l *lab) {
		_, s := l.stateful()
		text := strings.Repeat("x", 1000)
		for range 400 {
			_ = l.hub.Clients.All().Got(text)
			time.Sleep(time.Millisecond)
		}
		read := 0
		for {
			m, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			if m == coretest.Ping {
				break // nothing came for long
			}
			read++
		}
		if read < 90 || read > 120 {
			t.Errorf("%d messages of 1 kB came without an Ack", read)
		}
		for read < 400 {
			s.Send(fmt.Sprintf(`{"type":8,"sequenceId":%d}`, read))
			if m := s.Message("after an Ack"); m != got(text) {
				t.Fatalf("got %.50s after %d", m, read)
			}
			read++
		}
	})
}

// What does not fit into the buffer comes from the log, in order.
func TestResumeBeyondTheBuffer(t *testing.T) {
	try(t, stateful, func(l *lab) {
		c, s := l.stateful()
		_ = l.hub.Clients.All().Got("0")
		s.WantExactly("live", got(0))
		s.Drop()
		time.Sleep(time.Second)
		const n = 1000
		for i := 1; i < n; i++ {
			_ = l.hub.Clients.All().Got(fmt.Sprintf("%d%s", i, strings.Repeat("x", 500)))
		}
		s = back(l, c, 1)
		s.Send(`{"type":9,"sequenceId":1}`)
		s.WantExactly("again", got(0))
		for i := 1; i < n; i++ {
			s.Want("in order", fmt.Sprintf(`["%dx`, i))
			if i%50 == 0 {
				s.Send(fmt.Sprintf(`{"type":8,"sequenceId":%d}`, i))
			}
		}
	})
}

func Test93NoReturn(t *testing.T) {
	try(t, stateful, func(l *lab) {
		c, s := l.stateful()
		s.Drop()
		time.Sleep(14 * time.Second)
		if l.count("lost") > 0 {
			t.Error("lost too early")
		}
		time.Sleep(2 * time.Second)
		l.wait("lost")
		l.want("later", l.socketRefused("too late", c), 404, "No Connection with that ID")
	})
}

func Test94SwitchedOff(t *testing.T) {
	off := func(l *lab, s *coretest.Stream) {
		s.Send(`{"type":1,"target":"void","arguments":[]}`, `{"type":8,"sequenceId":1}`)
		time.Sleep(3 * time.Second)
		s.Send(call("1", "echo", `["x"]`))
		s.Want("no Ack before", `"result":"x"`)
		s.Drop()
		l.wait("lost")
	}
	try(t, stateful, func(l *lab) {
		c := l.new()
		c.Stateful = true
		s := c.Negotiate().Dial(webSockets)
		s.Write(`{"protocol":"json","version":1}` + coretest.Separator)
		s.WantGreeting()
		off(l, s)
		l.want("no return", l.socketRefused("version 1", c), 404, "No Connection with that ID")
	})
	for _, transport := range []string{serverSentEvents, longPolling} {
		try(t, stateful, func(l *lab) {
			c := l.new()
			c.Stateful = true
			off(l, c.Open(transport))
		})
	}
}

func Test95Zombie(t *testing.T) {
	try(t, stateful, func(l *lab) {
		c, s := l.stateful()
		s.Drop()
		time.Sleep(time.Second)
		s = back(l, c, 1)
		start := time.Now()
		s.WantEnd("a client that says nothing")
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("after %v", took)
		}
		time.Sleep(14 * time.Second)
		if l.count("lost") > 0 {
			t.Error("lost before its time")
		}
		l.wait("lost")
		synctest.Wait()
		l.want("later", l.socketRefused("ended", c), 404, "No Connection with that ID")
	})
}

// A client whose word is stuck on the way may come back once more.
func Test95StuckOnTheWay(t *testing.T) {
	try(t, stateful, func(l *lab) {
		c, s := l.stateful()
		s.Drop()
		for range 3 {
			s = back(l, c, 1)
			s.WantEnd("a client that says nothing")
			time.Sleep(10 * time.Second)
		}
		s = back(l, c, 1)
		s.Send(`{"type":9,"sequenceId":1}`, call("a", "echo", `["at last"]`))
		s.WantExactly("the answer", `{"type":3,"invocationId":"a","result":"at last"}`)
	})
}

// Messages wait for the first sign that the client counts them, for a second at
// most.
func TestMessagesWaitForTheCount(t *testing.T) {
	try(t, stateful, func(l *lab) {
		c := l.new()
		c.Stateful = true
		l.greet = "hello"
		s := c.Open(webSockets)
		start := time.Now()
		s.WantExactly("held back", got("hello"))
		if took := time.Since(start); took < 900*time.Millisecond || took > 1100*time.Millisecond {
			t.Errorf("after %v", took)
		}
	})
	try(t, stateful, func(l *lab) { // and one that is refused hears of it
		c := l.new()
		c.Stateful = true
		l.refuse = errRefused
		c.Open(webSockets).WantExactly("refused", `{"type":7,"error":"Connection closed with an error."}`)
	})
}

// The story: whatever is cut whenever, nothing is lost and nothing comes twice.
func TestStatefulLosesNothing(t *testing.T) {
	try(t, config{core: core.Options{StatefulReconnect: true, StatefulBuffer: 2000}, Options: persistent.Options{}}, func(l *lab) {
		c, s := l.stateful()
		const n = 300
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for i := range n {
				_ = l.hub.Clients.All().Got(fmt.Sprint(i))
				time.Sleep(time.Duration(1+i%13) * time.Millisecond)
			}
		}()
		defer func() { <-sent }()
		received, first := 0, 1 // the number of the next message on the wire
		for received < n {
			m, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			if m == coretest.Ping || strings.Contains(m, `"type":8`) {
				continue
			}
			if first <= received {
				first++ // again
				continue
			}
			first++
			if m != got(received) {
				t.Fatalf("got %s, want %d", m, received)
			}
			received++
			if received%10 == 0 {
				s.Send(fmt.Sprintf(`{"type":8,"sequenceId":%d}`, received))
			}
			if received%17 == 0 {
				if received%2 == 0 {
					s.Drop()
				}
				s = c.Dial(webSockets)
				m, err := s.Next()
				if _, err2 := fmt.Sscanf(m, `{"type":9,"sequenceId":%d}`, &first); err != nil || err2 != nil {
					t.Fatalf("%q %v", m, err)
				}
				s.Send(`{"type":9,"sequenceId":1}`)
			}
		}
	})
}

// The log keeps messages for as long as a client may be away, also where that is
// longer than with SignalR 2.
func TestALongAbsence(t *testing.T) {
	long := config{core: core.Options{StatefulReconnect: true, DisconnectTimeout: 10 * time.Minute, ClientTimeout: -1}}
	try(t, long, func(l *lab) {
		c, s := l.stateful()
		_ = l.hub.Clients.All().Got("live")
		s.WantExactly("live", got("live"))
		s.Drop()
		for i := range 3 {
			time.Sleep(3 * time.Minute)
			_ = l.hub.Clients.All().Got(fmt.Sprint(i))
		}
		s = back(l, c, 1)
		s.Send(`{"type":9,"sequenceId":1}`)
		for _, text := range []any{"live", 0, 1, 2} {
			s.WantExactly("again", got(text))
		}
	})
}
