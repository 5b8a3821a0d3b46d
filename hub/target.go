package hub

import (
	"fmt"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/persistent"
)

// A TargetKind is what the names of a target stand for.
type TargetKind int

// The kinds of targets.
const (
	ToAll TargetKind = iota
	ToConnections
	ToGroups
	ToUsers
)

// A target is whom a client call goes to. It is immutable once made.
type target struct {
	hub    *core
	kind   TargetKind
	names  []string // connections, groups or users; none for all
	topics []string
	except []string
	caller *call // whose state goes along, nil for none
	from   *call // whose method calls, nil if that is not known
	err    error // what is wrong with the names
}

// send calls the method on everyone that t stands for.
func (t *target) send(method string, args []any) error {
	if t.err != nil {
		return t.err
	}
	if send := t.hub.pipeline.send; send != nil {
		return send(t.clientCall(method, args))
	}
	return t.publish(method, args)
}

// clientCall is a call as filters see it.
func (t *target) clientCall(method string, args []any) *ClientCall {
	return &ClientCall{Hub: t.hub.name, Method: method, Args: args, To: t.kind, Names: t.names, Except: t.except, target: t}
}

func (t *target) publish(method string, args []any) error {
	topics, gone := t.reach()
	if len(topics) == 0 {
		return gone
	}
	m, err := t.hub.server.newMessage(t, method, args)
	if err != nil {
		return fmt.Errorf("hub: call of %s.%s: %w", t.hub.name, method, err)
	}
	err = t.hub.server.endpoint.Publish(persistent.Publication{Topics: topics, Except: t.except, Payload: m})
	if err != nil {
		return fmt.Errorf("hub: call of %s.%s: %w", t.hub.name, method, err)
	}
	return gone
}

// reach returns the topics to publish on. Connections must be alive, which is
// the error, and listen to the hub: a client that is called on a hub which it
// does not know may lose what comes with it (classic.md 6.5).
func (t *target) reach() (topics []string, gone error) {
	if t.kind != ToConnections {
		return t.topics, nil
	}
	for i, id := range t.names {
		conn, ok := t.hub.server.endpoint.Conn(id)
		if !ok {
			if gone == nil {
				gone = fmt.Errorf("hub: client %q: %w", id, ErrNoConnection)
			}
			continue
		}
		if listens(conn, t.hub) {
			topics = append(topics, t.topics[i])
		}
	}
	return topics, gone
}

// state returns the state that goes with a call to the caller.
func (t *target) state() codec.State {
	if t.caller == nil {
		return nil
	}
	return t.caller.state.changes()
}
