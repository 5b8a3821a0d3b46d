package main

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hubwire/hubwire/hub"
)

// Client is what the server may call in a browser.
type Client struct {
	AddMessage func(from, text, room string) error // room is "" for a whisper
	Whispered  func(to, text string) error         // for all tabs of the one who whispered
	Joined     func(name, room string) error
	Left       func(name, room string) error
}

// Chat is what a browser may call.
//
// Everybody is in the group of their name, "@ada", and in one for each of
// their rooms, "#lobby". Hubwire delivers to groups; who is in them is kept
// here, by name, since somebody may be there with several tabs.
type Chat struct {
	// mu guards members. It is also held while arrivals are announced:
	// everybody hears of them in the order in which they happened.
	mu      sync.Mutex
	members map[string]map[string]string // group, connection ID, name
}

// NewChat returns a chat with nobody in it.
func NewChat() *Chat {
	return &Chat{members: make(map[string]map[string]string)}
}

// WhoAmI returns the caller's name.
func (h *Chat) WhoAmI(c *hub.Call[Client]) string { return nameOf(c) }

// Join brings the caller into a room. It returns the names of all who are
// there.
func (h *Chat) Join(c *hub.Call[Client], room string) ([]string, error) {
	if err := checkRoom(room); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.enter(c, "#"+room); err != nil {
		return nil, err
	}
	return h.names("#" + room), nil
}

// Leave takes the caller out of a room.
func (h *Chat) Leave(c *hub.Call[Client], room string) error {
	if err := mustBeIn(c, room); err != nil {
		return err
	}
	if err := c.Groups.Remove(c.ConnectionID, "#"+room); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.exit(c, "#"+room)
}

// Say tells everybody in a room something.
func (h *Chat) Say(c *hub.Call[Client], room, text string) error {
	if err := checkText(text); err != nil {
		return err
	}
	if err := mustBeIn(c, room); err != nil {
		return err
	}
	return c.Clients.Group("#"+room).AddMessage(nameOf(c), text, room)
}

// Whisper tells one person something, on all of their tabs.
func (h *Chat) Whisper(c *hub.Call[Client], name, text string) error {
	if err := checkText(text); err != nil {
		return err
	}
	from := nameOf(c)
	if name == from {
		return hub.Errorf("that is you")
	}
	if !h.isHere(name) {
		return hub.Errorf("nobody by the name of %q is here", name)
	}
	if err := c.Clients.Group("@"+name).AddMessage(from, text, ""); err != nil {
		return err
	}
	return c.Clients.Group("@"+from).Whispered(name, text)
}

// OnConnected is called for every new connection.
func (h *Chat) OnConnected(c *hub.Call[Client]) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.enter(c, "@"+nameOf(c))
}

// OnReconnected is called when a client has come back. Its groups are as they
// were, but it may have been away for so long that the chat took it for gone.
func (h *Chat) OnReconnected(c *hub.Call[Client]) error {
	groups, err := c.Groups.Of(c.ConnectionID)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, group := range groups {
		if err := h.enter(c, group); err != nil {
			return err
		}
	}
	return nil
}

// OnDisconnected is called when a connection has ended, or has been away for
// too long.
func (h *Chat) OnDisconnected(c *hub.Call[Client], _ bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for group := range h.members {
		_ = h.exit(c, group) // only a server that shuts down cannot tell the others
	}
}

// enter puts the caller into a group. If it is a room, and the name is new
// there, everybody in it hears of it. Called with mu held.
func (h *Chat) enter(c *hub.Call[Client], group string) error {
	if err := c.Groups.Add(c.ConnectionID, group); err != nil {
		return err
	}
	name := nameOf(c)
	known := slices.Contains(h.names(group), name)
	if h.members[group] == nil {
		h.members[group] = make(map[string]string)
	}
	h.members[group][c.ConnectionID] = name
	room, isRoom := strings.CutPrefix(group, "#")
	if known || !isRoom {
		return nil
	}
	return c.Clients.Group(group).Joined(name, room)
}

// exit notes that the caller is in a group no more. If it was a room, and the
// caller's last tab there, everybody in it hears of it. Called with mu held.
func (h *Chat) exit(c *hub.Call[Client], group string) error {
	name, ok := h.members[group][c.ConnectionID]
	if !ok {
		return nil
	}
	delete(h.members[group], c.ConnectionID)
	if len(h.members[group]) == 0 {
		delete(h.members, group)
	}
	room, isRoom := strings.CutPrefix(group, "#")
	if !isRoom || slices.Contains(h.names(group), name) {
		return nil
	}
	return c.Clients.Group(group).Left(name, room)
}

// names returns the names of a group's members, sorted, each of them once.
// Called with mu held.
func (h *Chat) names(group string) []string {
	return slices.Compact(slices.Sorted(maps.Values(h.members[group])))
}

func (h *Chat) isHere(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.members["@"+name]) > 0
}

func mustBeIn(c *hub.Call[Client], room string) error {
	groups, err := c.Groups.Of(c.ConnectionID)
	if err == nil && !slices.Contains(groups, "#"+room) {
		err = hub.Errorf("you are not in the room %q", room)
	}
	return err
}
