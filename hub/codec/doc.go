// Package codec is the seam between hubs and the message formats of client
// families. A [Codec] turns the neutral messages of this package into opaque
// payloads and back; an [Encoding] turns Go values into bytes and back. One
// encoding serves several codecs, so that a broadcast to two families encodes
// its arguments once.
//
// Arguments that come in stay raw until the method, and so their types, are
// known. A value that does not decode fails that call, never the connection.
//
// A [Family] ties a dialect and its codecs together. To add a client family,
// write one and give it to the hub server; package hub does not change.
package codec
