package codec_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/hubwire/hubwire/hub/codec"
)

type inner struct {
	X int
	Y *inner `json:"y,omitempty"`
}

type sample struct {
	inner
	A string            `json:"a,omitempty"`
	B *int              `json:"b"`
	C map[string]int    `json:"c"`
	D []byte            `json:"d"`
	F float64           `json:"f"`
	G any               `json:"g"`
	H time.Time         `json:"h,omitzero"`
	I int8              `json:"i,string"`
	J map[int]string    `json:"j"`
	K []inner           `json:"k"`
	L [2]bool           `json:"l"`
	M json.RawMessage   `json:"m"`
	N json.Number       `json:"n"`
	O time.Duration     `json:"o"`
	P map[string]*inner `json:"p"`
	Q uint64            `json:"q"`
}

// targets are the types that a fuzzed text is decoded into.
var targets = []reflect.Type{
	reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[uint64](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[bool](), reflect.TypeFor[any](),
	reflect.TypeFor[[]int](), reflect.TypeFor[[2]int](), reflect.TypeFor[map[string]any](), reflect.TypeFor[map[int]string](),
	reflect.TypeFor[sample](), reflect.TypeFor[*inner](), reflect.TypeFor[[]byte](), reflect.TypeFor[time.Time](),
	reflect.TypeFor[json.RawMessage](), reflect.TypeFor[json.Number](), reflect.TypeFor[[]json.RawMessage](),
}

var texts = []string{
	`"a"`, `1`, `1.5`, `-0`, `01`, `1e400`, `[1,2]`, `{"X":1}`, `{"a":"x","A":"y"}`, `nul`, `null`, `true`, `"\ud800"`,
	`"\u00e9<>&"`, "\"\u2028\"", `"\x"`, "\"\x01\"", "\"\xff\"", `[1,]`, `{"a":1,}`, `{} x`, ` 1 `, `{"m":tru}`, `{"z":[1,}`,
	`{"b":null}`, `{"i":"5"}`, `999999999999999999999`, `128`, `1.0`, `{"y":{"X":1}}`, `[1,2,3]`, `"aGk="`, `"!"`,
	`"2020-01-01T00:00:00Z"`, `{"n":"1"}`, `{"n":1e5}`, `{"j":{"1":"x"}}`, `{"k":[{"y":{"y":{}}}]}`, `{"m":{ "q" : 1 }}`, `{"g":[[]]}`,
	`{"I":"300"}`, `{"p":{"":null}}`, `{"H":"2020-02-30T00:00:00Z"}`, `{"q":-1}`, `{"o":1.5}`, `"\ud83d\ude00"`, `[`, ``, `{"l":[true]}`,
	// A hex digit too few, and surrogates the wrong way round.
	`"\u12"`, `"\ude00\ud83d"`,
}

// FuzzJSON holds the encoding to the results of encoding/json, both ways.
func FuzzJSON(f *testing.F) {
	for _, s := range texts {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, typ := range targets {
			want, got := reflect.New(typ), reflect.New(typ)
			wantErr := json.Unmarshal(text, want.Interface())
			gotErr := codec.JSON.Unmarshal(text, got.Interface())
			if (wantErr == nil) != (gotErr == nil) {
				t.Fatalf("decoding %q into %s: got error %v, want %v", text, typ, gotErr, wantErr)
			}
			if wantErr != nil {
				continue
			}
			if !reflect.DeepEqual(want.Interface(), got.Interface()) {
				t.Fatalf("decoding %q into %s: got %+v, want %+v", text, typ, got.Elem(), want.Elem())
			}
			sameEncoding(t, want.Elem().Interface())
		}
	})
}

func sameEncoding(t *testing.T, v any) {
	t.Helper()
	want, wantErr := json.Marshal(v)
	got, gotErr := codec.JSON.Marshal(v)
	if (wantErr == nil) != (gotErr == nil) || !bytes.Equal(want, got) {
		t.Fatalf("encoding %T %+v: got %s, %v, want %s, %v", v, v, got, gotErr, want, wantErr)
	}
	list, err := codec.JSON.MarshalList([]any{v, 1})
	if wantErr == nil && (err != nil || string(list) != "["+string(want)+",1]") {
		t.Fatalf("encoding a list of %T: got %s, %v", v, list, err)
	}
}

type marshals struct{}

func (m *marshals) MarshalJSON() ([]byte, error) { return []byte(`{"n": 1 }`), nil }

type text struct{ s string }

func (t text) MarshalText() ([]byte, error) { return []byte(t.s), nil }

func TestJSONEncodesAsTheStandardLibrary(t *testing.T) {
	five := 5
	for _, v := range []any{
		"a<b>&\u2028\xff\x00\x1f\"\\/\u007f", 1e21, 1e-7, float32(0.1), math.MaxInt64, uint64(math.MaxUint64),
		math.NaN(), math.Inf(1), make(chan int), func() {}, complex(1, 2), struct{ A any }{math.NaN()},
		[]byte("x"), []byte(nil), map[string]any{"b": 1, "a": 2}, map[int]string{2: "a", 10: "b"}, map[bool]int{},
		sample{}, &sample{B: &five, G: sample{}, inner: inner{Y: &inner{}}}, []sample{{M: json.RawMessage(`{ "a" : 1 }`)}},
		json.RawMessage(`{bad`), json.Number("1.50"), json.Number("x"), time.Unix(0, 1).UTC(), (*int)(nil), [3]byte{1, 2, 3},
		map[string]string(nil), []int(nil), marshals{}, &marshals{}, []marshals{{}}, map[string]*marshals{"a": {}},
		text{"<t>"}, map[text]int{{"k"}: 1}, 'x', struct{}{}, struct{ a int }{}, []any{nil, true, []any{}},
	} {
		want, wantErr := json.Marshal(v)
		got, gotErr := codec.JSON.Marshal(v)
		if (wantErr == nil) != (gotErr == nil) || !bytes.Equal(want, got) {
			t.Errorf("%T %+v: got %s, %v, want %s, %v", v, v, got, gotErr, want, wantErr)
		}
	}
}

func TestArgsAreEncodedOncePerEncoding(t *testing.T) {
	list := []int{1}
	args, err := codec.EncodeArgs([]codec.Encoding{codec.JSON}, []any{"a", list})
	if err != nil {
		t.Fatal(err)
	}
	list[0] = 2
	if got := string(args.In(codec.JSON)); got != `["a",[1]]` {
		t.Errorf("got %s: what changes after the call must not show", got)
	}
	if args.In(nil) != nil {
		t.Error("an encoding that was not asked for must be nil")
	}
}

func TestArgsNameTheArgumentThatDoesNotEncode(t *testing.T) {
	_, err := codec.EncodeArgs([]codec.Encoding{codec.JSON}, []any{"a", math.NaN()})
	if err == nil || err.Error()[:len("argument 2 (float64)")] != "argument 2 (float64)" {
		t.Errorf("got %v", err)
	}
}

func TestNoArgsAreAnEmptyList(t *testing.T) {
	args, err := codec.EncodeArgs([]codec.Encoding{codec.JSON}, nil)
	if err != nil || string(args.In(codec.JSON)) != "[]" {
		t.Errorf("got %s, %v", args.In(codec.JSON), err)
	}
}
