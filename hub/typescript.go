package hub

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/hubwire/hubwire/hub/codec"
)

// TypeScript writes the types of the registered hubs as a TypeScript
// declaration file, for connection.hub of the JS client:
//
//	import type { ChatHub } from "./hubs.js";
//	const chat = connection.hub<ChatHub>("chat");
//
// Types look as encoding/json writes them: a nil pointer, slice or map is null.
// A type that writes its own JSON is unknown. The same hubs give the same
// bytes, so that a golden file can tell when pages must change.
func (s *Server) TypeScript(w io.Writer) error {
	hubs := slices.Clone(s.hubs.Load().names.values())
	slices.SortFunc(hubs, func(a, b *core) int { return strings.Compare(a.name, b.name) })

	// Once to find the types, which tells their names, and once with the names.
	draft := newDeclarations(hubs, nil)
	draft.write(hubs)
	final := newDeclarations(hubs, draft.found)
	final.write(hubs)
	_, err := io.WriteString(w, final.text.String())
	return err
}

// typesFile is where Options.ServeTypes serves what TypeScript writes.
const typesFile = "hubs.d.ts"

// serveTypes answers requests for the types, where they are served.
func (s *Server) serveTypes(w http.ResponseWriter, r *http.Request) bool {
	if !s.opts.ServeTypes || path.Base(r.URL.Path) != typesFile {
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are served here", http.StatusMethodNotAllowed)
		return true
	}
	w.Header().Set("Content-Type", "application/typescript; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_ = s.TypeScript(w) // Fails where the client has gone.
	return true
}

// declarations are a declaration file in the making.
type declarations struct {
	hubs  map[*core]string        // their names
	types map[reflect.Type]string // their names
	found []reflect.Type          // that need a declaration, in the order of their first use
	text  strings.Builder
}

// newDeclarations gives the hubs and the types their names.
func newDeclarations(hubs []*core, types []reflect.Type) *declarations {
	d := &declarations{hubs: make(map[*core]string), types: make(map[reflect.Type]string)}
	taken := make(map[string]bool)
	for _, h := range hubs {
		d.hubs[h] = unique(strings.TrimSuffix(words(h.name), "Hub")+"Hub", taken)
	}
	count := make(map[string]int)
	for _, t := range types {
		count[typeWords(t)]++
	}
	for _, t := range types {
		name := typeWords(t)
		if count[name] > 1 || taken[name] {
			name = words(path.Base(t.PkgPath())) + name
		}
		d.types[t] = unique(name, taken)
	}
	return d
}

func unique(name string, taken map[string]bool) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprint(name, n)
	}
	taken[free] = true
	return free
}

var (
	// packagePath is what stands before a name in the arguments of an instance
	// of a generic type, localType what stands behind that of a function's own.
	packagePath = regexp.MustCompile(`[^\[\]*, ]*[./]`)
	localType   = regexp.MustCompile(`·\d+`)

	inWords = strings.NewReplacer("[]", "list ", "[", " of ", ",", " and ")
)

// typeWords is the name of the type: PageOfUser for Page[User].
func typeWords(t reflect.Type) string {
	name := localType.ReplaceAllString(t.Name(), "")
	return words(inWords.Replace(packagePath.ReplaceAllString(name, "")))
}

// words makes one identifier of several words.
func words(s string) string {
	var b strings.Builder
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return !inIdentifier(r) || r == '_' }) {
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	if name := b.String(); isIdentifier(name) {
		return name
	}
	return "_" + b.String()
}

func (d *declarations) write(hubs []*core) {
	d.text.WriteString("// The hubs of a Hubwire server, and the types of what goes over the wire.\n" +
		"// Written by the server: change the Go types instead.\n")
	for _, h := range hubs {
		d.hub(h)
	}
	if len(hubs) == 0 {
		d.text.WriteString("\nexport {};\n")
	}
	declared := make(map[reflect.Type]string)
	for i := 0; i < len(d.found); i++ { // More are found on the way.
		declared[d.found[i]] = d.declaration(d.found[i])
	}
	slices.SortFunc(d.found, func(a, b reflect.Type) int { return strings.Compare(d.types[a], d.types[b]) })
	for _, t := range d.found {
		d.text.WriteString("\n" + declared[t])
	}
}

func (d *declarations) hub(h *core) {
	about := h.describe()
	fmt.Fprintf(&d.text, "\n/** Hub %q: `connection.hub<%s>(%[1]q)`. */\n", h.name, d.hubs[h])
	fmt.Fprintf(&d.text, "export interface %s {\n", d.hubs[h])
	d.text.WriteString("  /** What the page may call. */\n")
	var plain, streams []codec.MethodDescriptor
	var uploads []string
	for _, m := range about.Methods {
		switch {
		case m.Uploads != nil:
			uploads = append(uploads, wireName(m))
		case m.Stream != nil:
			streams = append(streams, m)
		default:
			plain = append(plain, m)
		}
	}
	d.members("server", d.methods(plain, wireName))
	if len(streams) > 0 {
		d.text.WriteString("  /** What the page may call and then reads: `hub.stream(...)`. */\n")
		d.members("streams", d.methods(streams, wireName))
	}
	if len(uploads) > 0 {
		fmt.Fprintf(&d.text, "  // Left out, since pages cannot send streams: %s.\n", strings.Join(uploads, ", "))
	}
	d.text.WriteString("  /** What the server calls in the page. */\n")
	clients := d.methods(about.Client, func(m codec.MethodDescriptor) string { return m.Name })
	if len(h.client.senders) > 0 {
		clients = append(clients, "[method: string]: (...args: any[]) => any")
	}
	d.members("client", clients)
	var progress []string
	for _, m := range plain {
		if m.Progress != nil {
			progress = append(progress, property(wireName(m))+": "+d.expr(m.Progress))
		}
	}
	if progress != nil {
		d.text.WriteString("  /** What methods report while they run: `hub.with({ progress })`. */\n")
		d.members("progress", progress)
	}
	d.text.WriteString("}\n")
}

func wireName(m codec.MethodDescriptor) string {
	if m.Explicit {
		return m.Name
	}
	return codec.LowerCamel(m.Name)
}

func (d *declarations) members(name string, lines []string) {
	if len(lines) == 0 {
		fmt.Fprintf(&d.text, "  %s: {};\n", name)
		return
	}
	fmt.Fprintf(&d.text, "  %s: {\n", name)
	for _, l := range lines {
		fmt.Fprintf(&d.text, "    %s;\n", l)
	}
	d.text.WriteString("  };\n")
}

func (d *declarations) methods(ms []codec.MethodDescriptor, name func(codec.MethodDescriptor) string) []string {
	var lines []string
	for _, m := range ms {
		result := "void"
		switch {
		case m.Result != nil:
			result = d.expr(m.Result)
		case m.Stream != nil:
			result = "AsyncIterable<" + d.expr(m.Stream) + ">"
		}
		lines = append(lines, fmt.Sprintf("%s(%s): %s", property(name(m)), d.params(m), result))
	}
	return lines
}

func (d *declarations) params(m codec.MethodDescriptor) string {
	var list []string
	rest := len(m.Params)
	if m.Variadic {
		rest--
	}
	for i, t := range m.Params[:rest] {
		list = append(list, fmt.Sprintf("arg%d: %s", i+1, d.expr(t)))
	}
	if m.Variadic {
		list = append(list, "...rest: "+d.listOf(m.Params[rest].Elem()))
	}
	return strings.Join(list, ", ")
}

// declaration is that of a named type.
func (d *declarations) declaration(t reflect.Type) string {
	name := d.types[t]
	if t.Kind() != reflect.Struct {
		return fmt.Sprintf("export type %s = %s;\n", name, d.structure(t))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "export interface %s {\n", name)
	for _, f := range d.fields(t) {
		fmt.Fprintf(&b, "  %s;\n", f)
	}
	b.WriteString("}\n")
	return b.String()
}

// fields are the members of a struct.
func (d *declarations) fields(t reflect.Type) []string {
	var list []string
	for _, f := range jsonFields(t) {
		name := property(f.name)
		if f.optional {
			name += "?"
		}
		list = append(list, name+": "+d.field(f))
	}
	if list == nil {
		// A bare {} would take anything.
		return []string{"[key: string]: never"}
	}
	return list
}

func (d *declarations) field(f jsonField) string {
	expr, null := d.value(f.typ), nullable(f.typ) && !f.omitempty
	if f.quoted {
		expr = "string"
	}
	if null && expr != "unknown" {
		expr += " | null"
	}
	return expr
}

// expr is the type of a value on the wire.
func (d *declarations) expr(t reflect.Type) string { return d.field(jsonField{typ: t}) }

// nullable reports whether t has a nil, which is null on the wire.
func nullable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer:
		return true
	case reflect.Slice, reflect.Map:
		return ownType(t) == ""
	}
	return false
}

// value is the type of a value that is not nil.
func (d *declarations) value(t reflect.Type) string {
	for range 8 { // A type may be a pointer to itself.
		if t.Kind() != reflect.Pointer {
			break
		}
		t = t.Elem()
	}
	if own := ownType(t); own != "" {
		return own
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Slice, reflect.Array, reflect.Map:
		if t.Name() == "" || isBytes(t) {
			return d.structure(t)
		}
		if !slices.Contains(d.found, t) {
			d.found = append(d.found, t)
		}
		return d.types[t]
	}
	return d.structure(t)
}

// structure is what a type is made of, without its name.
func (d *declarations) structure(t reflect.Type) string {
	switch k := t.Kind(); {
	case k == reflect.Bool:
		return "boolean"
	case k == reflect.String || isBytes(t):
		return "string"
	case isNumber(k):
		return "number"
	case k == reflect.Slice || k == reflect.Array:
		return d.listOf(t.Elem())
	case k == reflect.Map:
		return fmt.Sprintf("{ [key: %s]: %s }", keyType(t.Key()), d.expr(t.Elem()))
	case k == reflect.Struct:
		return "{ " + strings.Join(d.fields(t), "; ") + " }"
	}
	return "unknown"
}

func (d *declarations) listOf(elem reflect.Type) string {
	expr := d.expr(elem)
	if strings.HasSuffix(expr, " | null") {
		return "(" + expr + ")[]"
	}
	return expr + "[]"
}

func keyType(t reflect.Type) string {
	if isNumber(t.Kind()) && ownType(t) == "" {
		return "number"
	}
	return "string"
}

// property is a name as a key of a type.
func property(name string) string {
	if isIdentifier(name) {
		return name
	}
	quoted, _ := json.Marshal(name) // A string always encodes.
	return string(quoted)
}
