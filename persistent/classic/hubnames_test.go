package classic

import (
	stdjson "encoding/json"
	"slices"
	"testing"
)

func FuzzHubNames(f *testing.F) {
	for _, s := range []string{``, `[]`, `[{"name":"chat"}]`, `[{"name":"a"},{"Name":"b"}]`, `[{"name":"a"},]`, `[{"name":""}]`, `[{"name":"a\"}]`, `[{"name":"a"}`, `[{"mame":"a"}]`, `[{"name":"a" "}]`, `[{"name":"a"}{"name":"b"}]`, "[{\"name\":\"\x7f\"}]", `[{"Name":"a"},{"NAME":"b","x":[1,{"y":null}]}]`, `[null]`, `[{"name":1}]`, `null`, `[{"name":"\u00e9\ud83d\ude00\ud800"}]`, ` [ { "name" : "a" } ] `, `[{"name":"a"}]x`, "[{\"name\":\"\xff\"}]", `[{"name":"a","name":"b"}]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, refusal := hubNames(s, 8192)
		if s == "" || len(s) > 8192 {
			return
		}
		var list []*struct{ Name *string }
		err := stdjson.Unmarshal([]byte(s), &list)
		var want []string
		ok := err == nil
		for _, h := range list {
			if h == nil || h.Name == nil || *h.Name == "" {
				ok = false
				break
			}
			want = append(want, *h.Name)
		}
		if ok != (refusal == nil) {
			t.Fatalf("%q: refusal %v, std err %v", s, refusal, err)
		}
		if ok && !slices.Equal(got, want) {
			t.Fatalf("%q: got %q, want %q", s, got, want)
		}
	})
}
