// Package core is the dialect of the ASP.NET Core SignalR client family:
// negotiate, WebSockets, server-sent events and long polling below one URL per
// hub, a handshake, and a stream of records in JSON or MessagePack.
//
// A link is what the dialect keeps of one such connection, by its token:
//
//	            transport          handshake          OnConnected
//	(token) ----------------> shaking ------> starting -----------> running
//	    |                        |                |                   |
//	    +--- POST ---> waiting --+                |                   |
//	                     |       v                v                   v
//	                     +---> ended <------------+-------------------+
//
// From the handshake on, the link has a connection of the host, which carries
// everything that goes out. A connection ends with its transport, but for long
// polling and for clients that asked for stateful reconnect; those come back to
// the same connection within the disconnect timeout.
//
// What comes in is handled by whichever goroutine brings it: the reader of a
// WebSocket, or the handler of a POST, one at a time under the link's receive
// lock. While the application holds the connection, that goroutine waits between
// two messages and reads no more; a client that pings is not silent then. Locks
// are taken in this order: receive, the track's, the link's. None of them is
// held while the host is called, but for the receive lock; the host's callbacks
// do not take that one.
//
// Not done: HTTP/2 WebSockets, and detailed errors in Close messages.
package core

import "github.com/hubwire/hubwire/persistent/messagelog"

// The protocols of core clients. Payloads are whole records, with their
// delimiter or length.
var (
	JSON        = &messagelog.Protocol{Name: "core/json"}
	MessagePack = &messagelog.Protocol{Name: "core/messagepack"}
)
