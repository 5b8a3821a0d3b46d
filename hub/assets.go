package hub

import (
	"net/http"

	"github.com/hubwire/hubwire/hub/codec"
)

// An asset answers requests for files, or returns false.
type asset func(w http.ResponseWriter, r *http.Request, s *codec.Site) bool

func (s *Server) serveAsset(w http.ResponseWriter, r *http.Request) bool {
	if len(s.assets) == 0 {
		return false
	}
	site := s.hubs.Load().site
	for _, a := range s.assets {
		if a(w, r, site) {
			return true
		}
	}
	return false
}
