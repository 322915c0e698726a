package masker

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
	maskall "github.com/tranship/tranship/internal/mask/all"
)

const testPolicy = `apiVersion: tranship.io/v1alpha1
kind: MaskingPolicy
metadata: {name: strict}
spec:
  keys: [{epoch: 1, fromFile: mask.key}]
  rules:
  - match: {component: db, table: public.people}
    columns:
      id: {keep: {reason: "a number without meaning", reviewedBy: dpo@example.org, expires: 2030-12-31}}
      mail: {mask: email}
`

// testContents returns a raw content and what a masker makes of it under testPolicy, both as a manifest carries them.
func testContents(t *testing.T) (raw, masked dataservice.Content, program *mask.Program) {
	t.Helper()
	raw = through(t, dataservice.Content{Application: "shop", Components: []dataservice.Component{{
		Name: "db", Driver: "postgres", Point: dataservice.Point{Kind: "snapshot", Details: map[string]string{"version": "17"}},
		Catalogue: dataservice.Catalogue{Engine: "postgresql", Version: "17", Name: "shop", Objects: []dataservice.Object{{
			ID: "public.people", Schema: "public", Name: "people", Kind: "table", Rows: 2,
			Columns: []dataservice.Column{{Name: "id", Type: "integer", Base: "int4"}, {Name: "mail", Type: "text", Base: "text", Nullable: true}},
		}}},
		Units: []dataservice.Captured{{
			Unit:    dataservice.Unit{ID: "data-0001", Kind: "data", Format: dataservice.CopyText, Object: "public.people", Columns: []string{"id", "mail"}, Detail: json.RawMessage(`{"blocks": [0, 1]}`)},
			Measure: dataservice.Measure{Rows: 2},
		}},
	}}})
	program = testProgram(t, raw, 1)
	masked = dataservice.Content{Application: raw.Application}
	for _, c := range raw.Components {
		c.Catalogue = program.Catalogue(c.Name)
		masked.Components = append(masked.Components, c)
	}
	return raw, through(t, masked), program
}

func testProgram(t *testing.T, raw dataservice.Content, key byte) *mask.Program {
	t.Helper()
	all, err := api.Decode(strings.NewReader(testPolicy), "policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	epoch, err := mask.NewEpoch("default", 1, append([]byte("abcdefghijklmnopqrstuvwxyz01234"), key))
	if err != nil {
		t.Fatal(err)
	}
	program, err := mask.Compile(all[0].(*api.MaskingPolicy), schemas(raw), mask.CompileDeps{
		Masks: maskall.Masks(), Epoch: epoch, Now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// through takes a value through JSON, as a manifest does.
func through[T any](t *testing.T, v T) T {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out T
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDraftOfThePolicyHasTheStructureThatItGives(t *testing.T) {
	raw, masked, program := testContents(t)
	if err := sameStructure(raw, masked, program); err != nil {
		t.Error(err)
	}
}

func TestDraftThatCarriesMoreThanTheScanReadsIsRefused(t *testing.T) {
	for name, smuggle := range map[string]func(c *dataservice.Content){
		"another component": func(c *dataservice.Content) {
			c.Components = append(c.Components, dataservice.Component{Name: "extra", Driver: "postgres"})
		},
		"the component twice": func(c *dataservice.Content) { c.Components = append(c.Components, c.Components[0]) },
		"another name":        func(c *dataservice.Content) { c.Components[0].Name = "ann@example.org" },
		"another driver":      func(c *dataservice.Content) { c.Components[0].Driver = "files" },
		"another application": func(c *dataservice.Content) { c.Application = "ann@example.org" },
		"a default": func(c *dataservice.Content) {
			c.Components[0].Catalogue.Objects[0].Columns[1].Default = "'ann@example.org'"
		},
		"another sequence": func(c *dataservice.Content) {
			c.Components[0].Catalogue.Sequences = []dataservice.Sequence{{ID: "s", Last: 555_010_999}}
		},
		"a detail of the point": func(c *dataservice.Content) { c.Components[0].Point.Details["version"] = "ann@example.org" },
		"a gap": func(c *dataservice.Content) {
			c.Components[0].Gaps = []dataservice.Gap{{Object: "o", Code: "c", Reason: "ann@example.org"}}
		},
		"another unit": func(c *dataservice.Content) {
			c.Components[0].Units = append(c.Components[0].Units, dataservice.Captured{})
		},
		"a missing unit":      func(c *dataservice.Content) { c.Components[0].Units = nil },
		"another table":       func(c *dataservice.Content) { c.Components[0].Units[0].Unit.Object = "public.others" },
		"the columns swapped": func(c *dataservice.Content) { c.Components[0].Units[0].Unit.Columns = []string{"mail", "id"} },
		"a detail of a unit": func(c *dataservice.Content) {
			c.Components[0].Units[0].Unit.Detail = json.RawMessage(`"ann@example.org"`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			raw, masked, program := testContents(t)
			smuggle(&masked)
			if err := sameStructure(raw, masked, program); !fault.Is(err, fault.Denied) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestStatementsAreComparedWithoutTheKey(t *testing.T) {
	raw, _, program := testContents(t)
	own, stated := testProgram(t, raw, 2).Statement(), through(t, program.Statement())
	if !sameStatement(own, stated) {
		t.Error("statements under two keys differ")
	}
	for name, lie := range map[string]func(s *mask.Statement){
		"a keep less":  func(s *mask.Statement) { s.Keeps = nil },
		"a column":     func(s *mask.Statement) { s.Components[0].Tables[0].Columns[0].Action = "mask" },
		"the epoch":    func(s *mask.Statement) { s.Epoch = 2 },
		"the tenant":   func(s *mask.Statement) { s.Tenant = "other" },
		"the policy":   func(s *mask.Statement) { s.PolicyDigest = artifact.Digest{1} },
		"the engine":   func(s *mask.Statement) { s.Engine++ },
		"the identity": func(s *mask.Statement) { s.Identities = append(s.Identities, mask.IdentityStatement{Name: "x"}) },
	} {
		lying := through(t, stated)
		if lie(&lying); sameStatement(own, lying) {
			t.Errorf("%s: nobody noticed", name)
		}
	}
}
