package api

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tranship/tranship/internal/registry"
)

// structFields are the fields of a struct by their names in YAML, those of embedded structs included.
type structFields struct {
	index  map[string][]int
	names  []string // sorted
	params []int    // of the field that takes unknown keys, or nil
}

func (d *decoder) fieldsOf(t reflect.Type) structFields {
	if f, ok := d.fields[t]; ok {
		return f
	}
	f := structFields{index: map[string][]int{}}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Tag.Get("api") == "inline":
			f.params = field.Index
		case name != "" && name != "-" && direct(t, field.Index):
			f.index[name] = field.Index
			f.names = append(f.names, name)
		}
	}
	slices.Sort(f.names)
	d.fields[t] = f
	return f
}

// direct reports whether every struct on the way to a field is inlined, as opposed to embedded under a name.
func direct(t reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		field := t.Field(i)
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			return false
		}
		t = field.Type
	}
	return true
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string, depth int) {
	fields := d.fieldsOf(v.Type())
	if n.Kind != yaml.MappingNode {
		if _, holds := fields.index["fromEnv"]; holds {
			d.failAt(n, path, "must be a reference (fromFile, fromEnv or fromSecret): a secret is never written into a resource")
			return
		}
		d.failAt(n, path, "must be an object")
		return
	}
	for key, item := range d.pairs(n, path, unknownChild) {
		index, known := fields.index[key]
		switch {
		case known:
			d.value(item, v.FieldByIndex(index), child(path, key), depth+1)
		case fields.params != nil && !strings.HasPrefix(key, "on_"):
			d.param(item, v.FieldByIndex(fields.params), key, child(path, key), depth+1)
		default:
			d.suggestAt(item, unknownChild(path, key), registry.Nearest(key, fields.names), "unknown field")
		}
	}
}

// param puts a value of no type under its key.
func (d *decoder) param(n *yaml.Node, params reflect.Value, key, path string, depth int) {
	value := reflect.New(params.Type().Elem()).Elem()
	d.value(n, value, path, depth)
	if value.IsNil() {
		return
	}
	if params.IsNil() {
		params.Set(reflect.MakeMap(params.Type()))
	}
	params.SetMapIndex(reflect.ValueOf(key), value)
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.MappingNode {
		d.failAt(n, path, "must be an object")
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	for key, item := range d.pairs(n, path, child) {
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(item, value, child(path, key), depth+1)
		m.SetMapIndex(reflect.ValueOf(key), value)
	}
	v.Set(m)
}

// pairs yields the keys and values of a mapping in their order. Keys that appear twice and keys that are no text are
// problems and are left out; at names the place of a key.
func (d *decoder) pairs(n *yaml.Node, path string, at func(path, key string) string) func(yield func(string, *yaml.Node) bool) {
	return func(yield func(string, *yaml.Node) bool) {
		seen := make(map[string]bool, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, item := deref(n.Content[i]), n.Content[i+1]
			switch {
			case key.ShortTag() == tagMerge:
				d.failAt(key, path, "merge keys (<<) are not read: write the fields out")
			case key.Kind != yaml.ScalarNode:
				d.failAt(key, path, "a key must be text")
			case seen[key.Value]:
				d.failAt(key, at(path, key.Value), "appears twice")
			default:
				seen[key.Value] = true
				if !yield(key.Value, item) {
					return
				}
			}
		}
	}
}
