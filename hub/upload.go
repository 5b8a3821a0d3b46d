package hub

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"sync"

	"github.com/hubwire/hubwire/hub/codec"
)

// An upload is a stream from a client on its way to a parameter of a method.
type upload struct {
	id     string
	ctx    *call
	method *method
	number int // among the uploads of the method, from 1
	of     *streamType
	codec  codec.Encoding
	limits bounds

	// Guarded by the mu of the connection's beside.
	items []codec.Raw
	bytes int
	full  bool          // the method is behind with it
	count int           // of the items that were read
	err   error         // why there is no more, io.EOF at the end
	more  chan struct{} // non-nil while the reader waits
}

// An uploadParam is a parameter of a method that takes a stream.
type uploadParam struct {
	*streamType
	at int // its place among the parameters
}

// withUploads puts the call's streams between the arguments, which begin with
// the call itself.
func (k *call) withUploads(args []reflect.Value) ([]reflect.Value, error) {
	if len(k.inv.Streams) != len(k.method.uploads) {
		return nil, Errorf("Client sent %d stream(s), Hub method expects %d.", len(k.inv.Streams), len(k.method.uploads))
	}
	for i, p := range k.method.uploads {
		args = slices.Insert(args, p.at, k.streams.uploads[i].param(&k.streams.feeders))
	}
	return args, nil
}

// bounds are how much of an upload may wait for its method.
type bounds struct{ items, bytes int }

// reaches reports whether an nth of the bounds is used up.
func (u *upload) reaches(nth int) bool {
	return len(u.items) > 0 && (len(u.items) >= u.limits.items/nth || u.bytes >= u.limits.bytes/nth)
}

// add queues an item. An upload is full from a quarter of the bounds on, until
// half of that is read; its client is then held back. A client that cannot be,
// and uses all of the bounds up, loses the stream. Called with mu held.
func (u *upload) add(item codec.Raw) {
	switch {
	case u.err != nil:
		return
	case u.reaches(1):
		u.stop(ErrOverrun)
		return
	}
	u.items = append(u.items, item)
	u.bytes += len(item)
	u.full = u.full || u.reaches(4)
	u.wake()
}

// stop ends the stream behind the items that have come. A nil error is a good
// end. Called with mu held.
func (u *upload) stop(err error) {
	if u.err != nil {
		return
	}
	if err == nil {
		err = io.EOF
	}
	u.err = err
	u.wake()
}

func (u *upload) wake() {
	if u.more != nil {
		close(u.more)
		u.more = nil
	}
}

// starves reports whether the call waits for an item of any of its streams.
// Called with mu held.
func (k *call) starves() bool {
	return slices.ContainsFunc(k.streams.uploads, func(u *upload) bool { return u.more != nil })
}

// next returns the next item. The error is io.EOF at the end.
func (u *upload) next() (reflect.Value, error) {
	for {
		raw, more, err := u.take()
		switch {
		case err != nil:
			return reflect.Zero(u.of.elem), err
		case raw != nil:
			return u.decode(raw)
		}
		select {
		case <-more:
		case <-u.ctx.Done():
			u.end(u.ctx.broken())
		}
	}
}

// take returns an item, or why there will be none, or what to wait for.
func (u *upload) take() (raw codec.Raw, more <-chan struct{}, err error) {
	b := &u.ctx.conn.beside
	b.mu.Lock()
	defer b.unlock()
	if len(u.items) > 0 {
		raw, u.items[0] = u.items[0], nil
		u.items = u.items[1:]
		u.bytes -= len(raw)
		u.full = u.full && u.reaches(8)
		u.count++
		return raw, nil, nil
	}
	if u.err != nil {
		return nil, nil, u.err
	}
	if u.more == nil {
		u.more = make(chan struct{})
	}
	return nil, u.more, nil
}

// end ends the stream from the side of the method.
func (u *upload) end(err error) {
	b := &u.ctx.conn.beside
	b.mu.Lock()
	defer b.unlock()
	u.stop(err)
}

// decode decodes an item. One that does not decode ends the stream.
func (u *upload) decode(raw codec.Raw) (reflect.Value, error) {
	v := reflect.New(u.of.elem)
	err := guard(func() error { return u.codec.Unmarshal(raw, v.Interface()) })
	if err == nil {
		return v.Elem(), nil
	}
	err = &callError{codec.BadArguments, fmt.Sprintf("Item %d of stream %d of method %q is not a %s: %s.",
		u.count, u.number, u.method.name, u.of.elem, decodeReason(err))}
	b := &u.ctx.conn.beside
	b.mu.Lock()
	defer b.unlock()
	u.items, u.err, u.full = nil, err, false
	return reflect.Zero(u.of.elem), err
}

// param returns the stream as the parameter of the method. Feeders of channels
// are counted in wg; they end with the call.
func (u *upload) param(wg *sync.WaitGroup) reflect.Value {
	if u.of.typ.Kind() == reflect.Func {
		return reflect.MakeFunc(u.of.typ, func(in []reflect.Value) []reflect.Value {
			u.feed(in[0])
			return nil
		})
	}
	ch := reflect.MakeChan(reflect.ChanOf(reflect.BothDir, u.of.elem), 0)
	wg.Go(func() { u.feedChan(ch) })
	return ch.Convert(u.of.typ)
}

// feed yields the items, and at last the error, if there is one.
func (u *upload) feed(yield reflect.Value) {
	for {
		item, err := u.next()
		if err == io.EOF {
			return
		}
		goOn := yield.Call([]reflect.Value{item, reflect.ValueOf(&err).Elem()})[0].Bool()
		if err != nil || !goOn {
			return
		}
	}
}

// feedChan sends the items, and closes the channel at the end, be it good or
// not.
func (u *upload) feedChan(ch reflect.Value) {
	defer ch.Close()
	choices := []reflect.SelectCase{
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(u.ctx.Done())},
		{Dir: reflect.SelectSend, Chan: ch},
	}
	for {
		item, err := u.next()
		if err != nil {
			return
		}
		choices[1].Send = item
		if chosen, _, _ := reflect.Select(choices); chosen == 0 {
			return
		}
	}
}
