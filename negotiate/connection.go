package negotiate

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// NewConnectionID returns a random UUID (version 4) in its 36 lower-case
// characters, as SignalR clients expect.
func NewConnectionID() string {
	var u [16]byte
	_, _ = rand.Read(u[:])  // It never fails.
	u[6] = u[6]&0x0f | 0x40 // RFC 9562 §5.4: version 4,
	u[8] = u[8]&0x3f | 0x80 // and the variant.
	b := make([]byte, 0, 36)
	for i, part := range [][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return string(b)
}

// ConnectionToken returns the token that proves that connection id was
// negotiated for user, "" for nobody. The id must have no colon in it; the user
// may.
func (k *Keyring) ConnectionToken(id, user string) string {
	return k.Seal(ConnectionPurpose, []byte(id+":"+user))
}

// OpenConnectionToken returns what a connection token was made of. The error is
// [ErrBadToken]. Compare the user with the one who makes the request by
// [SameUser].
func (k *Keyring) OpenConnectionToken(token string) (id, user string, err error) {
	plain, err := k.Open(ConnectionPurpose, token)
	if err != nil {
		return "", "", err
	}
	id, user, ok := strings.Cut(string(plain), ":")
	if !ok || id == "" {
		return "", "", ErrBadToken
	}
	return id, user, nil
}

// SameUser reports whether a and b name one user. Case does not matter, culture
// has no say, and no character outside of ASCII passes for one inside.
func SameUser(a, b string) bool { return equalFold(a, b) }
