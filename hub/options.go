package hub

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/persistent"
)

// Options configure a [Server]. The zero value works and is safe for one
// process. They are copied; later changes have no effect.
type Options struct {
	// Options are those of the connections: transports, times, limits, keys,
	// authentication, origins, logging. Dialects stays empty: Families say
	// which there are.
	persistent.Options

	// Families are the client families that are served. Default:
	// [DefaultFamilies].
	Families []codec.Family

	// Filters see every call, event and client call of every hub. The first
	// one is outermost.
	Filters []Filter

	// DetailedErrors sends the text of every error to the client whose call
	// failed. Such texts can disclose what should stay on the server: it is
	// for development.
	DetailedErrors bool

	// StackTraces adds the stack to the error of a method that panicked, if
	// DetailedErrors is on. It is for development.
	StackTraces bool

	// DisableProxies turns the generated scripts off that list the hubs and
	// their methods.
	DisableProxies bool

	// ServeTypes serves what [Server.TypeScript] writes as hubs.d.ts, beside
	// client.js. Whoever gets it knows what the hubs can do: it is for
	// development.
	ServeTypes bool

	// MaxHubs bounds the hubs that one connection may name. Default 64.
	MaxHubs int
}

// Validate returns what is wrong with o, or nil. [NewServer] panics with it.
func (o Options) Validate() error {
	if err := o.Options.Validate(); err != nil {
		return err
	}
	if len(o.Dialects) > 0 {
		return errors.New("hub: Dialects is set: give Families instead")
	}
	if o.MaxHubs < 0 {
		return errors.New("hub: MaxHubs is negative")
	}
	for _, f := range o.Families {
		if f.Dialect == nil || len(f.Codecs) == 0 {
			return fmt.Errorf("hub: family %q lacks a dialect or a codec", f.Name)
		}
	}
	return nil
}

func (o Options) withDefaults() Options {
	if len(o.Families) == 0 {
		o.Families = DefaultFamilies()
	}
	if o.MaxHubs == 0 {
		o.MaxHubs = 64
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Families = slices.Clone(o.Families)
	o.Filters = slices.Clone(o.Filters)
	o.Dialects = nil
	for _, f := range o.Families {
		o.Dialects = append(o.Dialects, f.Dialect)
	}
	return o
}
