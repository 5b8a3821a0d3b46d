package classic

import (
	"maps"
	"slices"

	"github.com/hubwire/hubwire/hub/codec"
	wire "github.com/hubwire/hubwire/persistent/classic"
)

// Family returns the family of SignalR 2 clients.
func Family() codec.Family {
	s := new(script)
	return codec.Family{
		Name:    "classic",
		Dialect: wire.New(),
		Codecs:  []codec.Codec{Codec{}},
		Reserved: []string{
			"negotiate", "ping", "connect", "start", "send", "reconnect", "poll", "abort", "hubs", "js",
		},
		Assets: s.serve,
	}
}

func sortedKeys(s codec.State) []string { return slices.Sorted(maps.Keys(s)) }
