package hub

import (
	"github.com/hubwire/hubwire/hub/classic"
	"github.com/hubwire/hubwire/hub/codec"
	modern "github.com/hubwire/hubwire/hub/core"
)

// DefaultFamilies returns the client families that a server has unless its
// options say otherwise: ASP.NET Core SignalR and SignalR 2. They share hubs,
// groups and users. With the server at /signalr/, the former use
// /signalr/<hub> and the latter /signalr.
//
// Stateful reconnect is on for Core clients that ask for it, which the options
// of the family leave off, as the reference server does: it keeps up to 100,000
// bytes for each of their connections.
//
// Requests are shown to the families in order. That of Core clients stands
// first, since it knows its own from those of SignalR 2; a family of your own
// goes before both.
func DefaultFamilies() []codec.Family {
	return []codec.Family{modern.Family(modern.Options{StatefulReconnect: true}), classic.Family()}
}
