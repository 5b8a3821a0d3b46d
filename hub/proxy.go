package hub

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/hubwire/hubwire/hub/codec"
)

// A Sender calls client methods by name, for those whose names are known only
// at run time. Embed it in a client struct beside the func fields, or use it as
// the client type itself. The zero Sender reaches nobody.
type Sender struct {
	target *target
}

var errUnbound = errors.New("hub: this Sender comes from no Clients")

// Send calls the client method with the arguments.
func (s Sender) Send(method string, args ...any) error {
	if s.target == nil {
		return errUnbound
	}
	return s.target.send(method, args)
}

// Ask calls the client method with the arguments, waits for the answer, and
// decodes it into the pointer. Only a single client can be asked. The wait ends
// with an error when ctx or the connection does.
func (s Sender) Ask(ctx context.Context, answer any, method string, args ...any) error {
	if s.target == nil {
		return errUnbound
	}
	return s.target.ask(ctx, method, args, answer)
}

// A proxyPlan says how to make a client struct whose fields call a target.
// It is made once per client type.
type proxyPlan struct {
	fields  []proxyField
	senders [][]int // the fields of type Sender
	asks    bool    // some of them wait for answers
}

type proxyField struct {
	index    []int
	name     string // on the wire
	explicit bool
	typ      reflect.Type
	asks     bool // it has a result
	context  bool // its first parameter is a context
}

var contextType = reflect.TypeFor[context.Context]()

var senderType = reflect.TypeFor[Sender]()

func planProxy(hub string, t reflect.Type) (*proxyPlan, error) {
	if t == senderType {
		return &proxyPlan{senders: [][]int{{}}, asks: true}, nil
	}
	if t.Kind() != reflect.Struct {
		return nil, &RegistrationError{Hub: hub, Text: fmt.Sprintf("the client type %s is not a struct of funcs", t)}
	}
	p := new(proxyPlan)
	if err := p.add(hub, t, nil); err != nil {
		return nil, err
	}
	return p, p.checkNames(hub)
}

// add plans the fields of t, which is at index of the client type.
func (p *proxyPlan) add(hub string, t reflect.Type, index []int) error {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(append([]int(nil), index...), i)
		switch {
		case f.Type == senderType && f.Anonymous:
			p.senders = append(p.senders, at)
			p.asks = true
		case f.Type.Kind() == reflect.Struct && f.Anonymous:
			if err := p.add(hub, f.Type, at); err != nil {
				return err
			}
		default:
			pf, err := planField(hub, f, at)
			if err != nil {
				return err
			}
			p.fields = append(p.fields, pf)
			p.asks = p.asks || pf.asks
		}
	}
	return nil
}

func planField(hub string, f reflect.StructField, index []int) (proxyField, error) {
	bad := func(param, format string, args ...any) (proxyField, error) {
		return proxyField{}, &RegistrationError{
			Hub: hub, Method: f.Name + " of the client", Param: param, Text: fmt.Sprintf(format, args...),
		}
	}
	pf := proxyField{index: index, name: codec.LowerCamel(f.Name), typ: f.Type}
	if tag, ok := f.Tag.Lookup("hub"); ok {
		pf.name, pf.explicit = tag, true
	}
	switch {
	case f.Type.Kind() != reflect.Func:
		return bad("", "a field of the client type must be a func, not a %s", f.Type)
	case !f.IsExported():
		return bad("", "the field is not exported")
	case pf.name == "" || !utf8.ValidString(pf.name):
		return bad("", "its name on the wire is empty or not UTF-8")
	}
	switch n := f.Type.NumOut(); {
	case n == 0 || f.Type.Out(n-1) != errorType:
		return bad("", "its last result must be error")
	case n > 2:
		return bad("", "a client method returns error, or (T, error)")
	case n == 2:
		if why := unencodable(f.Type.Out(0), decoding); why != "" {
			return bad(fmt.Sprintf("result 1 (%s)", f.Type.Out(0)), "%s", why)
		}
		pf.asks = true
	}
	for i := range f.Type.NumIn() {
		in := f.Type.In(i)
		if in == contextType {
			if i > 0 || !pf.asks {
				return bad(fmt.Sprintf("parameter %d (%s)", i+1, in),
					"only a call that waits for an answer takes a context, and takes it first")
			}
			pf.context = true
			continue
		}
		if why := unencodable(in, encoding); why != "" {
			return bad(fmt.Sprintf("parameter %d (%s)", i+1, in), "%s", why)
		}
	}
	return pf, nil
}

// checkNames finds methods that clients, who look handlers up in any case,
// cannot tell apart.
func (p *proxyPlan) checkNames(hub string) error {
	for i, f := range p.fields {
		for _, g := range p.fields[:i] {
			if strings.EqualFold(f.name, g.name) {
				return &RegistrationError{
					Hub: hub, Method: f.name + " of the client",
					Text: "there are two client methods of this name, which clients find in any case",
				}
			}
		}
	}
	return nil
}

// bind makes the fields of client, which is settable, call t.
func (p *proxyPlan) bind(client reflect.Value, t *target) {
	for _, f := range p.fields {
		v := client.FieldByIndex(f.index)
		if !bindCommon(v.Addr().Interface(), f.name, t) {
			v.Set(reflect.MakeFunc(f.typ, f.caller(t)))
		}
	}
	for _, at := range p.senders {
		client.FieldByIndex(at).Set(reflect.ValueOf(Sender{t}))
	}
}

// bindCommon sets the func that field points to, if it has one of the usual
// signatures. A closure takes 2 allocations to make and 3 to call, a
// reflect.MakeFunc 3 and 6, and several times as long (BenchmarkTypedCall).
func bindCommon(field any, name string, t *target) bool {
	switch f := field.(type) {
	case *func() error:
		*f = func() error { return t.send(name, nil) }
	case *func(string) error:
		*f = func(a string) error { return t.send(name, []any{a}) }
	case *func(string, string) error:
		*f = func(a, b string) error { return t.send(name, []any{a, b}) }
	case *func(string, string, string) error:
		*f = func(a, b, c string) error { return t.send(name, []any{a, b, c}) }
	case *func(int) error:
		*f = func(a int) error { return t.send(name, []any{a}) }
	case *func(any) error:
		*f = func(a any) error { return t.send(name, []any{a}) }
	case *func(string, any) error:
		*f = func(a string, b any) error { return t.send(name, []any{a, b}) }
	case *func(...any) error:
		*f = func(args ...any) error { return t.send(name, args) }
	default:
		return false
	}
	return true
}

// caller returns what a reflect.MakeFunc of the field does.
func (f proxyField) caller(t *target) func([]reflect.Value) []reflect.Value {
	if f.asks {
		return f.asker(t)
	}
	return func(in []reflect.Value) []reflect.Value {
		err := t.send(f.name, f.args(in))
		if err == nil {
			return noError
		}
		return []reflect.Value{reflect.ValueOf(&err).Elem()}
	}
}

// asker is caller for a field with a result.
func (f proxyField) asker(t *target) func([]reflect.Value) []reflect.Value {
	return func(in []reflect.Value) []reflect.Value {
		var ctx context.Context
		if f.context {
			ctx, _ = in[0].Interface().(context.Context)
			in = in[1:]
		}
		answer := reflect.New(f.typ.Out(0))
		err := t.ask(ctx, f.name, f.args(in), answer.Interface())
		if err != nil {
			answer.Elem().SetZero()
		}
		return []reflect.Value{answer.Elem(), reflect.ValueOf(&err).Elem()}
	}
}

var noError = []reflect.Value{reflect.Zero(errorType)}

// args spreads a variadic last argument out.
func (f proxyField) args(in []reflect.Value) []any {
	args := make([]any, 0, len(in))
	for i, v := range in {
		if f.typ.IsVariadic() && i == len(in)-1 {
			for j := range v.Len() {
				args = append(args, v.Index(j).Interface())
			}
			break
		}
		args = append(args, v.Interface())
	}
	return args
}

func (p *proxyPlan) describe() []codec.MethodDescriptor {
	var ds []codec.MethodDescriptor
	for _, f := range p.fields {
		d := codec.MethodDescriptor{Name: f.name, Explicit: f.explicit, Variadic: f.typ.IsVariadic()}
		for i := range f.typ.NumIn() {
			if !f.context || i > 0 {
				d.Params = append(d.Params, f.typ.In(i))
			}
		}
		if f.asks {
			d.Result = f.typ.Out(0)
		}
		ds = append(ds, d)
	}
	return ds
}
