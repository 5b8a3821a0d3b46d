// Package classictest is a SignalR 2 client for tests of servers, in the way of
// net/http/httptest: each step of the protocol is a method, nothing happens by
// itself, and what the wire says can be looked at.
//
//	c := classictest.New(t, server.URL+"/signalr")
//	c.Hubs("chat")
//	c.Negotiate()
//	s := c.Connect("webSockets")
//	c.Start("webSockets")
//	c.Invoke(s, "chat", "say", "lobby", "hello")
//	s.WantMessage("what was said", `"M":"addMessage"`)
//
// A step that fails ends the test. Reads wait for at most Patience.
package classictest
