package hub

import (
	"maps"
	"slices"
	"strings"

	"github.com/hubwire/hubwire/hub/codec"
)

// A nameTable finds values by name in any case. The spellings that clients use
// are found with one look-up; only others cost a comparison with each name.
type nameTable[T any] struct {
	spellings map[string]T
	names     []string
	list      []T
}

// find returns the value with the name.
func (t *nameTable[T]) find(name string) (T, bool) {
	if v, ok := t.spellings[name]; ok {
		return v, true
	}
	for i, n := range t.names {
		if strings.EqualFold(n, name) {
			return t.list[i], true
		}
	}
	var zero T
	return zero, false
}

// with returns a copy with one name more.
func (t *nameTable[T]) with(name string, v T) nameTable[T] {
	c := nameTable[T]{
		spellings: maps.Clone(t.spellings),
		names:     append(slices.Clip(t.names), name),
		list:      append(slices.Clip(t.list), v),
	}
	if c.spellings == nil {
		c.spellings = make(map[string]T)
	}
	for _, s := range []string{strings.ToLower(name), codec.LowerCamel(name), name} {
		c.spellings[s] = v
	}
	return c
}

// values returns the values in the order in which they came.
func (t *nameTable[T]) values() []T { return t.list }
