package api

import (
	"maps"
	"slices"
	"time"

	"github.com/tranship/tranship/internal/registry"
)

// Default sets tenant and type.
func (r *MaskingPolicy) Default() { defaultMeta(&r.TypeMeta, KindMaskingPolicy, &r.ObjectMeta) }

// Validate checks keys, identities and rules. Whether a mask exists and takes its parameters is for the compiler of masking
// policies to say; whether a keep has expired for Set.Check, which is given the time.
func (r *MaskingPolicy) Validate() FieldErrors {
	errs := validateMeta(&r.ObjectMeta)
	s := &r.Spec
	if len(s.Keys) == 0 {
		errs.add("spec.keys", "is missing: name the key of at least one epoch")
	}
	for i, key := range s.Keys {
		at := element("spec.keys", i)
		if key.Epoch < 1 {
			errs.add(child(at, "epoch"), "must be at least 1")
		}
		key.validate(&errs, at)
	}
	duplicates(s.Keys, func(k EpochKey) int { return k.Epoch }, func(i, first int) {
		errs.add(child(element("spec.keys", i), "epoch"), "is the epoch of %s already", element("spec.keys", first))
	})
	for _, name := range slices.Sorted(maps.Keys(s.Identities)) {
		at := child("spec.identities", name)
		if !identityPattern.MatchString(name) {
			errs.add(at, "must be named by words of a-z and 0-9, joined by '.', '-' or '_'")
		}
		requireText(&errs, child(at, "mask"), s.Identities[name].Mask)
	}
	if len(s.Rules) == 0 {
		errs.add("spec.rules", "is missing: without rules everything is unknown, and what is unknown is refused")
	}
	v := ruleValidator{errs: &errs, identities: slices.Sorted(maps.Keys(s.Identities))}
	for i := range s.Rules {
		v.rule(element("spec.rules", i), &s.Rules[i])
	}
	reportConflicts(&errs, "spec.rules", s.Rules)
	return errs
}

// CurrentKey returns the key of the highest epoch, which new masks are made with. The policy must be valid.
func (s *MaskingPolicySpec) CurrentKey() EpochKey {
	return slices.MaxFunc(s.Keys, func(a, b EpochKey) int { return a.Epoch - b.Epoch })
}

// Expired reports whether the decision does not hold any more at the given moment. The day it expires on still counts.
func (k *Keep) Expired(now time.Time) bool {
	return !k.Expires.IsZero() && !now.Before(k.Expires.End())
}

type ruleValidator struct {
	errs       *FieldErrors
	identities []string
}

func (v ruleValidator) rule(at string, r *Rule) {
	v.match(child(at, "match"), &r.Match)
	set := []choice{{"columns", len(r.Columns) > 0}, {"keep", r.Keep != nil}, {"drop", r.Drop != nil}}
	if r.Match.Table == "" {
		if len(r.Columns) > 0 {
			v.errs.add(child(at, "columns"), "goes with match.table only")
			return
		}
		set = set[1:]
	}
	requireExactlyOne(v.errs, at, set...)
	if r.OnUnknown != "" {
		v.onUnknown(child(at, "on_unknown"), r.OnUnknown)
		if len(r.Columns) == 0 {
			v.errs.add(child(at, "on_unknown"), "goes with columns only")
		}
	}
	v.keep(child(at, "keep"), r.Keep)
	if s := r.Subject; s != nil {
		at := child(at, "subject")
		if len(r.Columns) == 0 {
			v.errs.add(at, "goes with columns only")
		}
		requireText(v.errs, child(at, "column"), s.Column)
		v.identity(child(at, "identity"), s.Identity)
	}
	for _, column := range slices.Sorted(maps.Keys(r.Columns)) {
		v.column(child(child(at, "columns"), column), r.Columns[column])
	}
}

func (v ruleValidator) match(at string, m *Match) {
	optionalLabel(v.errs, child(at, "component"), m.Component)
	switch {
	case m.Table != "" && m.Path != "":
		v.errs.add(at, "has table and path: only one of them can be meant")
	case m.Table != "":
		if wrong := globError(m.Table, SeparatorTable); wrong != "" {
			v.errs.add(child(at, "table"), "%s", wrong)
		}
	case m.Path != "":
		if wrong := globError(m.Path, SeparatorPath); wrong != "" {
			v.errs.add(child(at, "path"), "%s", wrong)
		}
	case m.Component == "":
		v.errs.add(at, "needs component, table or path")
	}
}

func (v ruleValidator) column(at string, c ColumnRule) {
	actions := []choice{
		{"identity", c.Identity != ""}, {"mask", c.Mask != ""}, {"keep", c.Keep != nil},
		{"null", c.Null != nil}, {"drop", c.Drop != nil}, {"const", c.Const != nil},
	}
	acts := slices.ContainsFunc(actions, func(a choice) bool { return a.set })
	if param, near := nearAction(c, actions); !acts && near != "" {
		v.errs.suggest(child(at, param), near, "unknown field")
		return
	}
	if !requireExactlyOne(v.errs, at, actions...) {
		return
	}
	masked := c.Identity != "" || c.Mask != ""
	if c.Identity != "" {
		v.identity(child(at, "identity"), c.Identity)
	}
	v.keep(child(at, "keep"), c.Keep)
	switch c.Const.(type) {
	case nil, string, bool, int64, float64:
	default:
		v.errs.add(child(at, "const"), "must be text, a number, true or false")
	}
	for _, param := range slices.Sorted(maps.Keys(c.Params)) {
		if !masked {
			v.errs.add(child(at, param), "is a parameter, and only a mask takes those")
		}
	}
	if c.OnInvalid != "" {
		requireOneOf(v.errs, child(at, "on_invalid"), c.OnInvalid, OnInvalidRedact, OnInvalidNull, OnInvalidFail)
		if !masked {
			v.errs.add(child(at, "on_invalid"), "goes with a mask only")
		}
	}
	if c.OnUnknown != "" {
		v.onUnknown(child(at, "on_unknown"), c.OnUnknown)
	}
	if len(c.Paths) > 0 && !masked {
		v.errs.add(child(at, "paths"), "goes with a mask only")
	}
	for _, path := range slices.Sorted(maps.Keys(c.Paths)) {
		v.column(child(child(at, "paths"), path), c.Paths[path])
	}
}

// nearAction returns a parameter that looks like a misspelled action, with the action.
func nearAction(c ColumnRule, actions []choice) (param, action string) {
	names := make([]string, len(actions))
	for i, a := range actions {
		names[i] = a.name
	}
	for _, param := range slices.Sorted(maps.Keys(c.Params)) {
		if near := registry.Nearest(param, names); near != "" {
			return param, near
		}
	}
	return "", ""
}

func (v ruleValidator) onUnknown(at string, value OnUnknown) {
	requireOneOf(v.errs, at, value, OnUnknownFail, OnUnknownDrop, OnUnknownNull, OnUnknownRedact)
}

func (v ruleValidator) identity(at, name string) {
	switch {
	case name == "":
		v.errs.add(at, "is missing")
	case !slices.Contains(v.identities, name):
		v.errs.suggest(at, registry.Nearest(name, v.identities), "spec.identities has no such identity")
	}
}

func (v ruleValidator) keep(at string, k *Keep) {
	if k == nil {
		return
	}
	if k.Reason == "" {
		v.errs.add(child(at, "reason"), "is missing: a value stays only for a reason")
	}
	if k.ReviewedBy == "" {
		v.errs.add(child(at, "reviewedBy"), "is missing: a value stays only when somebody decided it")
	}
}

// rank orders rules that match the same thing: an exact name beats a pattern, then a named component beats any.
func (m Match) rank() int {
	rank := 0
	if m.pattern().Exact() {
		rank += 2
	}
	if m.Component != "" {
		rank++
	}
	return rank
}

// pattern returns the pattern of the table or path; the whole component when there is neither.
func (m Match) pattern() Glob {
	switch {
	case m.Table != "":
		return NewGlob(m.Table, SeparatorTable)
	case m.Path != "":
		return NewGlob(m.Path, SeparatorPath)
	}
	return NewGlob("**", SeparatorPath)
}

// kind says what the pattern is of: rules about tables never meet rules about paths.
func (m Match) kind() string {
	switch {
	case m.Table != "":
		return "table"
	case m.Path != "":
		return "path"
	}
	return "component"
}

// reportConflicts finds rules of one rank that say two things about one column, table or file.
func reportConflicts(errs *FieldErrors, at string, rules []Rule) {
	patterns := make([]Glob, len(rules))
	for i := range rules {
		patterns[i] = rules[i].Match.pattern()
	}
	for i := range rules {
		for j := range i {
			a, b := &rules[i], &rules[j]
			if a.Match.kind() != b.Match.kind() || a.Match.rank() != b.Match.rank() || a.Match.Component != b.Match.Component ||
				!patterns[i].Overlaps(patterns[j]) {
				continue
			}
			reportConflict(errs, element(at, i), a, element(at, j), b)
		}
	}
}

func reportConflict(errs *FieldErrors, at string, a *Rule, otherAt string, b *Rule) {
	if len(a.Columns) == 0 || len(b.Columns) == 0 {
		errs.add(child(at, "match"), "meets what %s matches: only one rule can say what happens", otherAt)
		return
	}
	for _, column := range slices.Sorted(maps.Keys(a.Columns)) {
		if _, both := b.Columns[column]; both {
			where := child(child(otherAt, "columns"), column)
			errs.add(child(child(at, "columns"), column), "a second rule for this column: the first one is %s", where)
		}
	}
	if a.Subject != nil && b.Subject != nil && *a.Subject != *b.Subject {
		errs.add(child(at, "subject"), "a second subject for this table: the first one is %s", child(otherAt, "subject"))
	}
}
