// Package jsclient holds the built TypeScript client, so that a server can
// hand it to browsers without a build step or a copy of the files.
//
// The source and its tests are beside this file; dist is what `npm run build`
// makes of it, and `npm run check` fails where the two do not fit.
//
//	http.HandleFunc("/signalr/client.js", func(w http.ResponseWriter, r *http.Request) {
//		jsclient.ServeFile(w, r, "client.js")
//	})
//
// All functions may be called from any goroutine.
package jsclient

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"time"
)

var (
	//go:embed dist/hubwire.js
	module []byte
	//go:embed dist/hubwire.global.js
	script []byte
	//go:embed dist/hubwire.d.ts
	types []byte
)

// files are the files by the names under which they are served.
var files = map[string]*file{
	"client.js":        newFile("text/javascript; charset=utf-8", module),
	"client.global.js": newFile("text/javascript; charset=utf-8", script),
	"client.d.ts":      newFile("application/typescript; charset=utf-8", types),
}

// ServeFile answers with the file of that name, or returns false and leaves w
// alone where there is none. The names are client.js (an ES module),
// client.global.js (a classic script, whose global is hubwire) and client.d.ts
// (the types of both).
//
// Browsers ask each time whether their copy is still the current one; the
// answer is by a hash of the content, so that a new server brings the new
// client along.
func ServeFile(w http.ResponseWriter, r *http.Request, name string) bool {
	f, ok := files[name]
	if !ok {
		return false
	}
	f.ServeHTTP(w, r)
	return true
}

// Handler serves the files by the last element of the request's path, and 404
// for what it does not have.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ServeFile(w, r, base(r.URL.Path)) {
			http.NotFound(w, r)
		}
	})
}

func base(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[i+1:]
		}
	}
	return path
}

// A file is immutable.
type file struct {
	contentType string
	etag        string
	content     []byte
}

func newFile(contentType string, content []byte) *file {
	sum := sha256.Sum256(content)
	return &file{
		contentType: contentType,
		etag:        `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
		content:     content,
	}
}

// ServeHTTP handles HEAD, ranges and If-None-Match. Other methods than GET
// and HEAD are refused.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}
