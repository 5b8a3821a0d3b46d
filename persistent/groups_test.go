package persistent_test

import (
	"errors"
	"testing"

	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A lateLog has something happen before a change of groups gets its place.
type lateLog struct {
	messagelog.Log
	before func()
}

func (l *lateLog) Append(m *messagelog.Entry) error {
	if m.Change() && l.before != nil {
		l.before()
	}
	return l.Log.Append(m)
}

// A change of groups that a connection does not live to see is an error, not a
// success that its client does not come back to.
func TestChangeOfGroupsAtTheEnd(t *testing.T) {
	log := &lateLog{Log: messagelog.NewMemory(messagelog.MemoryOptions{})}
	s := start(t, persistent.Handler{}, persistent.Options{Log: log})
	for name, change := range map[string]func(id string) error{
		"join":  func(id string) error { return s.Join(id, "new") },
		"leave": func(id string) error { return s.Leave(id, "old") },
	} {
		c := s.client()
		c.Open("webSockets")
		id := c.Answer.ConnectionID
		conn, _ := s.Conn(id)
		s.must(s.Join(id, "old"))
		s.must(s.Join(id, "other"))
		s.must(s.Leave(id, "other"))
		log.before = conn.Abort
		if err := change(id); !errors.Is(err, persistent.ErrNoConnection) {
			t.Errorf("%s: got %v, want ErrNoConnection", name, err)
		}
		log.before = nil
		if groups := conn.Groups(); len(groups) != 1 || groups[0] != "old" {
			t.Errorf("%s: it ended in %v", name, groups)
		}
	}
}
