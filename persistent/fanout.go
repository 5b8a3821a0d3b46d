package persistent

import (
	"slices"

	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A topic is who subscribes to one name. Guarded by the endpoint's mu.
type topic struct {
	name string
	subs []*subscription
}

// A subscription is one connection's place in a topic.
type subscription struct {
	conn  *Conn
	topic *topic
	index int // in topic.subs
}

// deliver puts an entry on the outbox of everyone that it is for. The log calls
// it for one entry after the other; this makes the order of the log the order
// of every connection.
func (e *Endpoint) deliver(m *messagelog.Entry) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range m.Except {
		if c := e.conns[id]; c != nil {
			c.last = m.Seq // as if it had it already
		}
	}
	for _, name := range m.Topics {
		if id, ok := connOf(name); ok {
			c := e.conns[id]
			switch {
			case c != nil:
				c.apply(m)
				c.deliver(m)
			case m.Change(): // it has no other topic: nobody reads it yet
				m.Join, m.Leave = "", "" // of nobody, also for those who will
			}
		} else if t := e.topics[name]; t != nil {
			for _, s := range t.subs {
				s.conn.deliver(m)
			}
		}
	}
	e.delivered.Store(m.Seq)
}

// deliver queues m, unless the connection has it from another topic or is left
// out. Called with the endpoint's mu held.
func (c *Conn) deliver(m *messagelog.Entry) {
	if c.last == m.Seq {
		return
	}
	c.last = m.Seq
	c.out.push(m)
}

// subscribe makes c a subscriber of the name. Called with mu held.
func (e *Endpoint) subscribe(c *Conn, name string) {
	if c.subscription(name) >= 0 {
		return
	}
	t := e.topics[name]
	if t == nil {
		t = &topic{name: name}
		e.topics[name] = t
	}
	s := &subscription{conn: c, topic: t, index: len(t.subs)}
	t.subs = append(t.subs, s)
	c.subs = append(c.subs, s)
}

// unsubscribe takes c out of the topic at c.subs[i]. Called with mu held.
func (e *Endpoint) unsubscribe(c *Conn, i int) {
	s := c.subs[i]
	c.subs = slices.Delete(c.subs, i, i+1)
	t := s.topic
	last := t.subs[len(t.subs)-1]
	t.subs[s.index], last.index = last, s.index
	t.subs[len(t.subs)-1] = nil
	t.subs = t.subs[:len(t.subs)-1]
	if len(t.subs) == 0 {
		delete(e.topics, t.name)
	}
}

// subscription returns the place of a topic in c.subs, or -1.
func (c *Conn) subscription(name string) int {
	return slices.IndexFunc(c.subs, func(s *subscription) bool { return s.topic.name == name })
}
