module github.com/hubwire/hubwire/bench

go 1.26.0

replace github.com/hubwire/hubwire => ..

require (
	github.com/coder/websocket v1.8.15
	github.com/goccy/go-json v0.12.0
	github.com/hubwire/hubwire v0.0.0-00010101000000-000000000000
	github.com/lxzan/gws v1.8.9
	github.com/tmaxmax/go-sse v0.11.0
)

require (
	github.com/dolthub/maphash v0.1.0 // indirect
	github.com/hashicorp/go-msgpack/v2 v2.1.5 // indirect
	github.com/klauspost/compress v1.17.9 // indirect
	github.com/rs/cors v1.11.1 // indirect
	golang.org/x/time v0.14.0 // indirect
)
