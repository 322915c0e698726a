package all_test

import (
	"slices"
	"testing"

	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/all"
	"github.com/tranship/tranship/internal/mask/masktest"
)

// places are a value for each mask, in the kinds of column that can hold it.
var places = map[string]struct {
	value   string
	subject string
	params  map[string]any
	kinds   []mask.Kind
}{
	"card":       {value: "4111111111111111", kinds: []mask.Kind{mask.KindText, mask.KindVarchar, mask.KindInt8, mask.KindNumeric}},
	"const":      {value: "1", params: map[string]any{"value": "2"}, kinds: []mask.Kind{mask.KindText, mask.KindInt2, mask.KindJSON}},
	"date":       {value: "2020-01-01", subject: "person.id", kinds: []mask.Kind{mask.KindText, mask.KindDate, mask.KindTimestamp}},
	"email":      {value: "ada@example.org", kinds: []mask.Kind{mask.KindText, mask.KindVarchar, mask.KindChar}},
	"id.int":     {value: "123", kinds: []mask.Kind{mask.KindText, mask.KindInt4, mask.KindInt8, mask.KindNumeric}},
	"id.uuid":    {value: "6ba7b810-9dad-41d1-80b4-00c04fd430c8", kinds: []mask.Kind{mask.KindText, mask.KindUUID}},
	"keep":       {value: "v", params: map[string]any{"reason": "r", "reviewedBy": "b", "expires": "2030-01-01"}, kinds: mask.AllKinds},
	"name.first": {value: "Ada", kinds: []mask.Kind{mask.KindText, mask.KindVarchar, mask.KindChar}},
	"name.full":  {value: "Ada Lovelace", kinds: []mask.Kind{mask.KindText, mask.KindVarchar, mask.KindChar}},
	"name.last":  {value: "Lovelace", kinds: []mask.Kind{mask.KindText, mask.KindVarchar, mask.KindChar}},
	"phone":      {value: "+14155552671", kinds: []mask.Kind{mask.KindText, mask.KindVarchar, mask.KindChar}},
	"text":       {value: "note", kinds: []mask.Kind{mask.KindText, mask.KindVarchar, mask.KindChar}},
}

func TestOneIdentityIsOneMappingInEveryColumn(t *testing.T) {
	masks := all.Masks()
	for name, p := range places {
		spec, err := masks.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		params, err := mask.ParseParams(spec.Params, p.params, "params")
		if err != nil {
			t.Fatal(err)
		}
		var first string
		for i, kind := range p.kinds {
			for _, c := range []mask.Column{
				{Kind: kind}, {Kind: kind, MaxChars: 200, Nullable: true, Unique: true}, {Kind: kind, Region: "DE", Siblings: map[string]int{"other": 0}},
			} {
				tr, err := spec.Build(mask.Config{Identity: "i", Subject: p.subject, Column: c, Params: params}, masktest.Deps())
				if err != nil {
					t.Errorf("%s in %s: %v", name, kind, err)
					continue
				}
				out, err := tr.Transform(nil, mask.Text([]byte(p.value)), &mask.Record{Subject: []byte("7")})
				if err != nil {
					t.Errorf("%s in %s: %v", name, kind, err)
				}
				if i == 0 && first == "" {
					first = string(out)
				} else if string(out) != first {
					t.Errorf("%s gives %s in a %s column, %s elsewhere", name, out, kind, first)
				}
			}
		}
	}
}

func TestEveryMaskIsComparedAcrossColumns(t *testing.T) {
	withoutValue := []string{"drop", "json", "null"} // no output, or one made by other masks
	for _, name := range all.Masks().Names() {
		if _, ok := places[name]; !ok && !slices.Contains(withoutValue, name) {
			t.Errorf("%s has no place in this test", name)
		}
	}
}

func TestOnlyKeepKeeps(t *testing.T) {
	masks := all.Masks()
	for _, name := range masks.Names() {
		spec, err := masks.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		if spec.Keeps != (name == "keep") {
			t.Errorf("%s says Keeps = %v", name, spec.Keeps)
		}
	}
}
