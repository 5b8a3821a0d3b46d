package hub

import (
	"reflect"
	"slices"
	"strings"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/persistent"
)

// A Hub is a registered hub. It is the way to its clients from outside of its
// methods: from other goroutines and from other hubs.
type Hub[C any] struct {
	// Clients calls the hub's clients.
	Clients Clients[C]

	// Groups changes the hub's groups.
	Groups Groups

	core *core
}

// Name returns the name on the wire.
func (h *Hub[C]) Name() string { return h.core.name }

// A core is a hub without its type parameter: what calls run through.
type core struct {
	// Immutable once registered.
	server   *Server
	name     string
	explicit bool
	prefix   string               // of its groups' names below
	all      []string             // the topic of everyone who listens
	alone    persistent.Admission // of somebody unknown who listens to nothing else
	width    int
	methods  nameTable[*method]
	client   *proxyPlan
	events   events
	pipeline pipeline
	presence *presence // nil if it is not tracked

	newCall func(*call) reflect.Value // a *Call[C]
	dynamic *binding[Sender]
}

func newHub[C any](s *Server, name string, impl any, set *settings) (*Hub[C], error) {
	name, explicit, err := checkName(s, name, impl)
	if err != nil {
		return nil, err
	}
	set.hub = name
	client, err := planProxy(name, reflect.TypeFor[C]())
	if err != nil {
		return nil, err
	}
	c := &core{
		server:   s,
		name:     name,
		explicit: explicit,
		prefix:   name + ".",
		all:      []string{"h-" + name},
		width:    set.width,
		client:   client,
		presence: set.presence,
	}
	c.alone = persistent.Admission{Topics: c.all, Value: listening{c}}
	if c.width < 1 {
		return nil, &RegistrationError{Hub: name, Text: "Concurrently needs 1 at least"}
	}
	if c.presence != nil {
		c.presence.logger = s.opts.Logger
	}
	b := newBinding[C](c, client)
	c.dynamic = newBinding[Sender](c, &proxyPlan{senders: [][]int{{}}, asks: true})
	c.newCall = func(k *call) reflect.Value { return reflect.ValueOf(newCall(b, k)) }
	c.events, err = planEvents(b, impl, set)
	if err != nil {
		return nil, err
	}
	if err := planMethods(c, impl, reflect.TypeFor[*Call[C]](), set); err != nil {
		return nil, err
	}
	c.pipeline = newPipeline(slices.Concat(s.opts.Filters, set.filters))
	return &Hub[C]{Clients: Clients[C]{b}, Groups: Groups{c}, core: c}, nil
}

func (h *core) userTopic(user string) string { return "u-" + h.prefix + user }

func (h *core) describe() codec.HubDescriptor {
	d := codec.HubDescriptor{Name: h.name, Explicit: h.explicit, Client: h.client.describe()}
	for _, m := range h.methods.values() {
		d.Methods = append(d.Methods, m.describe())
	}
	sortMethods(d.Methods)
	sortMethods(d.Client)
	return d
}

func sortMethods(ms []codec.MethodDescriptor) {
	slices.SortFunc(ms, func(a, b codec.MethodDescriptor) int { return strings.Compare(a.Name, b.Name) })
}
