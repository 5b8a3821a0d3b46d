package faults_test

import "testing"

// The auditor sees each kind of mistake, and only that.
func TestAuditor(t *testing.T) {
	events := []event{
		{kind: message, to: address{all: true}},                  // 1: before the connection was told
		{kind: opened, id: "me"},                                 // 2
		{kind: message, to: address{all: true}},                  // 3
		{kind: message, to: address{group: "g"}},                 // 4: not a member
		{kind: joined, id: "me", name: "g"},                      // 5
		{kind: message, to: address{group: "g"}},                 // 6
		{kind: message, to: address{group: "g", except: "me"}},   // 7
		{kind: message, to: address{conn: "another"}},            // 8
		{kind: message, to: address{user: "ann"}},                // 9
		{kind: left, id: "me", name: "g"},                        // 10
		{kind: message, to: address{group: "g"}},                 // 11: a member no more
		{kind: message, to: address{conn: "me"}},                 // 12
		{kind: message, to: address{user: "bob"}},                // 13
		{kind: joined, id: "another", name: "g"},                 // 14
		{kind: message, to: address{all: true, except: "other"}}, // 15
	}
	for name, c := range map[string]struct {
		got         []int64
		until, sure int64
		want        verdict
	}{
		"all of it":            {got: []int64{3, 6, 9, 12, 15}},
		"and one from before":  {got: []int64{1, 3, 6, 9, 12, 15}},
		"nothing":              {want: verdict{lost: 5}},
		"dropped":              {got: []int64{3, 6, 12, 15}, want: verdict{lost: 1}},
		"dropped at the end":   {got: []int64{3, 6, 9, 12}, want: verdict{lost: 1}},
		"ended in good order":  {got: []int64{3, 6, 9}, until: 15},
		"ended too early":      {got: []int64{3, 6}, until: 15, sure: 12, want: verdict{lost: 2}},
		"dropped, then ended":  {got: []int64{3, 9}, until: 15, want: verdict{lost: 1}},
		"doubled":              {got: []int64{3, 6, 6, 9, 12, 15}, want: verdict{duplicated: 1}},
		"doubled later":        {got: []int64{3, 6, 9, 12, 6, 15}, want: verdict{duplicated: 1}},
		"swapped":              {got: []int64{3, 9, 6, 12, 15}, want: verdict{reordered: 1}},
		"of a group before":    {got: []int64{3, 4, 6, 9, 12, 15}, want: verdict{foreign: 1}},
		"of a group after":     {got: []int64{3, 6, 9, 11, 12, 15}, want: verdict{foreign: 1}},
		"though left out":      {got: []int64{3, 6, 7, 9, 12, 15}, want: verdict{foreign: 1}},
		"of a connection":      {got: []int64{3, 6, 8, 9, 12, 15}, want: verdict{foreign: 1}},
		"of a user":            {got: []int64{3, 6, 9, 12, 13, 15}, want: verdict{foreign: 1}},
		"lost, and told":       {got: []int64{3, gap, 12, 15}, want: verdict{gaps: 1, excuse: 2}},
		"lost, told too late":  {got: []int64{3, 12, gap, 15}, want: verdict{gaps: 1, lost: 2}},
		"told, nothing lost":   {got: []int64{3, gap, 6, 9, 12, 15}, want: verdict{gaps: 1}},
		"all lost, and told":   {got: []int64{gap}, want: verdict{gaps: 1, excuse: 5}},
		"never sent to anyone": {got: []int64{3, 6, 9, 12, 15, 99}, want: verdict{foreign: 1}},
	} {
		l := &life{id: "me", user: "ann", got: c.got, until: c.until, sure: c.sure}
		v := audit(events, []*life{l})
		if v.due != 5 || v.lives != 1 {
			t.Errorf("%s: %d messages are for %d connections, want 5 for 1", name, v.due, v.lives)
		}
		v.lives, v.due, v.got = 0, 0, 0
		if v != c.want {
			t.Errorf("%s: the verdict is %+v, want %+v", name, v, c.want)
		}
	}
}
