package hubtest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
	"github.com/hubwire/hubwire/transports"
)

const (
	name         = "hubtest"
	introduction = "/hubtest/introduction"
)

var protocol = &messagelog.Protocol{Name: "hubtest/json"}

func (s *Server) family() codec.Family {
	return codec.Family{Name: name, Dialect: testDialect{s}, Codecs: []codec.Codec{testCodec{}}}
}

// testDialect takes one request, which introduces the host. Its clients need
// none.
type testDialect struct{ server *Server }

func (testDialect) Name() string { return name }

func (d testDialect) Serve(_ http.ResponseWriter, r *http.Request, h dialect.Host) bool {
	if r.URL.Path != introduction {
		return false
	}
	d.server.host = h
	return true
}

// wire is every message of the test's protocol.
type wire struct {
	Type    string                     `json:"type"`
	ID      string                     `json:"id,omitempty"`
	Hub     string                     `json:"hub,omitempty"`
	Method  string                     `json:"method,omitempty"`
	Args    []json.RawMessage          `json:"args,omitempty"`
	Streams []string                   `json:"streams,omitempty"`
	Value   json.RawMessage            `json:"value,omitempty"`
	Error   *Error                     `json:"error,omitempty"`
	State   map[string]json.RawMessage `json:"state,omitempty"`
}

func (m wire) encode() []byte {
	b, err := json.Marshal(m)
	if err != nil { // cannot happen: every part is encoded already
		panic(err)
	}
	return b
}

func (m wire) result() *Result {
	r := &Result{Value: m.Value}
	if m.Error != nil {
		r.Err = m.Error
	}
	return r
}

// testCodec reads and writes wire.
type testCodec struct{}

func (testCodec) Protocol() *messagelog.Protocol { return protocol }
func (testCodec) Encoding() codec.Encoding       { return codec.JSON }

func (testCodec) Decode(payload []byte) (codec.Incoming, error) {
	var m wire
	if err := json.Unmarshal(payload, &m); err != nil {
		return nil, &codec.Malformed{Text: err.Error()}
	}
	switch m.Type {
	case "cancel":
		return &codec.Cancel{ID: m.ID}, nil
	case "item":
		return &codec.StreamItem{ID: m.ID, Item: codec.Raw(m.Value)}, nil
	case "answer":
		a := &codec.Answer{ID: m.ID, Result: codec.Raw(m.Value), HasResult: m.Value != nil}
		if m.Error != nil {
			a.Error, a.Failed = m.Error.Message, true
		}
		return a, nil
	}
	in := &codec.Invocation{ID: m.ID, HasID: true, Hub: m.Hub, Method: m.Method, Stream: m.Type == "stream", Streams: m.Streams, State: make(codec.State)}
	for _, a := range m.Args {
		in.Args = append(in.Args, a)
	}
	for k, v := range m.State {
		in.State[k] = v
	}
	return in, nil
}

func (testCodec) Encode(m codec.Outgoing) ([]byte, error) {
	switch m := m.(type) {
	case *codec.Call:
		w := wire{Type: "call", ID: m.ID, Hub: m.Hub, Method: m.Method, State: raws(m.State)}
		if err := json.Unmarshal(m.Args.In(codec.JSON), &w.Args); err != nil {
			return nil, err
		}
		return w.encode(), nil
	case *codec.Progress:
		value, err := json.Marshal(m.Value)
		if err != nil {
			return nil, err
		}
		return wire{Type: "progress", ID: m.ID, Value: value, State: raws(m.State)}.encode(), nil
	case *codec.Completion:
		return encodeCompletion(m)
	}
	return nil, nil
}

func encodeCompletion(m *codec.Completion) ([]byte, error) {
	w := wire{Type: "result", ID: m.ID, State: raws(m.State)}
	var err error
	if m.HasResult {
		if w.Value, err = json.Marshal(m.Result); err != nil {
			return nil, err
		}
	}
	if f := m.Fault; f != nil {
		w.Error = &Error{Kind: f.Kind, Message: f.Text}
		if f.Data != nil {
			if w.Error.Data, err = json.Marshal(f.Data); err != nil {
				return nil, err
			}
		}
	}
	return w.encode(), nil
}

func raws(s codec.State) map[string]json.RawMessage {
	m := make(map[string]json.RawMessage, len(s))
	for _, k := range slices.Sorted(maps.Keys(s)) {
		m[k] = s[k]
	}
	return m
}

// framer makes each message a frame, and the place in the log another.
type framer struct{}

func (framer) Opening(messagelog.Cursor) [][]byte { return nil }
func (framer) KeepAlive() []byte                  { return nil }

func (framer) Frames(dst [][]byte, buf []byte, b dialect.Batch) (frames [][]byte, scratch []byte) {
	for _, e := range b.Entries {
		if e.Payload == nil {
			continue
		}
		if p := e.Payload.Bytes(protocol); p != nil {
			dst = append(dst, p)
		}
	}
	return append(dst, wire{Type: "cursor", ID: b.At.String()}.encode()), buf
}

// stream hands frames to a client.
type stream struct{ client *Client }

func (stream) Kind() transports.Kind  { return transports.WebSockets }
func (stream) KeepAlive([]byte) error { return nil }
func (stream) Close()                 {}

func (s stream) Send(frames [][]byte) error {
	for _, f := range frames {
		s.client.take(f)
	}
	return nil
}
