package persistent

import (
	"fmt"
	"slices"

	"github.com/hubwire/hubwire/persistent/messagelog"
)

// Join adds a connection to a group. It is in force when it returns: the next
// message to the group reaches the connection. A group needs no making and no
// removal. The errors are ErrNoConnection, ErrTooManyGroups, ErrNoGroup and
// ErrClosed.
func (e *Endpoint) Join(connID, group string) error {
	c, err := e.member(connID, group)
	if err != nil {
		return fmt.Errorf("join %q: %w", group, err)
	}
	groups := c.Groups()
	if slices.Contains(groups, group) {
		return nil
	}
	if len(groups) >= e.opts.MaxGroups {
		return fmt.Errorf("join %q: %w", group, ErrTooManyGroups)
	}
	if err := e.change(&messagelog.Entry{Topics: c.topic, Join: group}); err != nil {
		return fmt.Errorf("join %q: %w", group, err)
	}
	return nil
}

// Leave takes a connection out of a group. It is in force when it returns. The
// errors are ErrNoConnection, ErrNoGroup and ErrClosed.
func (e *Endpoint) Leave(connID, group string) error {
	c, err := e.member(connID, group)
	if err != nil {
		return fmt.Errorf("leave %q: %w", group, err)
	}
	if !slices.Contains(c.Groups(), group) {
		return nil
	}
	if err := e.change(&messagelog.Entry{Topics: c.topic, Leave: group}); err != nil {
		return fmt.Errorf("leave %q: %w", group, err)
	}
	return nil
}

// change puts a change of groups into the log. A connection that ended before it
// came there is not changed: its client may come back with the groups of its end.
func (e *Endpoint) change(m *messagelog.Entry) error {
	if err := e.append(m); err != nil {
		return err
	}
	if m.Groups == nil {
		return ErrNoConnection
	}
	return nil
}

func (e *Endpoint) member(connID, group string) (*Conn, error) {
	if group == "" {
		return nil, ErrNoGroup
	}
	c, ok := e.Conn(connID)
	if !ok {
		return nil, ErrNoConnection
	}
	return c, nil
}

// Groups returns the groups that the connection is in, oldest first. After its
// end they are those that it was in then. The slice must not be changed.
func (c *Conn) Groups() []string {
	c.endpoint.mu.RLock()
	defer c.endpoint.mu.RUnlock()
	return c.groups
}

// apply carries out a change of groups at its place in the log, and notes the
// outcome in the entry. A set that has been handed out is never changed. Called
// with the endpoint's mu held.
func (c *Conn) apply(m *messagelog.Entry) {
	if !m.Change() {
		return
	}
	groups := changed(c.groups, m)
	if len(groups) == len(c.groups) {
		m.Join, m.Leave, m.Groups = "", "", []string{} // somebody was faster: nothing changes here
		return
	}
	c.groups, m.Groups = groups, groups
	if m.Join != "" {
		c.endpoint.subscribe(c, GroupTopic(m.Join))
		return
	}
	if i := c.subscription(GroupTopic(m.Leave)); i >= 0 {
		c.endpoint.unsubscribe(c, i)
	}
}

// changed returns the set after m, which is not nil. The result may share memory
// with groups, of which nothing is overwritten.
func changed(groups []string, m *messagelog.Entry) []string {
	if m.Join != "" {
		if slices.Contains(groups, m.Join) {
			return groups
		}
		return append(groups, m.Join)
	}
	i := slices.Index(groups, m.Leave)
	if i < 0 {
		return groups
	}
	return append(append(make([]string, 0, len(groups)-1), groups[:i]...), groups[i+1:]...)
}
