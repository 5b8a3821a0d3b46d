module github.com/hubwire/hubwire

go 1.26

require (
	github.com/coder/websocket v1.8.15
	github.com/goccy/go-json v0.12.0
	github.com/hashicorp/go-msgpack/v2 v2.1.5
	github.com/rs/cors v1.11.1
	github.com/tmaxmax/go-sse v0.11.0
	go.uber.org/goleak v1.3.0
	golang.org/x/time v0.14.0
)
