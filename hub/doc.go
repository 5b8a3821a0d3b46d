// Package hub serves hubs: values whose methods clients call over a
// connection that lasts, and through which the server calls methods of its
// clients, one by one, by group, by user or all at once. SignalR 2 clients
// and ASP.NET Core SignalR clients understand it as it is, side by side on the
// same hubs.
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
// A call that streams, either way, runs beside the others from the start. One
// that waits for the answer of a client lets the next one run, and goes on
// beside it.
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
// # Streams
//
// A method that returns an iter.Seq2[T, error] or a <-chan T streams to its
// caller. It waits where the client reads more slowly than it yields: little of
// all streams of a connection is under way at a time. The client may cancel;
// the call's context ends then, and yield returns false. Clients of SignalR 2
// get the items as progress.
//
// A parameter of one of these types is a stream from the client. What comes
// ahead of the method waits. When that is a quarter of MaxQueued items or of
// MaxQueuedBytes, nothing more is read from the client, which TCP holds back,
// until half of it is taken or the call ends. Other calls of the connection
// wait as well then, and cancels do. The client is not held back while the
// server waits for its answer, or the call for an item of another stream:
// more waits in that case, up to the full bounds; beyond them the stream is
// lost, with [ErrOverrun].
//
// With the connection all its streams end. A method whose channel is filled by
// a goroutine of its own must let that watch the call's context.
//
// # Answers of clients
//
// A field of the client struct with the results (T, error) asks a client and
// waits for its answer: for as long as its first argument says, if that is a
// context.Context, or else until the call ends in which it is asked. Where the
// answer is nothing, T is zero. Only a single client can be asked, of a family
// that can answer; a client of SignalR 2 cannot.
//
// # Goroutines
//
// The package starts goroutines only to run calls: one per connection with
// calls to run, and more only in lanes and for streams. Where a hub's clients
// can be asked, each of its calls has another one, so that it can give way; a
// parameter that is a channel has one that fills it. They end with their work.
// [Server.Shutdown] waits for them.
//
// # Limits
//
// The wire of Core clients has no progress and no state: reports and changes go
// nowhere. That of SignalR 2 clients has no answers, and no streams to the
// server.
package hub
