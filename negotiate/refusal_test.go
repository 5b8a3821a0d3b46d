package negotiate_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hubwire/hubwire/negotiate"
)

func TestRefusalWrite(t *testing.T) {
	for _, test := range []struct {
		name      string
		refusal   *negotiate.Refusal
		wantError string
	}{
		{"with a text", &negotiate.Refusal{Status: 400, Reason: "unknown_hub", Text: "no hub \"x\""}, "unknown_hub: no hub \"x\""},
		{"nobody denied", negotiate.Denied(""), "unauthenticated"},
		{"user denied", negotiate.Denied("ann"), "forbidden"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			test.refusal.Write(w)
			resp := w.Result()
			if resp.StatusCode != test.refusal.Status {
				t.Errorf("status = %d, want %d", resp.StatusCode, test.refusal.Status)
			}
			wantHeader(t, resp, negotiate.ReasonHeader, test.refusal.Reason)
			wantHeader(t, resp, "Cache-Control", "no-store")
			if body, _ := io.ReadAll(resp.Body); string(body) != test.refusal.Text {
				t.Errorf("body = %q, want %q", body, test.refusal.Text)
			}
			if got := test.refusal.Error(); got != test.wantError {
				t.Errorf("Error() = %q, want %q", got, test.wantError)
			}
		})
	}
}

func TestDeniedStatus(t *testing.T) {
	if got := negotiate.Denied("").Status; got != http.StatusUnauthorized {
		t.Errorf("nobody: status = %d, want 401", got)
	}
	if got := negotiate.Denied("ann").Status; got != http.StatusForbidden {
		t.Errorf("user: status = %d, want 403", got)
	}
}
