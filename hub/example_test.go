package hub_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/hubwire/hubwire/hub"
)

// Client is what the server may call in the browser.
type Client struct {
	AddMessage func(from, text string) error
}

// Chat is what the browser may call on the server.
type Chat struct{}

func (Chat) Join(c *hub.Call[Client], room string) error {
	return c.Groups.Add(c.ConnectionID, room)
}

func (Chat) Say(c *hub.Call[Client], room, text string) error {
	return c.Clients.Group(room).AddMessage(c.User, text)
}

func Example() {
	server := hub.NewServer(hub.Options{})
	chat := hub.Register[Client](server, "chat", Chat{})
	mux := http.NewServeMux()
	mux.Handle("/signalr/", server)
	web := httptest.NewServer(mux) // http.ListenAndServe(":8080", mux)
	defer web.Close()

	// Calls from outside of a hub method.
	if err := chat.Clients.All().AddMessage("server", "welcome"); err != nil {
		fmt.Println(err)
	}

	response, err := http.Get(web.URL + "/signalr/ping")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	fmt.Println(response.Status)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println(server.Shutdown(ctx))
	// Output:
	// 200 OK
	// <nil>
}
