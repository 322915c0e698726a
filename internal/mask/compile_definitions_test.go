package mask_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
)

func TestConstantsInDefinitionsThatLookPersonalAreTold(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*dataservice.Catalogue)
		told bool
	}{
		{"an address in a check", func(c *dataservice.Catalogue) {
			c.Objects[0].Constraints = append(c.Objects[0].Constraints, dataservice.Constraint{Name: "x", Kind: "check", Define: `CHECK ((notes <> 'it''s mary@acme.com'::text))`})
		}, true},
		{"a phone number in an index", func(c *dataservice.Catalogue) {
			c.Objects[0].Indexes = append(c.Objects[0].Indexes, dataservice.Index{Name: "x", Define: `CREATE INDEX x ON t (a) WHERE (b = '+49 170 1234567'::text)`})
		}, true},
		{"an address in a view", func(c *dataservice.Catalogue) { c.Objects[4].Define = `SELECT 1 WHERE email = 'jörg@acme.com'` }, true},
		{"a label", func(c *dataservice.Catalogue) { c.Objects[0].Columns[9].Enum = []string{"silver", "mary@acme.com"} }, true},
		{"a default of a kept column", func(c *dataservice.Catalogue) { c.Objects[2].Columns[0].Default = `'mary@acme.com'::text` }, true},
		{"a pattern, a day and a short number", func(c *dataservice.Catalogue) {
			c.Objects[4].Define = `SELECT '2024-01-31', '2024-01-31 10:11:12.123456+00', '12345', '%@' WHERE mail = 12345678`
		}, false},
	} {
		c := shop()
		tc.edit(&c)
		p := compile(t, shopPolicy, mask.ComponentSchema{Name: "db", Catalogue: c})
		warned := slices.ContainsFunc(p.Warnings(), func(f mask.Finding) bool {
			if strings.Contains(f.String(), "acme") || strings.Contains(f.String(), "1234567") {
				t.Errorf("%s: the warning tells the value: %s", tc.name, f)
			}
			return f.Code == "definition"
		})
		if warned != tc.told {
			t.Errorf("%s: warned is %t: %v", tc.name, warned, p.Warnings())
		}
	}
}

func TestSequencesThatNoColumnOwnsStartBehindTheDomain(t *testing.T) {
	c := shop()
	c.Sequences = []dataservice.Sequence{{ID: `public."All Ids"`, Type: "bigint", Last: 5}, {ID: "public.other", Type: "bigint", Last: 5}}
	c.Objects[0].Columns[0].Default = `nextval('public."All Ids"'::regclass)`
	got := compile(t, shopPolicy, mask.ComponentSchema{Name: "db", Catalogue: c}).Catalogue("db").Sequences
	if got[0].Last != 1<<30-1 || !got[0].Called || got[1].Last != 5 {
		t.Errorf("got %+v", got)
	}
}

func TestRedactedValuesThatMeetInAUniqueColumnStopTheRun(t *testing.T) {
	row := func(id, email string) string {
		return id + "\t" + email + "\tMary\t2000-01-01\t\t{}\t\tt\tgold\n"
	}
	up := unit(t, compileShop(t), customerUnit)
	for _, workers := range []int{1, 3} {
		in := row("1", "none") + row("2", "a@b.example") + row("3", "unknown")
		if out, report := run(t, up, in, workers); strings.Count(out, "\n") != 3 || report.Rows != 3 {
			t.Errorf("redacted values that differ: %q", out)
		}
		var out strings.Builder
		_, err := up.Run(t.Context(), strings.NewReader(in+row("4", "nope")), &out, mask.RunOptions{Workers: workers})
		if fault.CodeOf(err) != "mask.unique" || !strings.Contains(err.Error(), "public.customers.email") || strings.Contains(err.Error(), "nope") {
			t.Errorf("redacted values that are one: %v", err)
		}
	}
}
