package transports_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/transports"
	"github.com/hubwire/hubwire/transports/transporttest"
)

// inBubble has serve called with the stream of a request over a pipe, and read
// with the client's end, where time is fake and the server's timeouts are short.
func inBubble(t *testing.T, open streamOpener, o transports.Options, serve func(transports.Stream), read func(*testing.T, *peer)) {
	synctest.Test(t, func(t *testing.T) {
		listener := transporttest.NewListener()
		server := &http.Server{
			Handler:      handle(t, open, o, serve),
			ReadTimeout:  time.Second,
			WriteTimeout: time.Second,
			IdleTimeout:  time.Second,
		}
		go func() { _ = server.Serve(listener) }()
		conn, err := listener.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := newPeer(t, conn)
		p.write([]byte("GET / HTTP/1.1\r\nHost: test\r\n\r\n"))
		read(t, p)
		_ = conn.Close()
		_ = server.Close()
		synctest.Wait()
	})
}

// wantHeader reads the head of the response and checks the headers named.
func (p *peer) wantHeader(want map[string]string) {
	p.t.Helper()
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatalf("response: %v", err)
	}
	if resp.StatusCode != http.StatusOK {
		p.t.Errorf("status: got %d, want 200", resp.StatusCode)
	}
	for name, value := range want {
		if got := resp.Header.Get(name); got != value {
			p.t.Errorf("header %s: got %q, want %q", name, got, value)
		}
	}
	if resp.Header.Get("Content-Encoding") != "" || resp.ContentLength >= 0 {
		p.t.Errorf("a stream with encoding %q and length %d", resp.Header.Get("Content-Encoding"), resp.ContentLength)
	}
}

// wantChunk reads one chunk, which is what one flush of a small body sends.
func (p *peer) wantChunk(why, want string) {
	p.t.Helper()
	p.wantBytes(why, []byte(strconv.FormatInt(int64(len(want)), 16)+"\r\n"+want+"\r\n"))
}

func (p *peer) wantLastChunk() {
	p.t.Helper()
	p.wantBytes("end of the body", []byte("0\r\n\r\n"))
}

func TestEventStreamBytes(t *testing.T) {
	inBubble(t, openEvents, transports.Options{}, func(s transports.Stream) {
		_ = s.Send(frames("initialized"))
		_ = s.Send(frames(`{"C":"1","M":[]}`, `{"C":"2","M":[1]}`))
		_ = s.KeepAlive([]byte("{}"))
		_ = s.Send(frames("", "a\nb\r\nc\rd\n"))
	}, func(_ *testing.T, p *peer) {
		p.wantHeader(map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no",
		})
		p.wantChunk("prologue", "data: initialized\n\n")
		p.wantChunk("two frames, one flush", "data: {\"C\":\"1\",\"M\":[]}\n\ndata: {\"C\":\"2\",\"M\":[1]}\n\n")
		p.wantChunk("keep-alive", "data: {}\n\n")
		p.wantChunk("nothing, and lines", "data: \n\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n")
		p.wantLastChunk()
	})
}

func TestForeverFrameBytes(t *testing.T) {
	open := func(w http.ResponseWriter, r *http.Request, o transports.Options) (transports.Stream, error) {
		return transports.NewForeverFrame(w, r, "<body>", o)
	}
	inBubble(t, open, transports.Options{}, func(s transports.Stream) {
		_ = s.Send(frames(`{"M":["</script>"]}`, "\"\u2028\u2029\""))
		_ = s.KeepAlive([]byte("{}"))
	}, func(_ *testing.T, p *peer) {
		p.wantHeader(map[string]string{
			"Content-Type": "text/html; charset=UTF-8", "Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no",
		})
		p.wantChunk("prologue", "<body>")
		p.wantChunk("two frames, one flush",
			"<script>r(c, {\"M\":[\"\\u003c/script\\u003e\"]});</script>\r\n"+
				"<script>r(c, \"\\u2028\\u2029\");</script>\r\n")
		p.wantChunk("keep-alive", "<script>r(c, {});</script>\n\n")
		p.wantLastChunk()
	})
}

func TestLongPollBytes(t *testing.T) {
	for _, row := range []struct {
		name        string
		o           transports.LongPollOptions
		contentType string
		chunks      []string
	}{
		{"json", transports.LongPollOptions{}, "application/json; charset=UTF-8",
			[]string{" ", " ", "{\"M\":[\"<\u2028>\"]}"}},
		{"jsonp", transports.LongPollOptions{Callback: "jQuery1_2.f$"}, "application/javascript; charset=UTF-8",
			[]string{`jQuery1_2.f$({"M":["<\u2028>"]});`}},
		{"own type", transports.LongPollOptions{ContentType: "text/plain"}, "text/plain",
			[]string{" ", " ", "{\"M\":[\"<\u2028>\"]}"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			open := func(w http.ResponseWriter, r *http.Request, o transports.Options) (transports.Stream, error) {
				row.o.Options = o
				return transports.NewLongPoll(w, r, row.o)
			}
			started := make(chan struct{}, 1)
			inBubble(t, open, transports.Options{}, func(s transports.Stream) {
				if err := s.(transports.Holder).Hold(); err != nil {
					t.Error(err)
				}
				<-started
				_ = s.KeepAlive([]byte("{}"))
				_ = s.KeepAlive([]byte("{}"))
				if s.(*transports.LongPoll).Done() {
					t.Error("done before the frame")
				}
				_ = s.Send(frames("{\"M\":[\"<\u2028>\"]}"))
				if !s.(*transports.LongPoll).Done() {
					t.Error("not done after the frame")
				}
			}, func(_ *testing.T, p *peer) {
				p.wantHeader(map[string]string{
					"Content-Type": row.contentType, "Cache-Control": "no-store", "X-Accel-Buffering": "no",
				})
				started <- struct{}{} // The headers came first, alone.
				for _, chunk := range row.chunks {
					p.wantChunk("chunk", chunk)
				}
				p.wantLastChunk()
			})
		})
	}
}

// A poll that is answered at once has its length in the headers, which no chunks
// follow.
func TestLongPollAtOnce(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, r *http.Request, o transports.Options) (transports.Stream, error) {
		return transports.NewLongPoll(w, r, transports.LongPollOptions{Options: o})
	}, transports.Options{}, func(s transports.Stream) {
		if err := s.Send(frames(`{"C":"1"}`)); err != nil {
			t.Error(err)
		}
		if err := s.(transports.Holder).Hold(); err != nil {
			t.Error(err)
		}
	}, func(_ *testing.T, p *peer) {
		resp, err := http.ReadResponse(p.r, nil)
		if err != nil || resp.ContentLength != 9 || resp.Header.Get("Cache-Control") != "no-store" {
			p.t.Fatalf("got %+v, %v", resp, err)
		}
		p.wantBytes("the frame", []byte(`{"C":"1"}`))
	})
}

func TestLongPollRefusesCallback(t *testing.T) {
	for _, name := range []string{"f(", "a b", "a;b", "<", "é", "f\n"} {
		w := httptest.NewRecorder()
		_, err := transports.NewLongPoll(w, httptest.NewRequest("GET", "/", nil), transports.LongPollOptions{Callback: name})
		if err == nil || w.Flushed || len(w.Header()) > 0 {
			t.Errorf("callback %q: got %v, headers %v", name, err, w.Header())
		}
	}
}

var streamOpeners = []struct {
	name string
	open streamOpener
}{
	{"serverSentEvents", openEvents},
	{"foreverFrame", openForeverFrame},
	{"longPolling", openPoll("")},
	{"jsonp", openPoll("f")},
}

// The server's timeouts are for short exchanges; ours end with each write.
func TestStreamsOutliveServerTimeouts(t *testing.T) {
	t.Run("with a write timeout", func(t *testing.T) {
		testStreamsOutliveServerTimeouts(t, transports.Options{})
	})
	t.Run("without", func(t *testing.T) {
		testStreamsOutliveServerTimeouts(t, transports.Options{WriteTimeout: -1})
	})
}

func testStreamsOutliveServerTimeouts(t *testing.T, o transports.Options) {
	for _, row := range streamOpeners {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, row.open, o, func(s transports.Stream) {
				for range 3 {
					time.Sleep(time.Hour)
					if err := s.KeepAlive([]byte("{}")); err != nil {
						t.Errorf("keep-alive: %v", err)
					}
				}
				time.Sleep(time.Hour)
				if err := s.Send(frames(`"after hours"`)); err != nil {
					t.Errorf("send: %v", err)
				}
				time.Sleep(time.Hour)
			}, func(t *testing.T, p *peer) {
				resp, err := http.ReadResponse(p.r, nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || !strings.Contains(string(body), `"after hours"`) {
					t.Errorf("body: got %q and %v", body, err)
				}
			})
		})
	}
}

func TestStreamWriteTimeout(t *testing.T) {
	for _, row := range streamOpeners {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, row.open, transports.Options{}, func(s transports.Stream) {
				start := time.Now()
				if err := s.Send(frames(`1`)); !errors.Is(err, transports.ErrWriteTimeout) {
					t.Errorf("send to a client that does not read: got %v, want ErrWriteTimeout", err)
				}
				if d := time.Since(start); d != 10*time.Second {
					t.Errorf("write timeout: after %v, want the default of 10s", d)
				}
				if err := s.KeepAlive(nil); err == nil {
					t.Error("keep-alive on a broken stream: no error")
				}
			}, func(_ *testing.T, p *peer) {
				if _, err := http.ReadResponse(p.r, nil); err != nil {
					t.Fatal(err)
				}
				if row.name == "foreverFrame" {
					_, _ = io.ReadFull(p.r, make([]byte, 1000)) // Prologue; the rest is in our buffer.
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

// Over HTTP/1.1 the connection outlives the stream: what is left of it must not
// hit the next response.
func TestStreamLeavesConnectionUsable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended []transports.Stream
		open := openPoll("")
		listener := transporttest.NewListener()
		server := &http.Server{Handler: handle(t, open, transports.Options{WriteTimeout: time.Second}, func(s transports.Stream) {
			for _, old := range ended {
				old.Close()
			}
			ended = append(ended, s)
			time.Sleep(time.Minute)
			if err := s.Send(frames(`1`)); err != nil {
				t.Errorf("send: %v", err)
			}
		})}
		go func() { _ = server.Serve(listener) }()
		client := &http.Client{Transport: &http.Transport{DialContext: listener.DialContext}}
		for range 3 {
			resp, err := client.Get("http://test/")
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(resp.Body); string(body) != "1" || err != nil {
				t.Errorf("poll: got %q and %v", body, err)
			}
			_ = resp.Body.Close()
		}
		client.CloseIdleConnections()
		_ = server.Close()
	})
}

// Close after the handler has returned: over HTTP/2 the ResponseWriter panics by then.
func TestStreamCloseAfterHandler(t *testing.T) {
	for _, row := range streamOpeners {
		t.Run(row.name, func(t *testing.T) {
			streams := make(chan transports.Stream, 1)
			server := startHTTP2(t, handle(t, row.open, transports.Options{}, func(s transports.Stream) { streams <- s }))
			resp, err := server.Client().Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			if resp.ProtoMajor != 2 {
				t.Errorf("protocol: got %s, want HTTP/2", resp.Proto)
			}
			if _, err := io.ReadAll(resp.Body); err != nil {
				t.Error(err)
			}
			_ = resp.Body.Close()
			s := <-streams
			s.Close()
			if err := s.Send(frames(`1`)); !errors.Is(err, transports.ErrClosed) {
				t.Errorf("send: got %v, want ErrClosed", err)
			}
		})
	}
}

// A plainWriter hides every optional method.
type plainWriter struct{ w http.ResponseWriter }

func (p plainWriter) Header() http.Header         { return p.w.Header() }
func (p plainWriter) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p plainWriter) WriteHeader(status int)      { p.w.WriteHeader(status) }

// A wrapper hides them too, but says where they are.
type wrapper struct{ plainWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.w }

func TestStreamsNeedFlush(t *testing.T) {
	for _, row := range streamOpeners {
		t.Run(row.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			_, err := row.open(plainWriter{w}, httptest.NewRequest("GET", "/", nil), transports.Options{})
			if !errors.Is(err, transports.ErrNoFlush) {
				t.Errorf("open: got %v, want ErrNoFlush", err)
			}
			if w.Body.Len() > 0 || w.Flushed || len(w.Header()) > 0 {
				t.Errorf("written before the error: %v %q", w.Header(), w.Body)
			}
		})
	}
}

// A ResponseWriter that can flush but set no deadlines will do.
func TestStreamsWithoutDeadlines(t *testing.T) {
	for _, row := range streamOpeners {
		t.Run(row.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			s, err := row.open(w, httptest.NewRequest("GET", "/", nil), transports.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Send(frames(`"x"`)); err != nil {
				t.Error(err)
			}
			if !strings.Contains(w.Body.String(), `"x"`) {
				t.Errorf("body: got %q", w.Body)
			}
		})
	}
}

// echo serves every transport below middleware: streams send one frame, a
// WebSocket the first that it gets.
func echo(t *testing.T) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w = wrapper{plainWriter{w}}
		if transports.IsWebSocketRequest(r) {
			s, err := transports.AcceptWebSocket(w, r, transports.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			for {
				b, _, err := s.Receive()
				if err != nil {
					return
				}
				_ = s.Send([][]byte{b})
			}
		}
		i, _ := strconv.Atoi(r.URL.Path[1:])
		handle(t, streamOpeners[i].open, transports.Options{}, func(s transports.Stream) {
			_ = s.KeepAlive([]byte(`{}`))
			_ = s.Send(frames(`"x"`))
			<-r.Context().Done() // Only the client ends it: nothing may be held back.
		}).ServeHTTP(w, r)
	})
}

func TestReverseProxy(t *testing.T) {
	target, err := url.Parse(startHTTP1(t, echo(t)).URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := startHTTP1(t, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	for i, row := range streamOpeners {
		t.Run(row.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, "GET", proxy.URL+"/"+strconv.Itoa(i), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := proxy.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			if s, err := bufio.NewReader(resp.Body).ReadString('x'); err != nil {
				t.Errorf("body: got %q and %v", s, err)
			}
		})
	}
	t.Run("webSockets", func(t *testing.T) {
		conn, _, err := websocket.Dial(t.Context(), proxy.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Write(t.Context(), websocket.MessageText, []byte("echo")); err != nil {
			t.Fatal(err)
		}
		if _, b, err := conn.Read(t.Context()); string(b) != "echo" {
			t.Errorf("echo: got %q and %v", b, err)
		}
		if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

func TestForeverFramePrologue(t *testing.T) {
	page := transports.ForeverFramePrologue(4294967295)
	for _, part := range []string{`getConnection('4294967295')`, `started(c)`, `t.receive`, "<body>"} {
		if !strings.Contains(page, part) {
			t.Errorf("prologue has no %q: %q", part, page)
		}
	}
	if len(page) < 1024 {
		t.Errorf("prologue is %d bytes, want 1024", len(page))
	}
}

func TestParseFrameID(t *testing.T) {
	for s, want := range map[string]uint32{"0": 0, "7": 7, "007": 7, "4294967295": 4294967295} {
		if got, err := transports.ParseFrameID(s); got != want || err != nil {
			t.Errorf("%q: got %d and %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "+1", "-1", " 1", "1 ", "1_0", "0x1", "4294967296", "1e3", "1.0", "١", "1\x00"} {
		if got, err := transports.ParseFrameID(s); err == nil {
			t.Errorf("%q: got %d, want an error", s, got)
		}
	}
}

func FuzzParseFrameID(f *testing.F) {
	for _, s := range []string{"", "0", "42", "4294967296", "-0", "+7", "07", "1_1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := transports.ParseFrameID(s)
		if err != nil {
			return
		}
		if digits := strings.TrimLeft(s, "0"); digits != strings.TrimLeft(strconv.FormatUint(uint64(id), 10), "0") {
			t.Errorf("%q became %d", s, id)
		}
	})
}

func FuzzForeverFrameEscapes(f *testing.F) {
	for _, s := range []string{"</script>", "<!--<script>", "\u2028\u2029", "\xe2\x80", "\xe2\x80\xa8", "<\xff>", `\`, "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		encoder := new(strings.Builder)
		e := json.NewEncoder(encoder)
		e.SetEscapeHTML(false)
		if err := e.Encode(s); err != nil {
			t.Fatal(err)
		}
		encoded := strings.TrimSuffix(encoder.String(), "\n")
		for _, data := range []string{s, encoded} {
			w := httptest.NewRecorder()
			stream, err := transports.NewForeverFrame(w, httptest.NewRequest("GET", "/", nil), "", transports.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Send(frames(data)); err != nil {
				t.Fatal(err)
			}
			body := strings.TrimSuffix(strings.TrimPrefix(w.Body.String(), "<script>r(c, "), ");</script>\r\n")
			if strings.ContainsAny(body, "<>\u2028\u2029") {
				t.Errorf("%q became %q", data, body)
			}
			if data != encoded {
				continue
			}
			var got, want string
			if json.Unmarshal([]byte(body), &got) != nil || json.Unmarshal([]byte(encoded), &want) != nil || got != want {
				t.Errorf("%q became %q, which is %q", encoded, body, got)
			}
		}
	})
}

func frames(texts ...string) (f [][]byte) {
	for _, s := range texts {
		f = append(f, []byte(s))
	}
	return f
}

var _ net.Listener = (*transporttest.Listener)(nil)
