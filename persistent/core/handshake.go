package core

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/goccy/go-json"

	"github.com/hubwire/hubwire/transports"
)

// welcome is the answer to a good handshake.
var welcome = []byte("{}\x1e")

// greeting returns the answer to the handshake, once.
func (l *link) greeting() []byte {
	if l.greeted.Swap(true) {
		return nil
	}
	return welcome
}

// maxVersion is the newest version of the protocols; 2 is for stateful
// reconnect.
const maxVersion = 2

// The errors of a handshake, which clients show (protocols/core.md 3.3).
const (
	handshakeCanceled = "Handshake was canceled."
	handshakeFailed   = "An unexpected error occurred during connection handshake."
	handshakeClosing  = "The server is shutting down."
)

// usual are the handshakes that clients send. They are not decoded: for that the
// stack of a new goroutine would have to grow.
var usual = map[string]struct {
	format  *format
	version int
}{
	`{"protocol":"json","version":1}`:        {jsonFormat, 1},
	`{"protocol":"json","version":2}`:        {jsonFormat, 2},
	`{"protocol":"messagepack","version":1}`: {messagePackFormat, 1},
	`{"protocol":"messagepack","version":2}`: {messagePackFormat, 2},
}

// readHandshake reads a handshake request. What is wrong with it is for the
// client to see.
func readHandshake(text []byte, kind transports.Kind) (f *format, version int, problem string) {
	if u, ok := usual[string(text)]; ok && kind == transports.WebSockets { // which takes any format
		return u.format, u.version, ""
	}
	var m struct {
		Protocol *string `json:"protocol"`
		Version  *int    `json:"version"`
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 || text[0] != '{' || json.Unmarshal(text, &m) != nil || m.Protocol == nil || m.Version == nil {
		return nil, 0, handshakeFailed
	}
	switch strings.ToLower(*m.Protocol) {
	case "json":
		f = jsonFormat
	case "messagepack":
		f = messagePackFormat
	default:
		return nil, 0, fmt.Sprintf("The protocol '%s' is not supported.", *m.Protocol)
	}
	switch {
	case *m.Version > maxVersion:
		return nil, 0, fmt.Sprintf("The server does not support version %d of the '%s' protocol.", *m.Version, *m.Protocol)
	case f.binary && kind == transports.ServerSentEvents:
		return nil, 0, fmt.Sprintf("Cannot use the '%s' protocol on the current transport."+
			" The transport does not support 'Binary' transfer format.", *m.Protocol)
	}
	return f, *m.Version, ""
}

// handshakeError is the answer to a handshake that failed.
func handshakeError(text string) []byte {
	b, err := json.Marshal(failure{text})
	if err != nil { // cannot happen: it is a string
		return nil
	}
	return append(b, separator)
}
