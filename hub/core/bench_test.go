package core_test

import (
	"testing"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/hub/core"
)

var benchCodecs = map[string]codec.Codec{"json": core.JSON{}, "messagepack": core.MessagePack{}}

var benchInvocations = map[string][]byte{
	"json":        []byte(`{"type":1,"invocationId":"7","target":"say","arguments":["lobby","hello to everyone in here"]}`),
	"messagepack": []byte("\x96\x01\x80\xa17\xa3say\x92\xa5lobby\xb9hello to everyone in here\x90"),
}

func BenchmarkDecode(b *testing.B) {
	for name, c := range benchCodecs {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Decode(benchInvocations[name]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	args, err := codec.EncodeArgs([]codec.Encoding{codec.JSON, core.MessagePack{}.Encoding()}, []any{"ann", "hello to everyone in here"})
	if err != nil {
		b.Fatal(err)
	}
	for name, c := range benchCodecs {
		for kind, m := range map[string]codec.Outgoing{
			"call":   &codec.Call{Hub: "chat", Method: "addMessage", Args: args},
			"result": &codec.Completion{ID: "7", HasID: true, Result: "hello", HasResult: true},
		} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Encode(m); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
