package dataservice

import (
	"fmt"
	"slices"
	"strings"
)

// Difference is one thing in which what was restored is not what was captured. It holds names, definitions and counts, and
// never a value of the data.
type Difference struct {
	Object string `json:"object,omitempty"` // Object.ID, or the id of a sequence or a unit
	What   string `json:"what"`             // rows, content, column, constraint, index, sequence, kind, definition, setting, …
	Want   string `json:"want,omitempty"`
	Got    string `json:"got,omitempty"`
}

// String writes the difference as a line.
func (d Difference) String() string {
	s := d.What
	if d.Object != "" {
		s = d.Object + ": " + s
	}
	return s + ": want " + orNothing(d.Want) + ", got " + orNothing(d.Got)
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// Compare says in what the findings differ from the component: its objects with columns, constraints and indexes, its
// sequences and settings, and the rows of each object. It returns nil when they are equal. Between different major
// versions of an engine, definitions are compared by name only, as each version writes them in its own way.
//
// Sizes and estimates are not compared, nor are the names of the databases. Objects that vanished before they were captured,
// as the component's gaps say, are not wanted, and those that changed may have become of another kind.
func Compare(want Component, got Findings) []Difference {
	c := comparison{definitions: major(want.Catalogue.Version) == major(got.Catalogue.Version), changed: gapsOf(want, GapChanged)}
	c.differ("", "engine", want.Catalogue.Engine, got.Catalogue.Engine)
	for _, name := range sortedKeys(want.Catalogue.Settings) {
		c.differ("", "setting "+name, want.Catalogue.Settings[name], got.Catalogue.Settings[name])
	}
	pair(captured(want), got.Catalogue.Objects, func(o Object) string { return o.ID }, c.object)
	pair(want.Catalogue.Sequences, got.Catalogue.Sequences, func(s Sequence) string { return s.ID }, c.sequence)
	c.measures(measuresOf(want.Units), got.Measures)
	return c.found
}

// captured lists the objects of a component that did not vanish.
func captured(c Component) []Object {
	vanished := gapsOf(c, GapVanished)
	if len(vanished) == 0 {
		return c.Catalogue.Objects
	}
	return slices.DeleteFunc(slices.Clone(c.Catalogue.Objects), func(o Object) bool { return vanished[o.ID] })
}

// gapsOf returns the objects of the gaps of a code.
func gapsOf(c Component, code string) map[string]bool {
	objects := map[string]bool{}
	for _, g := range c.Gaps {
		if g.Code == code {
			objects[g.Object] = true
		}
	}
	return objects
}

// measuresOf adds up the measures of units: per object where rows have one, else per unit. Definitions have none.
func measuresOf(units []Captured) map[string]Measure {
	m := map[string]Measure{}
	for _, u := range units {
		switch {
		case u.Unit.Format == SQL:
		case u.Unit.Object != "":
			m[u.Unit.Object] = m[u.Unit.Object].Add(u.Measure)
		default:
			m[u.Unit.ID] = m[u.Unit.ID].Add(u.Measure)
		}
	}
	return m
}

type comparison struct {
	definitions bool
	changed     map[string]bool // objects that changed while they were captured
	found       []Difference
}

func (c *comparison) differ(object, what, want, got string) {
	if want != got {
		c.found = append(c.found, Difference{Object: object, What: what, Want: want, Got: got})
	}
}

func (c *comparison) object(id string, want, got *Object) {
	if want == nil || got == nil {
		c.differ(id, "object", kindOf(want), kindOf(got))
		return
	}
	if !c.changed[id] {
		c.differ(id, "kind", want.Kind, got.Kind)
	}
	c.differ(id, "parent", want.Parent, got.Parent)
	if c.definitions {
		c.differ(id, "definition", want.Define, got.Define)
	}
	c.differ(id, "columns", columnNames(want), columnNames(got))
	pair(want.Columns, got.Columns, func(x Column) string { return x.Name }, func(name string, w, g *Column) {
		if w != nil && g != nil {
			c.differ(id, "column "+name, c.column(w), c.column(g))
		}
	})
	pair(want.Indexes, got.Indexes, func(x Index) string { return x.Name }, func(name string, w, g *Index) {
		c.differ(id, "index "+name, c.index(w), c.index(g))
	})
	pair(want.Constraints, got.Constraints, func(x Constraint) string { return x.Name }, func(name string, w, g *Constraint) {
		c.differ(id, "constraint "+name, c.constraint(w), c.constraint(g))
	})
}

func kindOf(o *Object) string {
	if o == nil {
		return ""
	}
	return o.Kind
}

func columnNames(o *Object) string {
	names := make([]string, len(o.Columns))
	for i, c := range o.Columns {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

func (c *comparison) column(x *Column) string {
	text := fmt.Sprintf("%s base %s length %d nullable %t generated %t identity %t collation %q labels %q",
		x.Type, x.Base, x.Length, x.Nullable, x.Generated, x.Identity, x.Collation, x.Enum)
	if c.definitions {
		text += " default " + x.Default
	}
	return text
}

func (c *comparison) index(x *Index) string {
	if x == nil {
		return ""
	}
	if c.definitions {
		return x.Define
	}
	return fmt.Sprintf("columns %q unique %t primary %t", x.Columns, x.Unique, x.Primary)
}

func (c *comparison) constraint(x *Constraint) string {
	if x == nil {
		return ""
	}
	if c.definitions {
		return x.Define
	}
	return fmt.Sprintf("%s columns %q references %s %q", x.Kind, x.Columns, x.RefObject, x.RefColumns)
}

func (c *comparison) sequence(id string, want, got *Sequence) {
	c.differ(id, "sequence", placeOf(want), placeOf(got))
}

func placeOf(s *Sequence) string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("%s at %d called %t owned by %q", s.Type, s.Last, s.Called, s.OwnedBy)
}

func (c *comparison) measures(want, got map[string]Measure) {
	for _, id := range sortedKeys(want) {
		w := want[id]
		g, measured := got[id]
		switch {
		case !measured:
			c.differ(id, "rows", fmt.Sprint(w.Rows), "")
		case w.Rows != g.Rows:
			c.differ(id, "rows", fmt.Sprint(w.Rows), fmt.Sprint(g.Rows))
		case w.Sum != g.Sum:
			c.found = append(c.found, Difference{Object: id, What: "content of rows", Want: "the captured values", Got: "others"})
		}
	}
	for _, id := range sortedKeys(got) {
		if _, wanted := want[id]; !wanted && got[id].Rows > 0 {
			c.differ(id, "rows", "", fmt.Sprint(got[id].Rows))
		}
	}
}

// pair calls both for every key of either list, in order, with nil for what a list does not have.
func pair[T any](want, got []T, key func(T) string, both func(key string, want, got *T)) {
	type couple struct{ want, got *T }
	couples := map[string]couple{}
	for i := range want {
		couples[key(want[i])] = couple{want: &want[i]}
	}
	for i := range got {
		c := couples[key(got[i])]
		c.got = &got[i]
		couples[key(got[i])] = c
	}
	for _, k := range sortedKeys(couples) {
		both(k, couples[k].want, couples[k].got)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// major is a version up to its first dot or space.
func major(version string) string {
	if i := strings.IndexAny(version, ". "); i >= 0 {
		return version[:i]
	}
	return version
}
