package hub

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/hubwire/hubwire/persistent"
)

// Clients calls methods of a hub's clients. Each of its methods picks whom to
// call and returns a C whose fields do so; keep it for as long as you like, and
// call it from any goroutine. A connection that several of the given groups,
// users or ids stand for is called once. Nobody to call is no error, but an id
// without a live connection is: ErrNoConnection. Connections that do not listen
// to the hub are never called.
//
// A call returns when the message is on its way, without waiting for clients,
// and fails if the arguments cannot be encoded. One whose field has a result
// waits for the client's answer; only Client, and Caller, can be asked.
type Clients[C any] struct {
	b *binding[C]
}

// All calls everyone who listens to the hub.
func (c Clients[C]) All() C { return c.b.all }

// AllExcept calls everyone but the connections with the ids.
func (c Clients[C]) AllExcept(ids ...string) C {
	return c.b.bind(&target{hub: c.b.core, kind: ToAll, topics: c.b.core.all, except: slices.Clone(ids)})
}

// Client calls one connection.
func (c Clients[C]) Client(id string) C {
	return c.b.conns.get(id, func() C { return c.b.bind(c.b.core.toConns([]string{id})) })
}

// Clients calls the connections with the ids. Where some are gone, the others
// are called and the error names the first that is.
func (c Clients[C]) Clients(ids ...string) C { return c.b.bind(c.b.core.toConns(slices.Clone(ids))) }

// Group calls the members of a group.
func (c Clients[C]) Group(group string) C {
	return c.b.groups.get(group, func() C { return c.b.bind(c.b.core.toGroups(nil, group)) })
}

// GroupExcept calls the members of a group but the connections with the ids.
func (c Clients[C]) GroupExcept(group string, ids ...string) C {
	return c.b.bind(c.b.core.toGroups(slices.Clone(ids), group))
}

// Groups calls the members of the groups.
func (c Clients[C]) Groups(groups ...string) C {
	return c.b.bind(c.b.core.toGroups(nil, groups...))
}

// User calls all connections of a user.
func (c Clients[C]) User(user string) C {
	return c.b.users.get(user, func() C { return c.b.bind(c.b.core.toUsers(user)) })
}

// Users calls all connections of the users.
func (c Clients[C]) Users(users ...string) C { return c.b.bind(c.b.core.toUsers(users...)) }

// CallerClients are the Clients that a hub method sees: beside all methods of
// [Clients] they have those that stand for its caller.
type CallerClients[C any] struct {
	everyone[C]

	call *call
}

// everyone is Clients by another name: a field of that name would hide the
// method.
type everyone[C any] = Clients[C]

// Caller calls the connection whose call this is. State that the method has
// set goes with it.
func (c CallerClients[C]) Caller() C {
	t := c.b.core.toConns([]string{c.call.conn.id()})
	t.caller, t.from = c.call, c.call
	return c.b.bind(t)
}

// Client calls one connection. What waits for its answer ends with the method's
// call.
func (c CallerClients[C]) Client(id string) C {
	if !c.b.plan.asks {
		return c.everyone.Client(id)
	}
	t := c.b.core.toConns([]string{id})
	t.from = c.call
	return c.b.bind(t)
}

// Others calls everyone but the caller.
func (c CallerClients[C]) Others() C { return c.AllExcept(c.call.conn.id()) }

// OthersInGroup calls the members of a group but the caller.
func (c CallerClients[C]) OthersInGroup(group string) C {
	return c.GroupExcept(group, c.call.conn.id())
}

// OthersInGroups calls the members of the groups but the caller.
func (c CallerClients[C]) OthersInGroups(groups ...string) C {
	return c.b.bind(c.b.core.toGroups([]string{c.call.conn.id()}, groups...))
}

// A binding makes client structs of type C for one hub, and keeps those that
// are likely to be asked for again.
type binding[C any] struct {
	core   *core
	plan   *proxyPlan
	all    C
	groups cache[C]
	users  cache[C]
	conns  cache[C]
}

func newBinding[C any](h *core, p *proxyPlan) *binding[C] {
	b := &binding[C]{core: h, plan: p}
	b.all = b.bind(&target{hub: h, kind: ToAll, topics: h.all})
	return b
}

// bind returns a client struct that calls t.
func (b *binding[C]) bind(t *target) C {
	var c C
	b.plan.bind(reflect.ValueOf(&c).Elem(), t)
	return c
}

// toGroups is the target of the groups' members but the excepted connections.
func (h *core) toGroups(except []string, groups ...string) *target {
	t := &target{hub: h, kind: ToGroups, names: slices.Clone(groups), except: except}
	for _, g := range groups {
		if g == "" {
			t.err = fmt.Errorf("%w of a group", ErrEmptyName)
		}
		t.topics = append(t.topics, persistent.GroupTopic(h.prefix+g))
	}
	return t
}

// toUsers is the target of the users' connections.
func (h *core) toUsers(users ...string) *target {
	t := &target{hub: h, kind: ToUsers, names: slices.Clone(users)}
	for _, u := range users {
		if u == "" {
			t.err = fmt.Errorf("%w of a user", ErrEmptyName)
		}
		t.topics = append(t.topics, h.userTopic(u))
	}
	return t
}

// toConns is the target of the connections, which are looked up on each call.
func (h *core) toConns(ids []string) *target {
	t := &target{hub: h, kind: ToConnections, names: ids}
	for _, id := range ids {
		if id == "" {
			t.err = fmt.Errorf("%w of a connection", ErrEmptyName)
		}
		t.topics = append(t.topics, persistent.ConnTopic(id))
	}
	return t
}
