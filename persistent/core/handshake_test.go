package core

import (
	"testing"

	"github.com/hubwire/hubwire/transports"
)

// What is not decoded is understood as if it were.
func TestUsualHandshakes(t *testing.T) {
	for text := range usual {
		for _, kind := range []transports.Kind{transports.WebSockets, transports.ServerSentEvents, transports.LongPolling} {
			f, version, problem := readHandshake([]byte(text), kind)
			wantF, wantVersion, wantProblem := readHandshake([]byte(text+" "), kind)
			if f != wantF || version != wantVersion || problem != wantProblem {
				t.Errorf("%s on %v: %v, %d, %q, want %v, %d, %q", text, kind, f, version, problem, wantF, wantVersion, wantProblem)
			}
		}
	}
}
