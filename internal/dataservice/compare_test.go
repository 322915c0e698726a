package dataservice_test

import (
	"slices"
	"testing"

	"github.com/tranship/tranship/internal/dataservice"
)

func subject() (dataservice.Component, dataservice.Findings) {
	catalogue := func() dataservice.Catalogue {
		return dataservice.Catalogue{
			Engine: "postgresql", Version: "15.4", Settings: map[string]string{"encoding": "UTF8"},
			Objects: []dataservice.Object{
				{
					ID: "a.t", Kind: "table", Rows: 1, Bytes: 1,
					Columns:     []dataservice.Column{{Name: "x", Type: "integer", Base: "int4"}, {Name: "y", Type: "text", Base: "text", Default: "''::text"}},
					Indexes:     []dataservice.Index{{Name: "i", Columns: []string{"x"}, Define: "CREATE INDEX i"}},
					Constraints: []dataservice.Constraint{{Name: "c", Kind: "check", Columns: []string{"x"}, Define: "CHECK (x > 0)"}},
				},
				{ID: "a.v", Kind: "view", Define: "SELECT 1"},
			},
			Sequences: []dataservice.Sequence{{ID: "a.s", Type: "bigint", Last: 7, Called: true}},
		}
	}
	want := dataservice.Component{
		Catalogue: catalogue(),
		Units: []dataservice.Captured{
			{Unit: dataservice.Unit{ID: "pre", Format: dataservice.SQL}, Measure: dataservice.Measure{Rows: 9}},
			{Unit: dataservice.Unit{ID: "1", Format: dataservice.CopyText, Object: "a.t"}, Measure: dataservice.Measure{Rows: 2, Sum: dataservice.Sum{^uint64(0)}}},
			{Unit: dataservice.Unit{ID: "2", Format: dataservice.CopyText, Object: "a.t"}, Measure: dataservice.Measure{Rows: 1, Sum: dataservice.Sum{2}}},
			{Unit: dataservice.Unit{ID: "3", Format: dataservice.Tree}, Measure: dataservice.Measure{Rows: 5}},
		},
	}
	got := dataservice.Findings{Catalogue: catalogue(), Measures: map[string]dataservice.Measure{
		"a.t": {Rows: 3, Sum: dataservice.Sum{1, 1}}, "3": {Rows: 5},
	}}
	got.Catalogue.Name, got.Catalogue.Version = "another", "15.9"
	got.Catalogue.Objects[0].Rows, got.Catalogue.Objects[0].Bytes = 100, 100
	return want, got
}

func TestEqualFindingsHaveNoDifferences(t *testing.T) {
	if d := dataservice.Compare(subject()); d != nil {
		t.Errorf("%v", d)
	}
}

func TestEveryDifferenceIsFound(t *testing.T) {
	for want, change := range map[string]func(*dataservice.Findings){
		"engine: want postgresql, got files":           func(f *dataservice.Findings) { f.Catalogue.Engine = "files" },
		"setting encoding: want UTF8, got nothing":     func(f *dataservice.Findings) { f.Catalogue.Settings = nil },
		"a.v: object: want view, got nothing":          func(f *dataservice.Findings) { f.Catalogue.Objects = f.Catalogue.Objects[:1] },
		"a.v: definition: want SELECT 1, got SELECT 2": func(f *dataservice.Findings) { f.Catalogue.Objects[1].Define = "SELECT 2" },
		"a.v: kind: want view, got materialized":       func(f *dataservice.Findings) { f.Catalogue.Objects[1].Kind = "materialized" },
		"a.t: parent: want nothing, got a.v":           func(f *dataservice.Findings) { f.Catalogue.Objects[0].Parent = "a.v" },
		"b: object: want nothing, got table": func(f *dataservice.Findings) {
			f.Catalogue.Objects = append(f.Catalogue.Objects, dataservice.Object{ID: "b", Kind: "table"})
		},
		"a.t: columns: want x, y, got x":                 func(f *dataservice.Findings) { f.Catalogue.Objects[0].Columns = f.Catalogue.Objects[0].Columns[:1] },
		"a.t: columns: want x, y, got y, x":              func(f *dataservice.Findings) { slices.Reverse(f.Catalogue.Objects[0].Columns) },
		"a.t: index i: want CREATE INDEX i, got nothing": func(f *dataservice.Findings) { f.Catalogue.Objects[0].Indexes = nil },
		"a.t: constraint c: want CHECK (x > 0), got CHECK (x > 1)": func(f *dataservice.Findings) {
			f.Catalogue.Objects[0].Constraints[0].Define = "CHECK (x > 1)"
		},
		`a.s: sequence: want bigint at 7 called true owned by "", got bigint at 8 called true owned by ""`: func(f *dataservice.Findings) { f.Catalogue.Sequences[0].Last = 8 },
		"a.t: rows: want 3, got 2":                                   func(f *dataservice.Findings) { f.Measures["a.t"] = dataservice.Measure{Rows: 2} },
		"a.t: content of rows: want the captured values, got others": func(f *dataservice.Findings) { f.Measures["a.t"] = dataservice.Measure{Rows: 3} },
		"3: rows: want 5, got nothing":                               func(f *dataservice.Findings) { delete(f.Measures, "3") },
		"b: rows: want nothing, got 1":                               func(f *dataservice.Findings) { f.Measures["b"] = dataservice.Measure{Rows: 1} },
	} {
		component, findings := subject()
		change(&findings)
		got := dataservice.Compare(component, findings)
		if len(got) != 1 || got[0].String() != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	component, findings := subject()
	findings.Catalogue.Objects[0].Columns[0].Nullable = true
	if got := dataservice.Compare(component, findings); len(got) != 1 || got[0].What != "column x" {
		t.Errorf("a column that may be null: %v", got)
	}
}

func TestDefinitionsOfOtherVersionsAreComparedByName(t *testing.T) {
	component, findings := subject()
	findings.Catalogue.Version = "17.1"
	o := &findings.Catalogue.Objects[0]
	findings.Catalogue.Objects[1].Define, o.Indexes[0].Define, o.Constraints[0].Define, o.Columns[1].Default = "select 1", "create index", "check", "''"
	if d := dataservice.Compare(component, findings); d != nil {
		t.Errorf("%v", d)
	}
	o.Indexes[0].Unique, o.Constraints[0].Columns = true, []string{"y"}
	if d := dataservice.Compare(component, findings); len(d) != 2 {
		t.Errorf("an index and a constraint differ, and there are %v", d)
	}
}
