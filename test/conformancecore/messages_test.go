package conformancecore_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/hub/core"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/core/coretest"
)

func Test44HandshakeAnswer(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		s := l.new().Negotiate().Dial(transport)
		s.Write(`{"protocol":"json","version":1}` + coretest.Separator)
		if chunk, err := s.Chunk(); err != nil || chunk != "{}\x1e" {
			t.Errorf("%q %v", chunk, err)
		}
	})
}

func Test45MessagesBehindTheHandshake(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		c := l.new().Negotiate()
		s := c.Dial(transport)
		s.Write(c.HandshakeRequest() + call("1", "echo", `["x"]`) + coretest.Separator)
		s.WantGreeting()
		s.WantExactly("the call", `{"type":3,"invocationId":"1","result":"x"}`)
	})
}

func Test46SlowHandshake(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		c := l.new().Negotiate()
		s := c.Dial(transport)
		for _, b := range []byte(c.HandshakeRequest()) {
			s.Write(string(b))
			time.Sleep(100 * time.Millisecond)
		}
		s.WantGreeting()

		s = l.new().Negotiate().Dial(transport)
		start := time.Now()
		s.WantExactly("no handshake", `{"error":"Handshake was canceled."}`)
		if took := time.Since(start); took < 14*time.Second || took > 16*time.Second {
			t.Errorf("after %v", took)
		}
		s.WantEnd("the transport")
	})
}

func Test47HandshakeErrors(t *testing.T) {
	for request, want := range map[string]string{
		`{"protocol":"xyz","version":1}`:                   "The protocol 'xyz' is not supported.",
		`{"protocol":"json","version":3}`:                  "The server does not support version 3 of the 'json' protocol.",
		`{"protocol":"json"`:                               "An unexpected error occurred during connection handshake.",
		`{"protocol":"json"}`:                              "An unexpected error occurred during connection handshake.",
		`{"version":1}`:                                    "An unexpected error occurred during connection handshake.",
		`[]`:                                               "An unexpected error occurred during connection handshake.",
		`{"protocol":"json","version":"1"}`:                "An unexpected error occurred during connection handshake.",
		strings.Repeat("x", 32_767):                        "Handshake was canceled.",
		`{"protocol":"JSON","version":2}`:                  "",
		`{"protocol":"json","version":1,"minorVersion":0}`: "",
	} {
		try(t, config{}, func(l *lab) {
			s := l.new().Negotiate().Dial(webSockets)
			if len(request) > 32_000 {
				request += "x" // and no end
			} else {
				request += coretest.Separator
			}
			s.Write(request)
			if want == "" {
				s.WantGreeting()
				return
			}
			s.WantExactly(request, `{"error":"`+want+`"}`)
			if rest := s.WantEnd("the transport"); len(rest) > 0 {
				t.Errorf("behind the error: %q", rest)
			}
		})
	}
}

func Test48OnConnectedComesFirst(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		l.greet = "hello"
		c := l.new().Negotiate()
		s := c.Dial(transport)
		s.Write(c.HandshakeRequest() + call("1", "note", `["early"]`) + coretest.Separator)
		s.WantGreeting()
		s.Want("the greeting", "hello")
		s.Want("the result", `"type":3`)
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.events) != 2 || !strings.HasPrefix(l.events[0], "connected") || l.events[1] != "note early" {
			t.Errorf("events %q", l.events)
		}
	})
}

func Test49To51Properties(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		for i, m := range []string{
			`{"arguments":["x"],"target":"echo","invocationId":"%d","type":1}`,
			`{"extra":{"type":9,"a":[1,"}"]},"type":1,"invocationId":"%d","target":"echo","arguments":["x"],"more":null}`,
			` { "t\u0079pe" : 1 , "invocationId":"%d", "target":"echo", "arguments":[ "x" ] } `,
			`{"type":1,"invocationId":"%d","target":"echo","arguments":["x"],"streamIds":[]}`,
			`{"type":1,"invocationId":"%d","target":"echo","arguments":["x"],"headers":{"traceparent":"00-0"}}`,
		} {
			s.Send(fmt.Sprintf(m, i))
			s.WantExactly(m, fmt.Sprintf(`{"type":3,"invocationId":"%d","result":"x"}`, i))
		}
	})
}

func Test52UnknownTypes(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		s.Send(`{"type":42,"x":1}`, call("1", "echo", `["x"]`))
		s.Want("the next message", `"result":"x"`)
		c := l.new()
		c.Protocol = "messagepack"
		b := c.Open(webSockets)
		b.Write("\x03\x92\x2a\x01\x0b\x95\x01\x80\xa1\x31\xa4echo\x91\xa1x"[:4] + "\x0d\x95\x01\x80\xa1\x31\xa4echo\x91\xa1x")
		b.WantExactly("the next message", "\x95\x03\x80\xa1\x31\x03\xa1x")
	})
}

func Test53To54ClientCalls(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		_ = l.hub.Clients.All().Send("bare")
		s.WantExactly("no id, and arguments", `{"type":1,"target":"bare","arguments":[]}`)
		_ = l.hub.Clients.All().Send("null", nil)
		s.WantExactly("null", `{"type":1,"target":"null","arguments":[null]}`)
	})
}

func Test55VoidResults(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		s.Send(call("1", "void", `[]`))
		s.WantExactly("void", `{"type":3,"invocationId":"1","result":null}`)
		c := l.new()
		c.Protocol = "messagepack"
		b := c.Open(webSockets)
		b.Write("\x0b\x95\x01\x80\xa1\x31\xa4void\x90")
		b.WantExactly("void", "\x95\x03\x80\xa1\x31\x03\xc0")
	})
}

func Test57And58MessagePackForms(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.new()
		c.Protocol = "messagepack"
		s := c.Open(webSockets)
		for name, body := range map[string]string{
			"5 elements":       "\x95\x01\x80\xa1\x31\xa4echo\x91\xa1x",
			"6 elements":       "\x96\x01\x80\xa1\x31\xa4echo\x91\xa1x\x90",
			"nil streams":      "\x96\x01\x80\xa1\x31\xa4echo\x91\xa1x\xc0",
			"wide type":        "\x95\xd3\x00\x00\x00\x00\x00\x00\x00\x01\x80\xa1\x31\xa4echo\x91\xa1x",
			"array 16, str 8":  "\xdc\x00\x05\xcd\x00\x01\x80\xd9\x01\x31\xd9\x04echo\xdc\x00\x01\xa1x",
			"headers":          "\x95\x01\x81\xa1a\xa1b\xa1\x31\xa4echo\x91\xa1x",
			"further elements": "\x98\x01\x80\xa1\x31\xa4echo\x91\xa1x\x90\x01\x02",
		} {
			for prefix := 1; prefix <= 5; prefix++ {
				length := ""
				for i := range prefix {
					b := byte(0)
					if i == 0 {
						b = byte(len(body))
					}
					if i < prefix-1 {
						b |= 0x80
					}
					length += string(rune(0))[:0] + string([]byte{b})
				}
				s.Write(length + body + "\x02\x91\x06")
				s.WantExactly(name, "\x95\x03\x80\xa1\x31\x03\xa1x")
			}
		}
		big := strings.Repeat("y", 300)
		_ = l.hub.Clients.All().Got(big)
		s.WantExactly("a long record", "\x96\x01\x80\xc0\xa3got\x91\xda\x01\x2c"+big+"\x90")
		s.Write("\x03\x92\x07\xc0")
		if rest := s.WantEnd("close with 2 elements"); fmt.Sprint(rest) != fmt.Sprint([]string{"\x93\x07\xc0\xc2"}) {
			t.Errorf("%q", rest)
		}
	})
}

func Test59PingBytes(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.new()
		c.Protocol = "messagepack"
		if chunk, err := c.Open(webSockets).Chunk(); chunk != "\x02\x91\x06" {
			t.Errorf("%x %v", chunk, err)
		}
	})
}

func Test60DatesAndBytes(t *testing.T) {
	try(t, config{}, func(l *lab) {
		c := l.new()
		c.Protocol = "messagepack"
		s := c.Open(webSockets)
		send := func(h string) {
			b, err := hex.DecodeString(strings.ReplaceAll(h, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			s.Write(string([]byte{byte(len(b))}) + string(b))
		}
		send("95 01 80 a131 a5 6279746573 91 c402 6869")
		s.WantExactly("bytes", "\x95\x03\x80\xa1\x31\x03\xc4\x03hi!")
		send("95 01 80 a131 a5 6c61746572 91 d6ff 5e0be100")
		s.WantExactly("a date", "\x95\x03\x80\xa1\x31\x03\xd6\xff\x5e\x0b\xe1\x01")
		send("95 01 80 a131 a5 6c61746572 91 c70cff 00000005 000000005e0be100")
		s.WantExactly("a date of 96 bits", "\x95\x03\x80\xa1\x31\x03\xd7\xff\x00\x00\x00\x14\x5e\x0b\xe1\x01")
	})
}

func Test61To65Calls(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		for _, c := range []struct{ why, target, args, want string }{
			{"names in any case", "SUM", `[40,2]`, `"result":42`},
			{"unknown method", "Nope", `[]`, `"error":"Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist."`},
			{"wrong count", "Sum", `[1]`, `"error":"Failed to invoke 'Sum' due to an error on the server.`},
			{"wrong type", "Sum", `[1,"x"]`, `"error":"Failed to invoke 'Sum' due to an error on the server.`},
			{"an error", "Fail", `[]`, `"error":"An unexpected error occurred invoking 'Fail' on the server."}`},
			{"a hub error", "Tell", `[]`, `"error":"An unexpected error occurred invoking 'Tell' on the server. HubException: boom"}`},
			{"and it still works", "Echo", `["x"]`, `"result":"x"`},
		} {
			s.Send(call("1", c.target, c.args))
			s.Want(c.why, c.want)
		}
		for _, target := range []string{"fail", "tell", "nope", "echo"} {
			s.Send(`{"type":1,"target":"` + target + `","arguments":["a"]}`)
			s.Send(`{"type":1,"target":"` + target + `","arguments":[],"invocationId":null}`)
			s.Send(`{"type":1,"target":"` + target + `","arguments":[],"invocationId":""}`)
		}
		s.Send(call("9", "void", `[]`))
		s.WantExactly("calls without an id have no answer", `{"type":3,"invocationId":"9","result":null}`)
	})
}

func Test66OneAfterTheOther(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		s.Send(call("1", "wait", `["a"]`), call("2", "wait", `["b"]`))
		l.wait("waiting a")
		time.Sleep(time.Second)
		if l.count("waiting b") != 0 {
			t.Error("two at the same time")
		}
		l.release()
		s.Want("first", `"1"`)
		s.Want("second", `"2"`)
	})
}

// A ping that comes while a call runs is heard, and so is a Close.
func Test67ControlDuringACall(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		s.Send(coretest.Ping, call("1", "wait", `["a"]`))
		l.wait("waiting a")
		for range 4 { // what is not read stops the server
			if m, err := s.Next(); m != coretest.Ping {
				t.Fatalf("got %s, %v", m, err)
			}
			s.Send(coretest.Ping)
		}
		if l.count("lost") != 0 {
			t.Error("the client's pings were not heard")
		}
		l.release()
		s.Want("the result", `"result":"a"`)
	})
}

func Test78LimitOfAMessage(t *testing.T) {
	message := func(size int) string {
		frame := call("1", "echo", `[""]`)
		return strings.Replace(frame, `[""]`, `["`+strings.Repeat("x", size-1-len(frame))+`"]`, 1)
	}
	each(t, config{}, func(l *lab, transport string) {
		s := l.open(transport)
		s.Send(message(32768))
		s.Want("of the limit", `"result":"xx`)
		s.Send(message(32769))
		s.WantExactly("one byte more", `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
		s.WantEnd("the transport")
		l.wait("lost")
	})
	try(t, config{}, func(l *lab) { // one that does not come to an end
		s := l.open(webSockets)
		s.Write(message(40000)[:32768])
		s.Want("without an end", `"allowReconnect":true`)
	})
}

func Test79ClientTimeout(t *testing.T) {
	for _, transport := range []string{webSockets, serverSentEvents} {
		try(t, config{}, func(l *lab) {
			c := l.new()
			c.Patience = time.Hour
			once := c.Open(transport)
			once.Send(coretest.Ping)
			start := time.Now()
			once.WantExactly("the end", `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
			if took := time.Since(start); took < 30*time.Second || took > 32*time.Second {
				t.Errorf("after %v", took)
			}
			silent := l.open(transport)
			for range 4 {
				if m, err := silent.Next(); m != coretest.Ping {
					t.Errorf("%q, %v", m, err)
				}
			}
			if got := silent.Invoke("echo", "x"); string(got.Result) != `"x"` {
				t.Errorf("one that never pinged: %s", got.Raw)
			}
		})
	}
}

func Test80NoTimeoutDuringACall(t *testing.T) {
	try(t, config{core: core.Options{ClientTimeout: time.Minute}}, func(l *lab) {
		l.greet = "hello"
		c := l.new().Negotiate()
		s := c.Dial(webSockets)
		s.Write(c.HandshakeRequest() + coretest.Ping + coretest.Separator)
		s.WantGreeting()
		s.Want("a greeting", "hello")
	})
}

func Test81WordsAtTheEnd(t *testing.T) {
	for name, m := range map[string]string{
		"malformed JSON":      `{"type":1,`,
		"no type":             `{"target":"echo","arguments":[]}`,
		"no object":           `[1]`,
		"no target":           `{"type":1,"arguments":[]}`,
		"no arguments":        `{"type":1,"target":"echo"}`,
		"a kind":              `{"type":1,"target":5,"arguments":[]}`,
		"no item":             `{"type":2,"invocationId":"1"}`,
		"no id":               `{"type":3,"result":1}`,
		"result and error":    `{"type":3,"invocationId":"1","result":1,"error":"x"}`,
		"no sequence":         `{"type":8}`,
		"headers":             `{"type":1,"target":"echo","arguments":["x"],"headers":{"a":1}}`,
		"a type that is text": `{"type":"1"}`,
	} {
		try(t, config{}, func(l *lab) {
			s := l.open(webSockets)
			s.Send(m)
			s.WantExactly(name, `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
			s.WantEnd(name)
			l.wait("lost")
		})
	}
	each(t, config{}, func(l *lab, transport string) {
		s := l.open(transport)
		s.Send(call("1", "abortMe", "[]"))
		s.WantExactly("abort", `{"type":7}`)
		s.WantEnd("abort")
		l.wait("lost")
	})
	for name, b := range map[string]string{
		"no array": "\x01\xc0", "empty": "\x01\x90", "cut short": "\x04\x95\x01\x80\xa1", "a kind": "\x06\x94\x03\x80\xa1\x31\x09",
		"too long a prefix": "\xff\xff\xff\xff\xff", "a string": "\x02\x91\xa1",
	} {
		try(t, config{}, func(l *lab) {
			c := l.new()
			c.Protocol = "messagepack"
			s := c.Open(webSockets)
			s.Write(b)
			s.Want(name, "Connection closed with an error.\xc3")
			s.WantEnd(name)
		})
	}
}

func Test82RefusedOnConnected(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		l.refuse = &hub.Error{Message: "no"}
		c := l.new().Negotiate()
		s := c.Dial(transport)
		s.Write(c.HandshakeRequest())
		s.WantGreeting()
		s.WantExactly("refused", `{"type":7,"error":"Connection closed with an error."}`)
		s.WantEnd("refused")
		if l.count("lost")+l.count("stopped") > 0 {
			t.Errorf("events %q", l.events)
		}
	})
}

func Test83ClientsClose(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		s := l.open(transport)
		s.Send(`{"type":7}`)
		l.wait("stopped")
		s.WantEnd("closed")
	})
	try(t, config{}, func(l *lab) {
		closed, dropped := l.open(webSockets), l.open(webSockets)
		for l.count("connected") < 2 {
			time.Sleep(time.Second)
		}
		closed.Close()
		l.wait("stopped")
		start := time.Now()
		dropped.Drop()
		l.wait("lost")
		if took := time.Since(start); took > time.Second {
			t.Errorf("noticed after %v", took)
		}
	})
}

func Test84ExpiredAuthentication(t *testing.T) {
	each(t, config{core: core.Options{Expires: expiresSoon}}, func(l *lab, transport string) {
		s := l.open(transport)
		start := time.Now()
		s.WantExactly("expired", `{"type":7,"allowReconnect":true}`)
		if took := time.Since(start); took > 11*time.Second {
			t.Errorf("after %v", took)
		}
		s.WantEnd("expired")
	})
}

func TestShutdownTellsClientsToComeBack(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		s := l.open(transport)
		done := make(chan error)
		go func() { done <- l.server.Shutdown(context.Background()) }()
		s.WantExactly("shutdown", `{"type":7,"allowReconnect":true}`)
		if transport != longPolling { // the server is gone by then
			s.WantEnd("shutdown")
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Shutdown does not wait for clients that have not shaken hands.
func TestShutdownBeforeTheHandshake(t *testing.T) {
	each(t, config{}, func(l *lab, transport string) {
		s := l.new().Negotiate().Dial(transport)
		synctest.Wait() // the server is in the middle of it
		start := time.Now()
		if err := l.server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("shutdown took %v", took)
		}
		s.Drop()
	})
}

// A client that does not read costs its connection, and nobody else's.
func TestSlowConsumer(t *testing.T) {
	try(t, config{Options: persistent.Options{MaxQueued: 100}}, func(l *lab) {
		l.open(webSockets) // never reads
		other := l.open(webSockets)
		for i := range 400 {
			_ = l.hub.Clients.All().Got(fmt.Sprint(i))
			other.Want("the other one", fmt.Sprintf(`"%d"`, i))
		}
		l.wait("lost")
	})
}

// The same broadcast reaches clients of either protocol and family.
func TestMixedProtocols(t *testing.T) {
	try(t, config{}, func(l *lab) {
		a := l.open(webSockets)
		c := l.new()
		c.Protocol = "messagepack"
		b := c.Open(longPolling)
		_ = l.hub.Clients.All().Got("both")
		a.WantExactly("JSON", `{"type":1,"target":"got","arguments":["both"]}`)
		b.WantExactly("MessagePack", "\x96\x01\x80\xc0\xa3got\x91\xa4both\x90")
	})
}
