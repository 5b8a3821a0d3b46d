package codec

import (
	"net/http"
	"reflect"

	"github.com/hubwire/hubwire/persistent/dialect"
)

// A Family is one client family: how its requests look, and its messages.
type Family struct {
	// Name is a short word for logs and errors.
	Name string

	// Dialect serves the requests.
	Dialect dialect.Dialect

	// Codecs are the message formats, one for each protocol of the dialect.
	Codecs []Codec

	// Reserved are path segments that the dialect uses below the mount. No hub
	// may have such a name.
	Reserved []string

	// Assets answers requests for the family's files, such as a script that is
	// made from the registered hubs. It returns false, and leaves w alone,
	// where r asks for something else. Nil if there are none.
	Assets func(w http.ResponseWriter, r *http.Request, s *Site) bool
}

// A Site is what assets are made from.
type Site struct {
	// Hubs are the registered hubs, sorted by name. When one is added there is
	// another Site.
	Hubs []HubDescriptor

	// PublicPath is the path of a request as the client sees it.
	PublicPath func(*http.Request) string

	// JSONP tells whether JSONP is on.
	JSONP bool

	// NoProxies tells whether scripts with the hubs' methods are turned off.
	NoProxies bool
}

// A HubDescriptor describes a hub to those who write code for clients.
type HubDescriptor struct {
	// Name is the name on the wire. Explicit says that the program chose it,
	// so that it is not to be camel-cased.
	Name     string
	Explicit bool

	// Methods are what clients may call, sorted by name.
	Methods []MethodDescriptor

	// Client is what the server may call, sorted by name.
	Client []MethodDescriptor
}

// A MethodDescriptor describes one method.
type MethodDescriptor struct {
	Name     string
	Explicit bool

	// Params are the types of the parameters. A variadic method's last one is
	// a slice.
	Params   []reflect.Type
	Variadic bool

	// Result is nil for a method without one.
	Result reflect.Type

	// Progress is the type of its progress reports, nil for none.
	Progress reflect.Type

	// Stream is the type of the items that it streams to the client, nil for a
	// method that does not. Uploads are those of the streams that it takes.
	Stream  reflect.Type
	Uploads []reflect.Type
}
