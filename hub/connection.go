package hub

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/persistent"
)

// A connection is what the hub layer keeps with a persistent.Conn.
type connection struct {
	// Immutable after Opened.
	server *Server
	conn   *persistent.Conn
	codec  codec.Codec

	items atomic.Pointer[sync.Map] // the program's, made when it asks for them

	beside beside // what goes on beside the queue
	flow   flow   // what streams have under way

	mu sync.Mutex // guards what follows

	// begun are the hubs that know of the connection: OnConnected succeeded,
	// or OnReconnected was called. Each gets one OnDisconnected.
	begun []*core

	// lanes run the calls to hubs that allow more than one at a time.
	lanes map[*core]*persistent.Queue

	// attendees are its parts in the presence of hubs that track it.
	attendees map[*core]*attendee
}

func connectionOf(c *persistent.Conn) *connection { return c.Value().(*connection) }

func (c *connection) id() string { return c.conn.ID() }

// listening is the Admission.Value of a request: the hubs that its connection
// may hear.
type listening []*core

// things returns what the program keeps with the connection.
func (c *connection) things() *sync.Map {
	if m := c.items.Load(); m != nil {
		return m
	}
	c.items.CompareAndSwap(nil, new(sync.Map))
	return c.items.Load()
}

// hubs returns the hubs that the connection listens to.
func (c *connection) hubs() listening {
	l, _ := c.conn.Admission().Value.(listening)
	return l
}

// listens reports whether conn listens to h.
func listens(conn *persistent.Conn, h *core) bool {
	l, _ := conn.Admission().Value.(listening)
	return slices.Contains(l, h)
}

// begin notes that h knows of the connection. It reports whether it did not.
func (c *connection) begin(h *core) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Contains(c.begun, h) {
		return false
	}
	c.begun = append(c.begun, h)
	return true
}

// end returns the hubs that know of the connection, which they do no more.
func (c *connection) end() []*core {
	c.mu.Lock()
	defer c.mu.Unlock()
	begun := c.begun
	c.begun = nil
	return begun
}

// lane returns the queue on which calls of h run, beside the connection's own.
func (c *connection) lane(h *core) *persistent.Queue {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.lanes[h]
	if q == nil {
		q = &persistent.Queue{Width: h.width, Max: c.server.opts.MaxQueuedCalls}
		if c.lanes == nil {
			c.lanes = make(map[*core]*persistent.Queue)
		}
		c.lanes[h] = q
	}
	return q
}

// settle waits for the calls that run beside the queue.
func (c *connection) settle() {
	c.mu.Lock()
	lanes := make([]*persistent.Queue, 0, len(c.lanes))
	for _, q := range c.lanes {
		lanes = append(lanes, q)
	}
	c.mu.Unlock()
	for _, q := range lanes {
		<-q.Idle()
	}
	<-c.beside.calls.close() // their context has ended
}
