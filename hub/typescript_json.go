package hub

import (
	stdencoding "encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
)

// ownType returns the TypeScript type of a type that says itself how it looks
// on the wire, or "".
func ownType(t reflect.Type) string {
	if t.Kind() == reflect.Interface {
		return "unknown"
	}
	p := reflect.PointerTo(t) // It has the methods of t too.
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "string"
	case t == reflect.TypeFor[json.Number]():
		return "number"
	case implements[json.Marshaler](p), implements[json.Unmarshaler](p):
		return "unknown"
	case implements[stdencoding.TextMarshaler](t):
		return "string"
	case implements[stdencoding.TextMarshaler](p), implements[stdencoding.TextUnmarshaler](p):
		// Whether it is text depends on where the value stands.
		return "unknown"
	}
	return ""
}

// isBytes reports whether t goes over the wire as base64.
func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && ownType(t.Elem()) == ""
}

func isNumber(k reflect.Kind) bool { return k >= reflect.Int && k <= reflect.Float64 }

// A jsonField is a member of a struct on the wire.
type jsonField struct {
	name      string
	typ       reflect.Type
	optional  bool // it may be missing
	omitempty bool // it is missing where it is nil
	quoted    bool // it is a string, whatever its type

	tagged bool
	index  []int
}

// jsonFields returns the members of struct type t by the rules of
// encoding/json: of those of one name the least deep counts, among those one
// with a tag, and none where that still leaves several.
func jsonFields(t reflect.Type) []jsonField {
	var (
		all  []jsonField
		seen = make(map[reflect.Type]bool)
	)
	for level := []jsonField{{typ: t}}; len(level) > 0; {
		var next []jsonField
		for _, e := range level {
			if !seen[e.typ] {
				fields, embedded := membersOf(e)
				all, next = append(all, fields...), append(next, embedded...)
			}
		}
		for _, e := range level {
			seen[e.typ] = true
		}
		level = next
	}
	var visible []jsonField
	for _, f := range all {
		if !slices.ContainsFunc(all, func(g jsonField) bool { return g.name == f.name && f.hiddenBy(g) }) {
			visible = append(visible, f)
		}
	}
	slices.SortFunc(visible, func(a, b jsonField) int { return slices.Compare(a.index, b.index) })
	return visible
}

// hiddenBy reports whether f, which has the same name, goes missing for g.
func (f jsonField) hiddenBy(g jsonField) bool {
	switch {
	case slices.Equal(f.index, g.index):
		return false
	case len(f.index) != len(g.index):
		return len(g.index) < len(f.index)
	}
	return g.tagged || !f.tagged
}

// membersOf returns the members of an embedded struct, or of the outermost
// one, and the structs that are embedded in it.
func membersOf(e jsonField) (fields, embedded []jsonField) {
	for i := range e.typ.NumField() {
		sf := e.typ.Field(i)
		inner := sf.Type
		if inner.Name() == "" && inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		tag := sf.Tag.Get("json")
		if tag == "-" || !sf.IsExported() && (!sf.Anonymous || inner.Kind() != reflect.Struct) {
			continue
		}
		f := jsonField{typ: sf.Type, optional: e.optional, index: append(slices.Clip(slices.Clone(e.index)), i)}
		name, options, _ := strings.Cut(tag, ",")
		if validTag(name) {
			f.name, f.tagged = name, true
		}
		if !f.tagged && sf.Anonymous && inner.Kind() == reflect.Struct {
			f.optional = f.optional || sf.Type.Kind() == reflect.Pointer
			f.typ = inner
			embedded = append(embedded, f)
			continue
		}
		if !f.tagged {
			f.name = sf.Name
		}
		f.apply(strings.Split(options, ","), inner)
		fields = append(fields, f)
	}
	return fields, embedded
}

// apply takes the options of a tag in.
func (f *jsonField) apply(options []string, inner reflect.Type) {
	if slices.Contains(options, "omitempty") && canBeEmpty(f.typ) {
		f.omitempty, f.optional = true, true
	}
	if slices.Contains(options, "omitzero") {
		f.optional = true
	}
	k := inner.Kind()
	f.quoted = slices.Contains(options, "string") && (k == reflect.Bool || k == reflect.String || isNumber(k))
}

// canBeEmpty reports whether omitempty has a meaning for t.
func canBeEmpty(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct:
		return false
	case reflect.Array:
		return t.Len() == 0
	}
	return true
}

func validTag(name string) bool {
	for _, r := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return false
		}
	}
	return name != ""
}

// isIdentifier reports whether the name can stand in TypeScript as it is.
func isIdentifier(name string) bool {
	return name != "" && !unicode.IsDigit([]rune(name)[0]) && !strings.ContainsFunc(name, func(r rune) bool { return !inIdentifier(r) })
}

func inIdentifier(r rune) bool {
	return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r)
}
