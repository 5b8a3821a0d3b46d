package conformancecore_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent/core/coretest"
)

// streaming is the message of a call whose result is a stream.
func streaming(id, target, args string, streams ...string) string {
	return strings.Replace(calling(id, target, args, streams...), `"type":1`, `"type":4`, 1)
}

// calling is the message of a call with streams of the client.
func calling(id, target, args string, streams ...string) string {
	ids := `"` + strings.Join(streams, `","`) + `"`
	if len(streams) == 0 {
		ids = ""
	}
	return fmt.Sprintf(`{"type":1,"invocationId":%q,"target":%q,"arguments":%s,"streamIds":[%s]}`, id, target, args, ids)
}

func item(id, value string) string {
	return fmt.Sprintf(`{"type":2,"invocationId":%q,"item":%s}`, id, value)
}
func done(id string) string { return fmt.Sprintf(`{"type":3,"invocationId":%q}`, id) }
func failed(id, text string) string {
	return fmt.Sprintf(`{"type":3,"invocationId":%q,"error":%q}`, id, text)
}

func (h *labHub) Ticks(_ *hub.Call[labClient], n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
	}
}

func (h *labHub) Nulls(*hub.Call[labClient]) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) { yield(nil, nil) }
}

// Hold yields once, and again when its context has ended.
func (h *labHub) Hold(c *hub.Call[labClient]) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		yield(1, nil)
		<-c.Done()
		h.lab.note(fmt.Sprintf("held %v %v", c.Err(), yield(2, nil)))
	}
}

// Collect returns what the stream brought.
func (h *labHub) Collect(_ *hub.Call[labClient], in iter.Seq2[int, error]) ([]int, error) {
	var list []int
	for n, err := range in {
		if err != nil {
			h.lab.note("collect: " + err.Error())
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

// Take returns the first item.
func (h *labHub) Take(_ *hub.Call[labClient], in <-chan int) int { return <-in }

func Test69StreamsBlockNobody(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		s := l.open(transport)
		s.Send(streaming("a", "hold", `[]`))
		s.WantExactly("a stream", item("a", "1"))
		s.Send(call("1", "echo", `["x"]`))
		s.WantExactly("a call beside it", `{"type":3,"invocationId":"1","result":"x"}`)
		s.Send(call("2", "wait", `["y"]`))
		l.wait("waiting y")
		s.Send(streaming("b", "ticks", `[2]`))
		s.WantExactly("a stream beside a call", item("b", "0"))
		s.WantExactly("a stream beside a call", item("b", "1"))
		s.WantExactly("its end", done("b"))
	})
}

func Test54And55StreamedForms(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		s.Send(streaming("1", "nulls", `[]`))
		s.WantExactly("a null item", `{"type":2,"invocationId":"1","item":null}`)
		s.WantExactly("the end has no result", `{"type":3,"invocationId":"1"}`)
		b := l.binary(webSockets)
		b.Write(framed("\x96\x04\x80\xa1\x31\xa5nulls\x90\x90"))
		b.WantExactly("a null item", "\x94\x02\x80\xa1\x31\xc0")
		b.WantExactly("the end is of kind 2", "\x94\x03\x80\xa1\x31\x02")
	})
}

func Test70Cancel(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		s := l.open(transport)
		s.Send(streaming("a", "hold", `[]`), call("1", "wait", `["x"]`))
		s.WantExactly("it runs", item("a", "1"))
		l.wait("waiting x")
		s.Send(`{"type":5,"invocationId":"nobody"}`, `{"type":5,"invocationId":"1"}`, `{"type":5,"invocationId":"a"}`, `{"type":5,"invocationId":"a"}`)
		s.WantExactly("one completion, no error, no late item", done("a"))
		l.wait("held context canceled false")
		l.release()
		s.WantExactly("a plain call cannot be cancelled", `{"type":3,"invocationId":"1","result":"x"}`)
		s.Send(`{"type":5,"invocationId":"a"}`, streaming("a", "ticks", `[1]`))
		s.WantExactly("its id is free again", item("a", "0"))
		s.WantExactly("its end", done("a"))
	})
}

func Test71WrongMode(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		s.Send(call("1", "Ticks", `[1]`))
		s.WantExactly("type 1", failed("1", "The client attempted to invoke the streaming 'Ticks' method with a non-streaming invocation."))
		s.Send(streaming("2", "Echo", `["x"]`))
		s.WantExactly("type 4", failed("2", "The client attempted to invoke the non-streaming 'Echo' method with a streaming invocation."))
	})
}

func Test72UploadInOneChunk(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		s := l.open(transport)
		const n = 100
		var want []string
		chunk := []string{calling("1", "collect", `[]`, "up")}
		for i := range n {
			chunk = append(chunk, item("up", fmt.Sprint(i)))
			want = append(want, fmt.Sprint(i))
		}
		s.Send(append(chunk, done("up"))...)
		s.WantExactly("all of them in order", `{"type":3,"invocationId":"1","result":[`+strings.Join(want, ",")+`]}`)
	})
	try(t, config{}, func(l *lab) {
		s := l.binary(webSockets)
		s.Write(framed("\x96\x01\x80\xa1\x31\xa7collect\x90\x91\xa1u", "\x94\x02\x80\xa1u\x07", "\x94\x02\x80\xa1u\xff", "\x94\x03\x80\xa1u\x02"))
		s.WantExactly("in MessagePack", "\x95\x03\x80\xa1\x31\x03\x92\x07\xff")
	})
}

func Test73UploadThatFails(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		s.Send(calling("1", "collect", `[]`, "up"), item("up", "1"), failed("up", "disk full"))
		s.WantExactly("the answer", failed("1", "An unexpected error occurred invoking 'collect' on the server. HubException: disk full"))
		l.wait("collect: hub: the client failed: disk full")
	})
}

func Test74LateItems(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		s.Send(calling("1", "take", `[]`, "up"), item("up", "5"))
		s.WantExactly("it takes one", `{"type":3,"invocationId":"1","result":5}`)
		s.Send(item("up", "6"), item("up", `"nonsense"`), done("up"), item("up", "7"), call("2", "echo", `["x"]`))
		s.WantExactly("the rest is ignored", `{"type":3,"invocationId":"2","result":"x"}`)
		s.Send(calling("3", "take", `[]`, "up"), item("up", "8"))
		s.WantExactly("the id is free again", `{"type":3,"invocationId":"3","result":8}`)
	})
}

func Test75NumberOfStreams(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		for _, row := range []struct{ target, args, want string }{
			{"Void", `[]`, "Client sent 1 stream(s), Hub method expects 0."},
			{"Collect", `[]`, "Client sent 2 stream(s), Hub method expects 1."},
			{"Collect", `[]`, "Client sent 0 stream(s), Hub method expects 1."},
		} {
			var sent int
			_, _ = fmt.Sscanf(row.want, "Client sent %d", &sent)
			s.Send(calling("1", row.target, row.args, []string{"a", "b"}[:sent]...))
			s.WantExactly(row.want, failed("1", "An unexpected error occurred invoking '"+row.target+"' on the server. HubException: "+row.want))
		}
	})
}

// The other hub asks its clients.
type otherHub struct{ lab *lab }

type otherClient struct {
	hub.Sender
	Name func(ctx context.Context) (string, error)
}

func (h *otherHub) OnConnected(c *hub.Call[otherClient]) error {
	if _, err := c.Clients.Caller().Name(c); !errors.Is(err, hub.ErrTooEarly) {
		return fmt.Errorf("a question in OnConnected: %w", err)
	}
	return nil
}

func (h *otherHub) Hello(*hub.Call[otherClient]) string { return "other" }

// Greet asks the client with the id.
func (h *otherHub) Greet(c *hub.Call[otherClient], id string) (string, error) {
	name, err := c.Clients.Client(id).Name(c)
	if err != nil {
		h.lab.note("greet: " + err.Error())
	}
	return "hello " + name, err
}

// asked opens a connection that can be asked.
func (l *lab) asked(transport string) (s *coretest.Stream, id string) {
	c := l.client("/signalr/other")
	s = c.Open(transport)
	return s, c.Answer.ConnectionID
}

const question = `{"type":1,"invocationId":"s1","target":"name","arguments":[]}`

func Test53And76ClientResults(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		s, id := l.asked(transport)
		s.Send(call("1", "greet", fmt.Sprintf(`[%q]`, id)))
		s.WantExactly("a question has an id", question)
		s.Send(call("2", "hello", `[]`))
		s.WantExactly("others run meanwhile", `{"type":3,"invocationId":"2","result":"other"}`)
		s.Send(`{"type":3,"invocationId":"s1","result":"ann"}`)
		s.WantExactly("the client's value", `{"type":3,"invocationId":"1","result":"hello ann"}`)
	})
	for why, row := range map[string]struct{ answer, want string }{
		"an error":     {failed("s1", "Error: from callback"), "hub: the client failed: Error: from callback"},
		"no handler":   {failed("s1", "Client didn't provide a result."), "hub: the client failed: Client didn't provide a result."},
		"another type": {`{"type":3,"invocationId":"s1","result":7}`, "hub: answer of client "},
	} {
		try(t, config{}, func(l *lab) {
			s, id := l.asked(webSockets)
			s.Send(call("1", "greet", fmt.Sprintf(`[%q]`, id)))
			s.WantExactly(why, question)
			s.Send(row.answer)
			s.Want(why, `"error":"An unexpected error occurred invoking 'greet' on the server.`)
			l.wait("greet: " + row.want)
		})
	}
	try(t, config{}, func(l *lab) { // the end of the connection, of a context, and nobody
		s, id := l.asked(webSockets)
		ask := func(ctx context.Context, id string) <-chan error {
			answer := make(chan error, 1)
			go func() {
				_, err := l.other.Clients.Client(id).Name(ctx)
				answer <- err
			}()
			synctest.Wait()
			return answer
		}
		ctx, cancel := context.WithCancel(l.Context())
		answer := ask(ctx, id)
		s.WantExactly("asked from outside", question)
		cancel()
		if err := <-answer; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		s.Send(`{"type":3,"invocationId":"s1","result":"too late"}`)
		answer = ask(l.Context(), id)
		s.Want("asked again", `"invocationId":"s2"`)
		s.Drop()
		if err := <-answer; !errors.Is(err, hub.ErrNoConnection) {
			t.Errorf("disconnected: %v", err)
		}
		if err := <-ask(l.Context(), "nobody"); !errors.Is(err, hub.ErrNoConnection) {
			t.Errorf("unknown: %v", err)
		}
	})
}

// Ids are of each connection, so that what another one says is no protocol
// error, as it is for the reference server. It answers nothing.
func Test77AnswerFromAnother(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s, id := l.asked(webSockets)
		eve, _ := l.asked(webSockets)
		s.Send(call("1", "greet", fmt.Sprintf(`[%q]`, id)))
		s.WantExactly("the question", question)
		eve.Send(`{"type":3,"invocationId":"s1","result":"eve"}`, call("1", "hello", `[]`))
		eve.Want("it has been read", `"other"`)
		synctest.Wait()
		s.Send(`{"type":3,"invocationId":"s1","result":"ann"}`)
		s.WantExactly("the client's own value", `{"type":3,"invocationId":"1","result":"hello ann"}`)
	})
}
