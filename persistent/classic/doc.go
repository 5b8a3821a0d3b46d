// Package classic is the dialect of the SignalR 2 client family: negotiate,
// connect, start, reconnect, poll, send, abort and ping below one URL, and
// frames that carry a cursor, messages and a groups token.
package classic

import "github.com/hubwire/hubwire/persistent/messagelog"

// JSON is the protocol of classic clients.
var JSON = &messagelog.Protocol{Name: "signalr2/json"}
