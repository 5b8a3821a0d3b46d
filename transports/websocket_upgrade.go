package transports

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"reflect"
)

// plainUpgrade returns the key of a request that asks for a WebSocket as clients
// do, where nobody else is to see the answer. It is written past net/http, which
// spends more on it than a write costs. Everything else, and whatever is wrong,
// is left to the library: it knows the answers. RFC 6455 §4.2.1.
func plainUpgrade(w http.ResponseWriter, r *http.Request) (key string, ok bool) {
	version, keys := r.Header["Sec-Websocket-Version"], r.Header["Sec-Websocket-Key"]
	ok = direct(w) && r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoMinor == 1 && IsWebSocketRequest(r) &&
		len(version) == 1 && version[0] == "13" && len(keys) == 1 && len(keys[0]) == base64.StdEncoding.EncodedLen(keySize)
	if !ok {
		return "", false
	}
	var b [keySize + 2]byte // what so many characters may stand for
	n, err := base64.StdEncoding.Decode(b[:], []byte(keys[0]))
	return keys[0], err == nil && n == keySize
}

// keySize is how many bytes the key of a client is made of.
const keySize = 16

// direct reports whether w is net/http's own: there is no middleware around it
// that would see what goes by.
func direct(w http.ResponseWriter) bool {
	t := reflect.TypeOf(w)
	return t.Kind() == reflect.Pointer && t.Elem().PkgPath() == "net/http"
}

// answer is the response to an upgrade: RFC 6455 §4.2.2. It has no date, and
// need not: RFC 9110 §6.6.1.
func answer(h http.Header, key string) []byte {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	b := make([]byte, 0, 320) // for the first frame, too
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = base64.StdEncoding.AppendEncode(b, sum[:])
	b = append(b, "\r\n"...)
	buf := bytes.NewBuffer(b)
	_ = h.WriteSubset(buf, ownHeader) // to memory
	return append(buf.Bytes(), "\r\n"...)
}

// ownHeader are the fields that answer writes by itself.
var ownHeader = map[string]bool{"Upgrade": true, "Connection": true, "Sec-Websocket-Accept": true}
