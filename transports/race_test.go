//go:build race

package transports_test

func init() { raceEnabled = true }
