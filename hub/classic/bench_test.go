package classic_test

import (
	"testing"

	"github.com/hubwire/hubwire/hub/classic"
	"github.com/hubwire/hubwire/hub/codec"
)

func BenchmarkDecode(b *testing.B) {
	payload := []byte(`{"H":"chat","M":"say","A":["lobby","hello to everyone in here"],"I":7}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (classic.Codec{}).Decode(payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	args, err := codec.EncodeArgs([]codec.Encoding{codec.JSON}, []any{"ann", "hello to everyone in here"})
	if err != nil {
		b.Fatal(err)
	}
	for name, m := range map[string]codec.Outgoing{
		"call":   &codec.Call{Hub: "chat", Method: "addMessage", Args: args},
		"result": &codec.Completion{ID: "7", HasID: true, Result: "hello", HasResult: true},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (classic.Codec{}).Encode(m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
