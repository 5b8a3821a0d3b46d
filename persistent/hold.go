package persistent

// Hold makes the transports of the connection stop reading what its client
// sends, until Release: the client is then held back, by TCP, and not taken for
// silent. It does not wait; a payload that has been read may still come. What
// goes out is not held.
//
// Behind what is held back may be anything: the answer that a method waits for,
// the end of a stream, the end of the client. Whoever holds must be sure to
// come to Release without them. Held twice is held once. The end of the
// connection releases it for good.
func (c *Conn) Hold() {
	if c.held.Load() != nil {
		return
	}
	released := make(chan struct{})
	if c.held.CompareAndSwap(nil, &released) && c.ctx.Err() != nil {
		c.Release()
	}
}

// Release ends what Hold began, if anything.
func (c *Conn) Release() {
	if released := c.held.Swap(nil); released != nil {
		close(*released)
	}
}

// Held returns nil, or while the connection is held a channel that is closed by
// Release and by the end of the connection. A connection is not held while its
// exchange is paused: what lets that go on comes from the client.
func (c *Conn) Held() <-chan struct{} {
	if released := c.held.Load(); released != nil && !c.out.isPaused() {
		return *released
	}
	return nil
}

// reconsider makes those who wait for the release ask anew.
func (c *Conn) reconsider() {
	released := make(chan struct{})
	if old := c.held.Load(); old != nil && c.held.CompareAndSwap(old, &released) {
		close(*old)
	}
}
