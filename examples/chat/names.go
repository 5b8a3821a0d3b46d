package main

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/negotiate"
)

// guestPrefix begins the names that the server makes up.
const guestPrefix = "guest-"

// authenticate takes people at their word: they are who the query says. Real
// programs look at a cookie or a token here. Whoever gives no name is nobody
// as yet, "", and is named by nameOf.
func authenticate(r *http.Request) (string, error) {
	name := r.URL.Query().Get("name")
	if name == "" {
		return "", nil
	}
	err := checkName("name", name, 24)
	if strings.HasPrefix(strings.ToLower(name), guestPrefix) {
		err = hub.Errorf("names that begin with %q are for guests", guestPrefix)
	}
	if err != nil {
		return "", &negotiate.Refusal{Status: http.StatusBadRequest, Reason: "bad_name", Text: err.Error()}
	}
	return name, nil
}

// nameOf returns the caller's name: the user, or one made of the connection's
// ID, which lasts as long as the connection.
func nameOf(c *hub.Call[Client]) string {
	if c.User != "" {
		return c.User
	}
	first, _, _ := strings.Cut(c.ConnectionID, "-")
	return guestPrefix + first
}

func checkRoom(room string) error { return checkName("name of the room", room, 32) }

func checkName(what, name string, longest int) error {
	if strings.TrimSpace(name) != name {
		return hub.Errorf("the %s begins or ends with a space", what)
	}
	return check(what, name, longest, unicode.IsPrint)
}

func checkText(text string) error {
	return check("message", text, 2000, func(r rune) bool { return r == '\n' || !unicode.IsControl(r) })
}

// check returns what is wrong with something that a user has typed.
func check(what, typed string, longest int, fits func(rune) bool) error {
	switch {
	case strings.TrimSpace(typed) == "":
		return hub.Errorf("the %s is empty", what)
	case utf8.RuneCountInString(typed) > longest:
		return hub.Errorf("the %s is longer than %d characters", what, longest)
	case !utf8.ValidString(typed) || strings.ContainsFunc(typed, func(r rune) bool { return !fits(r) }):
		return hub.Errorf("the %s contains characters that cannot be shown", what)
	}
	return nil
}
