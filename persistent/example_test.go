package persistent_test

import (
	"log"
	"net/http"

	"github.com/hubwire/hubwire/persistent"
)

// A server that passes everything it hears on to everyone.
func Example() {
	var server *persistent.Server
	server, err := persistent.NewServer(persistent.Handler{
		OnReceived: func(c *persistent.Conn, data []byte) error {
			return server.Broadcast(string(data), c.ID())
		},
	}, persistent.Options{})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/echo/", server)
}

// Groups need no making. Their members may come and go while messages are on
// their way, and are restored when a client comes back.
func ExampleServer_SendGroup() {
	var server *persistent.Server
	server, err := persistent.NewServer(persistent.Handler{
		OnConnected: func(c *persistent.Conn) error {
			return server.Join(c.ID(), "prices")
		},
	}, persistent.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := server.SendGroup("prices", map[string]int{"ACME": 42}); err != nil {
		log.Fatal(err)
	}
}
