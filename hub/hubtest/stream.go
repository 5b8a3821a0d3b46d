package hubtest

import (
	"encoding/json"
	"iter"
	"time"
)

// Stream calls a hub method that streams and yields what it does: the items, and
// at last the error if it fails. Leaving the loop cancels the stream, and waits
// until the method has ended.
func (c *Client) Stream(hub, method string, args ...any) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		c.t.Helper()
		p := c.begin(wire{Type: "stream", Hub: hub, Method: method}, args)
		for item := range p.items {
			if !yield(item, nil) {
				c.tell(wire{Type: "cancel", ID: p.id})
				p.Wait()
				return
			}
		}
		if err := p.Wait().Err; err != nil {
			yield(nil, err)
		}
	}
}

// items yields the progress up to the result.
func (p *Pending) items(yield func(json.RawMessage) bool) {
	p.client.t.Helper()
	for read, over := 0, false; ; {
		fresh := p.since(read)
		for _, item := range fresh {
			if !yield(item) {
				return
			}
		}
		read += len(fresh)
		if over {
			return
		}
		select {
		case <-p.more:
		case <-p.done:
			over = true // but for what came before
		case <-time.After(patience):
			p.client.t.Fatal("hubtest: the stream does not go on")
		}
	}
}

// since returns the progress but for the first that were read.
func (p *Pending) since(read int) []json.RawMessage {
	p.client.mu.Lock()
	defer p.client.mu.Unlock()
	return p.progress[read:]
}
