package hub

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	"github.com/hubwire/hubwire/hub/codec"
)

// State is what a client keeps for a hub: named JSON values that it sends with
// each of its calls. What a method sets goes back with the result, with
// progress, and with calls of the caller, and the client merges it. Clients
// that have no such thing send none and ignore what comes. All methods may be
// called from any goroutine.
type State struct {
	mu   sync.Mutex
	sent codec.State // never changed
	set  codec.State // replaced, never changed
}

// Get decodes the value of the key into v, a pointer. It reports false, and
// leaves v alone, if there is none.
func (s *State) Get(key string, v any) (bool, error) {
	s.mu.Lock()
	raw, ok := s.set[key]
	if !ok {
		raw, ok = s.sent[key]
	}
	s.mu.Unlock()
	if !ok {
		return false, nil
	}
	if err := codec.JSON.Unmarshal(raw, v); err != nil {
		return true, fmt.Errorf("hub: state %q: %w", key, err)
	}
	return true, nil
}

// Set sets the value of the key. One that the client has already is not sent.
func (s *State) Set(key string, v any) error {
	raw, err := codec.JSON.Marshal(v)
	if err != nil {
		return fmt.Errorf("hub: state %q: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	set := maps.Clone(s.set)
	if set == nil {
		set = make(codec.State)
	}
	if sameJSON(raw, s.sent[key]) {
		delete(set, key)
	} else {
		set[key] = raw
	}
	s.set = set
	return nil
}

// changes returns what was set so far.
func (s *State) changes() codec.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set
}

// sameJSON reports whether a, as the encoder writes it, and b, as a client
// does, are the same text but for white space.
func sameJSON(a, b []byte) bool {
	if len(b) == 0 {
		return false
	}
	var c bytes.Buffer
	return json.Compact(&c, b) == nil && bytes.Equal(a, c.Bytes())
}
