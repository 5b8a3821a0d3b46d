package hub

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/hubwire/hubwire/persistent"
)

// TrackPresence makes the hub keep who is in which group, for
// [Hub.Presence]. Notice, if it is not nil, is told of each user who enters a
// group with a first connection or leaves it with the last one, in order, one
// call at a time.
//
// A connection counts from Groups.Add until Groups.Remove or its end. One that
// lost its transport counts until it is given up, so that nobody leaves and
// joins only since the network failed. Connections of nobody, with the user "",
// count one by one.
func TrackPresence(notice func(Notice)) RegisterOption {
	return func(s *settings) {
		s.presence = &presence{notice: notice, groups: make(map[string]*attendance)}
	}
}

// A Notice says that somebody entered or left a group.
type Notice struct {
	Group  string
	User   string
	Joined bool // or left

	// ConnectionID is the first connection that entered, or the last to leave.
	ConnectionID string
}

// A Member is who is in a group.
type Member struct {
	User        string   // "" for nobody, who has one connection
	Connections []string // in the order in which they entered
}

// Presence tells who is in the groups of a hub, as far as connections to this
// process go. Without [TrackPresence] there is nobody.
type Presence struct{ presence *presence }

// In returns the members of the group, in the order in which they entered.
func (p Presence) In(group string) []Member {
	if p.presence == nil {
		return nil
	}
	return p.presence.in(group)
}

// Presence returns who is in the hub's groups.
func (h *Hub[C]) Presence() Presence { return Presence{h.core.presence} }

// Presence returns who is in the hub's groups.
func (c *Call[C]) Presence() Presence { return Presence{c.call.hub.presence} }

// presence keeps the attendance of a hub's groups.
type presence struct {
	// Immutable once the hub is registered.
	notice func(Notice)
	logger *slog.Logger

	mu     sync.Mutex // guards groups, and the order in which notices are queued
	groups map[string]*attendance

	// notices runs the program's func, in order, outside of mu.
	notices persistent.Queue
}

// An attendance is who is in one group, in order of entry.
type attendance struct{ members []*Member }

// find returns the place of who has the connection: the user, or for nobody
// the connection itself.
func (a *attendance) find(user, id string) int {
	return slices.IndexFunc(a.members, func(m *Member) bool {
		return m.User == user && (user != "" || m.Connections[0] == id)
	})
}

func (p *presence) in(group string) []Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.groups[group]
	if a == nil {
		return nil
	}
	members := make([]Member, len(a.members))
	for i, m := range a.members {
		members[i] = Member{User: m.User, Connections: slices.Clone(m.Connections)}
	}
	return members
}

// enter notes that a connection is in the group.
func (p *presence) enter(user, id, group string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.groups[group]
	if a == nil {
		a = new(attendance)
		p.groups[group] = a
	}
	i := a.find(user, id)
	if i < 0 {
		a.members = append(a.members, &Member{User: user, Connections: []string{id}})
		p.tell(Notice{Group: group, User: user, Joined: true, ConnectionID: id})
		return
	}
	if m := a.members[i]; !slices.Contains(m.Connections, id) {
		m.Connections = append(m.Connections, id)
	}
}

// leave notes that a connection is not in the group any more.
func (p *presence) leave(user, id, group string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.groups[group]
	if a == nil {
		return
	}
	i := a.find(user, id)
	if i < 0 {
		return
	}
	m := a.members[i]
	at := slices.Index(m.Connections, id)
	if at < 0 {
		return
	}
	m.Connections = slices.Delete(m.Connections, at, at+1)
	if len(m.Connections) > 0 {
		return
	}
	a.members = slices.Delete(a.members, i, i+1)
	if len(a.members) == 0 {
		delete(p.groups, group)
	}
	p.tell(Notice{Group: group, User: user, ConnectionID: id})
}

func (p *presence) tell(n Notice) {
	if p.notice != nil {
		p.notices.Do(func() { p.give(n) })
	}
}

// give gives one notice.
func (p *presence) give(n Notice) {
	err := guard(func() error {
		p.notice(n)
		return nil
	})
	if err, ok := errors.AsType[*panicError](err); ok {
		p.logger.Error("hubwire: a presence notice failed", "group", n.Group, "user", n.User, "err", err, "stack", string(err.stack))
	}
}

// An attendee is one connection's part in the presence of one hub. It sees to
// it that what is noted is what is in force, and that it ends in time.
type attendee struct {
	presence *presence
	conn     *connection

	mu     sync.Mutex // held while the connection's groups change
	gone   bool
	groups []string
}

// attendee returns the connection's part in the presence of h. The first time
// it arranges for its end, since a connection that never started ends without
// Disconnected.
func (c *connection) attendee(h *core) *attendee {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.attendees[h]
	if a != nil {
		return a
	}
	a = &attendee{presence: h.presence, conn: c}
	if c.attendees == nil {
		c.attendees = make(map[*core]*attendee)
	}
	c.attendees[h] = a
	if !c.server.attending.begin() {
		a.gone = true // the server is shut down
		return a
	}
	context.AfterFunc(c.conn.Context(), func() {
		defer c.server.attending.end()
		a.end()
	})
	return a
}

// enter carries out join, which puts the connection into the group, and notes
// it.
func (a *attendee) enter(group string, join func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := join(); err != nil {
		return err
	}
	if !a.gone && !slices.Contains(a.groups, group) {
		a.groups = append(a.groups, group)
		a.presence.enter(a.conn.conn.User(), a.conn.id(), group)
	}
	return nil
}

// leave carries out part, which takes the connection out of the group, and
// notes it.
func (a *attendee) leave(group string, part func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := part(); err != nil {
		return err
	}
	if i := slices.Index(a.groups, group); i >= 0 {
		a.groups = slices.Delete(a.groups, i, i+1)
		a.presence.leave(a.conn.conn.User(), a.conn.id(), group)
	}
	return nil
}

// absent notes at once that a connection is gone, before its hubs are told.
func (c *connection) absent() {
	c.mu.Lock()
	all := slices.Collect(maps.Values(c.attendees))
	c.mu.Unlock()
	for _, a := range all {
		a.end()
	}
}

// end notes that the connection is in no group any more.
func (a *attendee) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = true
	for _, g := range a.groups {
		a.presence.leave(a.conn.conn.User(), a.conn.id(), g)
	}
	a.groups = nil
}

// rejoined notes the groups that a returning connection is in again, and those
// of before that it is not.
func (c *connection) rejoined(h *core, before, after []string) {
	if h.presence == nil {
		return
	}
	a, done := c.attendee(h), func() error { return nil }
	for _, g := range before {
		if !slices.Contains(after, g) {
			_ = a.leave(g, done)
		}
	}
	for _, g := range after {
		_ = a.enter(g, done)
	}
}
