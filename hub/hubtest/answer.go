package hubtest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
)

// Answer has the client answer the server's calls of a method that want an
// answer: with what f returns, or with its error, which is a *hub.ClientError
// there. F runs on a goroutine of its own and may call the hub; it must return
// before the test ends. Questions that nobody answers fail.
func (c *Client) Answer(hub, method string, f func(Call) (any, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answers == nil {
		c.answers = make(map[string]func(Call) (any, error))
	}
	c.answers[answerKey(hub, method)] = f
}

// answerKey matches names in any case, as clients do.
func answerKey(hub, method string) string { return strings.ToLower(hub + "." + method) }

// answer answers the question with the id.
func (c *Client) answer(id string, question Call) {
	c.mu.Lock()
	f := c.answers[answerKey(question.Hub, question.Method)]
	c.mu.Unlock()
	m := wire{Type: "answer", ID: id}
	var err error
	if f == nil {
		err = fmt.Errorf("nobody here answers %s.%s", question.Hub, question.Method)
	} else if v, failure := f(question); failure != nil {
		err = failure
	} else {
		m.Value, err = json.Marshal(v)
	}
	if err != nil {
		m.Error = &Error{Message: err.Error()}
	}
	c.tell(m)
}

// tell sends what has no answer.
func (c *Client) tell(m wire) {
	c.conn.Receive(dialect.Incoming{Payload: m.encode(), Request: c.request, Replier: nobody{}})
}

// nobody wants no reply.
type nobody struct{}

func (nobody) Reply([]byte)              {}
func (nobody) Reject(*negotiate.Refusal) {}
