package classictest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hubwire/hubwire/transports/transporttest"
)

// Patience is how long a read waits for the server, unless the client says
// otherwise.
const Patience = 2 * time.Minute

// A Client is one SignalR 2 client. Its fields may be changed between steps.
type Client struct {
	T    testing.TB
	HTTP *http.Client

	// URL is where the endpoint is mounted, without a trailing slash.
	URL string

	// Protocol is sent as clientProtocol, unless it is empty.
	Protocol string

	// Query holds further parameters for every request.
	Query url.Values

	// Header is sent with every request.
	Header http.Header

	// ConnectionData is the list of hubs, as JSON. Empty means none is sent.
	ConnectionData string

	// Patience bounds how long a read waits for the server.
	Patience time.Duration

	// Answer is what negotiate returned.
	Answer Negotiated

	// Cursor and GroupsToken are those of the last frame that was read.
	Cursor, GroupsToken string

	ids int
}

// Negotiated is the answer to a negotiate request.
type Negotiated struct {
	URL                     string `json:"Url"`
	ConnectionToken         string
	ConnectionID            string `json:"ConnectionId"`
	KeepAliveTimeout        *float64
	DisconnectTimeout       float64
	ConnectionTimeout       float64
	TryWebSockets           bool
	ProtocolVersion         string
	TransportConnectTimeout float64
	LongPollDelay           float64
}

// New returns a client for the endpoint at base. It closes its idle connections
// when the test ends.
func New(t testing.TB, base string) *Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &Client{
		T:        t,
		HTTP:     &http.Client{Transport: transport},
		URL:      strings.TrimSuffix(base, "/"),
		Protocol: "2.1",
		Query:    url.Values{},
		Header:   http.Header{},
		Patience: Patience,
	}
}

// Serve serves h on connections in memory, so that a test may run in a bubble
// of testing/synctest, and returns a function that makes clients for the
// endpoint at a path. The server is closed when the test ends, or by the
// returned stop, which a bubble must call.
func Serve(t testing.TB, h http.Handler) (client func(path string) *Client, stop func()) {
	transport, stop := transporttest.Serve(t, h)
	client = func(path string) *Client {
		c := New(t, "http://server.test"+path)
		c.HTTP.Transport = transport
		return c
	}
	return client, stop
}

// Hubs sets the list of hubs that the client listens to.
func (c *Client) Hubs(names ...string) *Client {
	type hub struct {
		Name string `json:"name"`
	}
	list := make([]hub, len(names))
	for i, n := range names {
		list[i].Name = n
	}
	text, err := json.Marshal(list)
	c.must(err, "hubs")
	c.ConnectionData = string(text)
	return c
}

// Address returns the URL of an operation, with the parameters that every
// request has and those given as pairs.
func (c *Client) Address(operation string, pairs ...string) string {
	q := url.Values{}
	for k, v := range c.Query {
		q[k] = v
	}
	if c.Protocol != "" {
		q.Set("clientProtocol", c.Protocol)
	}
	if c.ConnectionData != "" {
		q.Set("connectionData", c.ConnectionData)
	}
	if c.Answer.ConnectionToken != "" {
		q.Set("connectionToken", c.Answer.ConnectionToken)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return c.URL + "/" + operation + "?" + q.Encode()
}

// A Reply is an HTTP response that was read to its end.
type Reply = transporttest.Reply

// Do makes a request and reads its answer. A body makes it a POST with a form.
func (c *Client) Do(method, address, body string) (Reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return Reply{}, err
	}
	for k, v := range c.Header {
		req.Header[k] = v
	}
	if body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return Reply{}, err
	}
	return transporttest.ReadReply(res)
}

// Get makes a GET request for an operation.
func (c *Client) Get(operation string, pairs ...string) Reply {
	c.T.Helper()
	r, err := c.Do(http.MethodGet, c.Address(operation, pairs...), "")
	c.must(err, operation)
	return r
}

// Post makes a POST request for an operation, with a form.
func (c *Client) Post(operation string, form url.Values, pairs ...string) Reply {
	c.T.Helper()
	r, err := c.Do(http.MethodPost, c.Address(operation, pairs...), form.Encode())
	c.must(err, operation)
	return r
}

// Negotiate gets a connection token.
func (c *Client) Negotiate() *Client {
	c.T.Helper()
	c.Answer = Negotiated{}
	r := c.Get("negotiate")
	if r.Status != http.StatusOK {
		c.T.Fatalf("negotiate: %d %s", r.Status, r.Body)
	}
	c.must(json.Unmarshal([]byte(r.Body), &c.Answer), "negotiate")
	return c
}

// Start raises the connected event.
func (c *Client) Start(transport string) {
	c.T.Helper()
	r := c.Get("start", "transport", transport)
	var answer struct{ Response string }
	if err := json.Unmarshal([]byte(r.Body), &answer); err != nil || answer.Response != "started" {
		c.T.Fatalf("start: %d %s", r.Status, r.Body)
	}
}

// Open negotiates, connects and starts.
func (c *Client) Open(transport string) *Stream {
	c.T.Helper()
	c.Negotiate()
	s := c.Connect(transport)
	c.Start(transport)
	return s
}

// Send posts one payload and returns the answer.
func (c *Client) Send(transport, payload string) Reply {
	c.T.Helper()
	return c.Post("send", url.Values{"data": {payload}}, "transport", transport)
}

// Abort ends the connection.
func (c *Client) Abort(transport string) {
	c.T.Helper()
	if r := c.Post("abort", nil, "transport", transport); r.Status != http.StatusOK {
		c.T.Fatalf("abort: %d %s", r.Status, r.Body)
	}
}

// A Result is the answer to a call of a hub method.
type Result struct {
	I *string
	R json.RawMessage
	E string
	H bool
	D json.RawMessage
	S json.RawMessage

	// Raw is the whole answer as it came.
	Raw string `json:"-"`
}

// Invocation returns the payload of a call and its id.
func (c *Client) Invocation(hub, method string, args ...any) (payload, id string) {
	c.T.Helper()
	if args == nil {
		args = []any{}
	}
	id = strconv.Itoa(c.ids)
	text, err := json.Marshal(map[string]any{"H": hub, "M": method, "A": args, "I": c.ids})
	c.must(err, "invocation")
	c.ids++
	return string(text), id
}

// Invoke calls a hub method over s and returns the result.
func (c *Client) Invoke(s *Stream, hub, method string, args ...any) Result {
	c.T.Helper()
	payload, id := c.Invocation(hub, method, args...)
	if s.ws != nil {
		s.Write(payload)
		return s.Result(id)
	}
	r := c.Send(s.Transport, payload)
	if r.Status != http.StatusOK {
		c.T.Fatalf("send %s: %d %s", payload, r.Status, r.Body)
	}
	return ParseResult(c.T, r.Body)
}

// ParseResult reads the answer to a call.
func ParseResult(t testing.TB, text string) Result {
	t.Helper()
	r := Result{Raw: text}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("result %q: %v", text, err)
	}
	return r
}

func (c *Client) must(err error, doing string) {
	c.T.Helper()
	if err != nil {
		c.T.Fatal(fmt.Errorf("%s: %w", doing, err))
	}
}
