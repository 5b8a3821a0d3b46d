// Package hubtest lets tests call hub methods without HTTP, and see what would
// go to which clients, as net/http/httptest does for handlers. Everything
// between the two is the real thing: names, arguments, filters, groups, order,
// life cycle.
//
//	server := hubtest.NewServer(t, hub.Options{})
//	hub.Register[Client](server.Server, "chat", Chat{})
//	ann, bob := server.Connect("ann", "chat"), server.Connect("bob", "chat")
//	ann.Invoke("chat", "join", "lobby")
//	bob.Invoke("chat", "join", "lobby")
//	ann.Invoke("chat", "say", "lobby", "hello")
//	fmt.Println(bob.Calls()) // [chat.addMessage("ann","hello")]
//
// Clients answer questions by Client.Answer. A channel or an iterator among the
// arguments of a call is a stream that the client sends; what a method streams
// is read by Client.Stream.
//
// The clients are a client family of their own, with a dialect and a codec, in
// this package. It can serve as a pattern for others.
package hubtest
