package classic_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
	"github.com/hubwire/hubwire/transports"
)

// nowhere is a dialect whose connections write to nowhere, so that benchmarks
// see the cost of everything but the socket. The framer is that of SignalR 2.
type nowhere struct{ frames, bytes atomic.Int64 }

func (*nowhere) Name() string { return "nowhere" }

func (n *nowhere) Serve(w http.ResponseWriter, r *http.Request, h dialect.Host) bool {
	adm, err := h.Admit(r, "", nil)
	if err != nil {
		panic(err)
	}
	id := r.URL.Query().Get("id")
	c, _, err := h.Open(dialect.Opening{ID: id, Dialect: n.Name(), Protocol: classic.JSON, Request: r, Admission: adm})
	if err != nil {
		panic(err)
	}
	a, err := c.Attach(dialect.Exchange{
		Request: r, Admission: adm, Stream: nullStream{n}, Framer: classic.NewFramer(h.Keyring(), id),
		AnyWriter: true, Cursor: r.URL.Query().Get("cursor"),
	})
	if err != nil {
		panic(err)
	}
	a.Spawn()
	return true
}

type nullStream struct{ *nowhere }

func (nullStream) Kind() transports.Kind  { return transports.WebSockets }
func (nullStream) KeepAlive([]byte) error { return nil }
func (nullStream) Close()                 {}

func (s nullStream) Send(frames [][]byte) error {
	n := 0
	for _, f := range frames {
		n += len(f)
	}
	s.frames.Add(int64(len(frames)))
	s.bytes.Add(int64(n))
	return nil
}

// Prepare and SendPrepared do what a WebSocket does, but for the write.
func (nullStream) Prepare(b []byte, frames [][]byte) []byte {
	for _, f := range frames {
		b = append(b, f...)
	}
	return b
}

func (s nullStream) SendPrepared(b []byte) error {
	s.frames.Add(1)
	s.bytes.Add(int64(len(b)))
	return nil
}

// Tries and TryPrepared have a flusher write, as to sockets.
func (nullStream) Tries() bool { return true }

func (s nullStream) TryPrepared(b []byte) (rest func() error) {
	_ = s.SendPrepared(b)
	return nil
}

var _ transports.Trier = nullStream{}

// connectNowhere returns a server with n connections, of which each is in the
// groups that groups returns for it.
func connectNowhere(b testing.TB, n int, groups func(i int) []string) (*persistent.Server, *nowhere) {
	b.Helper()
	d := &nowhere{}
	s, err := persistent.NewServer(persistent.Handler{}, persistent.Options{
		Dialects: []dialect.Dialect{d}, MaxQueued: 1 << 30, MaxQueuedBytes: 1 << 40,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	for i := range n {
		id := fmt.Sprint("c", i)
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/?id="+id, nil))
		for _, g := range groups(i) {
			if err := s.Join(id, g); err != nil {
				b.Fatal(err)
			}
		}
	}
	return s, d
}

// What one publication costs, fan-out, framing and writers included, by the
// number of those who get it.
func BenchmarkPublish(b *testing.B) {
	payload := messagelog.JSON(`{"H":"chat","M":"addMessage","A":["ann","hello to everyone in here"]}`)
	for _, n := range []int{1, 1000, 10_000} {
		b.Run(fmt.Sprintf("subscribers=%d", n), func(b *testing.B) {
			s, _ := connectNowhere(b, n, func(int) []string { return []string{"all"} })
			topics := []string{persistent.GroupTopic("all")}
			b.ReportAllocs()
			for b.Loop() {
				_ = s.Publish(persistent.Publication{Topics: topics, Payload: payload})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
		})
	}
}

// Publications that wait for writers, which then take all of them: what a
// delivery costs besides the socket where the server has more to do than it can.
func BenchmarkPublishWindow(b *testing.B) {
	const window, receivers = 50, 1000
	payload := messagelog.JSON(`{"H":"chat","M":"addMessage","A":["ann","hello to everyone in here"]}`)
	s, d := connectNowhere(b, receivers, func(int) []string { return []string{"all"} })
	topics := []string{persistent.GroupTopic("all")}
	b.ReportAllocs()
	for b.Loop() {
		publishWindow(s, d, persistent.Publication{Topics: topics, Payload: payload}, window, receivers)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*window*receivers), "ns/delivery")
}

// publishWindow publishes p several times and waits until everybody has it.
func publishWindow(s *persistent.Server, d *nowhere, p persistent.Publication, times, receivers int) {
	before := d.bytes.Load()
	for range times {
		_ = s.Publish(p)
	}
	for d.bytes.Load()-before < int64(times*receivers*p.Payload.Size()) {
		runtime.Gosched()
	}
}

// One more subscriber makes no publication allocate more. What is counted
// beside that, for example a goroutine that the runtime makes anew, must stay
// far below one for each delivery.
func TestOneMoreSubscriberAllocatesNothing(t *testing.T) {
	const window = 50
	count := func(receivers int) float64 {
		s, d := connectNowhere(t, receivers, func(int) []string { return []string{"all"} })
		p := persistent.Publication{Topics: []string{persistent.GroupTopic("all")}, Payload: messagelog.JSON(`{"A":["hello"]}`)}
		publishWindow(s, d, p, window, receivers)
		return testing.AllocsPerRun(10, func() { publishWindow(s, d, p, window, receivers) })
	}
	few, many := count(10), count(500)
	if more := (many - few) / (490 * window); more > .2 { // the runtime makes goroutines anew, and the race detector empties pools
		t.Errorf("a delivery to one more subscriber allocates %.3f times", more)
	}
}

// Frames of batches as they are after a broadcast, after a call, and with a
// change of groups.
func BenchmarkFrames(b *testing.B) {
	keyring, err := negotiate.NewKeyring()
	if err != nil {
		b.Fatal(err)
	}
	message := &messagelog.Entry{Seq: 1, Payload: messagelog.JSON(`{"H":"chat","M":"addMessage","A":["ann","hello to everyone in here"]}`)}
	for name, entries := range map[string][]*messagelog.Entry{
		"one":    {message},
		"batch":  slices.Repeat([]*messagelog.Entry{message}, 50),
		"reply":  {{Payload: messagelog.JSON(`{"I":"7","R":"hello"}`)}},
		"groups": {{Seq: 1, Join: "lobby", Groups: []string{"chat.lobby", "chat.den"}}},
	} {
		b.Run(name, func(b *testing.B) {
			f := classic.NewFramer(keyring, "an id")
			var frames [][]byte
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				frames, buf = f.Frames(frames[:0], buf[:0], dialect.Batch{Entries: entries, At: messagelog.Cursor{Epoch: "0123456789abcdef", Seq: 1}})
			}
		})
	}
}

// Negotiate, from the request to the answer, without a socket.
func BenchmarkNegotiate(b *testing.B) {
	s, err := persistent.NewServer(persistent.Handler{}, persistent.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	r := httptest.NewRequest(http.MethodGet, "/echo/negotiate?clientProtocol=2.1", nil)
	b.ReportAllocs()
	for b.Loop() {
		s.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// A group of 10 costs the same whatever else there is on the server.
func BenchmarkPublishSmallGroup(b *testing.B) {
	payload := messagelog.JSON(`{"H":"chat","M":"addMessage","A":["ann","hello"]}`)
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("connections=%d", n), func(b *testing.B) {
			s, _ := connectNowhere(b, n, func(i int) []string { return []string{fmt.Sprint("g", i/10)} })
			topics := []string{persistent.GroupTopic("g0")}
			b.ReportAllocs()
			for b.Loop() {
				_ = s.Publish(persistent.Publication{Topics: topics, Payload: payload})
			}
		})
	}
}

func BenchmarkJoinLeave(b *testing.B) {
	s, _ := connectNowhere(b, 1000, func(int) []string { return []string{"all"} })
	b.ReportAllocs()
	for b.Loop() {
		_ = s.Join("c1", "extra")
		_ = s.Leave("c1", "extra")
	}
}

// A client that comes back after 100 messages, among many others.
func BenchmarkReplay(b *testing.B) {
	for _, others := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("others=%d", others), func(b *testing.B) {
			s, _ := connectNowhere(b, others+1, func(i int) []string { return []string{fmt.Sprint("g", i/10)} })
			cursor := messagelog.Cursor{Epoch: s.Options().Log.Epoch(), Seq: s.Options().Log.Head()}
			for i := range 100 {
				_ = s.SendGroup("g0", i)
				if others > 0 {
					_ = s.SendGroup(fmt.Sprint("g", 1+i), i)
				}
			}
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/?id=c0&cursor="+cursor.String(), nil)
			b.ReportAllocs()
			for b.Loop() {
				s.ServeHTTP(w, r)
			}
		})
	}
}
