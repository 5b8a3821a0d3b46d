package hubtest_test

import (
	"fmt"
	"testing"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/hub/hubtest"
)

func TestChat(t *testing.T) {
	server := hubtest.NewServer(t, hub.Options{})
	hub.Register[Client](server.Server, "chat", Chat{})
	ann, bob := server.Connect("ann", "chat"), server.Connect("bob", "chat")

	bob.Invoke("chat", "join", "lobby")
	ann.Invoke("chat", "say", "lobby", "hello")

	if got := fmt.Sprint(bob.Calls()); got != `[chat.addMessage("ann","hello")]` {
		t.Errorf("bob got %s", got)
	}
	if got := ann.Calls(); len(got) > 0 {
		t.Errorf("ann, who is not in the room, got %v", got)
	}
}
