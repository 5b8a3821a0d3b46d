package conformance_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/hubwire/hubwire/hub"
	"github.com/hubwire/hubwire/persistent"
	"github.com/hubwire/hubwire/persistent/classic/classictest"
)

// A program is a client program, as far as its requests can be told from those
// of others. The browser tests run the JavaScript client itself.
type program struct {
	*hubSite

	// What it has learnt.
	Answer              classictest.Negotiated
	Cursor, GroupsToken string

	header []string // of every request

	// Everything behind <url>/, given the operation and the transport.
	negotiate string
	receive   func(operation, kind string) string
	other     func(operation, kind string) string

	pollMethod, abortMethod string
	pollBody                func() string
	starts                  bool     // it knows of /start
	sendType, emptyType     []string // the Content-Type, if any

	socket *websocket.Conn
}

func newProgram(s *hubSite) *program {
	p := &program{hubSite: s, pollMethod: "POST", abortMethod: "POST", starts: true}
	p.pollBody = func() string { return "" }
	return p
}

func (p *program) request(method, path, body string, header ...string) classictest.Reply {
	p.Helper()
	return p.do(method, p.url+"/"+path, body, append(header, p.header...)...)
}

// stream opens a transport other than long polling.
func (p *program) stream(operation, kind string) *recording {
	p.Helper()
	address := p.url + "/" + p.receive(operation, kind)
	if kind != ws {
		r, _ := p.chunks("GET", address, p.header...)
		return r
	}
	header := http.Header{}
	for i := 0; i < len(p.header); i += 2 {
		header.Set(p.header[i], p.header[i+1])
	}
	conn, _, err := websocket.Dial(p.Context(), address, &websocket.DialOptions{HTTPClient: p.client, HTTPHeader: header})
	p.must(err)
	p.Cleanup(func() { _ = conn.CloseNow() })
	p.socket = conn
	r := &recording{t: p, began: time.Now()}
	go func() {
		for {
			_, text, err := conn.Read(p.Context())
			if r.add(string(text), err) {
				return
			}
		}
	}()
	synctest.Wait()
	return r
}

// data returns all that came, without the framing of event streams.
func (r *recording) data() string {
	return strings.Join(r.texts(), "\n")
}

// run leads the program through its life on a transport.
func (p *program) run(kind string) {
	p.Helper()
	r := p.request("GET", p.negotiate, "")
	p.want("negotiate", r.Status, 200)
	p.must(json.Unmarshal([]byte(r.Body), &p.Answer))
	if kind == poll {
		p.runPolls()
		return
	}
	first := p.stream("connect", kind)
	p.want("the init frame in "+first.data(), strings.Contains(first.data(), `"S":1,"M":[]}`), true)
	p.start(kind)
	p.call(first, kind, "one")
	p.follow(first)
	p.drop(first)
	second := p.stream("reconnect", kind)
	p.want("what comes twice", strings.Contains(second.data(), "one"), false)
	p.call(second, kind, "two")
	p.stop(kind)
	at, _ := second.end()
	p.want("the transport ends at once", at > 0 && at < time.Second, true)
	p.events("reconnected")
}

func (p *program) runPolls() {
	p.Helper()
	body := func(operation string) string {
		r := p.request(p.pollMethod, p.receive(operation, poll), p.pollBody(), p.emptyType...)
		p.want(operation, r.Status, 200)
		f := frameOf(p, r.Body)
		if p.Cursor = f.C; f.G != nil {
			p.GroupsToken = *f.G
		}
		return r.Body
	}
	p.want("connect", strings.Contains(body("connect"), `"S":1,"M":[]}`), true)
	p.start(poll)
	for i, operation := range []string{"poll", "reconnect"} {
		text := []string{"one", "two"}[i]
		p.invoke(poll, text)
		p.want(operation, strings.Contains(body(operation), said("ChatHub", text)), true)
	}
	held := make(chan string, 1)
	go func() { held <- body("poll") }()
	synctest.Wait()
	p.stop(poll)
	p.want("the poll ends at once", strings.HasSuffix(<-held, `"M":[]}`), true)
	p.events("reconnected")
}

func (p *program) events(second string) {
	p.Helper()
	p.wantEvents("events", p.Answer.ConnectionID, "chat connected", "chat "+second, "chat disconnected true")
}

func (p *program) start(kind string) {
	p.Helper()
	if p.starts {
		p.wantReply("start", p.request("GET", p.other("start", kind), ""), 200, `{"Response":"started"}`)
	}
	p.wantEvents("started", p.Answer.ConnectionID, "chat connected")
}

// invoke posts a call that sends the text to all.
func (p *program) invoke(kind, text string) {
	p.Helper()
	form := url.Values{"data": {fmt.Sprintf(`{"H":"ChatHub","M":"Tell","A":["all",null,%q],"I":"7"}`, text)}}
	r := p.request("POST", p.other("send", kind), form.Encode(), p.sendType...)
	p.wantReply("send", r, 200, `{"I":"7"}`)
}

// call does the same and waits for the text.
func (p *program) call(r *recording, kind, text string) {
	p.Helper()
	if kind != ws {
		p.invoke(kind, text)
	} else {
		payload := fmt.Sprintf(`{"H":"ChatHub","M":"Tell","A":["all",null,%q],"I":"7"}`, text)
		p.must(p.socket.Write(p.Context(), websocket.MessageText, []byte(payload)))
		p.want("the result in "+r.data(), strings.Contains(r.data(), `{"I":"7"}`), true)
	}
	p.want("the message in "+r.data(), strings.Contains(r.data(), said("ChatHub", text)), true)
}

func (p *program) stop(kind string) {
	p.Helper()
	p.want("abort", p.request(p.abortMethod, p.other("abort", kind), "", p.emptyType...).Status, 200)
}

// follow takes the cursor of the last frame.
func (p *program) follow(r *recording) {
	text := r.data()
	_, text, _ = strings.Cut(text[strings.LastIndex(text, `{"C":"`):], `{"C":"`)
	p.Cursor, _, _ = strings.Cut(text, `"`)
}

func (p *program) drop(r *recording) {
	if p.socket != nil {
		_ = p.socket.CloseNow()
		p.socket = nil
	} else {
		r.close()
	}
	synctest.Wait()
}

func query(pairs ...string) string {
	var parts []string
	for i := 0; i < len(pairs); i += 2 {
		parts = append(parts, pairs[i]+"="+url.QueryEscape(pairs[i+1]))
	}
	return strings.Join(parts, "&")
}

const formType = "application/x-www-form-urlencoded; charset=UTF-8"

// The requests of npm signalr 2.4.3, section 10.1, from a page of another
// origin too.
func TestClassic109JavaScriptClient(t *testing.T) {
	const origin = "https://app.example.com"
	for _, header := range [][]string{nil, {"Origin", origin, "Cookie", "session=1"}} {
		on(t, []string{ws, sse, poll}, func(t *testing.T, kind string) {
			bubbleHubs(t, hub.Options{Options: persistent.Options{AllowedOrigins: []string{origin}}}, func(s *hubSite) {
				p := newProgram(s)
				p.header = header
				list := `[{"name":"chathub"}]`
				p.negotiate = "negotiate?" + query("clientProtocol", "2.1", "who", "me", "connectionData", list, "_", "1700000000000")
				common := func(kind string) string {
					return query("transport", kind, "clientProtocol", "2.1", "who", "me", "connectionToken", p.Answer.ConnectionToken, "connectionData", list)
				}
				p.receive = func(operation, kind string) string {
					address := operation + "?" + common(kind)
					if kind == poll {
						return address // POST; no tid, no _
					}
					if operation == "reconnect" {
						address += "&" + query("messageId", p.Cursor)
					}
					return address + "&tid=7"
				}
				p.pollBody = func() string {
					if p.Cursor == "" {
						return ""
					}
					return query("messageId", p.Cursor)
				}
				p.other = func(operation, kind string) string {
					if operation == "start" {
						return operation + "?" + common(kind) + "&_=1700000000001"
					}
					return operation + "?" + common(kind)
				}
				p.sendType, p.emptyType = []string{"Content-Type", formType}, nil
				if kind == poll {
					p.emptyType = []string{"Content-Type", formType}
				}
				p.run(kind)
				if header != nil {
					p.wantCORS(origin)
				}
			})
		})
	}
}

// wantCORS checks that answers of all kinds can be read by pages of the origin,
// with credentials, and not by those of another one.
func (p *program) wantCORS(origin string) {
	p.Helper()
	for _, path := range []string{p.negotiate, "ping", p.other("abort", sse), "poll", "negotiate?connectionData=x"} {
		r := p.request("GET", path, "")
		p.want(path+": allowed origin", r.Header.Get("Access-Control-Allow-Origin"), origin)
		p.want(path+": allowed credentials", r.Header.Get("Access-Control-Allow-Credentials"), "true")
		r = p.do("GET", p.url+"/"+path, "", "Origin", "https://evil.example.com")
		p.wantRefusal(path+" from elsewhere", r, 403, "origin_not_allowed")
		p.want(path+": not allowed", r.Header.Get("Access-Control-Allow-Origin"), "")
	}
	_, _, err := websocket.Dial(p.Context(), p.url+"/"+p.receive("connect", ws), &websocket.DialOptions{
		HTTPClient: p.client, HTTPHeader: http.Header{"Origin": {"https://evil.example.com"}}})
	p.want("a WebSocket from elsewhere is refused", err != nil && strings.Contains(err.Error(), "403"), true)
}

// The requests of the .NET client 2.4: connectionData not fully escaped, "Name",
// ids that are strings, sends without a Content-Type, polls and aborts that say
// text/plain and have no body.
func TestClassic110DotNetClient(t *testing.T) {
	on(t, []string{ws, sse, poll}, func(t *testing.T, kind string) {
		bubbleHubs(t, hub.Options{}, func(s *hubSite) {
			p := newProgram(s)
			p.header = []string{"User-Agent", "SignalR.Client.NetStandard/2.4.3 (Unix)"}
			const list = `connectionData=[%7B%22Name%22:%22ChatHub%22%7D]`
			p.negotiate = "negotiate?clientProtocol=2.1&" + list
			common := func(operation, kind string) string {
				return operation + "?clientProtocol=2.1&" + query("transport", kind) + "&" + list + "&" + query("connectionToken", p.Answer.ConnectionToken)
			}
			p.receive = func(operation, kind string) string {
				address := common(operation, kind)
				if p.Cursor != "" {
					address += "&" + query("messageId", p.Cursor)
				}
				if p.GroupsToken != "" {
					address += "&" + query("groupsToken", p.GroupsToken)
				}
				return address + "&noCache=4dc2a2d0-6c5d-4b0e-9a52-0a2b7d3e7a11"
			}
			p.other = common
			p.emptyType = []string{"Content-Type", "text/plain"}
			p.run(kind)
		})
	})
}

// The requests of the Java client: clientProtocol on negotiate only, no /start,
// everything in the query, GET for polls, an extra segment and empty positions
// on WebSockets, and a connectionId that means nothing.
func TestClassic111JavaClient(t *testing.T) {
	on(t, []string{ws, sse, poll}, func(t *testing.T, kind string) {
		bubbleHubs(t, hub.Options{}, func(s *hubSite) {
			p := newProgram(s)
			p.starts, p.pollMethod = false, "GET"
			list := query("connectionData", `[{"name":"chathub"}]`)
			p.negotiate = "negotiate?clientProtocol=1.3&" + list
			p.receive = func(operation, kind string) string {
				if kind == ws {
					return "signalr/" + operation + "?" + list + "&" +
						query("connectionToken", p.Answer.ConnectionToken, "groupsToken", p.GroupsToken, "messageId", p.Cursor, "transport", kind)
				}
				address := operation + "?" + query("transport", kind, "connectionToken", p.Answer.ConnectionToken, "connectionId", p.Answer.ConnectionID)
				if p.Cursor != "" {
					address += "&" + query("messageId", p.Cursor)
				}
				return address + "&" + list
			}
			p.other = func(operation, kind string) string {
				return operation + "?" + query("transport", kind, "connectionToken", p.Answer.ConnectionToken, "connectionId", p.Answer.ConnectionID) + "&" + list
			}
			p.sendType = []string{"Content-Type", "application/x-www-form-urlencoded"}
			p.run(kind)
			p.want("the version", p.Answer.ProtocolVersion, "1.3")
		})
	})
}

// The requests of the classic C++ client: protocol 1.4, WebSockets only, "Name",
// and an abort with GET.
func TestClassic112CPlusPlusClient(t *testing.T) {
	bubbleHubs(t, hub.Options{}, func(s *hubSite) {
		p := newProgram(s)
		p.abortMethod = "GET"
		list := query("connectionData", `[{"Name":"ChatHub"}]`)
		p.negotiate = "negotiate?clientProtocol=1.4&" + list
		p.other = func(operation, kind string) string {
			return operation + "?" + query("transport", kind, "clientProtocol", "1.4", "connectionToken", p.Answer.ConnectionToken) + "&" + list
		}
		p.receive = func(operation, kind string) string {
			if operation == "reconnect" {
				return p.other(operation, kind) + "&" + query("messageId", p.Cursor, "groupsToken", p.GroupsToken)
			}
			return p.other(operation, kind)
		}
		p.run(ws)
		p.want("the version", p.Answer.ProtocolVersion, "1.4")
	})
}
