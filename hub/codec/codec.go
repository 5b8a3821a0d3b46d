package codec

import (
	"net/http"

	"github.com/hubwire/hubwire/persistent/messagelog"
)

// A Codec is the message format of one protocol. Its methods are called from
// many goroutines at the same time.
type Codec interface {
	// Protocol is the protocol of the payloads.
	Protocol() *messagelog.Protocol

	// Encoding is how values look inside the payloads.
	Encoding() Encoding

	// Decode reads one payload from a client. The error is a *Malformed. A
	// message of a kind that has no meaning for hubs is nil, without error.
	Decode(payload []byte) (Incoming, error)

	// Encode writes one message for a client. It returns nil, without error,
	// where the protocol has no way to carry the message. The error is about
	// a value that cannot be encoded.
	Encode(m Outgoing) ([]byte, error)
}

// A Varying is a Codec whose clients differ in what they can carry. Messages to
// many clients are encoded by the Codec itself, those to one client by the one
// that For returns. Codecs whose clients are all alike do not implement it.
type Varying interface {
	Codec

	// For returns the codec for the connection that r opens.
	For(r *http.Request) Codec
}

// A Malformed is the error of a payload that cannot be read.
type Malformed struct {
	// ID is the invocation that the payload asks for, where that much could be
	// read. HasID tells.
	ID    string
	HasID bool

	// Hub and Method are what it names, as far as they could be read.
	Hub, Method string

	// Text says what is wrong.
	Text string
}

// Error returns the text.
func (m *Malformed) Error() string { return "codec: malformed payload: " + m.Text }
