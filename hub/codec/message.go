package codec

// Incoming is a message from a client: an *Invocation, a *Cancel, a *StreamItem
// or an *Answer.
type Incoming interface{ incoming() }

// Outgoing is a message to a client: a *Call, a *Completion, a *Progress, an
// *Item or a *Receipt. A codec of a protocol that has no such message returns nil for it.
type Outgoing interface{ outgoing() }

// Raw is one value in the encoding of the codec that read it.
type Raw = []byte

// An Invocation is a call of a hub method by a client.
type Invocation struct {
	// ID names the call in its completion. HasID is false where the client
	// wants none.
	ID    string
	HasID bool

	// Hub is the hub as the client spelled it, "" where the protocol does not
	// name it: the one hub that the connection listens to is meant.
	Hub string

	// Method is the method as the client spelled it.
	Method string

	// Args are the arguments in order, not decoded.
	Args []Raw

	// State is the state that the client keeps for the hub.
	State State

	// Stream says that the client wants the result as a stream of items.
	Stream bool

	// Detached says that the client takes the completion of a stream as a
	// message, behind the items, and for an answer a Receipt at once: for
	// protocols whose answers are lost with a transport.
	Detached bool

	// Streams are the ids of the streams that the client sends along, in the
	// order of the parameters that take one. They are no arguments.
	Streams []string
}

// A Cancel says that the client wants no more of the stream that it invoked.
type Cancel struct {
	ID string // of the invocation
}

// A StreamItem is one value of a stream from the client.
type StreamItem struct {
	ID   string // of the stream
	Item Raw
}

// An Answer ends a stream from the client, or answers a Call with an ID. Which
// of the two is told by the ID alone.
type Answer struct {
	ID string

	// Result is what the client returned. HasResult is false if it returned
	// nothing, at the end of a stream, and with an Error.
	Result    Raw
	HasResult bool

	// Error says why the client failed. Failed is true if it did.
	Error  string
	Failed bool
}

// A Call is a call of a client method by the server.
type Call struct {
	// ID asks the client for an Answer. It is "" where none is wanted. A
	// protocol without answers cannot carry a call with an ID.
	ID string

	Hub    string
	Method string
	Args   *Args

	// State holds the entries that changed. Nil for none.
	State State
}

// A Completion answers an Invocation.
type Completion struct {
	ID    string
	HasID bool

	// Result is the value that the method returned. HasResult is false for a
	// method without one, and with a Fault.
	Result    any
	HasResult bool

	// Stream says that what ends here is a stream of items.
	Stream bool

	// Fault is set if the call failed.
	Fault *Fault

	// State holds the entries that changed. Nil for none.
	State State
}

// A Progress reports how far an invocation has got.
type Progress struct {
	ID    string
	Value any
	State State
}

// An Item is one value of a stream to the client.
type Item struct {
	ID    string // of the invocation
	Value any
}

// A Receipt tells a client that its Answer, its Cancel, or its Detached
// invocation has come, or that another invocation is waiting and holds up no
// other.
type Receipt struct {
	ID string
}

// State is what a client keeps per hub and sends with its calls, as JSON
// values. Protocols without such a thing leave it out.
type State map[string]Raw

func (*Invocation) incoming() {}
func (*Cancel) incoming()     {}
func (*StreamItem) incoming() {}
func (*Answer) incoming()     {}
func (*Call) outgoing()       {}
func (*Completion) outgoing() {}
func (*Progress) outgoing()   {}
func (*Item) outgoing()       {}
func (*Receipt) outgoing()    {}

// A Kind is why a call failed.
type Kind uint8

// The kinds of failure.
const (
	// Failed: the method returned an error that is not meant for clients, or
	// panicked. Text is empty unless detailed errors are on.
	Failed Kind = iota

	// Refused: the method returned an error that is meant for the client.
	Refused

	// NotFound: there is no such hub or method.
	NotFound

	// BadArguments: too few, too many, or of the wrong type.
	BadArguments

	// Unauthorized: the caller may not do that.
	Unauthorized

	// Busy: too many calls are waiting already, or the server is shutting down.
	Busy

	// BadMessage: the message is not one of the protocol.
	BadMessage

	// StreamOnly: the method streams, and was called as one that does not.
	StreamOnly

	// NotStream: a stream was asked for, of a method that has none.
	NotStream

	// InUse: the id of the call, or of a stream that comes with it, is that of
	// another one.
	InUse
)

// A Fault tells a client why its call failed. The codec puts it into the words
// of the protocol.
type Fault struct {
	Kind Kind

	// Hub and Method are what the client asked for, as it spelled it.
	Hub, Method string

	// Text says what is wrong. It is for the client to see.
	Text string

	// Data goes with a Refused fault. Nil for none.
	Data any

	// Stack is a stack trace, where the server is set to disclose it.
	Stack string
}
