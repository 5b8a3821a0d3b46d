package coretest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hubwire/hubwire/transports/transporttest"
)

// Patience is how long a read waits for the server, unless the client says
// otherwise.
const Patience = 2 * time.Minute

// A Client is one client of a hub. Its fields may be changed between steps.
type Client struct {
	T    testing.TB
	HTTP *http.Client

	// URL is that of the hub.
	URL string

	// Version is sent as negotiateVersion, unless it is empty.
	Version string

	// Stateful asks for stateful reconnect.
	Stateful bool

	// Protocol is the one of the handshake: "json" or "messagepack".
	Protocol string

	// Query and Header are sent with every request.
	Query  url.Values
	Header http.Header

	// Patience bounds how long a read waits for the server.
	Patience time.Duration

	// Answer is what negotiate returned.
	Answer Negotiated

	ids int
}

// Negotiated is the answer to negotiate.
type Negotiated struct {
	NegotiateVersion    int
	ConnectionID        string `json:"connectionId"`
	ConnectionToken     string
	AvailableTransports []struct {
		Transport       string
		TransferFormats []string
	}
	UseStatefulReconnect bool
	URL                  string `json:"url"`
	AccessToken          string
	Error                string
}

// New returns a client for the hub at address. It closes its idle connections
// when the test ends.
func New(t testing.TB, address string) *Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &Client{
		T:        t,
		HTTP:     &http.Client{Transport: transport},
		URL:      address,
		Version:  "1",
		Protocol: "json",
		Query:    url.Values{},
		Header:   http.Header{},
		Patience: Patience,
	}
}

// Serve serves h on connections in memory, so that a test may run in a bubble
// of testing/synctest, and returns a function that makes clients for the hub at
// a path. The server is closed when the test ends, or by the returned stop,
// which a bubble must call.
func Serve(t testing.TB, h http.Handler) (client func(path string) *Client, stop func()) {
	transport, stop := transporttest.Serve(t, h)
	client = func(path string) *Client {
		c := New(t, "http://server.test"+path)
		c.HTTP.Transport = transport
		return c
	}
	return client, stop
}

// A Reply is an answer that has been read to its end.
type Reply = transporttest.Reply

// Address returns a URL below the hub, with the parameters of every request and
// those given as pairs.
func (c *Client) Address(below string, pairs ...string) string {
	q := url.Values{}
	for k, v := range c.Query {
		q[k] = v
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	if len(q) == 0 {
		return c.URL + below
	}
	return c.URL + below + "?" + q.Encode()
}

// ID returns the id parameter of the connection, as pairs for Do.
func (c *Client) ID() []string {
	if c.Answer.ConnectionToken != "" {
		return []string{"id", c.Answer.ConnectionToken}
	}
	return []string{"id", c.Answer.ConnectionID}
}

// Do makes a request and reads the answer.
func (c *Client) Do(method, address, body string) (Reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.Patience)
	defer cancel()
	return c.do(ctx, method, address, body)
}

func (c *Client) do(ctx context.Context, method, address, body string) (Reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return Reply{}, err
	}
	for k, v := range c.Header {
		req.Header[k] = v
	}
	req.Header.Set("X-Requested-With", "XMLHttpRequest")
	if method == http.MethodPost && body != "" {
		req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return Reply{}, err
	}
	return transporttest.ReadReply(res)
}

// Request makes a request for the hub's own URL, with the connection's id.
func (c *Client) Request(method, body string) Reply {
	c.T.Helper()
	r, err := c.Do(method, c.Address("", c.ID()...), body)
	c.must(err, method)
	return r
}

// Post sends bytes of the client's stream.
func (c *Client) Post(body string) {
	c.T.Helper()
	c.must(c.tryPost(body), "post")
}

func (c *Client) tryPost(body string) error {
	r, err := c.Do(http.MethodPost, c.Address("", c.ID()...), body)
	if err == nil && (r.Status != http.StatusOK || r.Body != "") {
		err = fmt.Errorf("%d %q", r.Status, r.Body)
	}
	return err
}

// Poll makes one poll.
func (c *Client) Poll() Reply {
	c.T.Helper()
	return c.Request(http.MethodGet, "")
}

// TryNegotiate asks for a token and returns the answer as it came.
func (c *Client) TryNegotiate(pairs ...string) Reply {
	c.T.Helper()
	if c.Version != "" {
		pairs = append([]string{"negotiateVersion", c.Version}, pairs...)
	}
	if c.Stateful {
		pairs = append(pairs, "useStatefulReconnect", "true")
	}
	r, err := c.Do(http.MethodPost, c.Address("/negotiate", pairs...), "")
	c.must(err, "negotiate")
	return r
}

// Negotiate gets a connection token.
func (c *Client) Negotiate() *Client {
	c.T.Helper()
	r := c.TryNegotiate()
	if r.Status != http.StatusOK {
		c.T.Fatalf("negotiate: %d %s", r.Status, r.Body)
	}
	c.Answer = Negotiated{}
	c.must(json.Unmarshal([]byte(r.Body), &c.Answer), "negotiate")
	return c
}

// Open negotiates, connects and shakes hands.
func (c *Client) Open(transport string) *Stream {
	c.T.Helper()
	c.Negotiate()
	s := c.Dial(transport)
	s.Handshake()
	return s
}

// Separator ends a JSON message.
const Separator = "\x1e"

// HandshakeRequest is what the client says first.
func (c *Client) HandshakeRequest() string {
	version := 1
	if c.Stateful && c.Answer.UseStatefulReconnect {
		version = 2
	}
	return fmt.Sprintf(`{"protocol":%q,"version":%d}`, c.Protocol, version) + Separator
}

// Invocation returns the message of a call that wants an answer, and its id.
func (c *Client) Invocation(target string, args ...any) (message, id string) {
	c.T.Helper()
	if args == nil {
		args = []any{}
	}
	id = fmt.Sprint(c.ids)
	c.ids++
	text, err := json.Marshal(map[string]any{"type": 1, "target": target, "arguments": args, "invocationId": id})
	c.must(err, "invocation")
	return string(text), id
}

func (c *Client) must(err error, doing string) {
	c.T.Helper()
	if err != nil {
		c.T.Fatal(fmt.Errorf("%s: %w", doing, err))
	}
}
