package persistent_test

import (
	"errors"
	"strconv"
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

// A message to several connections, most of which are gone, is only read by those
// who deliver it: the writers of the others have it already.
func TestMessageToSomeWhoAreGone(t *testing.T) {
	s := start(t, persistent.Handler{}, persistent.Options{})
	c := s.client()
	st := c.Open("webSockets")
	topics := []string{persistent.ConnTopic(c.Answer.ConnectionID)}
	for i := range 2000 {
		topics = append(topics, persistent.ConnTopic(strconv.Itoa(i)))
	}
	for i := range 20 {
		s.must(s.Publish(persistent.Publication{Topics: topics, Payload: messagelog.JSON(strconv.Itoa(i))}))
		if m := st.Frame("what was sent").M; len(m) != 1 || string(m[0]) != strconv.Itoa(i) {
			t.Fatalf("got %s, want %d", m, i)
		}
	}
}
