package classic_test

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/hubwire/hubwire/hub/classic"
	"github.com/hubwire/hubwire/hub/codec"
)

func TestEncode(t *testing.T) {
	args, err := codec.EncodeArgs([]codec.Encoding{codec.JSON}, []any{"ann", "hi"})
	if err != nil {
		t.Fatal(err)
	}
	state := codec.State{"b": []byte(`1`), "a": []byte(`"x"`)}
	for _, test := range []struct {
		name string
		in   codec.Outgoing
		want string
	}{
		{"client call", &codec.Call{Hub: "ChatHub", Method: "addMessage", Args: args},
			`{"H":"ChatHub","M":"addMessage","A":["ann","hi"]}`},
		{"client call with state", &codec.Call{Hub: "ChatHub", Method: "a", Args: args, State: state},
			`{"H":"ChatHub","M":"a","A":["ann","hi"],"S":{"a":"x","b":1}}`},
		{"result", &codec.Completion{ID: "0", HasID: true, Result: map[string]int{"id": 7}, HasResult: true},
			`{"R":{"id":7},"I":"0"}`},
		{"void", &codec.Completion{ID: "1", HasID: true}, `{"I":"1"}`},
		{"null result", &codec.Completion{ID: "1", HasID: true, HasResult: true}, `{"I":"1"}`},
		{"nil pointer result", &codec.Completion{ID: "1", HasID: true, HasResult: true, Result: (*int)(nil)}, `{"I":"1"}`},
		{"no id", &codec.Completion{}, `{"I":null}`},
		{"id with quotes", &codec.Completion{ID: `a"<é`, HasID: true}, `{"I":"a\"\u003cé"}`},
		{"result with state", &codec.Completion{ID: "4", HasID: true, Result: true, HasResult: true, State: state},
			`{"S":{"a":"x","b":1},"R":true,"I":"4"}`},
		{"failed", fault(&codec.Fault{Hub: "chathub", Method: "Send"}),
			`{"I":"2","E":"There was an error invoking Hub method 'chathub.Send'."}`},
		{"failed in detail", fault(&codec.Fault{Hub: "chathub", Method: "Send", Text: "disk full", Stack: "main.go:1"}),
			`{"I":"2","E":"disk full","T":"main.go:1"}`},
		{"hub error", fault(&codec.Fault{Kind: codec.Refused, Text: "Room is full", Data: map[string]int{"max": 10}}),
			`{"I":"2","H":true,"E":"Room is full","D":{"max":10}}`},
		{"hub error without data", fault(&codec.Fault{Kind: codec.Refused, Text: "no"}), `{"I":"2","H":true,"E":"no"}`},
		{"hub error without text", fault(&codec.Fault{Kind: codec.Refused, Hub: "h", Method: "m"}),
			`{"I":"2","H":true,"E":"There was an error invoking Hub method 'h.m'."}`},
		{"not found", fault(&codec.Fault{Kind: codec.NotFound, Hub: "h", Method: "m", Text: "No m."}),
			`{"I":"2","E":"There was an error invoking Hub method 'h.m'. No m."}`},
		{"progress", &codec.Progress{ID: "5", Value: 40}, `{"I":"P|5","P":{"I":"5","D":40}}`},
		{"null progress", &codec.Progress{ID: "5", State: state}, `{"S":{"a":"x","b":1},"I":"P|5","P":{"I":"5","D":null}}`},
	} {
		got, err := classic.Codec{}.Encode(test.in)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: got %s, %v, want %s", test.name, got, err, test.want)
		}
	}
}

func fault(f *codec.Fault) *codec.Completion {
	return &codec.Completion{ID: "2", HasID: true, Fault: f, Result: "never with an error", HasResult: true}
}

func TestEncodeFailsForValuesThatDoNotEncode(t *testing.T) {
	for _, m := range []codec.Outgoing{
		&codec.Completion{Result: make(chan int), HasResult: true},
		&codec.Completion{Fault: &codec.Fault{Data: func() {}}},
		&codec.Progress{Value: make(chan int)},
	} {
		if b, err := (classic.Codec{}).Encode(m); err == nil {
			t.Errorf("%+v: got %s, want an error", m, b)
		}
	}
}

func TestDecode(t *testing.T) {
	for _, test := range []struct {
		name, payload string
		id            string
		hasID         bool
		args          string
	}{
		{"as JS sends it", `{"H":"chathub","M":"Send","A":["hello",null],"I":0,"S":{"color":"red"}}`, "0", true, `"hello" null`},
		{"string id", `{"H":"chathub","M":"Send","A":[],"I":"a b"}`, "a b", true, ""},
		{"no arguments", `{"H":"chathub","M":"Send","I":7}`, "7", true, ""},
		{"null arguments", `{"H":"chathub","M":"Send","A":null,"I":7}`, "7", true, ""},
		{"no id", `{"H":"chathub","M":"Send"}`, "", false, ""},
		{"null id", `{"H":"chathub","M":"Send","I":null}`, "", false, ""},
		{"keys in any case", `{"h":"chathub","m":"Send","a":[1],"i":1,"s":{"color":"red"}}`, "1", true, "1"},
		{"unknown keys", `{"H":"chathub","X":[{}],"M":"Send","I":-1}`, "-1", true, ""},
		{"white space", " {\"H\" : \"chathub\" ,\n\"M\":\"Send\", \"A\": [ 1 , {\"a\": 2} ] } ", "", false, `1 {"a": 2}`},
	} {
		in, err := classic.Codec{}.Decode([]byte(test.payload))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		inv := in.(*codec.Invocation)
		if inv.Hub != "chathub" || inv.Method != "Send" || inv.ID != test.id || inv.HasID != test.hasID || join(inv.Args) != test.args {
			t.Errorf("%s: got %+v", test.name, inv)
		}
		if strings.Contains(test.payload, "color") && string(inv.State["color"]) != `"red"` {
			t.Errorf("%s: state is %v", test.name, inv.State)
		}
	}
}

func TestDecodeAdditions(t *testing.T) {
	deep := strings.Repeat("[", 21) + strings.Repeat("]", 21)
	for payload, want := range map[string]codec.Incoming{
		`{"H":"h","M":"m","I":1,"Q":"stream"}`:             &codec.Invocation{Hub: "h", Method: "m", ID: "1", HasID: true, Stream: true, Detached: true},
		`{"H":"h","M":"m","I":1,"Q":"whatever"}`:           &codec.Invocation{Hub: "h", Method: "m", ID: "1", HasID: true},
		`{"I":1,"Q":"cancel"}`:                             &codec.Cancel{ID: "1"},
		`{"I":"s1","Q":"answer"}`:                          &codec.Answer{ID: "s1"},
		`{"I":"s1","Q":"answer","R":null}`:                 &codec.Answer{ID: "s1", Result: []byte("null"), HasResult: true},
		`{"I":"s1","Q":"answer","R":{"a":[1]}}`:            &codec.Answer{ID: "s1", Result: []byte(`{"a":[1]}`), HasResult: true},
		`{"I":"s1","Q":"answer","R":1,"E":""}`:             &codec.Answer{ID: "s1", Failed: true},
		`{"I":"s1","Q":"answer","E":"no"}`:                 &codec.Answer{ID: "s1", Error: "no", Failed: true},
		`{"I":"s1","Q":"answer","R":` + deep + `}`:         &codec.Answer{ID: "s1", Error: "the answer is nested too deeply", Failed: true},
		`{"I":"s1","Q":"answer","R":` + deep[1:41] + `}`:   &codec.Answer{ID: "s1", Result: []byte(deep[1:41]), HasResult: true},
		`{"I":"s1","Q":"answer","R":"[[[[[[[[[[[[[[[[[["}`: &codec.Answer{ID: "s1", Result: []byte(`"[[[[[[[[[[[[[[[[[["`), HasResult: true},
	} {
		got, err := classic.Codec{}.Decode([]byte(payload))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", payload, got, err, want)
		}
	}
}

// Only clients that say so are asked, and get receipts.
func TestQuestions(t *testing.T) {
	args, err := codec.EncodeArgs([]codec.Encoding{codec.JSON}, []any{1})
	if err != nil {
		t.Fatal(err)
	}
	for want, m := range map[string]codec.Outgoing{
		`{"H":"h","M":"m","A":[1],"I":"s1","S":{"a":1}}`: &codec.Call{ID: "s1", Hub: "h", Method: "m", Args: args, State: codec.State{"a": []byte("1")}},
		`{"I":"s1","Q":"taken"}`:                         &codec.Receipt{ID: "s1"},
	} {
		for query, want := range map[string]string{"": "", "?answers=0": "", "?answers=1": want} {
			got, err := classic.Codec{}.For(httptest.NewRequest("GET", "/connect"+query, nil)).Encode(m)
			if err != nil || string(got) != want {
				t.Errorf("%q: got %s, %v, want %s", query, got, err, want)
			}
		}
	}
}

func join(args []codec.Raw) string {
	s := make([]string, len(args))
	for i, a := range args {
		s[i] = string(a)
	}
	return strings.Join(s, " ")
}

func TestDecodeMalformed(t *testing.T) {
	deep := strings.Repeat("[", 21) + strings.Repeat("]", 21)
	for _, test := range []struct {
		name, payload string
		hasID         bool
	}{
		{"empty", ``, false},
		{"not JSON", `hello`, false},
		{"cut off", `{"H":"chathub","M":"Send","I":1`, false},
		{"not an object", `[1]`, false},
		{"not UTF-8", "{\"H\":\"chat\xff\",\"M\":\"Send\",\"I\":1}", false},
		{"bad argument", `{"H":"chathub","M":"Send","A":[tru],"I":1}`, false},
		{"no hub", `{"M":"Send","I":1}`, true},
		{"no method", `{"H":"chathub","I":1}`, true},
		{"hub is a number", `{"H":5,"M":"Send","I":1}`, true},
		{"arguments are an object", `{"H":"chathub","M":"Send","A":{},"I":"x"}`, true},
		{"id is an object", `{"H":"chathub","M":"Send","I":{}}`, false},
		{"stream without an id", `{"H":"chathub","M":"Send","Q":"stream"}`, false},
		{"cancel without an id", `{"Q":"cancel"}`, false},
		{"answer to nothing", `{"Q":"answer","I":null,"R":1}`, false},
		{"state is a list", `{"H":"chathub","M":"Send","I":1,"S":[]}`, true},
		{"state is too long", `{"H":"chathub","M":"Send","I":1,"S":{"a":"` + strings.Repeat("x", 4096-7) + `"}}`, true},
		{"argument is too deep", `{"H":"chathub","M":"Send","I":1,"A":[` + deep + `]}`, true},
	} {
		_, err := classic.Codec{}.Decode([]byte(test.payload))
		m, ok := errors.AsType[*codec.Malformed](err)
		if !ok {
			t.Errorf("%s: got %v, want a Malformed", test.name, err)
			continue
		}
		if m.HasID != test.hasID {
			t.Errorf("%s: id known is %t, want %t (%v)", test.name, m.HasID, test.hasID, m)
		}
	}
}

func TestDecodeAtTheLimits(t *testing.T) {
	deep := strings.Repeat("[", 20) + strings.Repeat("]", 20)
	for name, payload := range map[string]string{
		"deep argument":         `{"H":"chathub","M":"Send","A":[` + deep + `]}`,
		"brackets in a string":  `{"H":"chathub","M":"Send","A":["` + strings.Repeat(`[\"`, 40) + `"]}`,
		"long state":            `{"H":"chathub","M":"Send","S":{"a":"` + strings.Repeat("x", 4096-8) + `"}}`,
		"long state, two bytes": `{"H":"chathub","M":"Send","S":{"a":"` + strings.Repeat("é", 4096-8) + `"}}`,
	} {
		if _, err := (classic.Codec{}).Decode([]byte(payload)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDecode holds Decode to what encoding/json reads.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"H":"chathub","M":"Send","A":["hello",null],"I":0,"S":{"color":"red"}}`,
		`{"h":"c","m":"S","a":[[{}]],"i":"\u0041"}`, `{"H":"c","M":"S","A":{},"I":1}`, `{"I":1}`, `[]`, `{"H":"c","M":"S","I":01}`,
		`{"H":null,"M":"S","I":-1.5e3}`, `{"H":"c","M":"S","S":null,"A":null}`, `{"H":"c","H":"d","M":"S"}`, "{\"H\":\"\xff\"}", `{"S":1,"I":1}`,
		`{"Q":"answer","I":"s1","R":[1]}`, `{"Q":"cancel","i":1}`, `{"H":"c","M":"S","I":1,"q":"stream"}`,
		`{"H":"c","M":"S","A":[1,]}`, `{"H":"c","M":"S","A":["\ud800"]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		in, err := classic.Codec{}.Decode(payload)
		general, generalErr := classic.Codec{}.Decode(append([]byte(" "), payload...)) // white space is not flat
		if (err == nil) != (generalErr == nil) || err == nil && !reflect.DeepEqual(in, general) {
			t.Fatalf("%q: the short way reads %+v, %v, the general one %+v, %v", payload, in, err, general, generalErr)
		}
		if err != nil {
			if m, ok := errors.AsType[*codec.Malformed](err); !ok || m.Text == "" || m.HasID && !json.Valid(payload) {
				t.Fatalf("%q: %v", payload, err)
			}
			return
		}
		var want struct {
			H, M string
			A    []json.RawMessage
			I, S json.RawMessage
		}
		if err := json.Unmarshal(payload, &want); err != nil {
			t.Fatalf("%q: decoded, but %v", payload, err)
		}
		inv, ok := in.(*codec.Invocation)
		if !ok {
			return
		}
		if inv.Hub != want.H || inv.Method != want.M || len(inv.Args) != len(want.A) {
			t.Fatalf("%q: got %+v, want %+v", payload, inv, want)
		}
		for i, a := range inv.Args {
			if string(a) != string(want.A[i]) {
				t.Fatalf("%q: argument %d is %s, want %s", payload, i, a, want.A[i])
			}
		}
		answer, err := classic.Codec{}.Encode(&codec.Completion{ID: inv.ID, HasID: inv.HasID, State: inv.State})
		if err != nil || !json.Valid(answer) {
			t.Fatalf("%q: the answer is %s, %v", payload, answer, err)
		}
	})
}
