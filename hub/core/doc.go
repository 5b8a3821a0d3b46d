// Package core has the codecs of the ASP.NET Core SignalR client family, for
// JSON and MessagePack, and the family itself. A payload is a whole record: with
// its separator, or its length before it.
//
// In MessagePack values look as they do in JSON: the same names, the same tags.
// What differs is that []byte is a byte array and time.Time a timestamp. A type
// that says itself how it looks in JSON or in text looks so in MessagePack too,
// where it stands in a type that is known; the dynamic values in an any inside
// of another value are encoded without a look at such methods.
package core

import (
	"github.com/hubwire/hubwire/hub/codec"
	wire "github.com/hubwire/hubwire/persistent/core"
)

// Options are those of the dialect.
type Options = wire.Options

// Family returns the family of ASP.NET Core SignalR clients. It panics if the
// options are not valid.
func Family(o Options) codec.Family {
	return codec.Family{
		Name:     "core",
		Dialect:  wire.New(o),
		Codecs:   []codec.Codec{JSON{}, MessagePack{}},
		Reserved: []string{"negotiate"},
	}
}
