package hub

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hubwire/hubwire/hub/codec"
)

// A method is the plan of one hub method, made at registration.
type method struct {
	name     string // on the wire
	explicit bool
	goName   string
	fn       reflect.Value  // bound to the hub
	params   []reflect.Type // what comes from the wire
	variadic bool           // the last of params takes the rest
	uploads  []uploadParam  // streams from the client
	progress progressParam  // nil for none
	result   reflect.Type   // nil for none, and for a stream
	stream   *streamType    // nil for a method that does not stream its result
	fails    bool           // the last result is an error
}

var errorType = reflect.TypeFor[error]()

// planMethods makes the plans of impl's methods. What is not a life-cycle
// method and not hidden must fit.
func planMethods(h *core, impl any, callType reflect.Type, set *settings) error {
	v := reflect.ValueOf(impl)
	if err := checkImpl(h.name, v); err != nil {
		return err
	}
	if err := checkMentioned(v.Type(), set); err != nil {
		return err
	}
	for i := range v.NumMethod() {
		m := v.Type().Method(i)
		if set.hidden[m.Name] || isEvent(m.Name) {
			continue
		}
		p, err := planMethod(h.name, m.Name, v.Method(i), callType)
		if err != nil {
			return err
		}
		if err := nameMethod(h, p, set); err != nil {
			return err
		}
		h.methods = h.methods.with(p.name, p)
	}
	return nil
}

func checkImpl(hub string, v reflect.Value) error {
	switch {
	case !v.IsValid():
		return &RegistrationError{Hub: hub, Text: "the hub is nil"}
	case v.Kind() == reflect.Pointer && v.IsNil():
		return &RegistrationError{Hub: hub, Text: fmt.Sprintf("the hub is a nil %s", v.Type())}
	case v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface:
		return nil
	}
	pointer := reflect.PointerTo(v.Type())
	for i := range pointer.NumMethod() {
		name := pointer.Method(i).Name
		if _, ok := v.Type().MethodByName(name); !ok {
			return &RegistrationError{
				Hub: hub, Method: name,
				Text: fmt.Sprintf("it has a pointer receiver: register a *%s, not a %s", v.Type(), v.Type()),
			}
		}
	}
	return nil
}

// checkMentioned finds options for methods that do not exist.
func checkMentioned(t reflect.Type, set *settings) error {
	names := make([]string, 0, len(set.rename)+len(set.hidden))
	for m := range set.rename {
		names = append(names, m)
	}
	for m := range set.hidden {
		names = append(names, m)
	}
	slices.Sort(names)
	for _, m := range names {
		if _, ok := t.MethodByName(m); !ok {
			return &RegistrationError{Hub: set.hub, Method: m, Text: fmt.Sprintf("an option names it, but %s has no such method", t)}
		}
	}
	return nil
}

// nameMethod gives the method its name on the wire, which must be its own.
func nameMethod(h *core, p *method, set *settings) error {
	bad := func(text string) error { return &RegistrationError{Hub: h.name, Method: p.goName, Text: text} }
	if wire, ok := set.rename[p.goName]; ok {
		p.name, p.explicit = wire, true
	}
	if p.name == "" {
		return bad("its name on the wire is empty")
	}
	if isEvent(p.name) {
		return bad(fmt.Sprintf("its name on the wire, %q, is that of a life-cycle method", p.name))
	}
	if other, ok := h.methods.find(p.name); ok {
		return bad(fmt.Sprintf("clients cannot tell it from method %s: names on the wire differ by more than case", other.goName))
	}
	return nil
}

func planMethod(hub, name string, fn reflect.Value, callType reflect.Type) (*method, error) {
	t := fn.Type()
	p := &method{name: name, goName: name, fn: fn, variadic: t.IsVariadic()}
	bad := func(param, format string, args ...any) (*method, error) {
		return nil, &RegistrationError{Hub: hub, Method: name, Param: param, Text: fmt.Sprintf(format, args...)}
	}
	if t.NumIn() == 0 || t.In(0) != callType {
		got := "it has none"
		if t.NumIn() > 0 {
			got = "it is " + t.In(0).String()
		}
		return bad("", "the first parameter must be %s, but %s; hub.Hide keeps a method from clients", callType, got)
	}
	for i := 1; i < t.NumIn(); i++ {
		in := t.In(i)
		param := fmt.Sprintf("parameter %d (%s)", i+1, in)
		if pp, ok := asProgress(in); ok {
			if i != t.NumIn()-1 {
				return bad(param, "progress must be the last parameter")
			}
			if why := unencodable(pp.elem(), encoding); why != "" {
				return bad(param, "%s", why)
			}
			p.progress = pp
			continue
		}
		if in == callType {
			return bad(param, "a method takes one call")
		}
		if s := asStream(in); s != nil {
			if why := unencodable(s.elem, decoding); why != "" {
				return bad(param, "%s", why)
			}
			p.uploads = append(p.uploads, uploadParam{s, i})
			continue
		}
		if why := unencodable(in, decoding); why != "" {
			return bad(param, "%s", why)
		}
		p.params = append(p.params, in)
	}
	return p, planResults(hub, p, t)
}

func planResults(hub string, p *method, t reflect.Type) error {
	bad := func(i int, format string, args ...any) error {
		return &RegistrationError{
			Hub: hub, Method: p.goName,
			Param: fmt.Sprintf("result %d (%s)", i+1, t.Out(i)),
			Text:  fmt.Sprintf(format, args...),
		}
	}
	n := t.NumOut()
	if n > 2 {
		return bad(2, "a method returns nothing, error, T, or (T, error)")
	}
	p.fails = n > 0 && t.Out(n-1) == errorType
	if n == 2 && !p.fails {
		return bad(1, "the second of two results must be error")
	}
	if n == 0 || n == 1 && p.fails {
		return nil
	}
	if t.Out(0) == errorType {
		return bad(0, "only the last result may be an error")
	}
	if p.stream = asStream(t.Out(0)); p.stream != nil {
		if why := unencodable(p.stream.elem, encoding); why != "" {
			return bad(0, "%s", why)
		}
		return nil
	}
	if why := unencodable(t.Out(0), encoding); why != "" {
		return bad(0, "%s", why)
	}
	p.result = t.Out(0)
	return nil
}

// streams reports whether calls of the method run beside the queue.
func (m *method) streams() bool { return m.stream != nil || len(m.uploads) > 0 }

// arity returns how many arguments the method takes, max -1 for any number.
func (m *method) arity() (least, most int) {
	if m.variadic {
		return len(m.params) - 1, -1
	}
	return len(m.params), len(m.params)
}

// param returns the type of argument i.
func (m *method) param(i int) reflect.Type {
	if m.variadic && i >= len(m.params)-1 {
		return m.params[len(m.params)-1].Elem()
	}
	return m.params[i]
}

// decode turns arguments from the wire into those of the Go method, behind the
// call in args[0]. The error is a *callError that names the argument.
func (m *method) decode(e codec.Encoding, raw []codec.Raw, args []reflect.Value) (_ []reflect.Value, err error) {
	defer catch(&err)
	least, most := m.arity()
	if len(raw) < least || most >= 0 && len(raw) > most {
		return nil, m.wrongCount(len(raw))
	}
	for i, r := range raw {
		v := reflect.New(m.param(i))
		if err := e.Unmarshal(r, v.Interface()); err != nil {
			return nil, m.wrongArgument(i, err)
		}
		args = append(args, v.Elem())
	}
	return args, nil
}

func (m *method) wrongCount(got int) error {
	least, most := m.arity()
	want := fmt.Sprint(least)
	if most < 0 {
		want = fmt.Sprintf("at least %d", least)
	}
	return &callError{codec.BadArguments, fmt.Sprintf("Method %q takes %s %s, not %d.", m.name, want, plural(least, "argument"), got)}
}

func (m *method) wrongArgument(i int, cause error) error {
	return &callError{codec.BadArguments, fmt.Sprintf("Argument %d of method %q is not a %s: %s.", i+1, m.name, m.param(i), decodeReason(cause))}
}

// decodeReason is the cause without its package's prefix.
func decodeReason(err error) string { return strings.TrimPrefix(err.Error(), "json: ") }

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// call runs the method. A panic in it is the error.
func (m *method) call(args []reflect.Value) (result any, err error) {
	defer catch(&err)
	out := m.fn.Call(args)
	if m.fails {
		err, _ = out[len(out)-1].Interface().(error)
	}
	if err != nil || m.result == nil && m.stream == nil {
		return nil, err
	}
	return out[0].Interface(), nil
}

func (m *method) describe() codec.MethodDescriptor {
	d := codec.MethodDescriptor{Name: m.name, Explicit: m.explicit, Params: m.params, Variadic: m.variadic, Result: m.result}
	if m.progress != nil {
		d.Progress = m.progress.elem()
	}
	if m.stream != nil {
		d.Stream = m.stream.elem
	}
	for _, u := range m.uploads {
		d.Uploads = append(d.Uploads, u.elem)
	}
	return d
}
