// Command server is one of the servers that bench/compare measures: a hub on
// Hubwire, or a reference written by hand.
//
//	server -kind hubwire -addr 127.0.0.1:8080
//
// The references know no hubs. A client that opens /subscribe gets every message
// that a client of /publish sends, as it is; /echo sends back what comes, and
// /call decodes a call as a hub would and encodes its result.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"maps"
	"net"
	"net/http"
	_ "net/http/pprof" // for -debug
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// kinds are the servers that there are.
var kinds = map[string]func() http.Handler{
	"hubwire": hubwire,
	"coder":   coder,
	"direct":  direct,
	"gws":     gwsServer,
	"events":  events,
	"polls":   polls,
}

func main() {
	kind := flag.String("kind", "hubwire", "one of "+strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen at; port 0 picks one")
	debugAddr := flag.String("debug", "", "`address` for net/http/pprof")
	flag.Parse()
	make, ok := kinds[*kind]
	if !ok {
		log.Fatalf("server: there is no kind %q", *kind)
	}
	if *debugAddr != "" {
		go func() { log.Print(http.ListenAndServe(*debugAddr, nil)) }()
	}
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(os.Stdout, l.Addr())
	mux := http.NewServeMux()
	mux.HandleFunc("/stats", stats)
	mux.Handle("/", make())
	log.Fatal(http.Serve(l, mux))
}

// stats collects garbage, so that the memory in use can be read from outside,
// and tells what the runtime knows.
func stats(w http.ResponseWriter, _ *http.Request) {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"goroutines": runtime.NumGoroutine(),
		"heap":       m.HeapAlloc,
		"stacks":     m.StackInuse,
		"mallocs":    m.Mallocs,
	})
}
