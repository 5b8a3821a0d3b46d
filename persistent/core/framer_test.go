package core

import (
	"slices"
	"testing"

	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// Messages are framed alike for all connections of a protocol. Whatever is for
// one connection is not, nor is anything that is counted.
func TestShares(t *testing.T) {
	message := &messagelog.Entry{Seq: 7, Payload: messagelog.JSON("push")}
	reply := &messagelog.Entry{Payload: messagelog.JSON("reply")}
	json, pack := &sharer{framer{link: &link{format: jsonFormat}}}, &sharer{framer{link: &link{format: messagePackFormat}}}
	messages := dialect.Batch{Entries: []*messagelog.Entry{message, message}}
	first, ok := json.Shares(messages)
	if second, also := pack.Shares(messages); !ok || !also || first == second {
		t.Errorf("the shapes of two protocols are %v, %t and %v, %t", first, ok, second, also)
	}
	for why, b := range map[string]dialect.Batch{
		"with a reply":        {Entries: []*messagelog.Entry{message, reply}},
		"after lost messages": {Entries: messages.Entries, Gap: true},
	} {
		if _, ok := json.Shares(b); ok {
			t.Errorf("a batch %s is shared", why)
		}
	}
	if _, ok := dialect.Framer(new(framer)).(dialect.Sharer); ok {
		t.Error("the framer that numbers messages shares them")
	}
}

// Frames of one message, and of as many as wait for a slow moment.
func BenchmarkFrames(b *testing.B) {
	record := messagelog.JSON(`{"type":1,"target":"addMessage","arguments":["ann","hello to everyone in here"]}` + "\x1e")
	message := &messagelog.Entry{Seq: 1, Payload: record}
	for name, entries := range map[string][]*messagelog.Entry{
		"one":   {message},
		"batch": slices.Repeat([]*messagelog.Entry{message}, 50),
	} {
		b.Run(name, func(b *testing.B) {
			f := &framer{link: &link{format: jsonFormat}}
			var frames [][]byte
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				frames, buf = f.Frames(frames[:0], buf[:0], dialect.Batch{Entries: entries})
			}
		})
	}
}
