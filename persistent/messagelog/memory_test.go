package messagelog_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubwire/hubwire/persistent/messagelog"
	"github.com/hubwire/hubwire/test/leaks"
)

func TestMain(m *testing.M) { leaks.VerifyTestMain(m) }

// add appends a message to topics and returns its number.
func add(t testing.TB, l messagelog.Log, text string, topics ...string) uint64 {
	t.Helper()
	e := &messagelog.Entry{Topics: topics, Payload: messagelog.JSON(text)}
	if err := l.Append(e); err != nil {
		t.Fatal(err)
	}
	return e.Seq
}

// read returns the texts in the spans.
func read(t testing.TB, l messagelog.Log, spans ...messagelog.Span) (texts []string, gap bool) {
	t.Helper()
	entries, gap, err := l.Read(spans)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		texts = append(texts, string(e.Payload.(messagelog.JSON)))
	}
	return texts, gap
}

func TestMemoryDeliversInOrder(t *testing.T) {
	m := messagelog.NewMemory(messagelog.MemoryOptions{})
	var got []uint64
	m.Deliver(func(e *messagelog.Entry) { got = append(got, e.Seq) })
	for range 3 {
		add(t, m, "x", "a")
	}
	if !slices.Equal(got, []uint64{1, 2, 3}) || m.Head() != 3 {
		t.Errorf("delivered %v, head %d", got, m.Head())
	}
}

func TestMemoryReadMergesTopics(t *testing.T) {
	m := messagelog.NewMemory(messagelog.MemoryOptions{})
	add(t, m, "1", "a")
	add(t, m, "2", "b")
	add(t, m, "3", "a", "b", "a") // one copy
	add(t, m, "4", "c")
	add(t, m, "5", "a")
	for name, c := range map[string]struct {
		spans []messagelog.Span
		want  string
	}{
		"one topic":         {[]messagelog.Span{{Topic: "a", UpTo: 5}}, "[1 3 5]"},
		"two topics":        {[]messagelog.Span{{Topic: "b", UpTo: 5}, {Topic: "a", UpTo: 5}}, "[1 2 3 5]"},
		"after":             {[]messagelog.Span{{Topic: "a", After: 1, UpTo: 5}}, "[3 5]"},
		"up to":             {[]messagelog.Span{{Topic: "a", UpTo: 4}}, "[1 3]"},
		"a topic twice":     {[]messagelog.Span{{Topic: "a", UpTo: 1}, {Topic: "a", After: 3, UpTo: 5}}, "[1 5]"},
		"nothing":           {[]messagelog.Span{{Topic: "a", After: 5, UpTo: 5}}, "[]"},
		"an unknown topic":  {[]messagelog.Span{{Topic: "z", UpTo: 5}}, "[]"},
		"an inverted range": {[]messagelog.Span{{Topic: "a", After: 4, UpTo: 2}}, "[]"},
	} {
		texts, gap := read(t, m, c.spans...)
		if got := fmt.Sprint(texts); got != c.want || gap {
			t.Errorf("%s: got %s, gap %v, want %s", name, got, gap, c.want)
		}
	}
}

func TestMemoryKeepsForRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := messagelog.NewMemory(messagelog.MemoryOptions{Retention: time.Minute})
		add(t, m, "1", "a")
		time.Sleep(time.Minute)
		add(t, m, "2", "a")
		if texts, gap := read(t, m, messagelog.Span{Topic: "a", UpTo: 2}); len(texts) != 2 || gap {
			t.Errorf("within the retention: %v, gap %v", texts, gap)
		}
		time.Sleep(time.Second)
		add(t, m, "3", "b")
		texts, gap := read(t, m, messagelog.Span{Topic: "a", UpTo: 3})
		if fmt.Sprint(texts) != "[2]" || !gap {
			t.Errorf("after it: %v, gap %v, want the gap told", texts, gap)
		}
		if texts, gap = read(t, m, messagelog.Span{Topic: "a", After: 1, UpTo: 3}); fmt.Sprint(texts) != "[2]" || gap {
			t.Errorf("after it, for one who had the first: %v, gap %v, want none", texts, gap)
		}
	})
}

func TestMemoryKeepsUpToMaxBytes(t *testing.T) {
	m := messagelog.NewMemory(messagelog.MemoryOptions{MaxBytes: 100 << 10})
	add(t, m, "quiet", "quiet")
	for range 100 {
		add(t, m, string(make([]byte, 10<<10)), "busy")
	}
	entries, gap, _ := m.Read([]messagelog.Span{{Topic: "busy", UpTo: 200}})
	if n := len(entries); n == 0 || n > 10 || !gap {
		t.Errorf("%d entries kept, gap %v", n, gap)
	}
	if texts, gap := read(t, m, messagelog.Span{Topic: "quiet", After: 1, UpTo: 200}); len(texts) > 0 || gap {
		t.Errorf("a topic of which nothing is missed has %v, gap %v", texts, gap)
	}
	if _, gap := read(t, m, messagelog.Span{Topic: "quiet", UpTo: 200}); !gap {
		t.Error("the gap in a topic that is gone altogether is not told")
	}
}

// Gaps of topics that have been quiet for long are told in doubt, never missed.
func TestMemoryForgetsGraves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := messagelog.NewMemory(messagelog.MemoryOptions{Retention: time.Minute})
		add(t, m, "old", "a")
		for range 10 {
			time.Sleep(50 * time.Second)
			add(t, m, "tick", "clock")
		}
		if _, gap := read(t, m, messagelog.Span{Topic: "a", UpTo: 11}); !gap {
			t.Error("the gap is not told any more")
		}
		if _, gap := read(t, m, messagelog.Span{Topic: "a", After: 10, UpTo: 11}); gap {
			t.Error("a gap is told to one who has everything that is kept")
		}
	})
}

func TestMemoryClosed(t *testing.T) {
	m := messagelog.NewMemory(messagelog.MemoryOptions{})
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Append(&messagelog.Entry{Topics: []string{"a"}}); err != messagelog.ErrClosed {
		t.Errorf("append after close: %v", err)
	}
}

// Against a model: a plain list that is searched from the front.
func TestMemoryAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	m := messagelog.NewMemory(messagelog.MemoryOptions{MaxBytes: 40 * 1000})
	var all []*messagelog.Entry
	topics := []string{"a", "b", "c", "d"}
	some := func() []string {
		list := slices.Clone(topics)
		rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		return list[:1+rng.IntN(3)]
	}
	for range 5000 {
		e := &messagelog.Entry{Topics: some(), Payload: messagelog.JSON(make([]byte, rng.IntN(1000)))}
		if err := m.Append(e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
		after := uint64(max(0, len(all)-rng.IntN(150)))
		upTo := after + uint64(rng.IntN(150))
		var spans []messagelog.Span
		for _, name := range some() {
			spans = append(spans, messagelog.Span{Topic: name, After: after, UpTo: upTo})
		}
		got, gap, _ := m.Read(spans)
		var want []*messagelog.Entry
		for _, e := range all {
			if e.Seq > after && e.Seq <= upTo && slices.ContainsFunc(spans, func(s messagelog.Span) bool { return slices.Contains(e.Topics, s.Topic) }) {
				want = append(want, e)
			}
		}
		if gap {
			if len(got) >= len(want) && upTo >= m.Head() {
				t.Fatal("a gap is told where nothing is missing") // for a span that ends earlier the log is in doubt
			}
			want = want[len(want)-len(got):]
		}
		if !slices.Equal(got, want) {
			t.Fatalf("read of %v: %d entries, want %d, gap %v", spans, len(got), len(want), gap)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, s := range []string{"abc-0", "abc-1F", "", "-", "abc", "abc-", "a b-1", "abc--1", "abc-+1", "abc-0x1", "abc-ffffffffffffffff", "abc-10000000000000000", "d-3F-1|B,2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := messagelog.ParseCursor(s)
		if err != nil {
			return
		}
		again, err := messagelog.ParseCursor(c.String())
		if err != nil || again != c {
			t.Errorf("%q is %v, which comes back as %v, %v", s, c, again, err)
		}
	})
}

func BenchmarkMemoryAppend(b *testing.B) {
	m := messagelog.NewMemory(messagelog.MemoryOptions{})
	topics, payload := []string{"a"}, messagelog.JSON("hello")
	b.ReportAllocs()
	for b.Loop() {
		_ = m.Append(&messagelog.Entry{Topics: topics, Payload: payload})
	}
}

// What a client missed is found without a look at what it did not miss.
func BenchmarkMemoryReadMissed(b *testing.B) {
	for _, others := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("others=%d", others), func(b *testing.B) {
			m := messagelog.NewMemory(messagelog.MemoryOptions{MaxBytes: 1 << 30})
			for i := range others {
				add(b, m, "x", fmt.Sprint("other", i%1000))
			}
			for range 100 {
				add(b, m, "x", "mine")
			}
			b.ReportAllocs()
			for b.Loop() {
				_, _, _ = m.Read([]messagelog.Span{{Topic: "mine", UpTo: m.Head()}})
			}
		})
	}
}
