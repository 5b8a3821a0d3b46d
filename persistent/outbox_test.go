package persistent

import (
	"testing"

	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A poll that is on its way in when its connection ends brings the replies that
// wait for it.
func TestRepliesOfAnEndDuringAttach(t *testing.T) {
	o := outbox{keeps: true, limits: limits{10, 1000}}
	o.reply(nil, &messagelog.Entry{Payload: messagelog.JSON("reply")}, 0)
	poll := new(attachment)
	o.attach(poll)
	var place uint64
	if replies, vacant := o.remains(&place); vacant || len(replies) > 0 {
		t.Errorf("the end takes %d replies from the poll", len(replies))
	}
	o.release(poll, nil, false)
	if len(o.items) != 1 {
		t.Errorf("the poll has %d replies, want 1", len(o.items))
	}
	o.detach(poll)
	if replies, vacant := o.remains(&place); !vacant || len(replies) != 1 {
		t.Errorf("without a poll the end takes %d replies, want 1", len(replies))
	}
}

// A wordless framer is of a family that has no word for the end.
type wordless struct{ dialect.Framer }

// A writer may find out that the connection is over before its exchange is
// ended, in a family without a last word, too.
func TestEndWithoutAWord(t *testing.T) {
	a := &attachment{x: exchange{Framer: wordless{}}}
	if err := a.part(dialect.ShutDown); err != errGoingAway {
		t.Errorf("the exchange ends for %v", err)
	}
}
