package conformancecore_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/persistent"
)

func Test49And50Properties(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		for i, m := range []string{
			`{"arguments":["x"],"target":"echo","invocationId":"%d","type":1}`,
			`{"target":"echo","arguments":["x"],"invocationId":"%d","type":1}`,
			`{"extra":{"type":9,"a":[1,"}"]},"type":1,"invocationId":"%d","target":"echo","arguments":["x"],"more":null}`,
			` { "t\u0079pe" : 1 , "invocationId":"%d", "target":"echo", "arguments":[ "x" ] } `,
			`{"type":1,"invocationId":"%d","target":"echo","arguments":["x"],"streamIds":[]}`,
			`{"type":1,"invocationId":"%d","target":"echo","arguments":["x"],"streamIds":null}`,
		} {
			s.Send(fmt.Sprintf(m, i))
			s.WantExactly(m, fmt.Sprintf(`{"type":3,"invocationId":"%d","result":"x"}`, i))
		}
	})
}

func Test51Headers(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		with := func(messages ...string) {
			for i, m := range messages {
				messages[i] = strings.TrimSuffix(m, "}") + `,"headers":{"traceparent":"00-0","tracestate":""}}`
			}
			s.Send(messages...)
		}
		with(call("1", "echo", `["x"]`))
		s.WantExactly("a call", `{"type":3,"invocationId":"1","result":"x"}`)
		with(calling("2", "collect", `[]`, "up"), item("up", "7"), done("up"))
		s.WantExactly("an upload", `{"type":3,"invocationId":"2","result":[7]}`)
		with(streaming("3", "hold", `[]`))
		s.WantExactly("a stream", item("3", "1"))
		with(`{"type":5,"invocationId":"3"}`)
		s.WantExactly("a Cancel", done("3"))

		b := l.binary(webSockets)
		const h = "\x81\xa1a\xd9\x01b"
		b.Write(framed("\x95\x01" + h + "\xa1\x31\xa4echo\x91\xa1x"))
		b.WantExactly("a call", "\x95\x03\x80\xa1\x31\x03\xa1x")
		b.Write(framed("\x96\x01"+h+"\xa1\x32\xa7collect\x90\x91\xa1u", "\x94\x02"+h+"\xa1u\x07", "\x94\x03"+h+"\xa1u\x02"))
		b.WantExactly("an upload", "\x95\x03\x80\xa1\x32\x03\x91\x07")
		b.Write(framed("\x95\x04" + h + "\xa1\x33\xa4hold\x90"))
		b.WantExactly("a stream", "\x94\x02\x80\xa1\x33\x01")
		b.Write(framed("\x93\x05" + h + "\xa1\x33"))
		b.WantExactly("a Cancel", "\x94\x03\x80\xa1\x33\x02")
	})
}

func Test52UnknownTypes(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.open(webSockets)
		s.Send(`{"type":42,"x":1}`, `{"type":0}`, `{"type":-1}`, call("1", "echo", `["x"]`))
		s.WantExactly("the next message", `{"type":3,"invocationId":"1","result":"x"}`)
		b := l.binary(webSockets)
		b.Write(framed("\x92\x2a\x01", "\x91\x00", "\x91\xff", "\x95\x01\x80\xa1\x31\xa4echo\x91\xa1x"))
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
		b := l.binary(webSockets)
		b.Write(framed("\x95\x01\x80\xa1\x31\xa4void\x90"))
		b.WantExactly("void", "\x95\x03\x80\xa1\x31\x03\xc0")
	})
}

// prefixed puts the length before a message, in so many bytes.
func prefixed(body string, width int) string {
	p := make([]byte, width)
	for i := range p {
		p[i] = byte(len(body)>>(7*i))&0x7f | 0x80
	}
	p[width-1] &= 0x7f
	return string(p) + body
}

func Test57MessagePackForms(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.binary(webSockets)
		for name, body := range map[string]string{
			"5 elements":       "\x95\x01\x80\xa1\x31\xa4echo\x91\xa1x",
			"6 elements":       "\x96\x01\x80\xa1\x31\xa4echo\x91\xa1x\x90",
			"nil streams":      "\x96\x01\x80\xa1\x31\xa4echo\x91\xa1x\xc0",
			"wide type":        "\x95\xd3\x00\x00\x00\x00\x00\x00\x00\x01\x80\xa1\x31\xa4echo\x91\xa1x",
			"array 16, str 8":  "\xdc\x00\x05\xcd\x00\x01\x80\xd9\x01\x31\xd9\x04echo\xdc\x00\x01\xa1x",
			"array 32, str 16": "\xdd\x00\x00\x00\x05\xce\x00\x00\x00\x01\xde\x00\x00\xda\x00\x01\x31\xdb\x00\x00\x00\x04echo\x91\xa1x",
			"further elements": "\x98\x01\x80\xa1\x31\xa4echo\x91\xa1x\x90\x01\x02",
		} {
			s.Write(framed(body))
			s.WantExactly(name, "\x95\x03\x80\xa1\x31\x03\xa1x")
		}
		for name, body := range map[string]string{
			"a stream of 5 elements": "\x95\x04\x80\xa1\x31\xa5ticks\x91\xcd\x00\x00",
			"a stream of 6 elements": "\x96\x04\x80\xa1\x31\xa5ticks\x91\xd0\x00\x90",
		} {
			s.Write(framed(body))
			s.WantExactly(name, "\x94\x03\x80\xa1\x31\x02")
		}
		for _, n := range []string{"\x28", "\xcc\x28", "\xcd\x00\x28", "\xce\x00\x00\x00\x28", "\xcf\x00\x00\x00\x00\x00\x00\x00\x28",
			"\xd0\x28", "\xd1\x00\x28", "\xd2\x00\x00\x00\x28", "\xd3\x00\x00\x00\x00\x00\x00\x00\x28"} {
			s.Write(framed("\x95\x01\x80\xa1\x31\xa3sum\x92" + n + "\xff"))
			s.WantExactly("whole numbers", "\x95\x03\x80\xa1\x31\x03\x27")
		}
	})
	for name, body := range map[string]string{"2 elements": "\x92\x07\xc0", "3 elements": "\x93\x07\xc0\xc2", "an error": "\x93\x07\xa3bad\xc3"} {
		try(t, config{}, func(l *lab) {
			s := l.binary(webSockets)
			s.Write(framed(body))
			if rest := s.WantEnd("a Close"); len(rest) != 1 || rest[0] != "\x93\x07\xc0\xc2" {
				t.Errorf("%s is answered with %q", name, rest)
			}
			l.wait("stopped")
		})
	}
}

func Test58Lengths(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.binary(webSockets)
		for width := 1; width <= 5; width++ {
			chunk := ""
			for range 3 {
				chunk += prefixed("\x95\x01\x80\xa1\x31\xa4echo\x91\xa1x", width) + prefixed("\x91\x06", width)
			}
			s.Write(chunk)
			for range 3 {
				s.WantExactly(fmt.Sprintf("%d bytes of length", width), "\x95\x03\x80\xa1\x31\x03\xa1x")
			}
		}
		for _, size := range []int{100, 300, 20_000, 70_000, 3_000_000} { // in 1 to 4 bytes
			text := strings.Repeat("y", size)
			_ = l.hub.Clients.All().Got(text)
			m := s.Message("a long message")
			if !strings.HasPrefix(m, "\x96\x01\x80\xc0\xa3got\x91") || !strings.HasSuffix(m, text+"\x90") {
				t.Errorf("%d bytes come as %.20q and %d bytes", size, m, len(m))
			}
		}
	})
}

func Test59PingBytes(t *testing.T) {
	try(t, config{}, func(l *lab) {
		if chunk, err := l.binary(webSockets).Chunk(); chunk != "\x02\x91\x06" {
			t.Errorf("%x %v", chunk, err)
		}
	})
}

func Test60DatesAndBytes(t *testing.T) {
	try(t, config{}, func(l *lab) {
		s := l.binary(webSockets)
		send := func(h string) {
			b, err := hex.DecodeString(strings.ReplaceAll(h, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			s.Write(framed(string(b)))
		}
		send("95 01 80 a131 a5 6279746573 91 c402 6869")
		s.WantExactly("bytes", "\x95\x03\x80\xa1\x31\x03\xc4\x03hi!")
		send("95 01 80 a131 a5 6c61746572 91 d6ff 5e0be100")
		s.WantExactly("a date", "\x95\x03\x80\xa1\x31\x03\xd6\xff\x5e\x0b\xe1\x01")
		send("95 01 80 a131 a5 6c61746572 91 c70cff 00000005 000000005e0be100")
		s.WantExactly("a date of 96 bits", "\x95\x03\x80\xa1\x31\x03\xd7\xff\x00\x00\x00\x14\x5e\x0b\xe1\x01")
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
		b := l.binary(longPolling)
		_ = l.hub.Clients.All().Got("both")
		a.WantExactly("JSON", `{"type":1,"target":"got","arguments":["both"]}`)
		b.WantExactly("MessagePack", "\x96\x01\x80\xc0\xa3got\x91\xa4both\x90")
	})
}
