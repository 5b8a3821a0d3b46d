package messagelog

import "time"

// A Protocol names one way to put payloads into bytes: a client family's
// message format in one encoding. Protocols are compared by pointer.
type Protocol struct {
	// Name is for logs and errors, for example "signalr2/json".
	Name string
}

// A Payload is one message, ready to be written for clients of any protocol.
// Its methods are safe for concurrent use, since one payload is shared by all
// of its receivers.
type Payload interface {
	// Bytes returns the message as clients of p read it, or nil where p
	// cannot carry it. The caller must not change the bytes.
	Bytes(p *Protocol) []byte

	// Size is about how many bytes the message takes, for limits.
	Size() int
}

// JSON is a payload that is one JSON text, whatever the protocol.
type JSON []byte

// Bytes returns j.
func (j JSON) Bytes(*Protocol) []byte { return j }

// Size returns the length of j.
func (j JSON) Size() int { return len(j) }

// An Entry is one message of the log: a payload for the subscribers of some
// topics, or a change of one connection's groups. Once appended an entry is
// read by many goroutines and must not be changed.
type Entry struct {
	// Seq is the entry's place in the log, from 1. The log sets it. An entry
	// that never was in a log (a reply to one connection) has 0.
	Seq uint64

	// At is when the entry was appended. The log sets it.
	At time.Time

	// Topics are where the entry is published. A subscriber of several of
	// them gets one copy.
	Topics []string

	// Except holds the ids of connections that the entry is not for.
	Except []string

	// Payload is the message. It is nil for a change of groups.
	Payload Payload

	// Join and Leave name a group that the connection, on whose own topic
	// this entry stands, enters or leaves at this place of the log. Who delivers
	// the entry empties them if there is nothing to change, or nobody.
	Join, Leave string

	// Groups is, for a change of groups, the connection's complete set after
	// it. The node that serves the connection fills it in before anyone else
	// sees the entry.
	Groups []string
}

// Change reports whether e changes the groups of a connection.
func (e *Entry) Change() bool { return e.Join != "" || e.Leave != "" }

// A Span is a stretch of one topic: the entries after After, up to and
// including UpTo.
type Span struct {
	Topic       string
	After, UpTo uint64
}

// A Log keeps every outgoing message for a while, in one order, so that a
// connection which comes back can be given what it missed. All methods may be
// called at the same time from several goroutines.
type Log interface {
	// Epoch identifies this sequence of numbers. A cursor of another epoch
	// says nothing about this log. It holds letters and digits only.
	Epoch() string

	// Head returns the sequence number of the newest entry, 0 if there is none.
	Head() uint64

	// Append numbers e, stores it and delivers it. When Append returns, the
	// function given to Deliver has returned for e.
	Append(e *Entry) error

	// Deliver sets the function that is called with each entry, in order of
	// the sequence numbers, one call at a time. It is called once, before the
	// first Append. The function must not call the log.
	Deliver(func(*Entry))

	// Read returns the entries of the spans in order, each entry once. Gap
	// reports that the log may have dropped entries of the spans already.
	Read(spans []Span) (entries []*Entry, gap bool, err error)

	// Close releases what the log holds. Append returns ErrClosed afterwards.
	Close() error
}
