package mask

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/registry"
)

// Kinds of objects, as catalogues name them.
const (
	objectPartitioned = "partitioned"
	objectView        = "view"
	objectMatView     = "materialized"
	objectForeign     = "foreign"
	objectFile        = "file"
	objectDirectory   = "directory"
	objectSymlink     = "symlink"
	objectHardlink    = "hardlink"
)

// isTable reports whether the object has rows of its own in a capture, or partitions that have them.
func isTable(o *dataservice.Object) bool {
	switch o.Kind {
	case objectView, objectMatView, objectForeign, objectFile, objectDirectory, objectSymlink, objectHardlink:
		return false
	}
	return true
}

func isFile(o *dataservice.Object) bool {
	switch o.Kind {
	case objectFile, objectDirectory, objectSymlink, objectHardlink:
		return true
	}
	return false
}

// rank orders rules that match one thing: an exact name beats a pattern, then a named component beats any.
func rank(m api.Match, exact bool) int {
	r := 0
	if exact {
		r += 2
	}
	if m.Component != "" {
		r++
	}
	return r
}

// matched is a rule that is about a certain table or file.
type matched struct {
	index int
	rule  *api.Rule
	rank  int
	exact bool
}

// component resolves the rules for everything in one component.
func (c *compiler) component(schema ComponentSchema) *componentProgram {
	p := &componentProgram{schema: schema, objects: map[string]*dataservice.Object{}, tables: map[string]*tableProgram{}}
	objects := p.schema.Catalogue.Objects
	for i := range objects {
		p.objects[objects[i].ID] = &objects[i]
	}
	for i := range objects {
		o := &objects[i]
		if isTable(o) && p.root(o) == o {
			p.tables[o.ID] = c.table(schema.Name, o)
		}
	}
	if slices.ContainsFunc(objects, func(o dataservice.Object) bool { return isFile(&o) }) || schema.Catalogue.Engine == "files" {
		p.files = c.fileRules(schema)
	}
	return p
}

// root returns the table that masking rules name for o: o itself, or the table that it is a partition of.
func (p *componentProgram) root(o *dataservice.Object) *dataservice.Object {
	for range len(p.objects) {
		up := p.objects[o.Parent]
		if o.Parent == "" || up == nil {
			return o
		}
		o = up
	}
	return o // a cycle of parents: no engine has that
}

// table resolves the rules for one table.
func (c *compiler) table(component string, o *dataservice.Object) *tableProgram {
	t := &tableProgram{component: component, table: o, bindings: map[string]*binding{}}
	rules := c.tableRules(component, o)
	if len(rules) > 0 && rules[0].rule.Drop != nil {
		c.use(rules[0].index)
		t.dropped = true
		return t
	}
	c.resolveSubject(t, rules)
	for i := range o.Columns {
		column := &o.Columns[i]
		if column.Generated {
			c.refuseGenerated(t, column, rules)
			continue
		}
		if b := c.column(t, column, rules); b != nil {
			t.bindings[column.Name] = b
		}
	}
	c.resolveSiblings(t)
	return t
}

// tableRules returns the rules that match the table, best first. Whole-table rules of lower rank than another whole-table
// rule are left out; two of one rank are a finding.
func (c *compiler) tableRules(component string, o *dataservice.Object) []matched {
	var list []matched
	for i := range c.policy.Spec.Rules {
		r := &c.policy.Spec.Rules[i]
		if r.Match.Path != "" || (r.Match.Component != "" && r.Match.Component != component) {
			continue
		}
		exact := false
		if r.Match.Table != "" {
			g := api.NewGlob(r.Match.Table, api.SeparatorTable)
			exact = g.Exact()
			if !g.Match(o.ID) && !g.Match(plainID(o)) {
				continue
			}
		}
		list = append(list, matched{index: i, rule: r, rank: rank(r.Match, exact), exact: exact})
	}
	slices.SortStableFunc(list, func(a, b matched) int { return b.rank - a.rank })
	for i := range list {
		if i > 0 && list[i].rank == list[i-1].rank && (whole(list[i].rule) || whole(list[i-1].rule)) {
			c.add(Finding{Code: "conflict", Field: field(list[i].index, "match"), Component: component, Object: o.ID,
				Message: fmt.Sprintf("meets what spec.rules[%d] matches: only one rule can say what happens", list[i-1].index)})
		}
	}
	return list
}

// whole reports whether the rule is about everything that it matches, rather than about columns.
func whole(r *api.Rule) bool { return r.Keep != nil || r.Drop != nil }

// plainID is schema.name without an engine's quotes, as people write it in a policy.
func plainID(o *dataservice.Object) string {
	if o.Schema == "" {
		return o.Name
	}
	return o.Schema + "." + o.Name
}

// column finds the rule of one column. Without any it reports the column as unclassified and returns nil.
func (c *compiler) column(t *tableProgram, column *dataservice.Column, rules []matched) *binding {
	for i, m := range rules {
		rule, named := m.rule.Columns[column.Name]
		switch {
		case named:
			c.reportSecond(t, column, rules, i)
			c.use(m.index)
			return c.bind(t, column, rule, field(m.index, "columns", column.Name))
		case m.rule.Keep != nil:
			c.use(m.index)
			return c.bind(t, column, api.ColumnRule{Keep: m.rule.Keep}, field(m.index))
		case m.rule.Drop != nil:
			c.use(m.index)
			return c.bind(t, column, api.ColumnRule{Null: m.rule.Drop}, field(m.index))
		case m.rule.OnUnknown != "" && m.rule.OnUnknown != api.OnUnknownFail && !namedBelow(column.Name, rules[i+1:]):
			c.use(m.index)
			return c.bindUnknown(t, column, m.rule.OnUnknown, field(m.index, "on_unknown"))
		}
	}
	c.unclassified = append(c.unclassified, newUnclassifiedColumn(t.component, t.table, column))
	return nil
}

// namedBelow reports whether a rule of lower rank says something about the column: that beats a general on_unknown.
func namedBelow(column string, rules []matched) bool {
	return slices.ContainsFunc(rules, func(m matched) bool {
		_, named := m.rule.Columns[column]
		return named || whole(m.rule)
	})
}

func (c *compiler) reportSecond(t *tableProgram, column *dataservice.Column, rules []matched, i int) {
	for _, other := range rules[i+1:] {
		if other.rank != rules[i].rank {
			return
		}
		if _, named := other.rule.Columns[column.Name]; named {
			c.add(Finding{Code: "conflict", Field: field(other.index, "columns", column.Name), Component: t.component, Object: t.table.ID,
				Column: column.Name, Message: fmt.Sprintf("a second rule for this column: the first one is %s", field(rules[i].index, "columns", column.Name))})
		}
	}
}

func (c *compiler) refuseGenerated(t *tableProgram, column *dataservice.Column, rules []matched) {
	for _, m := range rules {
		if _, named := m.rule.Columns[column.Name]; named {
			c.use(m.index)
			if m.exact {
				c.add(Finding{Code: "generated", Field: field(m.index, "columns", column.Name), Component: t.component, Object: t.table.ID,
					Column: column.Name, Message: "the column is generated: the target computes it from masked columns", Fix: "remove the rule"})
			}
		}
	}
}

// resolveSubject finds the subject that the best rule with one names.
func (c *compiler) resolveSubject(t *tableProgram, rules []matched) {
	for _, m := range rules {
		s := m.rule.Subject
		if s == nil {
			continue
		}
		at := field(m.index, "subject")
		column := t.table.Column(s.Column)
		if column == nil {
			if m.exact {
				c.add(unknownColumn(t, at+".column", s.Column))
			}
			continue
		}
		c.use(m.index)
		id := c.declared(at+".identity", s.Identity)
		if id == nil {
			return
		}
		canon, err := id.spec.CanonFor(columnFor(t.table, column))
		if err != nil {
			c.add(problem("subject", at+".identity", err))
			return
		}
		t.subject = &subject{column: s.Column, identity: id, canon: canon}
		return
	}
}

func unknownColumn(t *tableProgram, at, name string) Finding {
	f := Finding{Code: "unknown-column", Field: at, Component: t.component, Object: t.table.ID, Message: fmt.Sprintf("the table has no column %q", name)}
	names := make([]string, len(t.table.Columns))
	for i := range t.table.Columns {
		names[i] = t.table.Columns[i].Name
	}
	if near := registry.Nearest(name, names); near != "" {
		f.Fix = fmt.Sprintf("did you mean %q?", near)
	}
	return f
}

// use notes that a rule applied somewhere.
func (c *compiler) use(index int) { c.used[index] = true }

// unusedRules reports rules and columns of rules that met nothing: a misspelled name must not leave data unmasked, nor
// suggest a protection that is not there.
func (c *compiler) unusedRules(components []ComponentSchema) {
	names := make([]string, len(components))
	for i := range components {
		names[i] = components[i].Name
	}
	for i := range c.policy.Spec.Rules {
		r := &c.policy.Spec.Rules[i]
		if r.Match.Component != "" && !slices.Contains(names, r.Match.Component) {
			f := Finding{Code: "unknown-component", Field: field(i, "match", "component"), Message: fmt.Sprintf("there is no component %q", r.Match.Component)}
			if near := registry.Nearest(r.Match.Component, names); near != "" {
				f.Fix = fmt.Sprintf("did you mean %q?", near)
			}
			c.add(f)
			continue
		}
		switch {
		case r.Match.Table != "":
			c.unusedTableRule(i, r, components)
		case r.Match.Path != "" && !c.used[i] && api.NewGlob(r.Match.Path, api.SeparatorPath).Exact():
			c.add(Finding{Code: "unknown-file", Field: field(i, "match", "path"), Component: r.Match.Component,
				Message: fmt.Sprintf("there is no file %q", r.Match.Path)})
		}
	}
}

func (c *compiler) unusedTableRule(index int, r *api.Rule, components []ComponentSchema) {
	g := api.NewGlob(r.Match.Table, api.SeparatorTable)
	tables := tablesMatching(r.Match, g, components)
	if len(tables) == 0 {
		c.add(c.unknownTable(index, r, components, g.Exact()))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(r.Columns)) {
		if slices.ContainsFunc(tables, func(t *tableProgram) bool { return t.table.Column(name) != nil }) {
			continue
		}
		f := unknownColumn(tables[0], field(index, "columns", name), name)
		if !g.Exact() {
			f.Object, f.Message = "", fmt.Sprintf("none of the tables that match has a column %q", name)
		}
		c.add(f)
	}
}

func tablesMatching(m api.Match, g api.Glob, components []ComponentSchema) []*tableProgram {
	var tables []*tableProgram
	for i := range components {
		if m.Component != "" && m.Component != components[i].Name {
			continue
		}
		for j := range components[i].Catalogue.Objects {
			o := &components[i].Catalogue.Objects[j]
			if isTable(o) && o.Parent == "" && (g.Match(o.ID) || g.Match(plainID(o))) {
				tables = append(tables, &tableProgram{component: components[i].Name, table: o})
			}
		}
	}
	return tables
}

func (c *compiler) unknownTable(index int, r *api.Rule, components []ComponentSchema, exact bool) Finding {
	f := Finding{Code: "unknown-table", Field: field(index, "match", "table"), Component: r.Match.Component,
		Message: fmt.Sprintf("no table matches %q", r.Match.Table)}
	if !exact {
		// A pattern may wait for tables to come, as logs of next month do.
		f.Severity = SeverityWarning
		return f
	}
	var names []string
	for i := range components {
		for j := range components[i].Catalogue.Objects {
			o := &components[i].Catalogue.Objects[j]
			name := plainID(o)
			switch {
			case r.Match.Component != "" && r.Match.Component != components[i].Name:
			case name == r.Match.Table && o.Parent != "":
				f.Message = fmt.Sprintf("%q is a partition and follows the rules of its table", r.Match.Table)
				f.Fix = fmt.Sprintf("name %s instead", o.Parent)
				return f
			case name == r.Match.Table && !isTable(o):
				f.Message = fmt.Sprintf("%q is a %s: it holds no rows of its own", r.Match.Table, o.Kind)
				f.Fix = "remove the rule"
				return f
			case isTable(o) && o.Parent == "":
				names = append(names, name)
			}
		}
	}
	if near := registry.Nearest(r.Match.Table, names); near != "" {
		f.Fix = fmt.Sprintf("did you mean %q?", near)
	}
	return f
}
