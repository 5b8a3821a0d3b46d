package classic

import (
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/dialect"
)

// NewFramer returns the framer of a reconnect on a streaming transport.
func NewFramer(k *negotiate.Keyring, connectionID string) dialect.Framer {
	return &framer{keyring: k, id: connectionID}
}
