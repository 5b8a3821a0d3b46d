package core_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/hub/core"
)

// both encodes a message with both codecs.
func both(t *testing.T, m codec.Outgoing) (text string, binary string) {
	t.Helper()
	a, err := core.JSON{}.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	b, err := core.MessagePack{}.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(a), fmt.Sprintf("%x", b)
}

func TestEncode(t *testing.T) {
	args, err := codec.EncodeArgs([]codec.Encoding{codec.JSON, core.Values}, []any{"hi", map[string]int{"n": 1}, nil})
	if err != nil {
		t.Fatal(err)
	}
	none, _ := codec.EncodeArgs([]codec.Encoding{codec.JSON, core.Values}, nil)
	fault := func(k codec.Kind, text string) *codec.Completion {
		return &codec.Completion{ID: "0", HasID: true, Fault: &codec.Fault{Kind: k, Method: "X", Text: text}}
	}
	for _, c := range []struct {
		m            codec.Outgoing
		text, binary string
	}{
		{&codec.Call{Method: "notify", Args: args}, `{"type":1,"target":"notify","arguments":["hi",{"n":1},null]}`, "1596 0180c0 a66e6f74696679 93 a26869 81a16e01 c0 90"},
		{&codec.Call{ID: "s7", Method: "ask", Args: none}, `{"type":1,"invocationId":"s7","target":"ask","arguments":[]}`, "0c960180a27337a361736b9090"},
		{&codec.Completion{ID: "0", HasID: true, Result: 42, HasResult: true}, `{"type":3,"invocationId":"0","result":42}`, "07950380a130032a"},
		{&codec.Completion{ID: "0", HasID: true}, `{"type":3,"invocationId":"0","result":null}`, "07950380a13003c0"},
		{&codec.Completion{ID: "0", HasID: true, HasResult: true}, `{"type":3,"invocationId":"0","result":null}`, "07950380a13003c0"},
		{&codec.Completion{ID: "0", HasID: true, Stream: true}, `{"type":3,"invocationId":"0"}`, "06940380a13002"},
		{&codec.Completion{Result: 42, HasResult: true}, ``, ``},
		{&codec.Item{ID: "4"}, `{"type":2,"invocationId":"4","item":null}`, "06940280a134c0"},
		{&codec.Item{ID: "4", Value: "a"}, `{"type":2,"invocationId":"4","item":"a"}`, "07940280a134a161"},
		{&codec.Progress{ID: "4", Value: "a"}, ``, ``},
		{fault(codec.Refused, "boom"), `{"type":3,"invocationId":"0","error":"An unexpected error occurred invoking 'X' on the server. HubException: boom"}`, "-"},
		{fault(codec.Failed, ""), `{"type":3,"invocationId":"0","error":"An unexpected error occurred invoking 'X' on the server."}`, "-"},
		{fault(codec.NotFound, "x"), `{"type":3,"invocationId":"0","error":"Failed to invoke 'X' due to an error on the server. HubException: Method does not exist."}`, "-"},
		{fault(codec.Unauthorized, "x"), `{"type":3,"invocationId":"0","error":"Failed to invoke 'X' because user is unauthorized"}`, "-"},
		{fault(codec.BadArguments, "why"), `{"type":3,"invocationId":"0","error":"Failed to invoke 'X' due to an error on the server. InvalidDataException: why"}`, "-"},
		{&codec.Completion{ID: "0", HasID: true, Stream: true, Fault: &codec.Fault{}}, `{"type":3,"invocationId":"0","error":"An error occurred on the server while streaming results."}`, "-"},
	} {
		text, binary := both(t, c.m)
		if want := c.text; want != "" && text != want+"\x1e" || want == "" && text != "" {
			t.Errorf("%+v: got %q, want %s", c.m, text, want)
		}
		if want := strings.ReplaceAll(c.binary, " ", ""); want != "-" && binary != want {
			t.Errorf("%+v: got %s, want %s", c.m, binary, want)
		}
	}
}

// Test56 of the checklist: an error is never empty.
func TestErrorsHaveText(t *testing.T) {
	for k := codec.Failed; k <= codec.BadMessage; k++ {
		text, _ := both(t, &codec.Completion{ID: "0", HasID: true, Fault: &codec.Fault{Kind: k}})
		if strings.Contains(text, `"error":""`) || strings.Contains(text, "result") {
			t.Errorf("%v: %s", k, text)
		}
	}
}

func TestDecode(t *testing.T) {
	same := func(why string, got codec.Incoming, err error, want codec.Incoming) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", why, got, err, want)
		}
	}
	for _, c := range []struct {
		text, binary string
		want         codec.Incoming
		values       codec.Incoming // in MessagePack, where it differs
	}{
		{`{"target":"NB","arguments":[],"type":1}`, "\x95\x01\x80\xc0\xa2NB\x90", &codec.Invocation{Method: "NB"}, nil},
		{`{"target":"Up","arguments":[1],"invocationId":"2","streamIds":["0"],"type":1}`, "\x96\x01\x80\xa1\x32\xa2Up\x91\x01\x91\xa1\x30",
			&codec.Invocation{ID: "2", HasID: true, Method: "Up", Args: []codec.Raw{[]byte("1")}, Streams: []string{"0"}},
			&codec.Invocation{ID: "2", HasID: true, Method: "Up", Args: []codec.Raw{{1}}, Streams: []string{"0"}}},
		{`{"type":4,"invocationId":"3","target":"S","arguments":[null]}`, "\x95\x04\x80\xa1\x33\xa1S\x91\xc0",
			&codec.Invocation{ID: "3", HasID: true, Method: "S", Stream: true, Args: []codec.Raw{[]byte("null")}},
			&codec.Invocation{ID: "3", HasID: true, Method: "S", Stream: true, Args: []codec.Raw{{0xc0}}}},
		{`{"type":2,"invocationId":"0","item":"a"}`, "\x94\x02\x80\xa1\x30\xa1a",
			&codec.StreamItem{ID: "0", Item: []byte(`"a"`)}, &codec.StreamItem{ID: "0", Item: []byte("\xa1a")}},
		{`{"type":3,"invocationId":"0"}`, "\x94\x03\x80\xa1\x30\x02", &codec.Answer{ID: "0"}, nil},
		{`{"type":3,"invocationId":"0","result":null}`, "\x95\x03\x80\xa1\x30\x03\xc0",
			&codec.Answer{ID: "0", Result: []byte("null"), HasResult: true}, &codec.Answer{ID: "0", Result: []byte{0xc0}, HasResult: true}},
		{`{"type":3,"invocationId":"0","error":"bad"}`, "\x95\x03\x80\xa1\x30\x01\xa3bad", &codec.Answer{ID: "0", Error: "bad", Failed: true}, nil},
		{`{"type":5,"invocationId":"2"}`, "\x93\x05\x80\xa1\x32", &codec.Cancel{ID: "2"}, nil},
	} {
		got, err := core.JSON{}.Decode([]byte(c.text))
		same(c.text, got, err, c.want)
		if c.values != nil {
			c.want = c.values
		}
		got, err = core.MessagePack{}.Decode([]byte(c.binary))
		same(fmt.Sprintf("%x", c.binary), got, err, c.want)
	}
}

// Nesting is bounded, so that a message cannot cost more than its length.
func TestDepth(t *testing.T) {
	for depth, ok := range map[int]bool{60: true, 100: false, 100_000: false} {
		m := "\x95\x01\x80\xc0\xa1a\x91" + strings.Repeat("\x91", depth) + "\xc0"
		if _, err := (core.MessagePack{}).Decode([]byte(m)); (err == nil) != ok {
			t.Errorf("%d levels: %v", depth, err)
		}
		text := `{"type":1,"target":"a","arguments":[` + strings.Repeat("[", depth) + `"[[[["` + strings.Repeat("]", depth) + `]}`
		if _, err := (core.JSON{}).Decode([]byte(text)); (err == nil) != ok {
			t.Errorf("%d levels of JSON: %v", depth, err)
		}
	}
}

type inner struct {
	X int     `json:"x"`
	F float64 `json:"f"`
}

type sample struct {
	inner
	A string         `json:"a"`
	B *int           `json:"b,omitempty"`
	D []byte         `json:"d"`
	T time.Time      `json:"t"`
	M map[string]int `json:"m"`
	L []inner        `json:"l"`
	Z string         `json:"-"`
}

type own struct {
	N *big.Int        `json:"n"`
	R json.RawMessage `json:"r"`
}

func TestValuesComeBack(t *testing.T) {
	five := 5
	for _, v := range []any{
		sample{inner: inner{X: -300, F: 1.5}, A: "é", B: &five, D: []byte{0, 1}, T: time.Unix(1e9, 5).UTC(), M: map[string]int{"k": 1}, L: []inner{{X: 1}}},
		own{N: big.NewInt(1 << 40), R: json.RawMessage(`{"q":[1,1.5,null]}`)},
		map[int]string{1: "a"}, []uint64{1 << 63}, int8(-128), uint8(255), true, "", []any{"a", int64(1)}, 1.5, float32(0.5), time.Duration(5),
	} {
		b, err := core.Values.Marshal(v)
		if err != nil {
			t.Errorf("%+v: %v", v, err)
			continue
		}
		back := reflect.New(reflect.TypeOf(v))
		if err := core.Values.Unmarshal(b, back.Interface()); err != nil || !reflect.DeepEqual(back.Elem().Interface(), v) {
			t.Errorf("%+v comes back as %+v, %v (%x)", v, back.Elem().Interface(), err, b)
		}
	}
}

// A nil pointer is nil, and what JSON has no form for has none here.
func TestValuesWithoutAForm(t *testing.T) {
	if b, err := core.Values.Marshal((*int)(nil)); string(b) != "\xc0" || err != nil {
		t.Errorf("a nil pointer: %x, %v", b, err)
	}
	for _, v := range []any{func() {}, make(chan int), struct{ F func() }{}, []chan int{nil}} {
		if b, err := core.Values.Marshal(v); err == nil {
			t.Errorf("%T: %x", v, b)
		}
	}
}

// What does not fit is an error, never a wrong value.
func TestValuesThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		data string
		into any
	}{
		{"\xcd\x01\x2c", new(int8)}, {"\xff", new(uint8)}, {"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", new(int)}, {"\x05", new(string)},
		{"\xa1x", new(int)}, {"\xc3", new(int)}, {"\xdd\x7f\xff\xff\xff", new([]int)}, {"\xc6\x7f\xff\xff\xff", new([]byte)}, {"\x91", new([]int)},
		{"\xc7\x02\x05xy", new(any)}, {"\x81\xa1a\xd4\x05x", new(map[string]any)}, {strings.Repeat("\x91", 100), new(any)}, {"", new(int)}, {"\xc1", new(any)},
	} {
		if err := core.Values.Unmarshal([]byte(c.data), c.into); err == nil {
			t.Errorf("%x into %T: %v", c.data, c.into, reflect.ValueOf(c.into).Elem())
		}
	}
}

func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{"type":1,"target":"a","arguments":[1]}`, `{"type":3,"invocationId":"1","result":null,"error":null}`, `{"type":2}`, `{"type":1,"invocationId":"7","target":"a","arguments":["x",10,true,null]}`, `{"arguments":[],"target":"a","type":1}`, `{"type":1,"target":"a","arguments":[01]}`, `{"type":4,"headers":{"a":"b"}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		in, err := core.JSON{}.Decode(p)
		check(t, in, err, json.Valid)
		general, generalErr := core.JSON{}.Decode(append([]byte(" "), p...)) // white space is not flat
		if (err == nil) != (generalErr == nil) || !reflect.DeepEqual(in, general) {
			t.Fatalf("%q: the short way reads %+v, %v, the general one %+v, %v", p, in, err, general, generalErr)
		}
	})
}

func FuzzDecodeMessagePack(f *testing.F) {
	for _, s := range []string{"\x96\x01\x80\xa1\x32\xa2Up\x91\x01\x91\xa1\x30", "\x95\x03\x80\xa1\x30\x03\xc7\x01\x05x", "\x94\x02\x80\xa1\x30\xdf\xff\xff\xff\xff", "\x93\x05\xc0\xa1\x32"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		in, err := core.MessagePack{}.Decode(p)
		check(t, in, err, func(b []byte) bool {
			var v any
			_ = core.Values.Unmarshal(b, &v) // must not fall over
			return len(b) > 0
		})
	})
}

// Whatever decodes is a value that has a form again, and the same one from then
// on.
func FuzzValues(f *testing.F) {
	for _, s := range []string{"\x85\xa1x\x01\xa1f\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00\xa1a\xa2hi\xa1d\xc4\x01\x00\xa1t\xd6\xff\x5e\x0b\xe1\x00",
		"\xc7\x0c\xff\x3b\x9a\xc9\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\xc7\x02\x05xy", "\x82\xa1n\xa13\xa1r\x93\xc0\xc3\xd3\xff\xff\xff\xff\xff\xff\xff\xff",
		"\x81\xa1b\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xdb\x7f\xff\xff\xff", "\x81\x91\x01\x02"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		for _, into := range []any{new(any), new(sample), new(own), new([]int), new(map[string]any), new(time.Time), new(string), new([]byte)} {
			if core.Values.Unmarshal(p, into) != nil {
				continue
			}
			first, err := core.Values.Marshal(into)
			if err != nil {
				t.Fatalf("%x is %+v, which has no form: %v", p, reflect.ValueOf(into).Elem(), err)
			}
			again := reflect.New(reflect.TypeOf(into).Elem()).Interface()
			if err := core.Values.Unmarshal(first, again); err != nil {
				t.Fatalf("%x becomes %x, which does not decode into %T: %v", p, first, into, err)
			}
			if second, err := core.Values.Marshal(again); err != nil || len(second) != len(first) { // maps have no order
				t.Fatalf("%x becomes %x and then %x, %v", p, first, second, err)
			}
		}
	})
}

// check holds a decoded message to what hubs rely on.
func check(t *testing.T, in codec.Incoming, err error, valid func([]byte) bool) {
	if err != nil {
		if m, ok := err.(*codec.Malformed); !ok || m.HasID || in != nil {
			t.Fatalf("the error is %#v, with %v", err, in)
		}
		return
	}
	switch m := in.(type) {
	case *codec.Invocation:
		if m.Method == "" || m.HasID != (m.ID != "") || m.Stream && !m.HasID {
			t.Fatalf("%+v", m)
		}
		for _, a := range m.Args {
			if !valid(a) {
				t.Fatalf("argument %q", a)
			}
		}
	case *codec.StreamItem:
		if m.ID == "" || !valid(m.Item) {
			t.Fatalf("%+v", m)
		}
	case *codec.Answer:
		if m.ID == "" || m.HasResult && !valid(m.Result) || m.HasResult && m.Failed {
			t.Fatalf("%+v", m)
		}
	case *codec.Cancel:
		if m.ID == "" {
			t.Fatalf("%+v", m)
		}
	}
}
