// Package transporttest has one suite of tests that every transport passes.
//
//	transporttest.Run(t, transporttest.Transport{
//		Kind: transports.ServerSentEvents,
//		Open: openEventStream,
//	})
//
// It speaks of frames only; how they look on the wire is for the transport's own
// tests.
//
// Beside it is what the test clients of all families share: servers in memory,
// and the reading of responses.
package transporttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/hubwire/hubwire/transports"
)

// A Transport is what the suite tests.
type Transport struct {
	Kind transports.Kind

	// OneFrame says that a stream ends with its first frame.
	OneFrame bool

	// Open starts an exchange between a client and a server of its own. Serve
	// is to be called once on the server's side, in a goroutine that may send;
	// the exchange ends when it returns. Open cleans up after the test.
	Open func(t *testing.T, o transports.Options, serve func(transports.Stream)) Client
}

// A Client is the far end of a stream. It must not read ahead without bounds:
// the suite stalls the server by not calling Receive.
type Client interface {
	// Receive returns the next frame as it was given to Send, as JSON. Whether
	// a keep-alive is a frame is for the transport to decide. The error is
	// io.EOF when the stream has ended in good order.
	Receive() ([]byte, error)

	// Close abandons the exchange without a word.
	Close()
}

// patience bounds what should happen at once: nothing but what hangs takes that
// long.
const patience = 2 * time.Minute

// Run runs the suite, each test as a subtest of t.
func Run(t *testing.T, tr Transport) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Transport)
	}{
		{"kind", testKind},
		{"a frame arrives as it was sent", testFrame},
		{"a large frame arrives", testLargeFrame},
		{"frames arrive in order", testOrder},
		{"a large batch arrives in order", testLargeBatch},
		{"a keep-alive does not disturb frames", testKeepAlive},
		{"sending nothing is nothing", testEmptySend},
		{"frames stay as they are", testFramesUntouched},
		{"a closed stream returns ErrClosed", testClosed},
		{"close ends the stream in good order", testCloseIsClean},
		{"close unblocks a stalled send", testCloseUnblocks},
		{"close spares a send that gets through", testCloseDuringSends},
		{"a stalled client is cut off", testWriteTimeout},
		{"a client that left is noticed", testClientGone},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, tr) })
	}
}

// An exchange is one stream under test, with the server's part in a script that
// runs where the stream may be used.
type exchange struct {
	t      *testing.T
	client Client
	ended  chan error
}

func open(t *testing.T, tr Transport, o transports.Options, script func(transports.Stream) error) *exchange {
	t.Helper()
	x := &exchange{t: t, ended: make(chan error, 1)} // One result; nobody may be left to take it.
	x.client = tr.Open(t, o, func(s transports.Stream) { x.ended <- script(s) })
	return x
}

// wantEnd waits for the server's script and its success.
func (x *exchange) wantEnd(why string) {
	x.t.Helper()
	select {
	case err := <-x.ended:
		if err != nil {
			x.t.Errorf("%s: %v", why, err)
		}
	case <-time.After(patience):
		x.t.Fatalf("%s: the server has not come to its end", why)
	}
}

func (x *exchange) wantFrame(why string, want []byte) {
	x.t.Helper()
	got, err := x.client.Receive()
	if err != nil {
		x.t.Fatalf("%s: %v", why, err)
	}
	if !sameJSON(got, want) {
		x.t.Fatalf("%s: got %.200q, want %.200q", why, got, want)
	}
}

func (x *exchange) wantEOF(why string) {
	x.t.Helper()
	if got, err := x.client.Receive(); !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		x.t.Errorf("%s: got %.200q and %v, want io.EOF", why, got, err)
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return bytes.Equal(a, b)
	}
	a, _ = json.Marshal(x)
	b, _ = json.Marshal(y)
	return bytes.Equal(a, b)
}

func frames(texts ...string) (f [][]byte) {
	for _, s := range texts {
		f = append(f, []byte(s))
	}
	return f
}

func sendOnce(frame []byte) func(transports.Stream) error {
	return func(s transports.Stream) error { return s.Send([][]byte{frame}) }
}

func testKind(t *testing.T, tr Transport) {
	x := open(t, tr, transports.Options{}, func(s transports.Stream) error {
		if got := s.Kind(); got != tr.Kind {
			return fmt.Errorf("got %v, want %v", got, tr.Kind)
		}
		return nil
	})
	x.wantEnd("the kind of the stream")
}

// awkward has what one transport or another must escape.
const awkward = `{"C":"d-1","M":["</script><script>\u0000\r\n","\u2028\u2029","` + "\u2028\u2029é€😀" + `","&amp;\"'"]}`

func testFrame(t *testing.T, tr Transport) {
	x := open(t, tr, transports.Options{}, sendOnce([]byte(awkward)))
	x.wantFrame("a frame", []byte(awkward))
	x.wantEnd("send")
}

func testLargeFrame(t *testing.T, tr Transport) {
	frame, _ := json.Marshal(string(bytes.Repeat([]byte("<large>"), 50_000)))
	x := open(t, tr, transports.Options{}, sendOnce(frame))
	x.wantFrame("a large frame", frame)
	x.wantEnd("send")
}

func testOrder(t *testing.T, tr Transport) {
	if tr.OneFrame {
		testOneFrame(t, tr)
		return
	}
	batches := [][][]byte{frames(`1`), frames(`2`, `3`, `4`), frames(`5`, `6`)}
	x := open(t, tr, transports.Options{}, func(s transports.Stream) error {
		for _, b := range batches {
			if err := s.Send(b); err != nil {
				return err
			}
		}
		return nil
	})
	for _, b := range batches {
		for _, f := range b {
			x.wantFrame("frames in order", f)
		}
	}
	x.wantEnd("send")
}

func testLargeBatch(t *testing.T, tr Transport) {
	if tr.OneFrame {
		t.Skip("a batch is one frame")
	}
	var batch [][]byte
	for i := range 8 {
		text, _ := json.Marshal(string(bytes.Repeat([]byte{'a' + byte(i)}, 50_000)))
		batch = append(batch, text, []byte(`1`))
	}
	x := open(t, tr, transports.Options{}, func(s transports.Stream) error { return s.Send(batch) })
	for _, f := range batch {
		x.wantFrame("frame of a large batch", f)
	}
	x.wantEnd("send")
}

func testOneFrame(t *testing.T, tr Transport) {
	x := open(t, tr, transports.Options{}, func(s transports.Stream) error {
		if err := s.Send(frames(`1`, `2`)); !errors.Is(err, transports.ErrOneFrame) {
			return fmt.Errorf("two frames: got %v, want ErrOneFrame", err)
		}
		if err := s.Send(frames(`3`)); err != nil {
			return fmt.Errorf("one frame after a mistake: %w", err)
		}
		if err := s.Send(frames(`4`)); !errors.Is(err, transports.ErrClosed) {
			return fmt.Errorf("another frame: got %v, want ErrClosed", err)
		}
		return nil
	})
	x.wantFrame("the one frame", []byte(`3`))
	x.wantEOF("after the one frame")
	x.wantEnd("one frame only")
}

func testKeepAlive(t *testing.T, tr Transport) {
	x := open(t, tr, transports.Options{}, func(s transports.Stream) error {
		for range 3 {
			if err := s.KeepAlive([]byte(`{}`)); err != nil {
				return err
			}
		}
		return s.Send(frames(`"after"`))
	})
	for range 4 {
		got, err := x.client.Receive()
		if err != nil {
			t.Fatalf("frame after keep-alives: %v", err)
		}
		if sameJSON(got, []byte(`"after"`)) {
			x.wantEnd("keep-alives and a frame")
			return
		}
		if !sameJSON(got, []byte(`{}`)) {
			t.Fatalf("keep-alive: got %q", got)
		}
	}
	t.Fatal("the frame after three keep-alives did not come")
}

func testEmptySend(t *testing.T, tr Transport) {
	x := open(t, tr, transports.Options{}, func(s transports.Stream) error {
		if err := s.Send(nil); err != nil && !tr.OneFrame {
			return fmt.Errorf("no frames: %w", err)
		}
		return s.Send(frames(`"some"`))
	})
	x.wantFrame("first frame", []byte(`"some"`))
	x.wantEnd("send")
}

// Frames are shared by all their receivers.
func testFramesUntouched(t *testing.T, tr Transport) {
	frame := []byte(awkward)
	x := open(t, tr, transports.Options{}, func(s transports.Stream) error {
		if err := s.Send([][]byte{frame}); err != nil {
			return err
		}
		if string(frame) != awkward {
			return fmt.Errorf("frame has become %q", frame)
		}
		clear(frame) // What was sent must not change, either.
		return nil
	})
	x.wantEnd("the frame after send")
	x.wantFrame("the frame as it was at send", []byte(awkward))
}

func testClosed(t *testing.T, tr Transport) {
	x := open(t, tr, transports.Options{}, func(s transports.Stream) error {
		s.Close()
		s.Close()
		if err := s.Send(frames(`1`)); !errors.Is(err, transports.ErrClosed) {
			return fmt.Errorf("send: got %v, want ErrClosed", err)
		}
		if err := s.KeepAlive([]byte(`{}`)); !errors.Is(err, transports.ErrClosed) {
			return fmt.Errorf("keep-alive: got %v, want ErrClosed", err)
		}
		return nil
	})
	x.wantEnd("after close")
}

func testCloseIsClean(t *testing.T, tr Transport) {
	x := open(t, tr, transports.Options{}, func(s transports.Stream) error {
		if err := s.Send(frames(`"last"`)); err != nil {
			return err
		}
		s.Close()
		return nil
	})
	x.wantFrame("the last frame", []byte(`"last"`))
	x.wantEOF("after close")
	x.wantEnd("close")
}

// stall is more than the buffers between two ends hold.
var stall = bytes.Repeat([]byte("0"), 32<<20)

func testCloseUnblocks(t *testing.T, tr Transport) {
	sending := make(chan transports.Stream)
	x := open(t, tr, transports.Options{WriteTimeout: -1}, func(s transports.Stream) error {
		sending <- s
		if err := s.Send([][]byte{stall}); !errors.Is(err, transports.ErrClosed) {
			return fmt.Errorf("stalled send: got %v, want ErrClosed", err)
		}
		return nil
	})
	s := <-sending
	time.Sleep(20 * time.Millisecond) // Nothing tells that a write has stalled.
	closed := make(chan struct{})
	go func() {
		s.Close()
		close(closed)
	}()
	x.wantEnd("close during a stalled send")
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("close does not return")
	}
}

func testCloseDuringSends(t *testing.T, tr Transport) {
	var wait sync.WaitGroup
	defer wait.Wait()
	x := open(t, tr, transports.Options{}, func(s transports.Stream) error {
		wait.Go(s.Close)
		for {
			if err := s.Send(frames(`"whole"`)); errors.Is(err, transports.ErrClosed) {
				return nil
			} else if err != nil {
				return err
			}
		}
	})
	for {
		got, err := x.client.Receive()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("stream closed between sends: %v", err)
		}
		if string(got) != `"whole"` {
			t.Fatalf("frame: got %q", got)
		}
	}
	x.wantEnd("sends until close")
}

func testWriteTimeout(t *testing.T, tr Transport) {
	x := open(t, tr, transports.Options{WriteTimeout: time.Second}, func(s transports.Stream) error {
		if err := s.Send([][]byte{stall}); !errors.Is(err, transports.ErrWriteTimeout) {
			return fmt.Errorf("stalled send: got %v, want ErrWriteTimeout", err)
		}
		if err := s.Send(frames(`1`)); err == nil {
			return errors.New("send on a broken stream: no error")
		}
		s.Close()
		return nil
	})
	x.wantEnd("a client that does not read")
}

func testClientGone(t *testing.T, tr Transport) {
	if tr.OneFrame {
		t.Skip("the one frame may be on its way before the client has left")
	}
	x := open(t, tr, transports.Options{}, func(s transports.Stream) error {
		for start := time.Now(); time.Since(start) < patience; time.Sleep(time.Millisecond) {
			if s.Send(frames(`1`)) != nil {
				return nil
			}
		}
		return errors.New("sends still succeed")
	})
	x.wantFrame("a frame before the client leaves", []byte(`1`))
	x.client.Close()
	x.wantEnd("the client has left")
}
