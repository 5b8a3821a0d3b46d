package transports_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hubwire/hubwire/transports"
)

// Whatever comes, in whatever pieces: a bare socket, for which most messages are
// read past the library, gives what the library gives.
func TestSocketReadsLikeTheLibrary(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			want := receiveAll(t, connectWrapped, seed)
			if got := receiveAll(t, connect, seed); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// receiveAll returns what a connection receives of the seed's bytes, with Next
// for odd seeds.
func receiveAll(t *testing.T, connect connector, seed uint64) string {
	p, s := connect(t, transports.Options{ReadLimit: 100_000, IdleTimeout: time.Millisecond})
	go func() {
		r := rand.New(rand.NewPCG(seed, 0))
		for wire := randomFrames(r); len(wire) > 0; {
			n := min(len(wire), 1+r.IntN(1<<r.IntN(18)))
			if _, err := p.conn.Write(wire[:n]); err != nil {
				return // an error of theirs is what was to come
			}
			wire = wire[n:]
		}
		_ = p.conn.(*net.TCPConn).CloseWrite()
	}()
	go func() { _, _ = p.r.WriteTo(new(bytes.Buffer)) }() // pongs, and their close frame
	var got strings.Builder
	for {
		var payload []byte
		var binary bool
		var err error
		if seed%2 == 0 {
			payload, binary, err = s.Receive()
		} else {
			payload, err = s.Next()
		}
		switch {
		case errors.Is(err, transports.ErrIdle):
		case err != nil:
			_, _ = fmt.Fprintf(&got, "\nend: %v", err)
			return got.String()
		case seed%2 == 0:
			_, _ = fmt.Fprintf(&got, "%v %d %x\n", binary, len(payload), payload)
		default:
			_, _ = fmt.Fprintf(&got, "%x", payload)
		}
	}
}

// randomFrames returns frames as they may come, up to a close frame, or to one
// that is wrong.
func randomFrames(r *rand.Rand) (wire []byte) {
	text := func(limit int) string { return strings.Repeat("\u00e9", r.IntN(1<<r.IntN(limit))/2) }
	for range 60 {
		switch r.IntN(12) {
		case 0:
			wire = append(wire, frame(fin|opPing, text(6))...)
		case 1:
			wire = append(wire, frame(opText, text(10))...)
			wire = append(wire, frame(fin|opPong, "")...)
			wire = append(wire, frame(opMore, text(16))...)
			wire = append(wire, frame(fin|opMore, text(4))...)
		case 2:
			wire = append(wire, frame(fin|opBinary, text(17))...)
		case 3:
			wire = append(wire, frame(fin|opBinary, "\xff"+text(8))...)
		case 4:
			if r.IntN(20) == 0 {
				wrong := [][]byte{frame(fin|opMore, "x"), frame(fin|opUnknown, "x"), frame(fin|0x20|opText, "x"), {fin | opText, 1, 'x'}}
				return append(wire, wrong[r.IntN(len(wrong))]...)
			}
		default:
			wire = append(wire, frame(fin|opText, text(9))...)
		}
	}
	return append(wire, frame(fin|opClose, closePayload(1000, "that is all"))...)
}

// Who receives is told once that nothing comes, and not before something came.
func TestSocketIdle(t *testing.T) {
	p, s := connect(t, transports.Options{IdleTimeout: 20 * time.Millisecond})
	wantLate := func(why string) {
		defer time.AfterFunc(100*time.Millisecond, func() { p.write(frame(fin|opText, "late")) }).Stop()
		wantMessage(t, s, why, "late", false)
	}
	wantLate("the first message")
	for range 3 {
		if _, _, err := s.Receive(); err != transports.ErrIdle {
			t.Fatalf("silence: got %v, want ErrIdle", err)
		}
		wantLate("a message after more silence")
	}
}

// The deadline of the watch over a silent client passes while a message comes:
// nothing is lost of it.
func TestSocketNotIdleWithinMessage(t *testing.T) {
	for _, row := range []struct {
		name  string
		parts [][]byte
	}{
		{"between frames", [][]byte{frame(opText, "sl"), frame(fin|opMore, "ow")}},
		{"within a frame", [][]byte{frame(fin|opText, "slow")[:7], frame(fin|opText, "slow")[7:]}},
	} {
		t.Run(row.name, func(t *testing.T) {
			const idle = 50 * time.Millisecond
			p, s := connect(t, transports.Options{IdleTimeout: idle})
			p.write(frame(fin|opText, "first"))
			wantMessage(t, s, "the message before", "first", false)
			for i, part := range row.parts { // the first one, where time allows, while there is a watch
				defer time.AfterFunc(idle/10+2*idle*time.Duration(i), func() { p.write(part) }).Stop()
			}
			message, _, err := s.Receive()
			if err == transports.ErrIdle {
				message, _, err = s.Receive()
			}
			if string(message) != "slow" || err != nil {
				t.Errorf("a message that takes long: got %q and %v", message, err)
			}
		})
	}
}
