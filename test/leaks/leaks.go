// Package leaks finds goroutines that tests leave behind.
package leaks

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines on their way out are waited for. That of
// goleak itself is less than half a second: a busy machine may take that long
// to let each of them run once more.
const patience = 20 * time.Second

// VerifyTestMain runs the tests of a package, which then fails if a goroutine
// is left.
func VerifyTestMain(m *testing.M) { goleak.VerifyTestMain(patient{m}) }

type patient struct{ *testing.M }

// Run implements goleak.TestingM.
func (p patient) Run() int {
	code := p.M.Run()
	if code == 0 {
		_ = Find() // which is said by who asked
	}
	return code
}

// Find returns an error that names the goroutines that are left, apart from
// those that the options leave out.
func Find(options ...goleak.Option) error {
	for end := time.Now().Add(patience); ; {
		err := goleak.Find(options...)
		if err == nil || !time.Now().Before(end) {
			return err
		}
	}
}
