package negotiate_test

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/hubwire/hubwire/negotiate"
)

func Example() {
	keys, err := negotiate.NewKeyring(negotiate.Key("32 random bytes from a secret store"))
	if err != nil {
		panic(err)
	}
	token := keys.ConnectionToken(negotiate.NewConnectionID(), "ann")

	_, user, err := keys.OpenConnectionToken(token)
	fmt.Println(user, err)

	_, err = keys.OpenGroupsToken(token, "any")
	fmt.Println("as a groups token:", errors.Is(err, negotiate.ErrBadToken))
	// Output:
	// ann <nil>
	// as a groups token: true
}

func ExampleResolveVersion() {
	for _, client := range []string{"2.1", "1.5", ""} {
		fmt.Println(negotiate.ResolveVersion(client))
	}
	// Output:
	// 2.0
	// 1.5
	// 1.2
}

func ExampleOrigins_Handler() {
	origins, err := negotiate.NewOrigins([]string{"https://app.example.com"})
	if err != nil {
		panic(err)
	}
	http.Handle("/signalr/", origins.Handler(http.NotFoundHandler()))
}
