// Package hub serves hubs: values whose methods clients call over a
// connection that lasts, and through which the server calls methods of its
// clients, one by one, by group, by user or all at once. SignalR 2 clients
// understand it as it is.
//
//	// Client is what the server may call in the browser.
//	type Client struct {
//		AddMessage func(from, text string) error
//	}
//
//	// Chat is what the browser may call on the server.
//	type Chat struct{}
//
//	func (Chat) Join(c *hub.Call[Client], room string) error {
//		return c.Groups.Add(c.ConnectionID, room)
//	}
//
//	func (Chat) Say(c *hub.Call[Client], room, text string) error {
//		return c.Clients.Group(room).AddMessage(c.User, text)
//	}
//
//	func main() {
//		server := hub.NewServer(hub.Options{})
//		chat := hub.Register[Client](server, "chat", Chat{})
//		http.Handle("/signalr/", server)
//		go announce(chat.Clients) // calls from outside a hub method
//		log.Fatal(http.ListenAndServe(":8080", nil))
//	}
//
// # What is called, and in which order
//
// [Register] plans everything by reflection, once, and tells what does not fit.
// Clients find hubs and methods by name in any case. Arguments are decoded when
// the method is known, with the rules of encoding/json; one that does not
// decode fails the call, not the connection.
//
// The calls of one connection run one after another, in order, together with
// its life-cycle events: OnConnected first, OnDisconnected last. A hub that is
// registered with [Concurrently] runs up to n calls of one connection at once,
// in a lane of its own. At most MaxQueuedCalls wait; the call that is one too
// many fails at once, telling its caller so. Calls of different connections
// run at the same time.
//
// What a method sends to its own caller before it returns arrives before its
// result, where both come over the same channel.
//
// # Errors
//
// An [*Error] reaches the client as it is. A call of an unknown method, or with
// wrong arguments, is answered with a text that names the method and the
// argument. Any other error, and a panic, is logged, and the client is told
// that something failed, unless [Options].DetailedErrors is on.
//
// # Goroutines
//
// The package starts goroutines only to run calls: one per connection with
// calls to run, and more only in lanes. They end with their work.
// [Server.Shutdown] waits for them.
//
// # Limits
//
// Methods cannot stream, and clients cannot answer calls of the server.
package hub
