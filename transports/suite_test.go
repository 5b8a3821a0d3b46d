package transports_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/test/leaks"
	"github.com/hubwire/hubwire/transports"
	"github.com/hubwire/hubwire/transports/transporttest"
)

func TestMain(m *testing.M) {
	leaks.VerifyTestMain(m)
}

func TestSuite(t *testing.T) {
	for _, row := range []struct {
		name  string
		start func(*testing.T, http.Handler) *httptest.Server
	}{
		{"http1", startHTTP1},
		{"http2", startHTTP2},
	} {
		t.Run("serverSentEvents/"+row.name, func(t *testing.T) {
			transporttest.Run(t, transporttest.Transport{
				Kind: transports.ServerSentEvents, Open: opener(row.start, openEvents, readEvent),
			})
		})
		t.Run("foreverFrame/"+row.name, func(t *testing.T) {
			transporttest.Run(t, transporttest.Transport{
				Kind: transports.ForeverFrame, Open: opener(row.start, openForeverFrame, readScript),
			})
		})
		t.Run("longPolling/"+row.name, func(t *testing.T) {
			transporttest.Run(t, transporttest.Transport{
				Kind: transports.LongPolling, OneFrame: true, Open: opener(row.start, openPoll(""), readBody),
			})
		})
		t.Run("longPolling/jsonp/"+row.name, func(t *testing.T) {
			transporttest.Run(t, transporttest.Transport{
				Kind: transports.LongPolling, OneFrame: true, Open: opener(row.start, openPoll("$.f"), readScriptBody),
			})
		})
	}
	t.Run("webSockets", func(t *testing.T) {
		transporttest.Run(t, transporttest.Transport{Kind: transports.WebSockets, Open: openSocket})
	})
}

func startHTTP1(t *testing.T, h http.Handler) *httptest.Server {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func startHTTP2(t *testing.T, h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// A streamOpener makes the server's end of a stream.
type streamOpener func(w http.ResponseWriter, r *http.Request, o transports.Options) (transports.Stream, error)

func openEvents(w http.ResponseWriter, r *http.Request, o transports.Options) (transports.Stream, error) {
	return transports.NewServerSentEvents(w, r, o)
}

func openForeverFrame(w http.ResponseWriter, r *http.Request, o transports.Options) (transports.Stream, error) {
	return transports.NewForeverFrame(w, r, transports.ForeverFramePrologue(1), o)
}

func openPoll(callback string) streamOpener {
	return func(w http.ResponseWriter, r *http.Request, o transports.Options) (transports.Stream, error) {
		p, err := transports.NewLongPoll(w, r, transports.LongPollOptions{Options: o, Callback: callback})
		if err != nil {
			return nil, err
		}
		return p, p.Hold()
	}
}

// handle has serve called with the stream of each request.
func handle(t testing.TB, open streamOpener, o transports.Options, serve func(transports.Stream)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := open(w, r, o)
		if err != nil {
			t.Errorf("open the stream: %v", err)
			return
		}
		serve(s)
	})
}

type frameReader func(*bufio.Reader) ([]byte, error)

func opener(start func(*testing.T, http.Handler) *httptest.Server, open streamOpener, read frameReader) func(*testing.T, transports.Options, func(transports.Stream)) transporttest.Client {
	return func(t *testing.T, o transports.Options, serve func(transports.Stream)) transporttest.Client {
		server := start(t, handle(t, open, o, serve))
		// The server ends the exchange only after the client has given up.
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		r, err := http.NewRequestWithContext(ctx, "GET", server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("status: got %d, want 200", resp.StatusCode)
		}
		return &bodyClient{body: bufio.NewReader(resp.Body), read: read, cancel: cancel}
	}
}

// A bodyClient reads frames from a response.
type bodyClient struct {
	body   *bufio.Reader
	read   frameReader
	cancel context.CancelFunc
}

func (c *bodyClient) Receive() ([]byte, error) { return c.read(c.body) }
func (c *bodyClient) Close()                   { c.cancel() }

func readEvent(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return nil, unexpected(line, err)
	}
	if end, err := r.ReadString('\n'); err != nil || end != "\n" {
		return nil, errors.New("event of more than one line: " + end)
	}
	data, ok := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\n")), []byte("data: "))
	if !ok {
		return nil, errors.New("not a data line: " + string(line))
	}
	return data, nil
}

// unexpected keeps the end of a stream within a frame from passing for a good one.
func unexpected(rest []byte, err error) error {
	if err == io.EOF && len(bytes.TrimSpace(rest)) > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

func readScript(r *bufio.Reader) ([]byte, error) {
	var text []byte
	for {
		part, err := r.ReadBytes('>')
		if text = append(text, part...); err != nil {
			return nil, unexpected(text, err)
		}
		if !bytes.HasSuffix(text, []byte("</script>")) {
			continue
		}
		text = bytes.TrimSuffix(text, []byte(");</script>"))
		if _, frame, ok := bytes.Cut(text, []byte("<script>r(c, ")); ok {
			return frame, nil
		}
		text = nil // The prologue's.
	}
}

func readBody(r *bufio.Reader) ([]byte, error) {
	body, err := io.ReadAll(r)
	if err == nil && len(body) == 0 {
		err = io.EOF
	}
	return bytes.TrimLeft(body, " "), err
}

func readScriptBody(r *bufio.Reader) ([]byte, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(strings.TrimPrefix(string(body), "$.f("), ");")
	if len(text) != len(body)-len("$.f();") {
		return nil, errors.New("not a call of $.f: " + text)
	}
	return []byte(text), nil
}

func openSocket(t *testing.T, o transports.Options, serve func(transports.Stream)) transporttest.Client {
	ended := make(chan struct{})
	server := startHTTP1(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := transports.AcceptWebSocket(w, r, o)
		if err != nil {
			t.Errorf("accept: %v", err)
			close(ended)
			return
		}
		go func() {
			defer close(ended)
			for err := error(nil); err == nil; {
				_, _, err = s.Receive()
			}
		}()
		serve(s)
		s.Close()
	}))
	conn, _, err := websocket.Dial(t.Context(), server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() {
		_ = conn.CloseNow()
		<-ended
	})
	return socketClient{conn}
}

type socketClient struct{ conn *websocket.Conn }

func (c socketClient) Receive() ([]byte, error) {
	_, frame, err := c.conn.Read(context.Background())
	if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
		return nil, io.EOF
	}
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	return frame, err
}

func (c socketClient) Close() { _ = c.conn.CloseNow() }
