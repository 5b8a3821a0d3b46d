// Command server is the server under the browser tests. It prints one JSON
// object per line: where it listens, then what happens to its connections, and
// the answers to the commands that it reads, one JSON object per line too, from
// its standard input. The end of the input ends it; it then exits with 1 if it
// left anything running.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"go.uber.org/goleak"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/test/leaks"
	"github.com/hubwire/hubwire/transports"
)

func main() {
	log.SetFlags(log.Lmicroseconds)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	before := goleak.IgnoreCurrent()
	addr, options, front := parseFlags()
	out := &printer{encoder: json.NewEncoder(os.Stdout)}

	// The server's own pages, and those of two other origins, only one of
	// which may connect.
	var site site
	own, friend, stranger := site.listen(addr), site.listen(anyPort), site.listen(anyPort)
	options.AllowedOrigins = []string{origin(friend)}

	hubs, err := newHubs(options, out)
	if err != nil {
		return err
	}
	front.next = hubs.handler()
	network := new(network)
	site.serve(network.listen(own), pages(front))
	elsewhere := http.NewServeMux()
	elsewhere.Handle("/signalr/client.js", hubs.server)
	site.serve(friend, pages(elsewhere))
	site.serve(stranger, pages(elsewhere))
	out.print(map[string]string{"url": origin(own), "friend": origin(friend), "stranger": origin(stranger)})

	(&commander{network: network, hubs: hubs, out: out}).obey(os.Stdin)

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return errors.Join(hubs.shutdown(ctx), site.shutdown(ctx), leaks.Find(before))
}

const anyPort = "127.0.0.1:0"

func parseFlags() (addr string, options hub.Options, front *proxy) {
	front = new(proxy)
	flag.StringVar(&addr, "addr", anyPort, "where to listen")
	flag.Func("key", "32 characters that seal the tokens, for a server that is started again", func(value string) error {
		options.Keys = []negotiate.Key{negotiate.Key(value)}
		return nil
	})
	flag.Func("transports", "the transports that are offered", kinds(&options.Transports))
	flag.Func("refuse", "transports that the proxy in front turns down", kinds(&front.refuse))
	flag.Func("swallow", "transports that the proxy in front swallows", kinds(&front.swallow))
	flag.DurationVar(&options.DisconnectTimeout, "disconnect-timeout", 0, "see hub.Options")
	flag.DurationVar(&options.TransportConnectTimeout, "transport-connect-timeout", 10*time.Second, "see hub.Options")
	flag.DurationVar(&options.ConnectionTimeout, "connection-timeout", 0, "see hub.Options")
	flag.BoolVar(&options.JSONP, "jsonp", false, "see hub.Options")
	flag.Parse()
	options.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return addr, options, front
}

// kinds is a flag whose value is a list of transports.
func kinds(list *[]transports.Kind) func(string) error {
	return func(value string) error {
		for name := range strings.SplitSeq(value, ",") {
			kind, ok := transports.ParseKind(name)
			if !ok {
				return fmt.Errorf("unknown transport %q", name)
			}
			*list = append(*list, kind)
		}
		return nil
	}
}

// A site is a set of HTTP servers that end together.
type site struct {
	servers []*http.Server
	running sync.WaitGroup
}

func (s *site) listen(addr string) net.Listener {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	return l
}

func (s *site) serve(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h}
	s.servers = append(s.servers, server)
	s.running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	})
}

// shutdown closes what browsers keep open for later, too.
func (s *site) shutdown(ctx context.Context) error {
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Shutdown(ctx))
	}
	s.running.Wait()
	return errors.Join(errs...)
}

func origin(l net.Listener) string {
	return "http://" + l.Addr().String()
}

// pages serves the pages and scripts of the tests beside next.
func pages(next http.Handler) http.Handler {
	_, file, _, _ := runtime.Caller(0)
	browser := filepath.Dir(filepath.Dir(file))
	mux := http.NewServeMux()
	mux.Handle("/pages/", http.StripPrefix("/pages/", http.FileServer(http.Dir(filepath.Join(browser, "pages")))))
	mux.Handle("/modules/", http.StripPrefix("/modules/", http.FileServer(http.Dir(filepath.Join(browser, "..", "node_modules")))))
	mux.Handle("/", next)
	return mux
}

// A printer writes lines of JSON.
type printer struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func (p *printer) print(line any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.encoder.Encode(line); err != nil {
		log.Fatal(err)
	}
}
