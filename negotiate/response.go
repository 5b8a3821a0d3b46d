package negotiate

import (
	"time"

	json "github.com/goccy/go-json"
)

// A Response is the answer to a classic negotiate request. Clients of all ages
// read it, some without checking, so all ten fields are always there.
type Response struct {
	// URL is the path of the endpoint as the client sees it.
	URL             string
	ConnectionToken string
	ConnectionID    string

	// KeepAliveTimeout is twice the keep-alive, 0 if there is none.
	KeepAliveTimeout        time.Duration
	DisconnectTimeout       time.Duration
	ConnectionTimeout       time.Duration
	TryWebSockets           bool
	ProtocolVersion         Version
	TransportConnectTimeout time.Duration
	LongPollDelay           time.Duration
}

// wireResponse is a Response with the names and units of the wire. It must
// never get a field availableTransports, the mark of a Core server.
type wireResponse struct {
	URL                     string `json:"Url"`
	ConnectionToken         string
	ConnectionID            string   `json:"ConnectionId"`
	KeepAliveTimeout        *float64 // null if there is none
	DisconnectTimeout       float64
	ConnectionTimeout       float64
	TryWebSockets           bool
	ProtocolVersion         string
	TransportConnectTimeout float64
	LongPollDelay           float64 // seconds, unlike the frames' L
}

// JSON returns the body of the answer. It is good as a JavaScript expression,
// too.
func (r Response) JSON() []byte {
	wire := wireResponse{
		URL:                     r.URL,
		ConnectionToken:         r.ConnectionToken,
		ConnectionID:            r.ConnectionID,
		DisconnectTimeout:       r.DisconnectTimeout.Seconds(),
		ConnectionTimeout:       r.ConnectionTimeout.Seconds(),
		TryWebSockets:           r.TryWebSockets,
		ProtocolVersion:         r.ProtocolVersion.String(),
		TransportConnectTimeout: r.TransportConnectTimeout.Seconds(),
		LongPollDelay:           r.LongPollDelay.Seconds(),
	}
	if r.KeepAliveTimeout > 0 {
		seconds := r.KeepAliveTimeout.Seconds()
		wire.KeepAliveTimeout = &seconds
	}
	b, _ := json.Marshal(&wire) // Strings and finite numbers always have a JSON form.
	return b
}

// MarshalJSON returns the same as JSON.
func (r Response) MarshalJSON() ([]byte, error) { return r.JSON(), nil }
