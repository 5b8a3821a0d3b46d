package core

import (
	"testing"

	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A replies is a connection that notes its replies.
type replies struct {
	dialect.Connection
	list []string
}

func (r *replies) Reply(p messagelog.Payload) { r.list = append(r.list, string(p.Bytes(JSON))) }

// A writer that another exchange took over from numbers nothing, and gives back
// what is not in the log.
func TestReplacedWriter(t *testing.T) {
	conn := new(replies)
	l := &link{opts: &Options{StatefulBuffer: 100}, conn: conn, format: jsonFormat}
	l.track = newTrack(l)
	old, next := &framer{link: l, track: l.track}, &framer{link: l, track: l.track}
	l.track.start(old)
	l.track.takeOver(next)
	b := dialect.Batch{Entries: []*messagelog.Entry{
		{Seq: 7, Payload: messagelog.JSON("push")},
		{Payload: messagelog.JSON("reply")},
	}}
	if l.track.number(old, b) || l.track.sent != 0 {
		t.Error("the old writer numbers messages")
	}
	if len(conn.list) != 1 || conn.list[0] != "reply" {
		t.Errorf("given back: %q", conn.list)
	}
	if !l.track.number(next, b) || l.track.sent != 2 {
		t.Error("the new writer does not")
	}
}
