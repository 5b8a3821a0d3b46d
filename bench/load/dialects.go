package main

import (
	"encoding/binary"
	"fmt"
	"net/url"
	"strconv"
)

// A dialect is how to speak to a kind of server.
type dialect struct {
	// open sets a connection up, until it can be used.
	open func(d *dialer, transport, role string) (*conn, error)

	// join, publish and echo append a message. The id is the caller's.
	join    func(b []byte, id uint32, group string) []byte
	joined  string // what the answer contains
	publish func(b []byte, id uint32, group string, text []byte) []byte
	echo    func(b []byte, id uint32, text []byte) []byte

	ping, pong string // of the application's own
	binary     bool
}

const (
	everyone  = "g" // the group that all join
	separator = "\x1e"
)

var dialects = map[string]dialect{
	"raw": {
		open: openRaw,
		publish: func(b []byte, _ uint32, _ string, text []byte) []byte {
			return fmt.Appendf(b, `{"type":1,"target":"recv","arguments":["alice","%s"]}`, text)
		},
		echo: classicEcho,
	},
	"classic": {
		open: openClassic,
		join: func(b []byte, id uint32, group string) []byte {
			return fmt.Appendf(b, `{"H":"Bench","M":"Join","A":["%s"],"I":%d}`, group, id)
		},
		joined: `"I":`,
		publish: func(b []byte, id uint32, group string, text []byte) []byte {
			if group != everyone {
				return fmt.Appendf(b, `{"H":"Bench","M":"To","A":["%s","%s"],"I":%d}`, group, text, id)
			}
			return fmt.Appendf(b, `{"H":"Bench","M":"Broadcast","A":["alice","%s"],"I":%d}`, text, id)
		},
		echo: classicEcho,
	},
	"core": {
		open: openCore("json"),
		join: func(b []byte, id uint32, group string) []byte {
			return fmt.Appendf(b, `{"type":1,"invocationId":"%d","target":"Join","arguments":["%s"]}`+separator, id, group)
		},
		joined: `"type":3`,
		publish: func(b []byte, _ uint32, _ string, text []byte) []byte {
			return fmt.Appendf(b, `{"type":1,"target":"Broadcast","arguments":["alice","%s"]}`+separator, text)
		},
		echo: func(b []byte, id uint32, text []byte) []byte {
			return fmt.Appendf(b, `{"type":1,"invocationId":"%d","target":"Echo","arguments":["%s"]}`+separator, id, text)
		},
	},
	"core-msgpack": {
		open: openCore("messagepack"),
		join: func(b []byte, id uint32, group string) []byte {
			return packCall(b, strconv.Itoa(int(id)), "Join", group)
		},
		joined: "\x95\x03",
		publish: func(b []byte, _ uint32, _ string, text []byte) []byte {
			return packCall(b, "", "Broadcast", "alice", string(text))
		},
		echo: func(b []byte, id uint32, text []byte) []byte {
			return packCall(b, strconv.Itoa(int(id)), "Echo", string(text))
		},
		binary: true,
	},
	"socketio": {
		open: openSocketIO,
		join: func(b []byte, id uint32, group string) []byte {
			return fmt.Appendf(b, `42%d["join","%s"]`, id, group)
		},
		joined: "43",
		publish: func(b []byte, _ uint32, _ string, text []byte) []byte {
			return fmt.Appendf(b, `42["broadcast","alice","%s"]`, text)
		},
		echo: func(b []byte, id uint32, text []byte) []byte {
			return fmt.Appendf(b, `42%d["echo","%s"]`, id, text)
		},
		ping: "2",
		pong: "3",
	},
}

func classicEcho(b []byte, id uint32, text []byte) []byte {
	return fmt.Appendf(b, `{"H":"Bench","M":"Echo","A":["%s"],"I":%d}`, text, id)
}

// packCall appends an invocation of the MessagePack protocol, with its length
// before it.
func packCall(b []byte, id, target string, args ...string) []byte {
	m := []byte{0x96, 1, 0x80}
	if id == "" {
		m = append(m, 0xc0)
	} else {
		m = packString(m, id)
	}
	m = packString(m, target)
	m = append(m, 0x90|byte(len(args)))
	for _, a := range args {
		m = packString(m, a)
	}
	m = append(m, 0x90)
	return append(binary.AppendUvarint(b, uint64(len(m))), m...)
}

func packString(b []byte, s string) []byte {
	switch {
	case len(s) < 32:
		b = append(b, 0xa0|byte(len(s)))
	case len(s) < 1<<8:
		b = append(b, 0xd9, byte(len(s)))
	default:
		b = binary.BigEndian.AppendUint16(append(b, 0xda), uint16(len(s)))
	}
	return append(b, s...)
}

// The roles of a connection of a reference server are its paths.
const (
	subscriber = "subscribe"
	publisher  = "publish"
	caller     = "call"
)

func openRaw(d *dialer, transport, role string) (*conn, error) {
	if transport != "lp" {
		return d.transport(transport, "/"+role)
	}
	id, err := d.get("GET", "/"+role)
	if err != nil {
		return nil, err
	}
	return d.poll(func(string) string { return "/" + role + "?id=" + string(id) })
}

var classicTransports = map[string]string{"ws": "webSockets", "sse": "serverSentEvents", "lp": "longPolling"}

// openClassic negotiates, connects and starts (protocols/classic.md 5).
func openClassic(d *dialer, transport, _ string) (*conn, error) {
	query := "clientProtocol=1.5&connectionData=" + url.QueryEscape(`[{"name":"bench"}]`)
	token, err := d.token("GET", "/signalr/negotiate?"+query, "ConnectionToken")
	if err != nil {
		return nil, err
	}
	query += "&transport=" + classicTransports[transport] + "&connectionToken=" + token
	var c *conn
	if transport == "lp" {
		c, err = d.poll(func(cursor string) string {
			if cursor == "" {
				return "/signalr/connect?" + query
			}
			return "/signalr/poll?" + query + "&messageId=" + url.QueryEscape(cursor)
		})
	} else {
		c, err = d.transport(transport, "/signalr/connect?"+query)
	}
	if err != nil {
		return nil, err
	}
	if _, err := c.await(`"S":1`); err != nil {
		return nil, err
	}
	c.query = query
	c.send = "/signalr/send?" + query
	_, err = d.get("GET", "/signalr/start?"+query)
	return c, err
}

// openCore negotiates, connects and shakes hands (protocols/core.md 2, 3).
func openCore(protocol string) func(d *dialer, transport, role string) (*conn, error) {
	return func(d *dialer, transport, _ string) (*conn, error) {
		token, err := d.token("POST", "/signalr/Bench/negotiate?negotiateVersion=1", "connectionToken")
		if err != nil {
			return nil, err
		}
		c, err := d.transport(transport, "/signalr/Bench?id="+token)
		if err != nil {
			return nil, err
		}
		c.send = "/signalr/Bench?id=" + token
		if err := c.say(d, []byte(`{"protocol":"`+protocol+`","version":1}`+separator)); err != nil {
			return nil, err
		}
		_, err = c.await("{}")
		return c, err
	}
}

func openSocketIO(d *dialer, _, _ string) (*conn, error) {
	c, err := d.transport("ws", "/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		return nil, err
	}
	if _, err := c.await("0{"); err != nil {
		return nil, err
	}
	if err := c.say(d, []byte("40")); err != nil {
		return nil, err
	}
	_, err = c.await("40{")
	return c, err
}
