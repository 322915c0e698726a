package mask

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
)

// documentParams adds the rules of a document's paths to the parameters of its mask. Masks without a parameter of that
// type get them under "paths", which ParseParams refuses by name.
func documentParams(deps CompileDeps, rule api.ColumnRule, own map[string]any) map[string]any {
	if len(rule.Paths) == 0 && rule.OnUnknown == "" {
		return own
	}
	spec, err := deps.Masks.Get(rule.Mask)
	if err != nil {
		return own
	}
	own = maps.Clone(own)
	rulesParam := "paths"
	for _, p := range spec.Params {
		if p.Type == ParamRules {
			rulesParam = p.Name
		}
	}
	if len(rule.Paths) > 0 {
		list := make([]any, 0, len(rule.Paths))
		for _, path := range slices.Sorted(maps.Keys(rule.Paths)) {
			list = append(list, leafParams(path, rule.Paths[path]))
		}
		own[rulesParam] = list
	}
	if rule.OnUnknown != "" {
		own[unknownParam(spec)] = string(rule.OnUnknown)
	}
	return own
}

// unknownParam returns the name of the parameter that says what happens to paths without a rule.
func unknownParam(s Spec) string {
	if declares(s, "onUnknown") {
		return "onUnknown"
	}
	return "on_unknown"
}

// leafParams writes the rule of a path as the parameters of a document's mask have it.
func leafParams(path string, rule api.ColumnRule) map[string]any {
	m := map[string]any{"path": path}
	reading, own := columnParams(rule)
	for _, k := range []string{"region", "format"} {
		if v, given := reading[k]; given {
			m[k] = v
		}
	}
	switch {
	case rule.Identity != "":
		m["identity"] = rule.Identity
	case rule.Mask != "":
		m["mask"] = rule.Mask
		if len(own) > 0 {
			m["params"] = own
		}
	case rule.Keep != nil:
		m["mask"] = "keep"
	case rule.Null != nil:
		m["mask"] = "null"
	case rule.Drop != nil:
		m["mask"] = "drop"
	case rule.Const != nil:
		m["mask"] = "const"
	}
	return m
}

// buildTransformer makes a Transformer for a bound column.
func buildTransformer(b *binding, deps CompileDeps, identities map[string]*identity) (Transformer, error) {
	l := leafBuilder{binding: b, deps: deps, identities: identities}
	return b.identity.spec.Build(b.config, Deps{Epoch: deps.Epoch, Now: deps.Now, Leaf: l.build})
}

// leafBuilder makes the Transformers of the leaves of one column's documents.
type leafBuilder struct {
	binding    *binding
	deps       CompileDeps
	identities map[string]*identity
}

func (l leafBuilder) build(rule LeafRule, column Column) (Transformer, error) {
	source := l.binding.leaves[rule.Path]
	switch {
	case source.Keep != nil: // the compiler has seen to it that the decision holds
		return TransformerFunc(passLeaf), nil
	case source.Null != nil:
		return TransformerFunc(func(dst []byte, _ Value, _ *Record) ([]byte, error) { return dst, ErrNull }), nil
	case source.Drop != nil:
		return TransformerFunc(func(dst []byte, _ Value, _ *Record) ([]byte, error) { return dst, ErrDrop }), nil
	case source.Const != nil:
		return constantLeaf(source.Const, column.Kind)
	}
	id, err := l.identity(rule)
	if err != nil {
		return nil, fmt.Errorf("paths[%q]: %w", rule.Path, err)
	}
	column.Region, column.Format = rule.Region, rule.Format
	cfg := Config{Identity: id.name, Subject: l.binding.config.Subject, Column: column, Params: id.params, Sentinels: id.sentinels}
	inner, err := id.spec.Build(cfg, Deps{Epoch: l.deps.Epoch, Now: l.deps.Now, Leaf: l.build})
	if err != nil {
		return nil, fmt.Errorf("paths[%q]: %w", rule.Path, err)
	}
	return &leaf{inner: inner, onInvalid: source.OnInvalid}, nil
}

func (l leafBuilder) identity(rule LeafRule) (*identity, error) {
	if rule.Identity != "" {
		if id := usable(l.identities[rule.Identity]); id != nil {
			return id, nil
		}
		return nil, refuse("the policy declares no usable identity %q", rule.Identity)
	}
	if id := usable(l.identities[rule.Mask]); id != nil && !id.spec.Keeps {
		return id, nil
	}
	spec, err := l.deps.Masks.Get(rule.Mask)
	if err != nil {
		return nil, err
	}
	params, err := ParseParams(spec.Params, rule.Params, "params")
	if err != nil {
		return nil, err
	}
	if spec.Keeps {
		return nil, refuse("mask %s keeps values: write keep: {reason, reviewedBy, expires}", spec.Name)
	}
	return &identity{name: rule.Mask, spec: spec, params: params}, nil
}

func passLeaf(dst []byte, v Value, _ *Record) ([]byte, error) {
	if v.Null {
		return dst, ErrNull
	}
	return append(dst, v.Raw...), nil
}

// constantLeaf writes the value at leaves of a type that can hold it.
func constantLeaf(value any, kind Kind) (Transformer, error) {
	text := fmt.Sprint(value)
	if _, isBool := value.(bool); (kind == KindBool) != isBool {
		return nil, refuse("const is not a value for leaves of type %s", kind)
	}
	if kind == KindNumeric {
		if _, err := constantText(&dataservice.Column{}, kind, value); err != nil {
			return nil, refuse("const %v", err)
		}
	}
	return TransformerFunc(func(dst []byte, v Value, _ *Record) ([]byte, error) {
		if v.Null {
			return dst, ErrNull
		}
		return append(dst, text...), nil
	}), nil
}

// leaf applies the on_invalid of a leaf's rule, where it has one.
type leaf struct {
	inner     Transformer
	onInvalid api.OnInvalid
}

// errLeafInvalid stops a run whose policy says so. It is no InvalidError: nobody may redact instead.
var errLeafInvalid = fault.New(fault.Permanent, "mask.invalid", "a value of the document is not valid for its mask, and on_invalid is fail")

// Transform masks; redaction of what the mask cannot read is left to the document's mask, which knows the leaf's type.
func (l *leaf) Transform(dst []byte, v Value, r *Record) ([]byte, error) {
	out, err := l.inner.Transform(dst, v, r)
	if err == nil || !errors.Is(err, ErrInvalid) {
		return out, err
	}
	switch l.onInvalid {
	case api.OnInvalidFail:
		return dst, errLeafInvalid
	case api.OnInvalidNull:
		return dst, ErrNull
	}
	return dst, err
}
