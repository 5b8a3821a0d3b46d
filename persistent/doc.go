// Package persistent keeps logical connections to clients alive over HTTP: who
// is connected, what is sent to whom, and what a client missed while its network
// was away. It speaks the wire of SignalR 2 persistent connections.
//
// A [Server] with a [Handler] is for programs that exchange plain messages. An
// [Endpoint] with an [Application] is what package hub stands on.
//
// # Connections
//
// A connection is made by the first transport request with its token, and ends
// when the client stops it, when the server aborts it, or when the client has
// been away for longer than the disconnect timeout:
//
//	           connect              start
//	(unknown) ---------> connecting ------> connected <--+
//	    |                                    |           | reconnect, poll
//	    | reconnect with a good token        | transport |
//	    +----------------> restored ----+    v lost      |
//	                                    +-> waiting -----+
//	                                         |
//	                                         | DisconnectTimeout, abort, Shutdown
//	                                         v
//	                                    disconnected
//
// A transport is not the connection: it may be replaced at any time, by one of
// another kind too. The newest request wins.
//
// # The log
//
// Every outgoing message is an entry in one ordered log (package messagelog). A
// connection is a set of topics and a place in the log. Live delivery puts a
// reference to the entry on the outbox of each subscriber; a client that comes
// back presents its cursor and is given what its topics got since. There is one
// order for all topics of a connection. A connection without a transport costs
// no queue. A client that reads too slowly loses its transport, not its
// messages. Where the log does not reach back far enough, that is counted,
// logged, and told to OnReconnected and to clients that understand it.
//
// # Concurrency
//
// The functions of a program are called for one connection one after another,
// on its [Queue]; for different connections at the same time. A WebSocket has
// one goroutine, which reads. Writers exist only while there is something to
// write. The other transports write on the goroutine of their HTTP handler.
//
// Locks are taken in this order: log, endpoint, outbox, flusher. None is held across a
// write, or while a program's function runs (but [Application.Opened]).
//
// # What it does not do
//
// Several nodes: a [messagelog.Log] that is shared between processes is
// possible by the interface, but none is here. A cursor that is lost with its
// process is a gap, which is told.
package persistent
