package hub

import (
	"fmt"
	"strings"

	"github.com/hubwire/hubwire/persistent"
)

// Groups changes and lists the groups of a hub's connections. Groups come into
// being with their first member and need no removal; two hubs' groups of one
// name are two groups. A connection leaves its groups when it ends. One that
// comes back is in them again, as far as OnRejoiningGroups allows.
type Groups struct {
	hub *core
}

// Add puts a connection into a group. It is in force when Add returns: a
// message sent to the group next reaches the connection. Adding twice does no
// harm. A connection that does not listen to the hub stays out, since it could
// not be called. The error is ErrNoConnection if no live connection has the id.
func (g Groups) Add(connectionID, group string) error {
	conn, err := g.conn(connectionID, group)
	if err != nil {
		return err
	}
	if !listens(conn, g.hub) {
		return nil
	}
	join := func() error { return g.hub.server.endpoint.Join(connectionID, g.hub.prefix+group) }
	if g.hub.presence != nil {
		err = connectionOf(conn).attendee(g.hub).enter(group, join)
	} else {
		err = join()
	}
	if err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	return nil
}

// Remove takes a connection out of a group. It is in force when Remove returns.
// The error is ErrNoConnection if no live connection has the id.
func (g Groups) Remove(connectionID, group string) error {
	conn, err := g.conn(connectionID, group)
	if err != nil {
		return err
	}
	part := func() error { return g.hub.server.endpoint.Leave(connectionID, g.hub.prefix+group) }
	if g.hub.presence != nil {
		err = connectionOf(conn).attendee(g.hub).leave(group, part)
	} else {
		err = part()
	}
	if err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	return nil
}

// Of returns the hub's groups that a connection is in, oldest first. The error
// is ErrNoConnection if no live connection has the id.
func (g Groups) Of(connectionID string) ([]string, error) {
	conn, ok := g.hub.server.endpoint.Conn(connectionID)
	if !ok {
		return nil, fmt.Errorf("hub: client %q: %w", connectionID, ErrNoConnection)
	}
	return g.hub.own(conn.Groups()), nil
}

func (g Groups) conn(id, group string) (*persistent.Conn, error) {
	if group == "" {
		return nil, fmt.Errorf("%w of a group", ErrEmptyName)
	}
	if id == "" {
		return nil, fmt.Errorf("%w of a connection", ErrEmptyName)
	}
	conn, ok := g.hub.server.endpoint.Conn(id)
	if !ok {
		return nil, fmt.Errorf("hub: client %q: %w", id, ErrNoConnection)
	}
	return conn, nil
}

// own returns the hub's own among the names below, without its prefix. Names
// that come from a client's token may be in another case (classic.md 3.3).
func (h *core) own(names []string) []string {
	var own []string
	for _, n := range names {
		if len(n) > len(h.prefix) && strings.EqualFold(n[:len(h.prefix)], h.prefix) {
			own = append(own, n[len(h.prefix):])
		}
	}
	return own
}
