package persistent

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/goccy/go-json"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A Handler is what a program does with raw connections. Any field may be nil.
// The functions of one connection are called one after another; those of
// different connections at the same time. A panic is logged and ends what it
// happened in, not the process.
type Handler struct {
	// Authorize says whether a request may use the endpoint at all. User is
	// what Options.Authenticate returned. By default everyone may.
	Authorize func(r *http.Request, user string) bool

	// OnConnected is called when a client has started. An error refuses it.
	OnConnected func(c *Conn) error

	// OnReconnected is called when a client came back on a new transport.
	OnReconnected func(c *Conn, missed Missed) error

	// OnReceived is called with each message of a client. An error is logged;
	// the connection lives on.
	OnReceived func(c *Conn, data []byte) error

	// OnDisconnected is called once, after everything else. StopCalled says
	// that the client ended the connection itself.
	OnDisconnected func(c *Conn, stopCalled bool)

	// OnRejoiningGroups returns those of the groups, which a returning client
	// was in, that it is to be in again. By default all.
	OnRejoiningGroups func(c *Conn, groups []string) []string
}

// A Server serves raw persistent connections: messages without hubs. It is an
// http.Handler; all methods may be called from any goroutine.
type Server struct {
	*Endpoint
	handler Handler
}

// broadcastTopic is the topic that every raw connection subscribes to.
const broadcastTopic = "pc"

// NewServer returns a server that calls h.
func NewServer(h Handler, o Options) (*Server, error) {
	s := &Server{handler: h}
	e, err := New(o, rawApplication{s})
	if err != nil {
		return nil, err
	}
	s.Endpoint = e
	return s, nil
}

// Send sends the JSON of v to one connection. The errors are ErrNoConnection,
// ErrClosed and those of encoding v.
func (s *Server) Send(connID string, v any) error {
	if _, ok := s.Conn(connID); !ok {
		return ErrNoConnection
	}
	return s.publish(v, []string{ConnTopic(connID)}, nil)
}

// Broadcast sends the JSON of v to everyone but the connections named.
func (s *Server) Broadcast(v any, except ...string) error {
	return s.publish(v, []string{broadcastTopic}, except)
}

// SendGroup sends the JSON of v to the members of a group but the connections
// named.
func (s *Server) SendGroup(group string, v any, except ...string) error {
	if group == "" {
		return ErrNoGroup
	}
	return s.publish(v, []string{GroupTopic(group)}, except)
}

func (s *Server) publish(v any, topics, except []string) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("persistent: send: %w", err)
	}
	return s.Publish(Publication{Topics: topics, Except: slices.Clone(except), Payload: messagelog.JSON(text)})
}

// Shutdown ends the server as [Endpoint.Shutdown] says.
func (s *Server) Shutdown(ctx context.Context) error { return s.Endpoint.Shutdown(ctx) }

// A rawApplication calls the functions of a Handler.
type rawApplication struct{ *Server }

func (a rawApplication) Admit(r *http.Request, user string, _ []string) (Admission, error) {
	if a.handler.Authorize == nil || a.handler.Authorize(r, user) {
		return Admission{Topics: []string{broadcastTopic}}, nil
	}
	return Admission{}, negotiate.Denied(user)
}

func (rawApplication) Opened(*Conn) {}

func (a rawApplication) Rejoining(c *Conn, _ *http.Request, groups []string) []string {
	if a.handler.OnRejoiningGroups == nil {
		return groups
	}
	return a.handler.OnRejoiningGroups(c, groups)
}

func (a rawApplication) Connected(c *Conn) error {
	if a.handler.OnConnected == nil {
		return nil
	}
	return a.handler.OnConnected(c)
}

func (a rawApplication) Reconnected(c *Conn, missed Missed) error {
	if a.handler.OnReconnected == nil {
		return nil
	}
	return a.handler.OnReconnected(c, missed)
}

func (a rawApplication) Disconnected(c *Conn, stopCalled bool) {
	if a.handler.OnDisconnected != nil {
		a.handler.OnDisconnected(c, stopCalled)
	}
}

func (a rawApplication) Received(c *Conn, in Incoming) {
	switch {
	case a.Draining():
		in.Reject(errShuttingDown)
		return
	case a.handler.OnReceived == nil:
		in.Reply(nil)
		return
	}
	accepted := c.queue.Offer(func() {
		err := a.guard("received", func() error { return a.handler.OnReceived(c, in.Payload) })
		if err != nil {
			a.opts.Logger.Error("hubwire: message not handled", "connection", c.id, "err", err)
		}
		in.Reply(nil)
	})
	if !accepted {
		in.Reject(errTooManyMessages)
	}
}

var errTooManyMessages = &negotiate.Refusal{
	Status: http.StatusTooManyRequests,
	Reason: "too_many_messages",
	Text:   "Too many messages of this connection are waiting.",
}
