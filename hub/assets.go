package hub

import (
	"net/http"
	"path"
	"strings"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/jsclient"
)

// An asset answers requests for files, or returns false.
type asset func(w http.ResponseWriter, r *http.Request, s *codec.Site) bool

// serveAsset answers requests for the client of this project, for the types of
// the hubs, and for the files of the families, such as a script with a proxy for each hub.
func (s *Server) serveAsset(w http.ResponseWriter, r *http.Request) bool {
	if serveClient(w, r) || s.serveTypes(w, r) {
		return true
	}
	site := s.hubs.Load().site
	for _, a := range s.assets {
		if a(w, r, site) {
			return true
		}
	}
	return false
}

// serveClient serves .../client.js and its kin. Pages of any origin may load
// them: they hold nothing of the program.
func serveClient(w http.ResponseWriter, r *http.Request) bool {
	name := path.Base(r.URL.Path)
	if !strings.HasPrefix(name, "client.") {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if jsclient.ServeFile(w, r, name) {
		return true
	}
	w.Header().Del("Access-Control-Allow-Origin")
	return false
}
