// Package faults_test shows that nothing is lost: clients and a server with a
// bad network between them, overload, attacks, panics, and shutdowns.
//
// A [proxy] stands between the clients of a fleet and a real server, and does to
// each TCP connection what a plan says that is drawn for it: it cuts, resets,
// stalls, delays, throttles, or holds data back as a bad middlebox does. A
// ledger knows what was sent to whom, and its auditor says what each client lost
// or got twice, in another order, or though it was for somebody else.
//
// TestNothingLost takes a minute. For longer, for larger fleets, and to see what
// was done to whom:
//
//	go test ./test/faults -v -run NothingLost -timeout 30m -faults.duration 20m -faults.members 300
package faults_test

import (
	"flag"
	"testing"
	"time"

	"github.com/hubwire/hubwire/test/leaks"
)

var (
	duration = flag.Duration("faults.duration", time.Minute, "how long TestNothingLost injects faults")
	members  = flag.Int("faults.members", 100, "how many clients of each endpoint TestNothingLost runs")
	rate     = flag.Int("faults.rate", 60, "how many messages a second each endpoint of TestNothingLost sends")
	seed     = flag.Uint64("faults.seed", 1, "what the plans of faults are drawn from")
)

func TestMain(m *testing.M) {
	flag.Parse()
	leaks.VerifyTestMain(m)
}
