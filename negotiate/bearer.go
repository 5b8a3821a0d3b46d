package negotiate

import (
	"net/http"
	"strings"
)

// BearerToken returns the token that a request carries for the program's own
// authentication: that of an "Authorization: Bearer" header, or else the query
// parameter access_token, which clients use where a browser lets them set no
// header. It is "" if there is none. Keep query strings out of logs.
func BearerToken(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return ParseQuery(r.URL.RawQuery).Get("access_token")
}
