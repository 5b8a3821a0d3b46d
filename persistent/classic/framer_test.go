package classic_test

import (
	"strings"
	"testing"

	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/classic"
	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
	"github.com/hubwire/hubwire/test/leaks"
)

func TestMain(m *testing.M) { leaks.VerifyTestMain(m) }

func message(seq uint64, text string) *messagelog.Entry {
	return &messagelog.Entry{Seq: seq, Payload: messagelog.JSON(text)}
}

// One frame takes all messages up to the next reply, which stands by itself at
// its place, and every frame has the cursor of its own last message.
func TestFrames(t *testing.T) {
	k, err := negotiate.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	change := &messagelog.Entry{Seq: 5, Join: "g", Groups: []string{"g"}}
	for name, c := range map[string]struct {
		entries []*messagelog.Entry
		want    string
	}{
		"nothing":             {nil, `{"C":"e-1f","M":[]}`},
		"one":                 {[]*messagelog.Entry{message(10, `1`)}, `{"C":"e-a","M":[1]}`},
		"many":                {[]*messagelog.Entry{message(10, `1`), message(11, `{}`), message(12, `"x"`)}, `{"C":"e-c","M":[1,{},"x"]}`},
		"a reply":             {[]*messagelog.Entry{message(0, `{"I":"0"}`)}, `{"I":"0"}`},
		"a reply between":     {[]*messagelog.Entry{message(3, `1`), message(0, `{"I":"0"}`), message(4, `2`)}, `{"C":"e-3","M":[1]} {"I":"0"} {"C":"e-4","M":[2]}`},
		"what has no form":    {[]*messagelog.Entry{message(3, `1`), {Seq: 4, Payload: formless{}}}, `{"C":"e-4","M":[1]}`},
		"no change after all": {[]*messagelog.Entry{{Seq: 7}}, `{"C":"e-7","M":[]}`},
	} {
		f := classic.NewFramer(k, "id")
		frames, _ := f.Frames(nil, nil, dialect.Batch{Entries: c.entries, At: messagelog.Cursor{Epoch: "e", Seq: 31}})
		if got := join(frames); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	frames, _ := classic.NewFramer(k, "id").Frames(nil, nil, dialect.Batch{
		Entries: []*messagelog.Entry{change, message(6, `1`)}, At: messagelog.Cursor{Epoch: "e", Seq: 6},
	})
	want := `{"C":"e-6","G":"` + k.GroupsToken("id", []string{"g"}) + `","M":[1]}`
	if got := join(frames); got != want {
		t.Errorf("a change of groups: got %s, want %s", got, want)
	}
}

// formless is a payload that classic clients cannot be given.
type formless struct{}

func (formless) Bytes(*messagelog.Protocol) []byte { return nil }
func (formless) Size() int                         { return 0 }

func join(frames [][]byte) string {
	var list []string
	for _, f := range frames {
		list = append(list, string(f))
	}
	return strings.Join(list, " ")
}
