// Package coretest is an ASP.NET Core SignalR client for tests of servers, in
// the way of net/http/httptest: each step of the protocol is a method, nothing
// happens by itself, and what the wire says can be looked at.
//
//	c := coretest.New(t, server.URL+"/signalr/chat")
//	s := c.Open("webSockets")
//	s.Send(`{"type":1,"target":"say","arguments":["hello"]}`)
//	s.Want("what was said", `"target":"addMessage"`)
//
// A step that fails ends the test. Reads wait for at most Patience.
package coretest
