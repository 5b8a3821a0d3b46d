// Chat is a small but complete Hubwire program: rooms, whispers, who is here,
// and a page to use it all.
//
//	go run ./examples/chat -addr :8080
//
// Clients of all families may come. The page uses Hubwire's own client, and
// with /?client=core that of ASP.NET Core SignalR, if it is told where it is:
//
//	npm install @microsoft/signalr
//	go run ./examples/chat -core node_modules/@microsoft/signalr/dist/browser/signalr.js
//
// Start reading at [Chat], which holds everything that browsers may call.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hubwire/hubwire/hub"
)

//go:embed page
var files embed.FS

func main() {
	addr := flag.String("addr", ":8080", "the address to listen on")
	coreClient := flag.String("core", "", "the `file` of the ASP.NET Core SignalR client, for /?client=core")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("Chat is at http://localhost:%d\n", listener.Addr().(*net.TCPAddr).Port)
	if err := serve(ctx, listener, *coreClient); err != nil {
		log.Fatal(err)
	}
}

// serve serves the chat until ctx ends, and then lets its clients go.
func serve(ctx context.Context, listener net.Listener, coreClient string) error {
	hubs := newHubs()
	server := &http.Server{Handler: routes(hubs, coreClient), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1) // a place for the result while nobody waits for it
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	// The hubs first: what they hold open would keep the HTTP server waiting.
	return errors.Join(hubs.Shutdown(ctx), server.Shutdown(ctx))
}

func newHubs() *hub.Server {
	var options hub.Options
	options.Authenticate = authenticate
	hubs := hub.NewServer(options)
	hub.Register[Client](hubs, "chat", NewChat())
	return hubs
}

func routes(hubs *hub.Server, coreClient string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/signalr/", hubs)
	if coreClient != "" {
		mux.HandleFunc("/core/signalr.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, coreClient) })
	}
	mux.Handle("/", page())
	return mux
}

// page serves the files below page. Nothing runs there but what comes from this
// server.
func page() http.Handler {
	dir, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the name is a constant
	}
	server := http.FileServerFS(dir)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
			"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer") // the name is in the URL
		server.ServeHTTP(w, r)
	})
}
