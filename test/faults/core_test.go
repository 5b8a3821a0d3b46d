package faults_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"

	"github.com/hubwire/hubwire/persistent/core"
	"github.com/hubwire/hubwire/persistent/core/coretest"
)

var (
	coreFamily = &family{
		name:  "core",
		kinds: []string{"webSockets", "serverSentEvents", "longPolling"},
		wire:  newCoreWire,
		fresh: true, // a poll that is repeated in secret loses the first answer
	}
	statefulFamily = &family{name: "core, stateful", kinds: []string{"webSockets"}, wire: newStatefulWire, lasting: true}
)

// A coreWire is a connection of an ASP.NET Core SignalR client. It is over with
// its transport, unless it counts its messages.
type coreWire struct {
	ctx    context.Context
	client *coretest.Client
	count  *count // nil unless the connection is stateful

	ended bool // the server said that it is over; of the goroutine that reads

	mu     sync.Mutex // held while something is written, and guards what follows
	stream *coretest.Stream
	sent   int64    // messages, of a stateful connection
	kept   []string // the newest of them, which the server may not have
}

// A count is how far a stateful connection has come (protocols/core.md 5.11). It
// is of the goroutine that reads.
type count struct {
	next, taken, acked int64
	ackedAt            time.Time
	awaiting           bool // for the server's Sequence: nothing else counts
}

func newCoreWire(ctx context.Context, m *member) wire {
	c := coretest.New(m.tb, m.base+m.world.path+"/"+m.world.hubs)
	c.HTTP, c.Patience = m.http, m.quiet
	c.Header.Set("X-User", m.user())
	if m.chance(50) {
		c.Protocol = "messagepack"
	}
	return &coreWire{ctx: ctx, client: c}
}

func newStatefulWire(ctx context.Context, m *member) wire {
	w := newCoreWire(ctx, m).(*coreWire)
	w.client.Stateful, w.count = true, &count{next: 1}
	return w
}

func (w *coreWire) open(kind string) (string, error) {
	if kind != "webSockets" {
		w.client.Protocol = "json"
	}
	pairs := []string{"negotiateVersion", "1"}
	if w.client.Stateful {
		pairs = append(pairs, "useStatefulReconnect", "true")
	}
	r, err := w.client.Do(http.MethodPost, w.client.Address("/negotiate", pairs...), "")
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal([]byte(r.Body), &w.client.Answer); err != nil {
		return "", fmt.Errorf("negotiate: %d %q", r.Status, r.Body)
	}
	stream, err := w.dial(kind)
	if err != nil {
		return "", err
	}
	if err := stream.TryHandshake(); err != nil {
		stream.Drop()
		return "", err
	}
	w.use(stream)
	if w.count != nil {
		w.control(6, 0) // it shows that the client counts
	}
	return w.client.Answer.ConnectionID, nil
}

func (w *coreWire) dial(kind string) (*coretest.Stream, error) {
	stream, err := w.client.TryDial(kind)
	if err != nil {
		stream.Drop()
		return nil, err
	}
	context.AfterFunc(w.ctx, stream.Drop)
	return stream, nil
}

func (w *coreWire) use(stream *coretest.Stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stream = stream
}

// read reads a message.
func (w *coreWire) read() (heard, error) {
	raw, err := w.stream.Next()
	if err != nil {
		return heard{}, err
	}
	m, err := parse(w.client.Protocol, raw)
	if err != nil {
		return heard{got: []int64{0}}, nil // which is found by the auditor
	}
	if w.count != nil {
		defer w.acknowledge()
		if !w.takes(m) {
			return heard{}, nil
		}
	}
	switch m.Type {
	case 1:
		return heard{got: []int64{m.number()}}, nil
	case 3:
		after, _ := m.Result.(int64)
		failed := m.Error != ""
		return heard{answer: &answer{id: m.InvocationID, after: after, failed: failed, bad: m.Result == nil && !failed}}, nil
	case 7:
		w.ended = true
		return heard{called: m.AllowReconnect}, nil
	}
	return heard{}, nil
}

// takes counts a message of a stateful connection. It reports false for one that
// came before.
func (w *coreWire) takes(m record) bool {
	switch c := w.count; {
	case m.Type == 9:
		c.next, c.awaiting = m.SequenceID, false
	case c.awaiting:
		return false
	case m.Type == 6:
		w.control(6, 0)
	case m.Type == 8:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.kept = w.kept[min(max(0, m.SequenceID-w.oldest()+1), int64(len(w.kept))):]
	case m.Type < 6:
		c.next++
		if c.next <= c.taken+1 {
			return false
		}
		c.taken = c.next - 1
	}
	return true
}

// oldest is the number of the first message in kept, or of the next one.
func (w *coreWire) oldest() int64 { return w.sent - int64(len(w.kept)) + 1 }

// acknowledge tells the server how far the client is, once a second at most.
func (w *coreWire) acknowledge() {
	if c := w.count; c.taken > c.acked && time.Since(c.ackedAt) > time.Second {
		c.acked, c.ackedAt = c.taken, time.Now()
		w.control(8, c.taken)
	}
}

// control sends a message that is about the connection.
func (w *coreWire) control(kind int, n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.stream.TryWrite(encodeControl(w.client.Protocol, kind, n)) // its failure will be read
}

// back goes on where both sides are.
func (w *coreWire) back(kind string) error {
	if w.count == nil || w.ended {
		return errOver
	}
	stream, err := w.dial(kind)
	if refused, ok := errors.AsType[*coretest.Refused](err); ok && refused.Status == http.StatusNotFound {
		return errForgotten
	}
	if err != nil {
		return err
	}
	w.count.awaiting = true
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stream = stream
	for _, text := range slices.Concat([]string{encodeControl(w.client.Protocol, 9, w.oldest())}, w.kept) {
		if err := stream.TryWrite(text); err != nil {
			stream.Drop()
			w.stream = nil
			return err
		}
	}
	return nil
}

func (w *coreWire) drop() {
	if w.stream == nil {
		return
	}
	w.stream.Drop() // who writes lets go
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stream = nil
}

func (w *coreWire) stop() {
	if w.stream.Transport == "longPolling" {
		_, _ = w.client.Do(http.MethodDelete, w.client.Address("", w.client.ID()...), "")
		return
	}
	w.control(7, 0)
}

func (w *coreWire) keeps() bool { return w.count != nil }

func (w *coreWire) line() (send func(call) (*answer, error), later bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stream == nil {
		return nil, false
	}
	return w.send, true
}

// send sends a call. A stateful connection sends it again if need be.
func (w *coreWire) send(c call) (*answer, error) {
	text := encodeCall(w.client.Protocol, c)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count != nil {
		w.sent++
		w.kept = append(w.kept, text)
	}
	err := errors.New("no transport")
	if w.stream != nil {
		err = w.stream.TryWrite(text)
	}
	if w.count != nil {
		return nil, nil
	}
	return nil, err
}

// A record is a message of the hub protocol.
type record struct {
	Type           int
	SequenceID     int64  `json:"sequenceId"`
	InvocationID   string `json:"invocationId"`
	Target         string
	Arguments      []any
	Result         any // an int64 if it is a whole number
	Error          string
	AllowReconnect bool
}

// number is that of a message of the fleet, 0 if it is none.
func (m record) number() int64 {
	if len(m.Arguments) != 2 || m.Target != "got" {
		return 0
	}
	return whole(m.Arguments[0])
}

func whole(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case uint64:
		return int64(n)
	case float64:
		return int64(n)
	}
	return 0
}

func parse(protocol, raw string) (m record, err error) {
	if protocol == "json" {
		err = json.Unmarshal([]byte(raw), &m)
	} else {
		m, err = parseBinary(raw)
	}
	if n := whole(m.Result); n != 0 {
		m.Result = n
	}
	return m, err
}

var messagePack = func() *codec.MsgpackHandle {
	h := new(codec.MsgpackHandle)
	h.RawToString = true
	return h
}()

var errRecord = errors.New("not a message of the protocol")

// parseBinary reads MessagePack (protocols/core.md 4.4).
func parseBinary(raw string) (m record, err error) {
	var list []any
	if err := codec.NewDecoderBytes([]byte(raw), messagePack).Decode(&list); err != nil {
		return m, err
	}
	defer func() {
		if recover() != nil { // an element is missing, or something else
			err = errRecord
		}
	}()
	switch m.Type = int(whole(list[0])); m.Type {
	case 1:
		m.Target, m.Arguments = list[3].(string), list[4].([]any)
	case 3:
		m.InvocationID = list[2].(string)
		switch whole(list[3]) {
		case 1:
			m.Error = list[4].(string)
		case 3:
			m.Result = list[4]
		}
	case 7:
		m.AllowReconnect = len(list) > 2 && list[2].(bool)
	case 8, 9:
		m.SequenceID = whole(list[1])
	}
	return m, nil
}

func encodeCall(protocol string, c call) string {
	if protocol == "json" {
		return encodeText(map[string]any{"type": 1, "invocationId": c.id, "target": c.method, "arguments": c.args})
	}
	return encodeBinary(1, map[string]string{}, c.id, c.method, c.args)
}

// encodeControl returns a Ping, a Close, an Ack or a Sequence.
func encodeControl(protocol string, kind int, n int64) string {
	switch {
	case protocol == "json" && kind > 7:
		return encodeText(map[string]any{"type": kind, "sequenceId": n})
	case protocol == "json":
		return encodeText(map[string]any{"type": kind})
	case kind > 7:
		return encodeBinary(kind, n)
	case kind == 7:
		return encodeBinary(kind, nil)
	}
	return encodeBinary(kind)
}

func encodeText(v any) string {
	b, _ := json.Marshal(v)
	return string(b) + coretest.Separator
}

func encodeBinary(list ...any) string {
	var b strings.Builder
	_ = codec.NewEncoder(&b, messagePack).Encode(list)
	return string(core.AppendLength(nil, b.Len())) + b.String()
}
