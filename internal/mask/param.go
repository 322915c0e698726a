package mask

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/registry"
)

// ParamType is the type of a parameter.
type ParamType string

// The types of parameters.
const (
	ParamString   ParamType = "string"
	ParamInt      ParamType = "integer"
	ParamBool     ParamType = "boolean"
	ParamStrings  ParamType = "list of strings"
	ParamDate     ParamType = "date"          // RFC 3339 full-date: 2030-12-31
	ParamIdentity ParamType = "identity"      // a string that names an identity of the policy
	ParamRules    ParamType = "list of rules" // rules for the leaves of a document
)

// Param declares a parameter of a mask.
type Param struct {
	Name     string
	Type     ParamType
	Summary  string
	Required bool
	Default  any      // string, int64, bool, []string; nil means the zero value
	Enum     []string // allowed strings; empty means any
	Min, Max int64    // bounds of an integer, where Max > Min
}

// Params are parsed parameters: every declared name has a value of its type. A Params is immutable.
type Params struct {
	values map[string]any
}

// ParseParams checks raw, as decoded from YAML or JSON, against the declared parameters. path is the place of raw in the
// policy; errors name the field below it. All errors are permanent faults.
func ParseParams(declared []Param, raw map[string]any, path string) (Params, error) {
	p := Params{values: make(map[string]any, len(declared))}
	names := make([]string, 0, len(declared))
	for _, d := range declared {
		names = append(names, d.Name)
	}
	for _, name := range sortedKeys(raw) {
		if !slices.Contains(names, name) {
			return Params{}, unknownField(path+"."+name, name, names)
		}
	}
	for _, d := range declared {
		at := path + "." + d.Name
		v, given := raw[d.Name]
		if !given || v == nil {
			if d.Required {
				return Params{}, badParam(at, "is required")
			}
			p.values[d.Name] = d.zero()
			continue
		}
		parsed, err := d.parse(v, at)
		if err != nil {
			return Params{}, err
		}
		p.values[d.Name] = parsed
	}
	return p, nil
}

// String returns a string, enum or identity parameter. Like its siblings it panics for a name that the mask did not
// declare with that type: that is a mistake in the mask, not in a policy.
func (p Params) String(name string) string { return param[string](p, name) }

// Int returns an integer parameter.
func (p Params) Int(name string) int64 { return param[int64](p, name) }

// Bool returns a boolean parameter.
func (p Params) Bool(name string) bool { return param[bool](p, name) }

// Strings returns a list parameter. The caller must not change it.
func (p Params) Strings(name string) []string { return param[[]string](p, name) }

// Date returns a date parameter at midnight UTC, or the zero time when it was not given.
func (p Params) Date(name string) time.Time { return param[time.Time](p, name) }

// Rules returns a parameter of leaf rules. The caller must not change it.
func (p Params) Rules(name string) []LeafRule { return param[[]LeafRule](p, name) }

func param[T any](p Params, name string) T {
	v, ok := p.values[name].(T)
	if !ok {
		panic(fmt.Sprintf("mask: parameter %q is not declared as %T", name, v))
	}
	return v
}

func (d Param) zero() any {
	if d.Default != nil {
		return d.Default
	}
	switch d.Type {
	case ParamInt:
		return int64(0)
	case ParamBool:
		return false
	case ParamStrings:
		return []string(nil)
	case ParamDate:
		return time.Time{}
	case ParamRules:
		return []LeafRule(nil)
	default:
		return ""
	}
}

func (d Param) parse(v any, at string) (any, error) {
	switch d.Type {
	case ParamInt:
		n, ok := integer(v)
		if !ok {
			return nil, badParam(at, "is not an integer")
		}
		if d.Max > d.Min && (n < d.Min || n > d.Max) {
			return nil, badParam(at, "is %d, want %d to %d", n, d.Min, d.Max)
		}
		return n, nil
	case ParamBool:
		b, ok := v.(bool)
		if !ok {
			return nil, badParam(at, "is not true or false")
		}
		return b, nil
	case ParamStrings:
		return d.parseStrings(v, at)
	case ParamDate:
		s, ok := v.(string)
		t, err := time.Parse(time.DateOnly, s)
		if !ok || err != nil {
			return nil, badParam(at, "is not a date such as 2030-12-31")
		}
		return t, nil
	case ParamRules:
		return parseRules(v, at)
	default:
		s, ok := v.(string)
		if !ok {
			return nil, badParam(at, "is not a string")
		}
		return s, d.checkEnum(s, at)
	}
}

func (d Param) parseStrings(v any, at string) ([]string, error) {
	list, ok := v.([]any)
	if ss, already := v.([]string); already {
		for _, s := range ss {
			list = append(list, s)
		}
		ok = true
	}
	if !ok {
		return nil, badParam(at, "is not a list of strings")
	}
	out := make([]string, 0, len(list))
	for i, e := range list {
		s, ok := e.(string)
		if !ok {
			return nil, badParam(fmt.Sprintf("%s[%d]", at, i), "is not a string")
		}
		if err := d.checkEnum(s, fmt.Sprintf("%s[%d]", at, i)); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func (d Param) checkEnum(s, at string) error {
	if len(d.Enum) == 0 || slices.Contains(d.Enum, s) {
		return nil
	}
	if near := registry.Nearest(s, d.Enum); near != "" {
		return badParam(at, "is %q: did you mean %q?", s, near)
	}
	return badParam(at, "is %q, want one of %s", s, strings.Join(d.Enum, ", "))
}

var leafFields = []string{"path", "identity", "mask", "params", "region", "format"}

func parseRules(v any, at string) ([]LeafRule, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, badParam(at, "is not a list of rules")
	}
	rules := make([]LeafRule, 0, len(list))
	for i, e := range list {
		at := fmt.Sprintf("%s[%d]", at, i)
		m, ok := e.(map[string]any)
		if !ok {
			return nil, badParam(at, "is not a rule with path and identity or mask")
		}
		r, err := parseRule(m, at)
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func parseRule(m map[string]any, at string) (LeafRule, error) {
	var r LeafRule
	fields := map[string]*string{"path": &r.Path, "identity": &r.Identity, "mask": &r.Mask, "region": &r.Region, "format": &r.Format}
	for _, name := range sortedKeys(m) {
		if name == "params" {
			p, ok := m[name].(map[string]any)
			if !ok {
				return r, badParam(at+".params", "is not a map")
			}
			r.Params = p
			continue
		}
		field, known := fields[name]
		if !known {
			return r, unknownField(at+"."+name, name, leafFields)
		}
		s, ok := m[name].(string)
		if !ok {
			return r, badParam(at+"."+name, "is not a string")
		}
		*field = s
	}
	switch {
	case r.Path == "":
		return r, badParam(at+".path", "is required")
	case (r.Identity == "") == (r.Mask == ""):
		return r, badParam(at, "names identity or mask, one of them")
	case r.Identity != "" && r.Params != nil:
		return r, badParam(at+".params", "belong to the identity, not to the rule")
	}
	return r, nil
}

func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	case float64:
		if n != math.Trunc(n) || math.Abs(n) > 1<<53 {
			return 0, false
		}
		return int64(n), true
	case json.Number:
		i, err := strconv.ParseInt(n.String(), 10, 64)
		return i, err == nil
	default:
		return 0, false
	}
}

func unknownField(at, name string, known []string) error {
	if near := registry.Nearest(name, known); near != "" {
		return badParam(at, "is unknown: did you mean %q?", near)
	}
	if len(known) == 0 {
		return badParam(at, "is unknown: this mask takes no parameters")
	}
	return badParam(at, "is unknown: known are %s", strings.Join(known, ", "))
}

func badParam(at, format string, args ...any) error {
	return fault.New(fault.Permanent, "mask.param", "%s %s", at, fmt.Sprintf(format, args...))
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
