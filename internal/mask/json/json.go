// Package json masks the leaves of JSON documents, each by a rule for its path.
package json

import (
	"errors"
	"fmt"

	"github.com/tranship/tranship/internal/mask"
)

const name = "json"

// Spec is the mask "json".
var Spec = mask.Spec{
	Name:    name,
	Summary: "the leaves of a document, each by the rule for its path",
	Doc: "Paths are written $.a.b[*].c: * is any key, ** any depth, [\"a key\"] a key with other characters, and (json) goes into a string that holds a " +
		"document itself. The least vague rule wins: fewer **, then fewer *. A rule applies to strings, numbers and booleans as far as its mask takes them, " +
		"and null stays null; null and drop take objects and arrays as a whole. Keys, their order and repetition, white space and the text of numbers stay. " +
		"A leaf without a rule stops the run, unless onUnknown says to drop, null or redact it; it never passes. Keys are never masked: if they are " +
		"data, drop what holds them.",
	Version:       1,
	Deterministic: true,
	Params: []mask.Param{
		{Name: "rules", Type: mask.ParamRules, Required: true, Summary: "path with identity or mask, for each kind of leaf"},
		{Name: "onUnknown", Type: mask.ParamString, Default: "fail", Enum: []string{"fail", "drop", "null", "redact"}, Summary: "what happens to a leaf without a rule"},
		{Name: "onInvalid", Type: mask.ParamString, Default: "redact", Enum: []string{"redact", "null", "drop", "fail"}, Summary: "what happens to a leaf that its mask cannot read"},
		{Name: "maxDepth", Type: mask.ParamInt, Default: int64(64), Min: 1, Max: 1000, Summary: "deepest nesting that is read; a deeper document is invalid"},
	},
	Kinds: []mask.Kind{mask.KindJSON, mask.KindJSONB, mask.KindText, mask.KindVarchar},
	// Masked leaves may be longer than their input: only columns without a limit are sure to hold the result.
	Fits: func(_ mask.Params, c mask.Column) error {
		if c.MaxChars > 0 {
			return fmt.Errorf("a masked document may be longer than the %d characters of the column", c.MaxChars)
		}
		return nil
	},
	New: build,
}

// leafKind is the type of a leaf.
type leafKind int

const (
	text leafKind = iota
	number
	boolean
	null
	leafKinds // how many there are
)

func (k leafKind) String() string {
	return [leafKinds]string{"string", "number", "bool", "null"}[k]
}

// action is what happens to a leaf that no mask can take care of.
type action string

const (
	actFail   action = "fail"
	actDrop   action = "drop"
	actNull   action = "null"
	actRedact action = "redact"
)

// leaf is a rule with its masks.
type leaf struct {
	path         path
	drops, nulls bool
	masks        [leafKinds]mask.Transformer // nil for types that the mask does not take
}

// program is what a document is edited by.
type program struct {
	rules            []leaf
	unknown, invalid action
	maxDepth         int
	skipper          *editor
}

func build(cfg mask.Config, deps mask.Deps) (mask.Transformer, error) {
	p := &program{
		unknown:  action(cfg.Params.String("onUnknown")),
		invalid:  action(cfg.Params.String("onInvalid")),
		maxDepth: int(cfg.Params.Int("maxDepth")),
	}
	seen := map[string]int{}
	for i, r := range cfg.Params.Rules("rules") {
		at := fmt.Sprintf("params.rules[%d]", i)
		if first, twice := seen[r.Path]; twice {
			return nil, fmt.Errorf("%s.path: %s has a rule already, params.rules[%d]", at, r.Path, first)
		}
		seen[r.Path] = i
		l, err := newLeaf(r, deps)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		p.rules = append(p.rules, l)
	}
	t := &transformer{editor: editor{program: p}}
	for i := range p.rules {
		t.roots = append(t.roots, position{rule: int32(i)})
	}
	return t, nil
}

// kinds are the columns that leaves are masked as.
var kinds = [...]mask.Kind{text: mask.KindText, number: mask.KindNumeric, boolean: mask.KindBool}

func newLeaf(r mask.LeafRule, deps mask.Deps) (leaf, error) {
	p, err := parsePath(r.Path)
	if err != nil {
		return leaf{}, fmt.Errorf("path %s: %w", r.Path, err)
	}
	l := leaf{path: p, drops: r.Mask == "drop", nulls: r.Mask == "null"}
	if l.drops || l.nulls {
		return l, nil
	}
	if deps.Leaf == nil {
		return leaf{}, errors.New("masks inside documents are not available here")
	}
	var refused []error
	for kind, column := range kinds {
		t, err := deps.Leaf(r, mask.Column{Kind: column, Nullable: true, Region: r.Region, Format: r.Format})
		if err != nil {
			refused = append(refused, err)
			continue
		}
		l.masks[kind] = t
	}
	if len(refused) == len(kinds) {
		return leaf{}, refused[0]
	}
	return l, nil
}

type transformer struct {
	editor editor
	roots  []position
}

func (t *transformer) Transform(dst []byte, v mask.Value, r *mask.Record) ([]byte, error) {
	out, err := t.editor.document(dst, v.Raw, t.roots, 0, r)
	switch {
	case errors.Is(err, mask.ErrDrop):
		return append(dst, "null"...), nil // of a document that is one leaf, null is left: its row stays
	case err != nil:
		return dst, err
	default:
		return out, nil
	}
}
