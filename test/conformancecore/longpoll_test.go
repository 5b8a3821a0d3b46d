package conformancecore_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/core/coretest"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// polls opens a connection of long polling with its handshake answered.
func (l *lab) polls() *coretest.Client {
	c := l.new()
	c.Patience = 5 * time.Minute
	c.Open(longPolling)
	return c
}

// pending makes a poll and returns where its answer comes.
func pending(c *coretest.Client) <-chan coretest.Reply {
	answer := make(chan coretest.Reply, 1) // so that a test that fails leaves nobody behind
	go func() {
		r, _ := c.Do(http.MethodGet, c.Address("", c.ID()...), "")
		answer <- r
	}()
	return answer
}

func Test33FirstPoll(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.new().Negotiate()
		start := time.Now()
		r := c.Poll()
		l.want("first poll", r, 200, "")
		if r.Header.Get("Content-Type") != "application/octet-stream" || r.Header.Get("Content-Length") != "0" || time.Since(start) > 0 {
			t.Errorf("after %v: %v", time.Since(start), r.Header)
		}
	})
}

func Test34PollAnswers(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.polls()
		for i := range 3 {
			_ = l.hub.Clients.All().Got(fmt.Sprint(i))
		}
		r := c.Poll()
		if n := strings.Count(r.Body, coretest.Separator); r.Status != 200 || n != 3 || r.Header.Get("Content-Length") != fmt.Sprint(len(r.Body)) {
			t.Errorf("pending data: %d %q %v", r.Status, r.Body, r.Header)
		}
		start := time.Now()
		l.want("idle poll", c.Poll(), 200, "")
		if took := time.Since(start); took < 89*time.Second || took > 91*time.Second {
			t.Errorf("answered after %v", took)
		}
	})
}

func Test35AfterTheEnd(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.polls()
		c.Post(call("1", "answerFirst", `["last words"]`) + coretest.Separator + call("2", "abortMe", `[]`) + coretest.Separator)
		l.wait("lost")
		synctest.Wait()
		r := c.Poll()
		want := `{"type":1,"target":"got","arguments":["last words"]}` + coretest.Separator +
			`{"type":3,"invocationId":"1","result":"last words"}` + coretest.Separator + `{"type":7}` + coretest.Separator
		l.want("remaining data", r, 200, want)
		l.want("then", c.Poll(), 204, "")
		l.want("later", c.Poll(), 404, "No Connection with that ID")
	})
}

func Test36SupersededPoll(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.polls()
		first := pending(c)
		time.Sleep(time.Second)
		second := pending(c)
		l.want("the first", <-first, 204, "")
		time.Sleep(time.Second)
		_ = l.hub.Clients.All().Got("news")
		l.want("the second", <-second, 200, `{"type":1,"target":"got","arguments":["news"]}`+coretest.Separator)
	})
}

func Test37AbsentPoll(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.polls()
		l.want("idle", c.Poll(), 200, "")
		time.Sleep(14 * time.Second)
		if l.count("lost") != 0 {
			t.Error("lost too early")
		}
		time.Sleep(2 * time.Second)
		l.wait("lost")
		synctest.Wait()
		l.want("later", c.Poll(), 404, "No Connection with that ID")
	})
}

func Test38Delete(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.polls()
		poll := pending(c)
		time.Sleep(time.Second)
		l.want("DELETE", c.Request(http.MethodDelete, ""), 202, "")
		l.want("the poll", <-poll, 204, "")
		l.wait("stopped")
		synctest.Wait()
		l.want("later", c.Poll(), 404, "No Connection with that ID")
	})
}

func Test39ConcurrentPosts(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.polls()
		var wait sync.WaitGroup
		for i := range 20 {
			wait.Go(func() {
				c.Post(call(fmt.Sprint(i), "note", fmt.Sprintf(`["%d.%s"]`, i, strings.Repeat("x", 20_000))) + coretest.Separator)
			})
		}
		wait.Wait()
		for i := range 20 {
			l.wait(fmt.Sprintf("note %d.xxx", i))
		}
	})
}

// A POST that takes its time keeps others out, not in between.
func Test39SlowPost(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.polls()
		body, slow := io.Pipe()
		var wait sync.WaitGroup
		wait.Go(func() {
			res, err := c.HTTP.Post(c.Address("", c.ID()...), "text/plain", body)
			if err != nil || res.StatusCode != 200 {
				t.Error(res, err)
				return
			}
			_ = res.Body.Close()
		})
		first, second := call("1", "note", `["slow"]`), call("2", "note", `["fast"]`)
		_, _ = io.WriteString(slow, first[:20])
		synctest.Wait()
		wait.Go(func() { c.Post(second + coretest.Separator) })
		time.Sleep(time.Second)
		_, _ = io.WriteString(slow, first[20:]+coretest.Separator)
		_ = slow.Close()
		wait.Wait()
		l.wait("note slow")
		l.wait("note fast")
	})
}

// What comes before the transport is bounded: the rest waits.
func Test40LargeEarlyPost(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.new().Negotiate()
		body := c.HandshakeRequest()
		for i := range 10 {
			body += call(fmt.Sprint(i), "note", fmt.Sprintf(`["%d.%s"]`, i, strings.Repeat("x", 20_000))) + coretest.Separator
		}
		var wait sync.WaitGroup
		start := time.Now()
		wait.Go(func() {
			c.Post(body)
			if took := time.Since(start); took < 5*time.Second {
				t.Errorf("answered after %v", took)
			}
		})
		time.Sleep(5 * time.Second)
		s := c.Dial(serverSentEvents)
		s.WantGreeting()
		wait.Wait()
		for range 10 {
			s.Want("the results", `"type":3`)
		}
		l.wait("note 9.xxx")
	})
}

func Test40EarlyPost(t *testing.T) {
	for _, transport := range []string{serverSentEvents, longPolling} {
		try(t, config{}, func(l *lab) {
			c := l.new().Negotiate()
			c.Post(c.HandshakeRequest() + call("1", "echo", `["early"]`) + coretest.Separator)
			s := c.Dial(transport)
			s.WantGreeting()
			s.WantExactly("the call", `{"type":3,"invocationId":"1","result":"early"}`)
		})
	}
}

func Test41ContentTypes(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.polls()
		for _, ct := range []string{"application/octet-stream", "application/json", "nonsense"} {
			req, _ := http.NewRequest(http.MethodPost, c.Address("", c.ID()...), strings.NewReader(call("1", "note", `["`+ct+`"]`)+coretest.Separator))
			req.Header.Set("Content-Type", ct)
			res, err := c.HTTP.Do(req)
			if err != nil || res.StatusCode != 200 {
				t.Fatal(err, res)
			}
			_ = res.Body.Close()
			l.wait("note " + ct)
		}
	})
}

func Test42NoLivenessOfItsOwn(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.polls()
		c.Post(coretest.Ping + coretest.Separator)
		for range 3 {
			l.want("no ping, no timeout", c.Poll(), 200, "")
		}
	})
}

func Test43NoCache(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.new().Negotiate()
		first := c.Poll()
		c.Post(c.HandshakeRequest())
		second := c.Poll()
		third := pending(c)
		time.Sleep(time.Second)
		l.want("DELETE", c.Request(http.MethodDelete, ""), 202, "")
		for i, r := range []coretest.Reply{first, second, <-third} {
			if h := r.Header; h.Get("Cache-Control") != "no-cache, no-store" || h.Get("Pragma") != "no-cache" ||
				h.Get("Expires") != "Thu, 01 Jan 1970 00:00:00 GMT" {
				t.Errorf("poll %d: %v", i+1, h)
			}
		}
		if h := c.Poll().Header; h.Get("Cache-Control") != "no-store" { // which is enough for a refusal
			t.Errorf("a poll of an id that is no more: %v", h)
		}
	})
}

// Nothing is lost or doubled between polls, whatever comes when.
func TestPollsMissNothing(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.polls()
		const n = 200
		var sender sync.WaitGroup
		defer sender.Wait()
		sender.Go(func() {
			for i := range n {
				_ = l.hub.Clients.All().Got(fmt.Sprint(i))
				if i%3 == 0 {
					c.Post(call(fmt.Sprint(i), "echo", `["x"]`) + coretest.Separator)
				}
				time.Sleep(time.Duration(i%7) * time.Millisecond)
			}
		})
		next, results := 0, 0
		for next < n || results < (n+2)/3 {
			for _, m := range strings.Split(strings.TrimSuffix(c.Poll().Body, coretest.Separator), coretest.Separator) {
				if strings.Contains(m, `"type":3`) {
					results++
				} else if m != fmt.Sprintf(`{"type":1,"target":"got","arguments":["%d"]}`, next) {
					t.Fatalf("got %s, want %d", m, next)
				} else {
					next++
				}
			}
		}
	})
}

// A client that cannot be given everything any more is told to start anew.
func TestGapEndsTheConnection(t *testing.T) {
	small := messagelog.NewMemory(messagelog.MemoryOptions{MaxBytes: 10_000})
	try(t, config{Options: persistent.Options{Log: small}}, func(l *lab) {
		s := l.open(longPolling)
		for range 100 {
			_ = l.hub.Clients.All().Got(strings.Repeat("x", 1000))
		}
		words := s.WantEnd("the end") // it may take an empty poll to find out
		if len(words) != 1 || words[0] != `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}` {
			t.Errorf("got %q, want a Close alone", words)
		}
	})
}

// Results for a client that does not come for them are bounded.
func TestResultsNobodyFetches(t *testing.T) {
	try(t, config{Options: persistent.Options{MaxQueuedBytes: 100_000}}, func(l *lab) {
		c := l.polls()
		for i := range 10 {
			c.Post(call(fmt.Sprint(i), "echo", `["`+strings.Repeat("x", 20_000)+`"]`) + coretest.Separator)
			synctest.Wait()
			if l.count("lost") > 0 {
				if i < 4 {
					t.Errorf("ended after %d", i)
				}
				return
			}
		}
		t.Error("200 kB of results are kept")
	})
}
