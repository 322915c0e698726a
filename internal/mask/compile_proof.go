package mask

import (
	"fmt"
	"maps"
	"math/bits"
	"regexp"
	"slices"
	"strings"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice"
)

// uniqueKey is a set of columns whose values together are unique in a table.
type uniqueKey struct {
	name    string
	columns []string // empty for expressions
	define  string
	primary bool
	partial bool // holds for some rows only
}

var partialIndex = regexp.MustCompile(`(?i)\)\s*(NULLS NOT DISTINCT\s*)?(WITH\s*\([^)]*\)\s*)?(TABLESPACE\s+\S+\s*)?WHERE\s`)

// uniqueKeys lists the unique keys of a table, each once.
func uniqueKeys(o *dataservice.Object) []uniqueKey {
	var keys []uniqueKey
	for _, c := range o.Constraints {
		if c.Kind == "primary" || c.Kind == "unique" {
			keys = append(keys, uniqueKey{name: c.Name, columns: c.Columns, define: c.Define, primary: c.Kind == "primary"})
		}
	}
	for _, x := range o.Indexes {
		known := slices.ContainsFunc(keys, func(k uniqueKey) bool { return k.name == x.Name })
		if (x.Unique || x.Primary) && !known {
			keys = append(keys, uniqueKey{name: x.Name, columns: x.Columns, define: x.Define, primary: x.Primary, partial: partialIndex.MatchString(x.Define)})
		}
	}
	return keys
}

// prove checks for one component what the engine of the target would refuse after the rows are masked.
func (c *compiler) prove(p *componentProgram) {
	c.warnDefinitions(p)
	for _, id := range slices.Sorted(maps.Keys(p.tables)) {
		t := p.tables[id]
		for _, o := range p.members(t) {
			c.proveForeign(p, t, o)
			if t.dropped {
				continue
			}
			for _, k := range uniqueKeys(o) {
				c.proveUnique(t, o, k)
			}
			c.proveChecks(t, o)
			c.provePartition(t, o)
		}
		if !t.dropped {
			c.warnDefaults(t)
		}
	}
}

// members returns the table and its partitions: each may have keys of its own.
func (p *componentProgram) members(t *tableProgram) []*dataservice.Object {
	list := []*dataservice.Object{t.table}
	for i := range p.schema.Catalogue.Objects {
		o := &p.schema.Catalogue.Objects[i]
		if o != t.table && isTable(o) && p.root(o) == t.table {
			list = append(list, o)
		}
	}
	return list
}

// distinctness says how far different values of a column stay different.
type distinctness int

const (
	collides distinctness = iota // two values may become one
	probably                     // they do with a probability that is bounded by the mask's bits
	distinct                     // never, or the values stay as they are
)

func (t *tableProgram) distinctness(column string) (distinctness, *binding) {
	b := t.bindings[column]
	switch {
	case b == nil || b.act == actKeep: // generated columns follow the columns that they are computed from
		return distinct, b
	case b.act == actNull: // NULLs are distinct from each other in a unique key, and there is none in a primary one
		return distinct, b
	case b.act != actMask || b.identity.spec.NeedsSubject:
		return collides, b
	case b.identity.spec.Injective:
		return distinct, b
	case b.identity.spec.Bits > 0:
		return probably, b
	}
	return collides, b
}

// neededBits is how many bits a mask needs so that n random values collide with probability below 2⁻²⁰ altogether: the
// number of pairs is below n²/2. Estimates of rows may be missing or old, so n counts at least a million.
func neededBits(n int64) int {
	return 2*bits.Len64(uint64(max(n, 1<<20))) - 1 + 20
}

// proveUnique refuses masks that may give two rows one key.
func (c *compiler) proveUnique(t *tableProgram, o *dataservice.Object, k uniqueKey) {
	if len(k.columns) == 0 {
		c.proveExpression(t, o, k)
		return
	}
	rows := t.table.Rows
	for _, name := range k.columns {
		d, b := t.distinctness(name)
		if b == nil || d == distinct && b.act != actNull {
			c.warnFolding(t, o, k, b)
			continue
		}
		switch {
		case b.act == actNull && !strings.Contains(strings.ToUpper(k.define), "NULLS NOT DISTINCT"):
		case d == probably && b.identity.spec.Bits >= neededBits(rows):
			c.warnFolding(t, o, k, b)
		case c.otherwiseUnique(t, o, k, name):
		case d == probably:
			c.uniqueFinding(t, o, k, b, fmt.Sprintf("mask %s gives %d bits, but about %d rows need %d", b.identity.spec.Name,
				b.identity.spec.Bits, rows, neededBits(rows)))
		case b.act == actMask:
			c.uniqueFinding(t, o, k, b, fmt.Sprintf("mask %s may give two values one result", b.identity.spec.Name))
		default:
			c.uniqueFinding(t, o, k, b, fmt.Sprintf("%s gives all rows one value", b.act))
		}
	}
}

// otherwiseUnique reports whether the rows stay distinct in k without the given column: another whole key is within k.
func (c *compiler) otherwiseUnique(t *tableProgram, o *dataservice.Object, k uniqueKey, without string) bool {
	return slices.ContainsFunc(uniqueKeys(o), func(other uniqueKey) bool {
		if other.partial || len(other.columns) == 0 || slices.Contains(other.columns, without) {
			return false
		}
		for _, name := range other.columns {
			d, b := t.distinctness(name)
			column := o.Column(name)
			if !slices.Contains(k.columns, name) || d != distinct || b == nil || b.act == actNull || column == nil || column.Nullable {
				return false
			}
		}
		return true
	})
}

func (c *compiler) uniqueFinding(t *tableProgram, o *dataservice.Object, k uniqueKey, b *binding, why string) {
	c.add(Finding{Code: "unique", Field: b.field, Component: t.component, Object: o.ID, Column: b.column.Name,
		Message: fmt.Sprintf("%s, and %s must stay unique", why, k.name),
		Fix:     "use a mask that keeps values distinct (" + strings.Join(c.distinctMasks(b.kind), ", ") + "), or keep the column"})
}

// distinctMasks names the masks for a kind of column that keep values distinct.
func (c *compiler) distinctMasks(kind Kind) []string {
	var names []string
	for _, name := range c.deps.Masks.Names() {
		if s, err := c.deps.Masks.Get(name); err == nil && !s.Keeps && (s.Injective || s.Bits >= 64) && slices.Contains(s.Kinds, kind) {
			names = append(names, name)
		}
	}
	return names
}

// warnFolding tells when a mask takes values for one that the column tells apart: rows that differ only so would collide.
func (c *compiler) warnFolding(t *tableProgram, o *dataservice.Object, k uniqueKey, b *binding) {
	if b == nil || b.act != actMask || len(k.columns) != 1 || !b.kind.Textual() || b.column.Base == "citext" {
		return
	}
	if canon, err := b.identity.spec.CanonFor(b.config.Column); err == nil && foldsCase(canon) {
		c.add(Finding{Severity: SeverityWarning, Code: "folding", Field: b.field, Component: t.component, Object: o.ID, Column: b.column.Name,
			Message: fmt.Sprintf("values that differ only in case become one, but %s tells them apart: the restore fails if there are such rows", k.name)})
	}
}

// foldsCase tries a canonical form on addresses, names and codes.
func foldsCase(canon Canon) bool {
	for _, pair := range [][2]string{{"Ab@Cd.example", "ab@cd.example"}, {"Ab", "ab"}} {
		a, errA := canon(nil, []byte(pair[0]))
		b, errB := canon(nil, []byte(pair[1]))
		if errA == nil && errB == nil && string(a) == string(b) {
			return true
		}
	}
	return false
}

var lowerIndex = regexp.MustCompile(`(?i)\(\s*lower\(\(?"?([^"():]+)"?\)?(::text)?\)\s*\)\s*$`)

// proveExpression refuses masked columns in unique expressions, but for lower(column) under a mask that folds case.
func (c *compiler) proveExpression(t *tableProgram, o *dataservice.Object, k uniqueKey) {
	lower := lowerIndex.FindStringSubmatch(k.define)
	for _, name := range slices.Sorted(maps.Keys(t.bindings)) {
		b := t.bindings[name]
		if b.act == actKeep || !mentions(k.define, name) {
			continue
		}
		if lower != nil && lower[1] == name && b.act == actMask {
			d, _ := t.distinctness(name)
			canon, err := b.identity.spec.CanonFor(b.config.Column)
			if err == nil && foldsCase(canon) && (d == distinct || d == probably && b.identity.spec.Bits >= neededBits(t.table.Rows)) {
				continue
			}
		}
		c.uniqueFinding(t, o, k, b, "nobody can say whether the expression stays unique")
	}
}

// mentions reports whether a definition uses a column by name.
func mentions(define, column string) bool {
	pattern := `(^|[^A-Za-z0-9_])` + regexp.QuoteMeta(column) + `($|[^A-Za-z0-9_])`
	found, err := regexp.MatchString(pattern, define)
	return err != nil || found
}

// proveForeign refuses foreign keys whose two ends would not meet.
func (c *compiler) proveForeign(p *componentProgram, t *tableProgram, o *dataservice.Object) {
	for _, k := range o.Constraints {
		if k.Kind != "foreign" || len(k.Columns) != len(k.RefColumns) || t.dropped {
			continue
		}
		target := p.objects[k.RefObject]
		if target == nil {
			continue // outside of the component: the engine has no such thing
		}
		parent := p.tables[p.root(target).ID]
		if parent == nil || c.anyNull(t, k.Columns) {
			continue // with one NULL, the key refers to nothing
		}
		for i, name := range k.Columns {
			child, referred := t.bindings[name], parent.bindings[k.RefColumns[i]]
			if child == nil {
				continue
			}
			f := Finding{Code: "foreign-key", Field: child.field, Component: t.component, Object: o.ID, Column: name}
			if parent.dropped {
				f.Message = fmt.Sprintf("%s refers to %s, whose rows are left out", k.Name, k.RefObject)
				f.Fix = "drop this table's rows too, or set the column to null"
				c.add(f)
				break
			}
			if referred == nil {
				continue
			}
			if why, fix := disagree(child, referred, k.RefObject); why != "" {
				f.Message, f.Fix = fmt.Sprintf("%s would break: %s", k.Name, why), fix
				c.add(f)
			}
		}
	}
}

func (c *compiler) anyNull(t *tableProgram, columns []string) bool {
	return slices.ContainsFunc(columns, func(name string) bool {
		b := t.bindings[name]
		return b != nil && b.act == actNull
	})
}

// disagree says why values that were equal at both ends of a key might not be afterwards.
func disagree(child, parent *binding, object string) (why, fix string) {
	to := object + "." + parent.column.Name
	switch {
	case child.act == actKeep && parent.act == actKeep:
		return "", ""
	case child.act != actMask && parent.act == actMask:
		return fmt.Sprintf("the rule here is %s, but %s is masked", child.act, to), fmt.Sprintf("write {identity: %s}", parent.identity.name)
	case child.act == actMask && parent.act != actMask:
		return fmt.Sprintf("the column is masked, but the rule of %s is %s", to, parent.act), fmt.Sprintf("bind %s to identity %s as well", to, child.identity.name)
	case child.act != actMask || parent.act != actMask:
		return fmt.Sprintf("the rules of both ends, %s and %s, do not agree", child.act, parent.act), "keep both, or bind both to one identity"
	case child.identity.name != parent.identity.name:
		return fmt.Sprintf("its identity is %s, that of %s is %s", child.identity.name, to, parent.identity.name), "bind both to one identity"
	case child.identity.spec.NeedsSubject || !child.identity.spec.Deterministic:
		return fmt.Sprintf("mask %s may give one value two results", child.identity.spec.Name), "use a mask that depends on nothing but the value"
	case child.config.Column.Region != parent.config.Column.Region || child.config.Column.Format != parent.config.Column.Format:
		return "region or format of the two ends differ", "give both rules the same"
	case child.onInvalid == api.OnInvalidRedact && parent.onInvalid == api.OnInvalidNull:
		return fmt.Sprintf("a value that the mask cannot read is crossed out here and NULL at %s", to), "set on_invalid: null here too"
	case child.kind == KindChar != (parent.kind == KindChar):
		return "", "" // padding is not part of a value
	}
	return "", ""
}

var inList = regexp.MustCompile(`(?i)=\s*ANY\s*\(|\sIN\s*\(`)

// proveChecks refuses masks on columns whose values a CHECK lists, and warns of all other CHECKs on masked columns.
func (c *compiler) proveChecks(t *tableProgram, o *dataservice.Object) {
	for _, k := range o.Constraints {
		if k.Kind != "check" && k.Kind != "exclusion" {
			continue
		}
		for _, name := range k.Columns {
			b := t.bindings[name]
			if b == nil || b.act == actKeep || b.act == actNull {
				continue
			}
			f := Finding{Code: k.Kind, Field: b.field, Component: t.component, Object: o.ID, Column: name}
			listed := k.Kind == "check" && len(k.Columns) == 1 && inList.MatchString(k.Define)
			switch {
			case listed && b.act == actConst && strings.Contains(k.Define, "'"+string(b.constant)+"'"):
				continue
			case listed && b.act == actConst:
				f.Message, f.Fix = fmt.Sprintf("%s lists the values that are allowed, and the constant is none of them", k.Name), "choose one of them"
			case listed:
				f.Message, f.Fix = fmt.Sprintf("%s lists the values that are allowed: a masked one is none of them", k.Name), "use keep, null or const"
			default:
				f.Severity = SeverityWarning
				f.Message = fmt.Sprintf("nobody can say before the restore whether masked values satisfy %s", k.Name)
			}
			c.add(f)
		}
	}
}

// warnDefaults tells of literals in the defaults of masked columns: definitions travel as they are.
func (c *compiler) warnDefaults(t *tableProgram) {
	for _, name := range slices.Sorted(maps.Keys(t.bindings)) {
		b := t.bindings[name]
		if b.act == actKeep || !strings.Contains(b.column.Default, "'") || strings.HasPrefix(b.column.Default, "''") ||
			strings.Contains(b.column.Default, "nextval(") {
			continue
		}
		c.add(Finding{Severity: SeverityWarning, Code: "default", Field: b.field, Component: t.component, Object: t.table.ID, Column: name,
			Message: "the column's default holds a literal, which is part of the definitions and travels as it is"})
	}
}
