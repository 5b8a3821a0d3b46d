package hub

import "sync"

// cacheSize is how many values one generation of a cache holds. What is used
// stays; a name that is not asked for again costs nothing for long.
const cacheSize = 4096

// A cache keeps values by name in two generations: when the young one is full
// it becomes the old one, and what is found there moves up. The zero cache is
// ready for use.
type cache[T any] struct {
	mu         sync.RWMutex
	young, old map[string]T
}

// get returns the value of the name, made if it is not there.
func (c *cache[T]) get(name string, make func() T) T {
	c.mu.RLock()
	v, ok := c.young[name]
	c.mu.RUnlock()
	if ok {
		return v
	}
	return c.add(name, make)
}

func (c *cache[T]) add(name string, create func() T) T {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.old[name]
	if !ok {
		v = create()
	}
	if c.young == nil || len(c.young) >= cacheSize {
		c.old, c.young = c.young, make(map[string]T)
	}
	c.young[name] = v
	return v
}
