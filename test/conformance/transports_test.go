package conformance_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

func TestClassic048WebSocketsWithoutUpgrade(t *testing.T) {
	s := serve(t, persistent.Options{})
	c := s.newClient().Negotiate()
	for _, operation := range []string{"connect", "reconnect", "poll", "send"} {
		for _, method := range []string{"GET", "POST"} {
			r := s.do(method, c.Address(operation, "transport", ws, "data", "x"), "")
			s.wantReply(method+" "+operation, r, 400, "Not a valid web socket request.")
			s.wantRefusal(method+" "+operation, r, 400, "not_a_websocket")
		}
	}
	s.want("connections", s.Stats().Connections, 0)
	s.wantReply("start is plain HTTP", c.Get("start", "transport", ws), 200, `{"Response":"started"}`)
	s.wantReply("abort is plain HTTP", c.Post("abort", nil, "transport", ws), 200, "")
}

func TestClassic049EventStreamBeginsWithInitialized(t *testing.T) {
	bubble(t, persistent.Options{}, func(s *site) {
		c := s.newClient().Negotiate()
		r, res := s.chunks("GET", c.Address("connect", "transport", sse))
		s.want("content type", res.Header.Get("Content-Type"), "text/event-stream")
		if text := strings.Join(r.texts(), ""); !strings.HasPrefix(text, "data: initialized\n\ndata: {\"C\":\"") || !strings.HasSuffix(text, ",\"S\":1,\"M\":[]}\n\n") {
			s.Errorf("connect begins with %q", text)
		}
		c.Start(sse)
		r, res = s.chunks("GET", c.Address("reconnect", "transport", sse))
		s.want("content type", res.Header.Get("Content-Type"), "text/event-stream")
		s.want("reconnect brings", strings.Join(r.texts(), ""), "data: initialized\n\n")
	})
}

// awkward is text that tells whether a transport keeps a frame in one piece.
const awkward = "</script><script>alert(1)</script>\r\n\u2028\u2029 data: x\n\nevent: y <!-- é \U0001F600"

func TestClassic050OneDataLinePerFrame(t *testing.T) {
	bubble(t, persistent.Options{}, func(s *site) {
		c := s.newClient().Negotiate()
		r, _ := s.chunks("GET", c.Address("connect", "transport", sse))
		c.Start(sse)
		before := len(r.look())
		s.must(s.Send(id(c), awkward))
		s.must(s.Broadcast(map[string]string{"a": awkward}))
		text := strings.Join(r.texts()[before:], "")
		events := strings.Split(strings.TrimSuffix(text, "\n\n"), "\n\n")
		var got []string
		for _, e := range events {
			data, ok := strings.CutPrefix(e, "data: ")
			if !ok || strings.ContainsAny(data, "\r\n") {
				s.Fatalf("event %q", e)
			}
			for _, m := range frameOf(s, data).M {
				got = append(got, string(m))
			}
		}
		s.want("messages", len(got), 2)
		var back string
		s.must(json.Unmarshal([]byte(got[0]), &back))
		s.want("the text", back, awkward)
	})
}

func TestClassic051RepeatedConnectOfAnEventStream(t *testing.T) {
	bubble(t, persistent.Options{}, func(s *site) {
		c := s.newClient().Negotiate()
		first := record(s, c.Connect(sse))
		c.Start(sse)
		stream := c.Connect(sse) // which reads S
		second := record(s, stream)
		at, err := first.end()
		s.want("the first stream ends at once", at > 0 && at < time.Second, true)
		s.want("in good order", err, io.EOF)
		s.must(s.Send(id(c), "hello"))
		s.want("the second gets what comes", second.messages(), `"hello"`)
		time.Sleep(time.Minute)
		s.wantEvents("events", id(c), "connected")
	})
}

// A bad frame id is the peer's fault: 400, where the reference server says 500.
func TestClassic052FrameID(t *testing.T) {
	s := serve(t, persistent.Options{})
	c := s.newClient().Negotiate()
	for _, operation := range []string{"connect", "reconnect"} {
		r := c.Get(operation, "transport", page)
		s.wantReply(operation+" without", r, 400, "The supplied frameId is in the incorrect format.")
		for _, bad := range []string{"", "-1", "+1", " 1", "1 ", "x", "4294967296", "1.0", "0x1", "1_0", "');alert(1)//"} {
			s.wantRefusal(operation+" "+bad, c.Get(operation, "transport", page, "frameId", bad), 400, "bad_frame_id")
		}
	}
	s.want("connections", s.Stats().Connections, 0)
	for _, good := range []string{"0", "7", "4294967295"} {
		c.Dial("connect", page, "frameId", good).Frame("frame " + good)
	}
}

func TestClassic053NoScriptEndInAPage(t *testing.T) {
	bubble(t, persistent.Options{}, func(s *site) {
		c := s.newClient().Negotiate()
		r, res := s.chunks("GET", c.Address("connect", "transport", page, "frameId", "42"))
		s.want("content type", res.Header.Get("Content-Type"), "text/html; charset=UTF-8")
		c.Start(page)
		prologue := strings.Join(r.texts(), "")
		for _, part := range []string{"<!DOCTYPE html>", "window.parent", "getConnection('42')", "started(c)", "receive", "<body>"} {
			s.want("the prologue has "+part, strings.Contains(prologue, part), true)
		}
		before := len(r.look())
		message, err := json.Marshal(awkward)
		s.must(err)
		for _, c := range "<>\u2028\u2029" { // which the encoder escapes, and others do not
			message = []byte(strings.ReplaceAll(string(message), fmt.Sprintf(`\u%04x`, c), string(c)))
		}
		conn, _ := s.Conn(id(c))
		s.must(conn.Send(messagelog.JSON(message)))
		text := strings.Join(r.texts()[before:], "")
		inside, ok := strings.CutPrefix(text, "<script>r(c, ")
		s.want("begins with a script", ok, true)
		inside, ok = strings.CutSuffix(inside, ");</script>\r\n")
		s.want("ends with one", ok, true)
		s.want("an angle bracket in it", strings.ContainsAny(inside, "<>\u2028\u2029\r\n"), false)
		var back string
		s.must(json.Unmarshal(frameOf(s, inside).M[0], &back))
		s.want("the text", back, awkward)
	})
}

func TestClassic054OneFramePerPoll(t *testing.T) {
	s := serve(t, persistent.Options{})
	c := s.newClient().Negotiate()
	stream := c.Dial("connect", poll)
	s.want("connect", keysOf(t, stream.WantEnd("connect")[0].Raw), "CSM")
	c.Start(poll)
	for i := range 3 {
		s.must(s.Send(id(c), i))
		s.must(s.Send(id(c), "and another"))
		frames := c.Poll().WantEnd("a poll")
		s.want("frames", len(frames), 1) // more would not be JSON as a whole
		s.want("messages", len(frames[0].M), 2)
	}
}

// A groups token counts for a connection that the server does not know: of one
// that it knows, it knows the groups itself. So this goes to another node.
func TestClassic055PositionInQueryOrForm(t *testing.T) {
	s := serve(t, persistent.Options{})
	c, _ := s.open(poll)
	s.must(s.Send(id(c), "first"))
	s.must(s.Join(id(c), "group"))
	start := c.Cursor
	f := pollOnce(c, "the group")
	s.want("messages", len(f.M), 1)
	form := func(pairs ...string) string {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v.Encode()
	}
	for _, operation := range []string{"poll", "reconnect"} {
		for name, row := range map[string]struct{ query, body []string }{
			"query":                 {query: []string{"messageId", start, "groupsToken", *f.G}},
			"form":                  {body: []string{"messageId", start, "groupsToken", *f.G}},
			"one in each":           {query: []string{"messageId", start}, body: []string{"groupsToken", *f.G}},
			"and the other way":     {query: []string{"groupsToken", *f.G}, body: []string{"messageId", start}},
			"the query comes first": {query: []string{"messageId", start}, body: []string{"messageId", "nonsense"}},
		} {
			why := operation + ", " + name
			r := s.do("POST", c.Address(operation, append([]string{"transport", poll}, row.query...)...), form(row.body...))
			s.want(why, strings.Contains(r.Body, `"M":["first"]`), true)

			other := serve(t, persistent.Options{})
			lost := other.newClient()
			lost.Answer = c.Answer
			address := lost.Address(operation, append([]string{"transport", poll}, row.query...)...)
			if name == "the query comes first" {
				continue
			}
			r = other.do("POST", address, form(row.body...))
			s.want(why+": no groups for what is no change", strings.Contains(r.Body, `"G"`), false)
			conn, ok := other.Conn(id(c))
			if !ok {
				s.Fatalf("%s: not restored", why)
			}
			s.want(why+": groups on another node", fmt.Sprint(conn.Groups()), "[group]")
		}
	}
	for _, kind := range []string{sse, page} { // which have no form
		r := s.do("POST", c.Address("reconnect", "transport", kind, "frameId", "1", "messageId", "nonsense"), "")
		s.wantRefusal(kind, r, 400, "bad_cursor")
	}
}

func TestClassic056EmptyPosition(t *testing.T) {
	on(t, all, func(t *testing.T, kind string) {
		bubble(t, persistent.Options{}, func(s *site) {
			c := s.newClient().Negotiate()
			stream := c.Dial("connect", kind, "frameId", "7", "messageId", "", "groupsToken", "")
			s.want("S", stream.Frame("init").S != nil, true)
			c.Start(kind)
			stream.Drop()
			c.Cursor, c.GroupsToken = "", ""
			r := record(s, resume(c, kind))
			s.must(s.Send(id(c), "hello"))
			s.want("messages", r.messages(), `"hello"`)
			s.wantEvents("events", id(c), "connected", "reconnected")
		})
	})
}

func TestClassic057IdlePollEndsAfterConnectionTimeout(t *testing.T) {
	for _, timeout := range []time.Duration{0, 30 * time.Second, 7 * time.Second} {
		bubble(t, persistent.Options{ConnectionTimeout: timeout}, func(s *site) {
			if timeout == 0 {
				timeout = 110 * time.Second
			}
			c, _ := s.open(poll)
			for _, operation := range []string{"poll", "reconnect"} {
				began := time.Now()
				r := record(s, c.Dial(operation, poll, "messageId", c.Cursor))
				r.since(began)
				time.Sleep(time.Until(began.Add(timeout - time.Millisecond)))
				at, _ := r.end()
				s.want("ended before", at, time.Duration(0))
				time.Sleep(time.Second + time.Millisecond)
				at, _ = r.end()
				s.want("ended after", at >= timeout && at <= timeout+time.Second, true)
				frames := r.frames()
				s.want("frames", len(frames), 1)
				s.want("its keys", keysOf(t, strings.TrimLeft(frames[0].Raw, " ")), "CM")
				s.want("messages", len(frames[0].M), 0)
			}
			s.wantEvents("events", id(c), "connected", "reconnected")
		})
	}
}

func TestClassic058SecondPollEndsTheFirst(t *testing.T) {
	bubble(t, persistent.Options{}, func(s *site) {
		c, _ := s.open(poll)
		first := record(s, c.Poll())
		second := record(s, c.Poll())
		frames := first.frames()
		s.want("frames of the first", len(frames), 1)
		s.want("keys", keysOf(t, frames[0].Raw), "CM")
		s.want("messages", len(frames[0].M), 0)
		s.want("its cursor", frames[0].C, c.Cursor)
		at, err := first.end()
		s.want("ended at once", at > 0 && at < time.Second && err == io.EOF, true)
		s.must(s.Send(id(c), "hello"))
		s.want("the second", second.messages(), `"hello"`)
	})
}

func TestClassic059BetweenPolls(t *testing.T) {
	s := serve(t, persistent.Options{})
	c, _ := s.open(poll)
	for i := range 3 {
		s.must(s.Send(id(c), i))
		s.must(s.Broadcast("all"))
		s.want("messages", fmt.Sprint(pollMessages(c)), fmt.Sprintf("[%d \"all\"]", i))
	}
}

func TestClassic060OversizedMessage(t *testing.T) {
	s := serve(t, persistent.Options{})
	other, bystander := s.open(ws)
	c, stream := s.open(ws)
	most := strings.Repeat("x", 65536)
	stream.Write(most)
	s.wantEvents("the largest that is allowed", id(c), "connected", "received "+most)
	stream.Write(most + "x")
	_, _, err := stream.Socket().Read(s.Context())
	s.want("close code", websocket.CloseStatus(err), websocket.StatusMessageTooBig)

	stream = resume(c, ws)
	s.must(s.Send(id(c), "welcome back"))
	stream.WantMessage("after the reconnect", "welcome back")
	s.wantEvents("events", id(c), "connected", "received "+most, "reconnected")
	s.wantRefusal("on send", c.Send(sse, most+"x"), http.StatusRequestEntityTooLarge, "message_too_large")
	s.want("the largest on send", c.Send(sse, most).Status, 200)
	s.must(s.Send(id(other), "hello"))
	bystander.WantMessage("others notice nothing", "hello")
}

// Other ends of a socket that are the client's fault: binary messages and text
// that is not UTF-8. The connection lives on.
func TestClassic060OtherBadMessages(t *testing.T) {
	s := serve(t, persistent.Options{})
	for _, row := range []struct {
		kind websocket.MessageType
		data string
		want websocket.StatusCode
	}{{websocket.MessageBinary, "hello", 1003}, {websocket.MessageText, "\xff", 1007}} {
		c, stream := s.open(ws)
		s.must(stream.Socket().Write(s.Context(), row.kind, []byte(row.data)))
		_, _, err := stream.Socket().Read(s.Context())
		s.want("close code", websocket.CloseStatus(err), row.want)
		resume(c, ws)
		s.wantEvents("events", id(c), "connected", "reconnected")
	}
}
