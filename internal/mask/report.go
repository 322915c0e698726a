package mask

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tranship/tranship/internal/fault"
)

// UnitReport is what masking one unit did, in numbers.
type UnitReport struct {
	Component string         `json:"component"`
	Unit      string         `json:"unit,omitempty"`
	Object    string         `json:"object,omitempty"`
	Rows      int64          `json:"rows"`              // read: rows, statements or entries
	Dropped   int64          `json:"dropped,omitempty"` // of those, left out
	Columns   []ColumnReport `json:"columns,omitempty"` // in the order of the unit
}

// ColumnReport counts what happened to the cells of a column. Rows is how many there were.
type ColumnReport struct {
	Column    string  `json:"column"`
	Action    string  `json:"action"` // keep, null, const, redact, mask; drop where the table is left out
	Identity  string  `json:"identity,omitempty"`
	Mask      string  `json:"mask,omitempty"`
	Rows      int64   `json:"rows"`
	NullsIn   int64   `json:"nullsIn"`
	NullsOut  int64   `json:"nullsOut"`
	Empty     int64   `json:"empty,omitempty"`     // empty strings, which stay
	Identical int64   `json:"identical,omitempty"` // masked values that equal their input
	Expected  float64 `json:"expected,omitempty"`  // how many of those chance alone makes
	Invalid   int64   `json:"invalid,omitempty"`   // that the mask could not read
	Redacted  int64   `json:"redacted,omitempty"`
}

// smallestPermuted is the smallest domain that is permuted with fixed points: smaller ones are permuted in one cycle.
const smallestPermuted = 1_000_000

// ChanceRate returns the largest share of values that a mask leaves as they are by chance.
func ChanceRate(s Spec) float64 {
	switch {
	case s.Keeps:
		return 1
	case s.Injective:
		return 1.0 / smallestPermuted
	}
	return 0
}

// Merge adds the counters of another unit of the same object.
func (u *UnitReport) Merge(o UnitReport) {
	u.Rows += o.Rows
	u.Dropped += o.Dropped
	for _, c := range o.Columns {
		i := slices.IndexFunc(u.Columns, func(mine ColumnReport) bool { return mine.Column == c.Column })
		if i < 0 {
			u.Columns = append(u.Columns, c)
			continue
		}
		mine := &u.Columns[i]
		mine.Rows += c.Rows
		mine.NullsIn += c.NullsIn
		mine.NullsOut += c.NullsOut
		mine.Empty += c.Empty
		mine.Identical += c.Identical
		mine.Expected += c.Expected
		mine.Invalid += c.Invalid
		mine.Redacted += c.Redacted
	}
}

// report adds up what the runners counted.
func (p *rowProgram) report(runners []*runner, rows int64, report *UnitReport) {
	report.Rows = rows
	if p.dropped {
		report.Dropped = rows
	}
	for i := range p.columns {
		column := &p.columns[i]
		c := ColumnReport{Column: column.name, Action: "drop", Rows: rows}
		for _, r := range runners {
			n := r.cells[i].count
			c.NullsIn += n.nullsIn
			c.NullsOut += n.nullsOut
			c.Empty += n.empty
			c.Identical += n.identical
			c.Invalid += n.invalid
			c.Redacted += n.redacted
		}
		if b := column.binding; b != nil {
			c.Action = b.act.String()
			if b.act == actMask {
				c.Identity, c.Mask = b.identity.name, b.identity.spec.Name
				c.Expected = ChanceRate(b.identity.spec) * float64(rows-c.NullsIn)
			}
		}
		report.Columns = append(report.Columns, c)
	}
}

// unclassifiedOf returns the paths without a rule that the runners met, as an error.
func unclassifiedOf(runners []*runner) error {
	all := map[string]Unclassified{}
	for _, r := range runners {
		maps.Copy(all, r.unknown)
	}
	if len(all) == 0 {
		return nil
	}
	items := slices.Collect(maps.Values(all))
	slices.SortFunc(items, func(a, b Unclassified) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Type, b.Type))
	})
	return fault.New(fault.Permanent, "mask.unclassified", "%w", &UnclassifiedError{Items: items}).
		WithHint("add a rule for each path to the column's paths; the report proposes some")
}
