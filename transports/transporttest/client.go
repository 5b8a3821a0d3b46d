package transporttest

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Serve serves h on connections in memory, so that a test may run in a bubble
// of testing/synctest, and returns the transport by which clients reach it,
// whatever the name of the host. The server is closed when the test ends, or by
// the returned stop, which a bubble must call.
func Serve(t testing.TB, h http.Handler) (transport http.RoundTripper, stop func()) {
	l := NewListener()
	server := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	stop = func() {
		_ = server.Close()
		<-served
	}
	t.Cleanup(stop)
	return &http.Transport{DialContext: l.DialContext, DisableKeepAlives: true}, stop
}

// A Reply is an HTTP response that was read to its end.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// ReadReply reads a response to its end.
func ReadReply(res *http.Response) (Reply, error) {
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return Reply{Status: res.StatusCode, Header: res.Header, Body: string(text)}, err
}

// A Refused is the error of a transport whose request was answered with
// something else than a stream.
type Refused struct {
	Reply
	Err error
}

func (r *Refused) Error() string { return fmt.Sprintf("%d %s: %v", r.Status, r.Body, r.Err) }

// Refuse returns err as a *Refused with the response, if there is one.
func Refuse(res *http.Response, err error) error {
	if res == nil {
		return err
	}
	r, _ := ReadReply(res)
	return &Refused{r, err}
}

// ReadEvent returns the data of the next server-sent event, which must have
// nothing else.
func ReadEvent(lines *bufio.Reader) (string, error) {
	var data []string
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			return strings.Join(data, "\n"), nil
		}
		text, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			return "", fmt.Errorf("line %q does not begin with \"data: \"", line)
		}
		data = append(data, text)
	}
}
