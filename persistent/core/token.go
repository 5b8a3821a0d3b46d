package core

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/hubwire/hubwire/negotiate"
)

// A ticket is what a connection token says: nothing is kept of a negotiate
// until a transport or a message comes with the token. Neither the user nor
// the hub can be read off it.
type ticket struct {
	version  byte // of negotiate
	stateful bool
	issued   time.Time
	id       [16]byte
	user     [digestSize]byte
	hub      [digestSize]byte
}

const (
	digestSize = 8
	ticketSize = 1 + 8 + 16 + 2*digestSize
)

// newTicket returns a ticket for a new connection.
func newTicket(version int, stateful bool, user, hub string) ticket {
	t := ticket{version: byte(version), stateful: stateful, issued: time.Now(), user: digest(user), hub: digest(hub)}
	_, _ = rand.Read(t.id[:]) // It never fails.
	return t
}

// digest tells names apart that differ by more than case, as
// negotiate.SameUser does.
func digest(name string) (d [digestSize]byte) {
	sum := sha256.Sum256([]byte(strings.Map(lowerASCII, name)))
	copy(d[:], sum[:])
	return d
}

func lowerASCII(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// statefulBit marks a stateful connection in the first byte of a ticket.
const statefulBit = 0x80

func (t ticket) seal(k *negotiate.Keyring) string {
	b := make([]byte, 0, ticketSize)
	first := t.version
	if t.stateful {
		first |= statefulBit
	}
	b = append(b, first)
	b = binary.BigEndian.AppendUint64(b, uint64(t.issued.UnixMilli()))
	b = append(b, t.id[:]...)
	b = append(b, t.user[:]...)
	b = append(b, t.hub[:]...)
	return k.Seal(negotiate.CorePurpose, b)
}

// openTicket reads a token.
func openTicket(k *negotiate.Keyring, token string) (t ticket, ok bool) {
	b, err := k.Open(negotiate.CorePurpose, token)
	if err != nil || len(b) != ticketSize {
		return t, false
	}
	t.version, t.stateful = b[0]&^statefulBit, b[0]&statefulBit != 0
	t.issued = time.UnixMilli(int64(binary.BigEndian.Uint64(b[1:])))
	copy(t.id[:], b[9:])
	copy(t.user[:], b[25:])
	copy(t.hub[:], b[25+digestSize:])
	return t, true
}

// publicID is the connection's id, which with version 0 is the token.
func (t ticket) publicID(token string) string {
	if t.version == 0 {
		return token
	}
	return base64.RawURLEncoding.EncodeToString(t.id[:])
}
