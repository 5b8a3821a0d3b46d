package hub_test

import (
	"context"
	"encoding/json"
	"flag"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hubwire/hubwire/hub"
)

var update = flag.Bool("update", false, "write the golden files")

type shopClient struct {
	Changed   func(o order) error
	Confirm   func(ctx context.Context, text string) (bool, error)
	Notes     func(texts ...string) error
	Restocked func(item string, at time.Time, left map[string]int) error
	Renamed   func(from, to *string) error `hub:"shop.renamed"`
}

type newsClient struct {
	Published func(headline string) error
	hub.Sender
}

// order has a member of every kind that JSON knows.
type order struct {
	base
	*signature
	ID      int64              `json:"id,string"`
	Items   []item             `json:"items"`
	Prices  map[string]price   `json:"prices,omitempty"`
	Floors  map[int][]string   `json:"floors"`
	Parent  *order             `json:"parent,omitempty"`
	Ship    *address           `json:"ship"`
	Note    string             `json:"note,omitempty"`
	Image   []byte             `json:"image"`
	Extra   json.RawMessage    `json:"extra"`
	Any     any                `json:"any"`
	From    net.IP             `json:"from"`
	Wait    time.Duration      `json:"wait"`
	Exact   json.Number        `json:"exact"`
	At      [2]float64         `json:"at"`
	Size    struct{ W, H int } `json:"size"`
	Nothing struct{}           `json:"nothing"`
	Matrix  [][]*float64       `json:"matrix"`
	Tree    tree               `json:"tree"`
	Labels  map[label]bool     `json:"labels"`
	Secret  string             `json:"-"`
	//lint:ignore SA5008 encoding/json takes it for the name "-".
	Dash  bool `json:"-,"`
	Odd   int  `json:"odd-name"`
	Plain uint8
}

type base struct {
	Created time.Time `json:"created"`
	Note    int       `json:"note"` // hidden by that of order
}

type signature struct {
	Signed string `json:"signed"`
}

type (
	item    struct{ Name string }
	price   float64
	tree    []tree
	label   string
	address struct {
		Street string   `json:"street"`
		Lines  []string `json:"lines,omitempty"`
	}
	page[T any] struct {
		Items []T `json:"items"`
		Next  int `json:"next,omitempty"`
	}
	pair[A, B any] struct {
		First  A `json:"first"`
		Second B `json:"second"`
	}
	stage struct {
		Done  int    `json:"done"`
		Label string `json:"label"`
	}
)

type shop struct{}

func (shop) OnConnected(*hub.Call[shopClient]) error           { return nil }
func (shop) Find(*hub.Call[shopClient], int64) (*order, error) { return nil, nil }
func (shop) List(*hub.Call[shopClient], []string, *int) (page[order], error) {
	return page[order]{}, nil
}
func (shop) Place(*hub.Call[shopClient], order) error                               { return nil }
func (shop) Tag(_ *hub.Call[shopClient], id int64, tags ...label)                   {}
func (shop) Stock(*hub.Call[shopClient]) map[string]int                             { return nil }
func (shop) Totals(*hub.Call[shopClient]) pair[string, []item]                      { return pair[string, []item]{} }
func (shop) Import(*hub.Call[shopClient], string, hub.Progress[stage]) (int, error) { return 0, nil }

type news struct{}

func (news) Item(*hub.Call[newsClient]) http.Cookie                        { return http.Cookie{} }
func (news) Watch(*hub.Call[newsClient], string) (<-chan item, error)      { return nil, nil }
func (news) File(*hub.Call[newsClient], string, <-chan stage) (int, error) { return 0, nil }
func (news) Ticks(*hub.Call[newsClient], ...int) iter.Seq2[*stage, error]  { return nil }
func (news) Latest(*hub.Call[newsClient]) item                             { return item{} }

func typesOf(t *testing.T, s *hub.Server) string {
	t.Helper()
	var b strings.Builder
	if err := s.TypeScript(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// jsclient/test/hubs.ts compiles a program against the golden file.
func TestTypeScript(t *testing.T) {
	register := []func(*hub.Server){
		func(s *hub.Server) {
			hub.Register[shopClient](s, "shop", shop{}, hub.MethodName("Totals", "shop.totals"))
		},
		func(s *hub.Server) { hub.Register[newsClient](s, "daily-news", news{}) },
	}
	s := newServer(t, hub.Options{})
	register[0](s)
	register[1](s)
	got := typesOf(t, s)

	other := newServer(t, hub.Options{})
	register[1](other)
	register[0](other)
	if again := typesOf(t, other); again != got {
		t.Errorf("the order of registration changes the file:\n%s\n%s", got, again)
	}

	const golden = "testdata/hubs.d.ts"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; if it should, run: go test ./hub -run TypeScript -update\ngot:\n%s", golden, got)
	}
}

func TestTypeScriptOfNoHubs(t *testing.T) {
	if got := typesOf(t, newServer(t, hub.Options{})); !strings.Contains(got, "export {};") {
		t.Errorf("not a module: %s", got)
	}
}

type twinClient struct{}

type twins struct{}

func (twins) A(*hub.Call[twinClient]) (one item, err error) { return item{}, nil }

func (twins) B(*hub.Call[twinClient]) (e hub.Error, err error) { return e, nil }
func (twins) D(*hub.Call[twinClient]) (e url.Error, err error) { return e, nil }
func (twins) E(*hub.Call[twinClient]) (e []time.Time)          { return nil }

type selfish *selfish

type chainLink struct {
	//lint:ignore U1000 it is there to be walked through.
	*chainLink
	Value selfish `json:",omitempty"`
	Next  any     `json:"next"`
}

func (twins) C(*hub.Call[twinClient], chainLink) {}

func TestTypeScriptOfOddTypes(t *testing.T) {
	s := newServer(t, hub.Options{})
	hub.Register[twinClient](s, "twinsHub", twins{})
	hub.Register[twinClient](s, "twins", twins{})
	hub.Register[twinClient](s, "2nd", twins{})
	got := typesOf(t, s)
	for _, want := range []string{
		"interface TwinsHub {", "interface TwinsHub2 {", "interface _2ndHub {",
		"  client: {};\n", "c(arg1: ChainLink): void;",
		"b(): HubError;", "interface UrlError {", "e(): string[] | null;", "  Value?: unknown;\n  next: unknown;\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

func TestServeTypes(t *testing.T) {
	s := newServer(t, hub.Options{ServeTypes: true})
	hub.Register[shopClient](s, "shop", shop{})
	for method, status := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(method, "/signalr/hubs.d.ts", nil))
		if w.Code != status {
			t.Errorf("%s: status %d, want %d", method, w.Code, status)
		}
		if method == "GET" && (w.Body.String() != typesOf(t, s) || w.Header().Get("Content-Type") != "application/typescript; charset=utf-8") {
			t.Errorf("got %q\n%s", w.Header(), w.Body)
		}
	}
	w := httptest.NewRecorder()
	newServer(t, hub.Options{}).ServeHTTP(w, httptest.NewRequest("GET", "/signalr/hubs.d.ts", nil))
	if w.Code == http.StatusOK {
		t.Error("the types are served without being asked for")
	}
}
