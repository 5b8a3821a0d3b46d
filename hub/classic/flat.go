package classic

import (
	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/hub/internal/flatjson"
)

// readFlat reads an invocation of the flat kind without state, or returns nil.
func readFlat(payload []byte) *codec.Invocation {
	t, in := flatjson.Of(payload), new(codec.Invocation)
	for t.Next() {
		switch {
		case t.Key(`"H":`):
			in.Hub = t.String()
		case t.Key(`"M":`):
			in.Method = t.String()
		case t.Key(`"A":`):
			in.Args = t.List()
		case t.Key(`"I":`):
			in.ID, in.HasID = t.ID(), true
		default:
			return nil
		}
	}
	if !t.Ended() || in.Hub == "" || in.Method == "" {
		return nil
	}
	return in
}
