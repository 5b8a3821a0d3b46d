package coretest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/transports/transporttest"
)

// A Stream is an open transport.
type Stream struct {
	Transport string

	// Status and Header are those of the response; of long polling, those of
	// the first poll.
	Status int
	Header http.Header

	client *Client
	ws     *websocket.Conn
	body   io.ReadCloser
	lines  *bufio.Reader
	cancel context.CancelFunc
	ctx    context.Context
	queued []string
}

// A Refused is the error of TryDial where the server answered with something
// else than a stream.
type Refused = transporttest.Refused

// Dial opens a transport: "webSockets", "serverSentEvents" or "longPolling".
// With a WebSocket and no token it does without negotiate.
func (c *Client) Dial(transport string) *Stream {
	c.T.Helper()
	s, err := c.TryDial(transport)
	c.must(err, transport)
	return s
}

// TryDial opens a transport. The error is a *Refused where it is refused.
func (c *Client) TryDial(transport string) (*Stream, error) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Stream{Transport: transport, client: c, ctx: ctx, cancel: cancel}
	c.T.Cleanup(s.Drop)
	var id []string
	if c.Answer.ConnectionID != "" {
		id = c.ID()
	}
	address := c.Address("", id...)
	switch transport {
	case "webSockets":
		return s, s.dialSocket(address)
	case "serverSentEvents":
		return s, s.dialEvents(address)
	}
	r, err := c.Do(http.MethodGet, address, "")
	if err == nil && (r.Status != http.StatusOK || r.Body != "") {
		err = &Refused{Reply: r, Err: errors.New("the first poll")}
	}
	s.Status, s.Header = r.Status, r.Header
	return s, err
}

func (s *Stream) dialSocket(address string) error {
	ctx, cancel := context.WithTimeout(s.ctx, s.client.Patience)
	defer cancel()
	ws, res, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPClient: s.client.HTTP, HTTPHeader: s.client.Header})
	if err != nil {
		return transporttest.Refuse(res, err)
	}
	ws.SetReadLimit(-1)
	s.ws, s.Status, s.Header = ws, res.StatusCode, res.Header
	return nil
}

func (s *Stream) dialEvents(address string) error {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	for k, v := range s.client.Header {
		req.Header[k] = v
	}
	req.Header.Set("Accept", "text/event-stream")
	timer := time.AfterFunc(s.client.Patience, s.cancel)
	defer timer.Stop()
	res, err := s.client.HTTP.Do(req)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return transporttest.Refuse(res, errors.New("no stream"))
	}
	s.Status, s.Header, s.body, s.lines = res.StatusCode, res.Header, res.Body, bufio.NewReader(res.Body)
	line, err := s.lines.ReadString('\n')
	if err == nil && line != ":\r\n" {
		err = fmt.Errorf("the stream begins with %q", line)
	}
	return err
}

// Socket returns the WebSocket, or nil.
func (s *Stream) Socket() *websocket.Conn { return s.ws }

// Write sends bytes as they are.
func (s *Stream) Write(p string) {
	s.client.T.Helper()
	s.client.must(s.TryWrite(p), "write")
}

// TryWrite is Write for streams that may break.
func (s *Stream) TryWrite(p string) error {
	if s.ws == nil {
		return s.client.tryPost(p)
	}
	kind := websocket.MessageText
	if s.client.Protocol == "messagepack" && !strings.HasPrefix(p, "{") {
		kind = websocket.MessageBinary
	}
	return s.ws.Write(s.ctx, kind, []byte(p))
}

// Send sends JSON messages, in one piece.
func (s *Stream) Send(messages ...string) {
	s.client.T.Helper()
	s.Write(strings.Join(messages, Separator) + Separator)
}

// Handshake sends the handshake and reads the answer.
func (s *Stream) Handshake() {
	s.client.T.Helper()
	s.client.must(s.TryHandshake(), "handshake")
}

// TryHandshake is Handshake for streams that may break.
func (s *Stream) TryHandshake() error {
	if err := s.TryWrite(s.client.HandshakeRequest()); err != nil {
		return err
	}
	return s.greeting()
}

// WantGreeting reads the answer to a good handshake.
func (s *Stream) WantGreeting() {
	s.client.T.Helper()
	s.client.must(s.greeting(), "handshake")
}

func (s *Stream) greeting() error {
	chunk, err := s.Chunk()
	if err != nil {
		return err
	}
	rest, ok := strings.CutPrefix(chunk, "{}"+Separator)
	if !ok {
		return fmt.Errorf("the answer is %q", chunk)
	}
	records, err := s.split(rest)
	s.queued = append(s.queued, records...)
	return err
}

// Chunk returns what the server sends next in one piece: a WebSocket message,
// an event, or the body of a poll that has one. The error is io.EOF at the end.
func (s *Stream) Chunk() (string, error) {
	timer := time.AfterFunc(s.client.Patience, s.cancel)
	defer timer.Stop()
	switch {
	case s.ws != nil:
		kind, p, err := s.ws.Read(s.ctx)
		if err == nil && (kind == websocket.MessageBinary) != (s.client.Protocol == "messagepack") {
			err = fmt.Errorf("a message of type %v", kind)
		}
		return string(p), err
	case s.lines != nil:
		return transporttest.ReadEvent(s.lines)
	}
	for {
		r, err := s.client.do(s.ctx, http.MethodGet, s.client.Address("", s.client.ID()...), "")
		switch {
		case err != nil:
			return "", err
		case r.Status == http.StatusNoContent:
			return "", io.EOF
		case r.Status != http.StatusOK:
			return "", &Refused{Reply: r, Err: errors.New("poll")}
		case r.Body != "":
			return r.Body, nil
		}
	}
}

// split cuts a chunk into messages. One that is not complete is an error.
func (s *Stream) split(chunk string) ([]string, error) {
	if s.client.Protocol == "messagepack" {
		return splitBinary(chunk)
	}
	if chunk == "" {
		return nil, nil
	}
	whole, ok := strings.CutSuffix(chunk, Separator)
	if !ok {
		return nil, fmt.Errorf("a chunk ends inside of a message: %q", chunk)
	}
	return strings.Split(whole, Separator), nil
}

func splitBinary(chunk string) (list []string, err error) {
	for len(chunk) > 0 {
		length, shift, i := 0, 0, 0
		for ; i < len(chunk); i++ {
			length |= int(chunk[i]&0x7f) << shift
			shift += 7
			if chunk[i] < 0x80 {
				break
			}
		}
		if i++; i+length > len(chunk) {
			return nil, fmt.Errorf("a chunk ends inside of a message: %x", chunk)
		}
		list = append(list, chunk[i:i+length])
		chunk = chunk[i+length:]
	}
	return list, nil
}

// Next returns the next message of any kind, without what delimits it.
func (s *Stream) Next() (string, error) {
	for len(s.queued) == 0 {
		chunk, err := s.Chunk()
		if err != nil {
			return "", err
		}
		if s.queued, err = s.split(chunk); err != nil {
			s.client.T.Error(err) // whatever the test waits for
			return "", err
		}
	}
	m := s.queued[0]
	s.queued = s.queued[1:]
	return m, nil
}

// Ping is the JSON message.
const Ping = `{"type":6}`

const binaryPing = "\x91\x06"

// Message returns the next message that is no ping.
func (s *Stream) Message(why string) string {
	s.client.T.Helper()
	for start := time.Now(); ; {
		m, err := s.Next()
		if err != nil {
			s.client.T.Fatalf("%s: %v", why, err)
		}
		if m != Ping && m != binaryPing {
			return m
		}
		if time.Since(start) >= s.client.Patience {
			s.client.T.Fatalf("%s: nothing but pings came", why)
		}
	}
}

// Want reads the next message, which must have the text in it.
func (s *Stream) Want(why, text string) string {
	s.client.T.Helper()
	m := s.Message(why)
	if !strings.Contains(m, text) {
		s.client.T.Fatalf("%s: got %q, want %q in it", why, m, text)
	}
	return m
}

// WantExactly reads the next message, which must be the text.
func (s *Stream) WantExactly(why, text string) {
	s.client.T.Helper()
	if m := s.Message(why); m != text {
		s.client.T.Fatalf("%s: got %q, want %q", why, m, text)
	}
}

// A Completion answers a call.
type Completion struct {
	Type         int
	InvocationID string `json:"invocationId"`
	Result       json.RawMessage
	Error        string

	// Raw is the message as it came.
	Raw string `json:"-"`
}

// Invoke calls a hub method and returns the answer. Messages before it are kept
// for later.
func (s *Stream) Invoke(target string, args ...any) Completion {
	s.client.T.Helper()
	message, id := s.client.Invocation(target, args...)
	s.Send(message)
	return s.Completion(id)
}

// Completion reads up to the completion with the id. Messages before it are
// kept for later.
func (s *Stream) Completion(id string) Completion {
	s.client.T.Helper()
	var before []string
	defer func() { s.queued = append(before, s.queued...) }()
	for {
		m := s.Message("completion " + id)
		c := Completion{Raw: m}
		if err := json.Unmarshal([]byte(m), &c); err != nil {
			s.client.T.Fatalf("message %q: %v", m, err)
		}
		if c.Type == 3 && c.InvocationID == id {
			return c
		}
		before = append(before, m)
	}
}

// WantEnd reads until the server ends the stream, and returns what came before,
// without pings.
func (s *Stream) WantEnd(why string) []string {
	s.client.T.Helper()
	var list []string
	for {
		m, err := s.Next()
		if s.ctx.Err() != nil {
			s.client.T.Fatalf("%s: the stream is still open after %q", why, list)
		}
		if err != nil {
			return list
		}
		if m != Ping && m != binaryPing {
			list = append(list, m)
		}
	}
}

// Close ends a WebSocket in good order.
func (s *Stream) Close() { _ = s.ws.Close(websocket.StatusNormalClosure, "") }

// Drop cuts the transport without a word, as a lost network does.
func (s *Stream) Drop() {
	s.cancel()
	if s.ws != nil {
		_ = s.ws.CloseNow()
	}
	if s.body != nil {
		_ = s.body.Close()
	}
}
