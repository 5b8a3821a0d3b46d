package negotiate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hubwire/hubwire/negotiate"
)

func TestTimeoutDefaults(t *testing.T) {
	got, err := negotiate.Timeouts{}.WithDefaults()
	want := negotiate.Timeouts{
		KeepAlive:               10 * time.Second,
		DisconnectTimeout:       30 * time.Second,
		ConnectionTimeout:       110 * time.Second,
		TransportConnectTimeout: 5 * time.Second,
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if again, err := got.WithDefaults(); err != nil || again != got {
		t.Errorf("twice: %+v, %v", again, err)
	}
}

func TestClassic017KeepAliveTimeoutIsTwiceKeepAlive(t *testing.T) {
	for _, test := range []struct {
		name            string
		keepAlive, want time.Duration
	}{
		{"default", 0, 20 * time.Second},
		{"set", 5 * time.Second, 10 * time.Second},
		{"off", -1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := negotiate.Timeouts{KeepAlive: test.keepAlive}.WithDefaults()
			if err != nil || got.KeepAliveTimeout() != test.want {
				t.Errorf("got %v, %v, want %v", got.KeepAliveTimeout(), err, test.want)
			}
		})
	}
}

// The order rule of the line has no place in a struct, which is set as a whole.
func TestClassic024Timeouts(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		name          string
		set           negotiate.Timeouts
		wantKeepAlive time.Duration
		wantErr       string
	}{
		{"DisconnectTimeout sets KeepAlive", negotiate.Timeouts{DisconnectTimeout: 60 * s}, 20 * s, ""},
		{"least DisconnectTimeout", negotiate.Timeouts{DisconnectTimeout: 6 * s}, 2 * s, ""},
		{"least KeepAlive", negotiate.Timeouts{KeepAlive: 2 * s}, 2 * s, ""},
		{"KeepAlive of a third", negotiate.Timeouts{KeepAlive: 20 * s, DisconnectTimeout: 60 * s}, 20 * s, ""},
		{"KeepAlive off", negotiate.Timeouts{KeepAlive: -1}, -1, ""},
		{"short DisconnectTimeout", negotiate.Timeouts{DisconnectTimeout: 6*s - 1}, 0, "DisconnectTimeout must be at least six seconds"},
		{"negative DisconnectTimeout", negotiate.Timeouts{DisconnectTimeout: -s}, 0, "DisconnectTimeout must be at least six seconds"},
		{"short DisconnectTimeout without KeepAlive", negotiate.Timeouts{KeepAlive: -1, DisconnectTimeout: 5 * s}, 0, "at least six seconds, and it is 5s"},
		{"short KeepAlive", negotiate.Timeouts{KeepAlive: 2*s - 1}, 0, "KeepAlive value must be greater than two seconds"},
		{"long KeepAlive", negotiate.Timeouts{KeepAlive: 10*s + 1}, 0, "KeepAlive value must be no more than a third of the DisconnectTimeout"},
		{"negative ConnectionTimeout", negotiate.Timeouts{ConnectionTimeout: -1}, 0, "ConnectionTimeout must not be negative"},
		{"negative TransportConnectTimeout", negotiate.Timeouts{TransportConnectTimeout: -1}, 0, "TransportConnectTimeout must not be negative"},
		{"negative LongPollDelay", negotiate.Timeouts{LongPollDelay: -1}, 0, "LongPollDelay must not be negative"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.set.WithDefaults()
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Errorf("err = %v, want %q", err, test.wantErr)
				}
				return
			}
			if err != nil || got.KeepAlive != test.wantKeepAlive {
				t.Errorf("KeepAlive = %v, %v, want %v", got.KeepAlive, err, test.wantKeepAlive)
			}
		})
	}
}
