package api

import (
	"encoding"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tranship/tranship/internal/registry"
)

// Decode reads all documents of r, YAML or JSON, and defaults and validates each. filename is for messages and may be "".
//
// Unknown fields, wrong types and everything that Validate finds is an error; all are collected in FieldErrors, which is the
// dynamic type of the error. The resources of the documents that could be read are returned beside it, for checks that go
// on. Input is bounded to 4 MiB, 100,000 values and 32 levels.
func Decode(r io.Reader, filename string) ([]Resource, error) {
	docs, errs := decodeDocuments(r, filename)
	resources := make([]Resource, len(docs))
	for i, d := range docs {
		resources[i] = d.resource
	}
	return resources, errs.Err()
}

// document is a decoded resource with the places of its fields.
type document struct {
	resource Resource
	origin   origin
}

// origin says where a resource was read.
type origin struct {
	file  string
	lines map[string]int // by path
}

// locate fills file, line and resource of the errors of one resource and sorts them by line.
func (o origin) locate(r Resource, errs FieldErrors) FieldErrors {
	for i := range errs {
		errs[i].File, errs[i].Resource = o.file, title(r.Kind(), r.Meta().Name)
		for path := errs[i].Path; errs[i].Line == 0; path = parent(path) {
			errs[i].Line = o.lines[path]
			if path == "" {
				break
			}
		}
	}
	slices.SortStableFunc(errs, func(a, b FieldError) int { return a.Line - b.Line })
	return errs
}

func title(kind, name string) string {
	if !isLabel(name) {
		return kind
	}
	return kind + "/" + name
}

func decodeDocuments(r io.Reader, filename string) ([]document, FieldErrors) {
	data, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return nil, FieldErrors{{File: filename, Message: fmt.Sprintf("cannot be read: %v", err)}}
	}
	if len(data) > maxInput {
		return nil, FieldErrors{{File: filename, Message: fmt.Sprintf("is larger than %d MiB: split it", maxInput>>20)}}
	}
	roots, syntax := parse(data)
	budget := maxNodes
	var docs []document
	var errs FieldErrors
	for _, root := range roots {
		d := decoder{lines: map[string]int{}, budget: &budget, fields: map[reflect.Type]structFields{}}
		resource := d.document(root)
		if resource == nil {
			errs = append(errs, origin{file: filename, lines: d.lines}.locateHeader(d.errs)...)
			continue
		}
		at := origin{file: filename, lines: d.lines}
		resource.Default()
		if len(d.errs) == 0 {
			// Problems of a half-read resource would be echoes of the ones already found.
			d.errs = resource.Validate()
		}
		errs = append(errs, at.locate(resource, d.errs)...)
		docs = append(docs, document{resource, at})
	}
	if syntax != nil {
		syntax.File = filename
		errs = append(errs, *syntax)
	}
	if len(errs) > maxErrors {
		more := FieldError{File: filename, Message: fmt.Sprintf("has %d more problems", len(errs)-maxErrors)}
		errs = append(errs[:maxErrors:maxErrors], more)
	}
	return docs, errs
}

// locateHeader fills the file of errors that come before the kind of a document is known; the decoder set their lines.
func (o origin) locateHeader(errs FieldErrors) FieldErrors {
	for i := range errs {
		errs[i].File = o.file
	}
	return errs
}

// decoder sets Go values from nodes. It collects problems and goes on.
type decoder struct {
	lines  map[string]int
	errs   FieldErrors
	budget *int // values that may still be read
	fields map[reflect.Type]structFields
}

// document decodes one resource, or returns nil when its header does not say what it is.
func (d *decoder) document(root *yaml.Node) Resource {
	root = deref(root)
	if root.Kind != yaml.MappingNode {
		d.failAt(root, "", "must be a resource: an object with apiVersion, kind, metadata and spec")
		return nil
	}
	version, kind := scalarOf(root, "apiVersion"), scalarOf(root, "kind")
	switch {
	case version == nil || version.Value == "":
		d.suggestAt(root, "apiVersion", "", "is missing: the version is %s", Version)
		return nil
	case version.Value != Version:
		d.suggestAt(version, "apiVersion", Version, "unknown version")
		return nil
	case kind == nil || kind.Value == "":
		d.failAt(root, "kind", "is missing: known are %s", strings.Join(Kinds(), ", "))
		return nil
	case readOnly(kind.Value):
		d.failAt(kind, "kind", "%s is read-only: the services report it", kind.Value)
		return nil
	}
	r := New(kind.Value)
	if r == nil {
		near := registry.Nearest(kind.Value, Kinds())
		d.suggestAt(kind, "kind", near, "unknown kind: known are %s", strings.Join(Kinds(), ", "))
		return nil
	}
	d.value(root, reflect.ValueOf(r).Elem(), "", 0)
	return r
}

// deref follows an alias. A node never aliases an alias.
func deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// scalarOf returns the scalar below key of a mapping, or nil.
func scalarOf(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if v := deref(mapping.Content[i+1]); mapping.Content[i].Value == key && v.Kind == yaml.ScalarNode {
			return v
		}
	}
	return nil
}

func (d *decoder) failAt(n *yaml.Node, path, format string, args ...any) {
	d.suggestAt(n, path, "", format, args...)
}

func (d *decoder) suggestAt(n *yaml.Node, path, suggestion, format string, args ...any) {
	if len(d.errs) > maxErrors {
		return // the report is cut there anyway
	}
	d.errs = append(d.errs, FieldError{Line: n.Line, Path: path, Message: fmt.Sprintf(format, args...), Suggestion: suggestion})
}

// enter accounts for a value with its direct parts and reports whether it may be read. Parts are paid for before anything
// is allocated for them, so a document of aliases costs no more than one that is written out.
func (d *decoder) enter(n *yaml.Node, line int, path string, depth int) bool {
	if *d.budget < 0 {
		return false
	}
	if *d.budget -= 1 + len(n.Content); *d.budget < 0 {
		d.errs = append(d.errs, FieldError{Line: line, Path: path, Message: fmt.Sprintf("the input has more than %d values", maxNodes)})
		return false
	}
	if depth > maxDepth {
		d.errs = append(d.errs, FieldError{Line: line, Path: path, Message: fmt.Sprintf("is nested more than %d deep", maxDepth)})
		return false
	}
	if _, seen := d.lines[path]; !seen && len(path) <= maxPath {
		d.lines[path] = line
	}
	return true
}

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	onInvalidType   = reflect.TypeFor[OnInvalid]()
	onUnknownType   = reflect.TypeFor[OnUnknown]()
	emptyType       = reflect.TypeFor[Empty]()
	timeType        = reflect.TypeFor[time.Time]()
)

// value sets v from n. A null leaves v as it is, like an absent field.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string, depth int) {
	line := n.Line
	if n = deref(n); !d.enter(n, line, path, depth) {
		return
	}
	t := v.Type()
	if n.Kind == yaml.ScalarNode && n.ShortTag() == tagNull {
		if (t == onInvalidType || t == onUnknownType) && n.Value == "null" {
			v.SetString(n.Value) // here null is an answer, and nobody thinks of quotes
			return
		}
		if t.Kind() == reflect.Pointer && t.Elem() == emptyType {
			d.failAt(n, path, "must be written as {}")
		}
		return
	}
	switch {
	case reflect.PointerTo(t).Implements(textUnmarshaler):
		d.text(n, v, path)
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		d.value(n, v.Elem(), path, depth)
	case t.Kind() == reflect.Struct:
		d.structure(n, v, path, depth)
	case t.Kind() == reflect.Map:
		d.mapping(n, v, path, depth)
	case t.Kind() == reflect.Slice:
		d.sequence(n, v, path, depth)
	case t.Kind() == reflect.Interface:
		if free := d.free(n, path, depth); free != nil {
			v.Set(reflect.ValueOf(free))
		}
	default:
		d.scalar(n, v, path)
	}
}

func (d *decoder) text(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		d.failAt(n, path, "must be text")
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
		message := err.Error()
		if v.Type() == timeType {
			message = "must be a time such as 2027-12-31T08:00:00Z" // the library's message repeats the value
		}
		d.failAt(n, path, "%s", message)
	}
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	tag := n.ShortTag()
	if n.Kind != yaml.ScalarNode {
		tag = ""
	}
	switch v.Kind() {
	case reflect.String:
		switch tag {
		case tagString, tagTimestamp:
			v.SetString(n.Value)
		case tagInt, tagFloat, tagBool:
			d.failAt(n, path, "must be text: put it in quotes")
		default:
			d.failAt(n, path, "must be text")
		}
	case reflect.Bool:
		var b bool
		if tag != tagBool || n.Decode(&b) != nil {
			d.failAt(n, path, "must be true or false")
			return
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int64:
		var i int64
		if tag != tagInt || n.Decode(&i) != nil || v.OverflowInt(i) {
			d.failAt(n, path, "must be a whole number")
			return
		}
		v.SetInt(i)
	case reflect.Float64:
		f, ok := number(n, tag)
		if !ok {
			d.failAt(n, path, "must be a number")
			return
		}
		v.SetFloat(f)
	default:
		panic(fmt.Sprintf("api: no decoding for a field of type %s", v.Type()))
	}
}

// number returns the finite number that n holds.
func number(n *yaml.Node, tag string) (float64, bool) {
	var f float64
	if (tag != tagInt && tag != tagFloat) || n.Decode(&f) != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

func (d *decoder) sequence(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.SequenceNode {
		d.failAt(n, path, "must be a list")
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(item, list.Index(i), element(path, i), depth+1)
	}
	v.Set(list)
}

// free returns the Go value of a node that no type describes: nil, string, bool, int64, float64, []any or map[string]any.
func (d *decoder) free(n *yaml.Node, path string, depth int) any {
	n = deref(n)
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		d.mapping(n, reflect.ValueOf(&m).Elem(), path, depth)
		return m
	case yaml.SequenceNode:
		var s []any
		d.sequence(n, reflect.ValueOf(&s).Elem(), path, depth)
		return s
	}
	switch tag := n.ShortTag(); tag {
	case tagString, tagTimestamp:
		return n.Value
	case tagBool:
		var b bool
		d.scalar(n, reflect.ValueOf(&b).Elem(), path)
		return b
	case tagInt, tagFloat:
		var i int64
		if tag == tagInt && n.Decode(&i) == nil {
			return i
		}
		var f float64
		d.scalar(n, reflect.ValueOf(&f).Elem(), path)
		return f
	}
	d.failAt(n, path, "must be text, a number, true, false, a list or an object")
	return nil
}
