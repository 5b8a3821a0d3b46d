package classictest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/transports/transporttest"
)

// A Frame is one message from the server on the receiving transport: a frame of
// the protocol, a keep-alive, a prologue or a result.
type Frame struct {
	C string
	S *int
	T *int
	G *string
	L *int64
	X *int
	D json.RawMessage
	E *string
	M []json.RawMessage

	// I is set for a result, which is no frame of the protocol.
	I *string

	// Raw is what came.
	Raw string `json:"-"`
}

// KeepAlive reports whether f is the empty object.
func (f Frame) KeepAlive() bool { return f.Raw == "{}" }

// A Stream is an open transport request. Polls have a Stream for each request.
type Stream struct {
	Transport string

	// Status and Header are those of the response.
	Status int
	Header http.Header

	client *Client
	ws     *websocket.Conn
	body   io.ReadCloser
	lines  *bufio.Reader
	cancel context.CancelFunc
	ctx    context.Context
	queued []Frame // read while looking for something else
}

// Connect opens a transport and reads up to the init frame, which it consumes.
func (c *Client) Connect(transport string, pairs ...string) *Stream {
	c.T.Helper()
	s := c.Dial("connect", transport, pairs...)
	f := s.Frame("the init frame")
	if f.S == nil {
		c.T.Fatalf("connect: no S in the first frame %s", f.Raw)
	}
	if transport == "longPolling" {
		s.Drop()
		s.lines = nil // answered: Messages polls
	}
	return s
}

// Reconnect opens a transport again from where the client is.
func (c *Client) Reconnect(transport string, pairs ...string) *Stream {
	c.T.Helper()
	return c.Dial("reconnect", transport, append(c.position(), pairs...)...)
}

// Poll makes one poll from where the client is and returns when the headers
// are there.
func (c *Client) Poll(pairs ...string) *Stream {
	c.T.Helper()
	return c.Dial("poll", "longPolling", append(c.position(), pairs...)...)
}

func (c *Client) position() []string {
	return []string{"messageId", c.Cursor, "groupsToken", c.GroupsToken}
}

// Dial opens a transport with any operation, and fails the test if it cannot.
func (c *Client) Dial(operation, transport string, pairs ...string) *Stream {
	c.T.Helper()
	s, err := c.TryDial(operation, transport, pairs...)
	c.must(err, operation+" "+transport)
	return s
}

// TryDial opens a transport. The error says the status and the body of an
// answer that is no stream.
func (c *Client) TryDial(operation, transport string, pairs ...string) (*Stream, error) {
	address := c.Address(operation, append([]string{"transport", transport}, pairs...)...)
	ctx, cancel := context.WithCancel(context.Background())
	s := &Stream{Transport: transport, client: c, ctx: ctx, cancel: cancel}
	c.T.Cleanup(s.Drop)
	var err error
	switch transport {
	case "webSockets":
		err = s.dialSocket(address)
	case "longPolling":
		err = s.dialPoll(address)
	default:
		err = s.get(http.MethodGet, address, nil)
	}
	if err == nil && transport == "serverSentEvents" {
		err = s.prologue()
	}
	return s, err
}

func (s *Stream) dialSocket(address string) error {
	dialCtx, cancel := context.WithTimeout(s.ctx, s.client.Patience)
	defer cancel()
	ws, res, err := websocket.Dial(dialCtx, address, &websocket.DialOptions{HTTPClient: s.client.HTTP, HTTPHeader: s.client.Header})
	if err != nil {
		return transporttest.Refuse(res, err)
	}
	ws.SetReadLimit(-1)
	s.ws, s.Status, s.Header = ws, res.StatusCode, res.Header
	return nil
}

// dialPoll puts the position into a form, as current clients do.
func (s *Stream) dialPoll(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	q, form := u.Query(), url.Values{}
	for _, k := range []string{"messageId", "groupsToken"} {
		if q.Has(k) {
			form.Set(k, q.Get(k))
			q.Del(k)
		}
	}
	u.RawQuery = q.Encode()
	return s.get(http.MethodPost, u.String(), form)
}

func (s *Stream) get(method, address string, form url.Values) error {
	req, err := http.NewRequestWithContext(s.ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	for k, v := range s.client.Header {
		req.Header[k] = v
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	}
	timer := time.AfterFunc(s.client.Patience, s.cancel)
	res, err := s.client.HTTP.Do(req)
	timer.Stop()
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return transporttest.Refuse(res, errors.New("no stream"))
	}
	s.Status, s.Header, s.body, s.lines = res.StatusCode, res.Header, res.Body, bufio.NewReader(res.Body)
	return nil
}

// A Refused is the error of TryDial where the server answered with something
// else than a stream.
type Refused = transporttest.Refused

func (s *Stream) prologue() error {
	timer := time.AfterFunc(s.client.Patience, s.cancel)
	defer timer.Stop()
	line, err := transporttest.ReadEvent(s.lines)
	if err == nil && line != "initialized" {
		err = fmt.Errorf("first event is %q", line)
	}
	return err
}

// script reads up to the next script of a page that hands over a frame.
func (s *Stream) script() (string, error) {
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		text, ok := strings.CutPrefix(line, "<script>r(c, ")
		if !ok {
			continue // the prologue, or an empty line
		}
		text, ok = strings.CutSuffix(strings.TrimRight(text, "\r\n"), ");</script>")
		if !ok {
			return "", fmt.Errorf("line %q is not a script", line)
		}
		return text, nil
	}
}

// Raw returns the next message as it came: a WebSocket message, the data of an
// event, the argument of a script, or the whole body of a poll. The error is io.EOF at the end of a
// stream.
func (s *Stream) Raw() (string, error) {
	timer := time.AfterFunc(s.client.Patience, s.cancel)
	defer timer.Stop()
	switch {
	case s.ws != nil:
		_, p, err := s.ws.Read(s.ctx)
		return string(p), err
	case s.Transport == "serverSentEvents":
		return transporttest.ReadEvent(s.lines)
	case s.Transport == "foreverFrame":
		return s.script()
	}
	if s.lines == nil {
		return "", io.EOF // answered
	}
	p, err := io.ReadAll(s.lines)
	if err == nil && len(p) == 0 {
		err = io.EOF
	}
	return string(p), err
}

// Next returns the next message of any kind, and follows the cursor.
func (s *Stream) Next() (Frame, error) {
	if len(s.queued) > 0 {
		f := s.queued[0]
		s.queued = s.queued[1:]
		return f, nil
	}
	return s.read()
}

func (s *Stream) read() (Frame, error) {
	text, err := s.Raw()
	if err != nil {
		return Frame{}, err
	}
	var f Frame
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return f, fmt.Errorf("%q: %w", text, err)
	}
	f.Raw = text
	if f.I == nil && f.C != "" {
		s.client.Cursor = f.C
		if f.G != nil {
			s.client.GroupsToken = *f.G
		}
	}
	return f, nil
}

// Frame returns the next frame of the protocol. Keep-alives and results are
// passed over.
func (s *Stream) Frame(why string) Frame {
	s.client.T.Helper()
	for {
		f, err := s.Next()
		if err != nil {
			s.client.T.Fatalf("%s: %v", why, err)
		}
		if f.I == nil && !f.KeepAlive() {
			return f
		}
	}
}

// Messages returns the next n messages, however many frames they come in. It
// polls again where the transport is long polling.
func (s *Stream) Messages(why string, n int) []string {
	s.client.T.Helper()
	var list []string
	for len(list) < n {
		if s.Transport == "longPolling" && s.lines == nil {
			*s = *s.client.Poll()
		}
		for _, m := range s.Frame(fmt.Sprintf("%s (message %d of %d)", why, len(list)+1, n)).M {
			list = append(list, string(m))
		}
		if s.Transport == "longPolling" {
			s.Drop()
			s.lines = nil
		}
	}
	if len(list) > n {
		s.client.T.Fatalf("%s: got %d messages, want %d: %v", why, len(list), n, list)
	}
	return list
}

// WantMessage reads one message, which must have the text in it.
func (s *Stream) WantMessage(why, text string) string {
	s.client.T.Helper()
	m := s.Messages(why, 1)[0]
	if !strings.Contains(m, text) {
		s.client.T.Fatalf("%s: got %s, want %s in it", why, m, text)
	}
	return m
}

// Write sends a text message on a WebSocket.
func (s *Stream) Write(payload string) {
	s.client.T.Helper()
	s.client.must(s.ws.Write(s.ctx, websocket.MessageText, []byte(payload)), "write")
}

// Socket returns the WebSocket of the stream, or nil.
func (s *Stream) Socket() *websocket.Conn { return s.ws }

// Result reads up to the result with the id. Frames before it are kept for
// later.
func (s *Stream) Result(id string) Result {
	s.client.T.Helper()
	for {
		f, err := s.read()
		if err != nil {
			s.client.T.Fatalf("result %s: %v", id, err)
		}
		if f.I != nil && *f.I == id {
			return ParseResult(s.client.T, f.Raw)
		}
		s.queued = append(s.queued, f)
	}
}

// WantEnd reads until the server ends the stream, and returns what came before.
func (s *Stream) WantEnd(why string) []Frame {
	s.client.T.Helper()
	var frames []Frame
	for {
		f, err := s.Next()
		if s.ctx.Err() != nil {
			s.client.T.Fatalf("%s: the stream is still open", why)
		}
		if err != nil {
			return frames
		}
		frames = append(frames, f)
	}
}

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
