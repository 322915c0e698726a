package mask_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
)

// golden compares got with a file of testdata; masktest's flag -rewrite writes it again.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if flag.Lookup("rewrite").Value.String() == "true" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; with -rewrite it becomes:\n%s", file, got)
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, tc := range []struct {
		name     string
		old, new string // in the policy
		edit     func(*dataservice.Catalogue)
		want     string
	}{
		{name: "unknown column", old: "email: {identity: person.email}\n        first", new: "emial: {identity: person.email}\n        first",
			want: `the table has no column "emial"; did you mean "email"?`},
		{name: "unknown table", old: "table: public.customers", new: "table: public.customer", want: `no table matches "public.customer"; did you mean "public.customers"?`},
		{name: "unknown component", old: "component: db,", new: "component: bd,", want: `there is no component "bd"; did you mean "db"?`},
		{name: "unknown mask", old: "mask: card}", new: "mask: crad}", want: `did you mean "card"?`},
		{name: "unknown parameter", old: "mask: card}", new: "mask: card, luhn: true}", want: "spec.rules[0].columns.card.luhn is unknown"},
		{name: "parameter beside an identity", old: "customer_id: {identity: customer.id}", new: "customer_id: {identity: customer.id, max: 5}",
			want: "public.orders.customer_id: spec.rules[1].columns.customer_id: max: parameters belong to the identity"},
		{name: "a rule on a partition", old: `"public.lo*"`, new: "public.log_2026", want: `"public.log_2026" is a partition and follows the rules of its table; name public.log instead`},
		{name: "a rule on a view", old: `"public.lo*"`, new: "public.report", want: `"public.report" is a view`},
		{name: "generated column", old: "notes: {mask: text}", new: "notes: {mask: text}\n        label: {mask: text}", want: "the column is generated"},
		{name: "expired keep", old: "expires: 2030-12-31", new: "expires: 2026-02-28", want: "the decision to keep this ended on 2026-02-28"},
		{name: "expired keep of a path", old: `"a short list of words", reviewedBy: "dpo@example.org"`, new: `"a", reviewedBy: "d", expires: 2026-02-28`,
			want: "the decision to keep this ended on 2026-02-28"},
		{name: "mask on an enum", old: "tier: {const: silver}", new: "tier: {mask: text}", want: "labels of public.tier cannot be masked"},
		{name: "constant that is no label", old: "tier: {const: silver}", new: "tier: {const: lead}", want: "const is not a label of public.tier"},
		{name: "invalid keys that become NULL at one end", old: "email: {identity: person.email}\n        first", new: "email: {identity: person.email, on_invalid: null}\n        first",
			edit: func(c *dataservice.Catalogue) {
				c.Objects[0].Columns[1].Nullable = true
				c.Objects[1].Constraints = append(c.Objects[1].Constraints, dataservice.Constraint{Name: "by_mail", Kind: "foreign", Columns: []string{"customer_email"},
					RefObject: "public.customers", RefColumns: []string{"email"}})
			}, want: "by_mail would break: a value that the mask cannot read is crossed out here and NULL at public.customers.email"},
		{name: "a constant that is no JSON", old: "profile:\n          mask: json", new: "profile:\n          const: \"{\"\n        unused:\n          mask: json", want: "const is not JSON"},
		{name: "mask on a boolean", old: "active: {keep: {reason: \"a flag\", reviewedBy: \"dpo@example.org\", expires: 2030-12-31}}", new: "active: {mask: text}",
			want: "mask text cannot be applied to a bool column"},
		{name: "NULL into NOT NULL", old: "active: {keep: {reason: \"a flag\", reviewedBy: \"dpo@example.org\", expires: 2030-12-31}}", new: "active: {drop: {}}",
			want: "the column is NOT NULL, but the rule leaves the value out"},
		{name: "NULL for invalid values in NOT NULL", old: "email: {identity: person.email}\n        first", new: "email: {identity: person.email, on_invalid: 'null'}\n        first",
			want: "the column is NOT NULL, but on_invalid writes NULL"},
		{name: "column too short", edit: func(c *dataservice.Catalogue) { c.Objects[0].Column("email").Length = 20 }, want: "results have up to 31 characters, but the column holds 20"},
		{name: "type too narrow", edit: func(c *dataservice.Catalogue) { c.Objects[1].Column("customer_id").Base = "int2" }, want: "results from 1 to 1073741823 do not fit int2"},
		{name: "date without a subject", old: "subject: {column: id, identity: customer.id}", new: "", want: "needs a subject"},
		{name: "unknown subject column", old: "subject: {column: id,", new: "subject: {column: ident,", want: `spec.rules[0].subject.column: the table has no column "ident"`},
		{name: "mask that collides in a unique key", old: "email: {identity: person.email}\n        first", new: "email: {mask: name.full}\n        first",
			want: "mask name.full may give two values one result, and customers_email_key must stay unique; use a mask that keeps values distinct (card, email"},
		{name: "constant in a unique key", old: "email: {identity: person.email}\n        first", new: "email: {const: a}\n        first",
			want: "const gives all rows one value, and customers_email_key must stay unique"},
		{name: "too few bits for so many rows", edit: func(c *dataservice.Catalogue) { c.Objects[0].Rows = 1 << 40 },
			want: "mask email gives 80 bits, but about 1099511627776 rows need 101"},
		{name: "unique expression", edit: func(c *dataservice.Catalogue) {
			c.Objects[0].Indexes = []dataservice.Index{{Name: "notes_idx", Unique: true, Define: "CREATE UNIQUE INDEX notes_idx ON public.customers USING btree (md5(notes))"}}
		}, want: "nobody can say whether the expression stays unique, and notes_idx must stay unique"},
		{name: "foreign key to another identity", old: "customer_id: {identity: customer.id}", new: "customer_id: {identity: order.id}",
			edit: func(c *dataservice.Catalogue) { c.Objects[1].Column("customer_id").Base = "int8" },
			want: "orders_customer_fkey would break: its identity is order.id, that of public.customers.id is customer.id; bind both to one identity"},
		{name: "foreign key that keeps a masked key", old: "customer_id: {identity: customer.id}", new: "customer_id: {keep: {reason: r, reviewedBy: d}}",
			want: "orders_customer_fkey would break: the rule here is keep, but public.customers.id is masked; write {identity: customer.id}"},
		{name: "foreign key to rows that are left out", old: "- match: {table: public.orders}", new: "- match: {table: public.customers}\n      drop: {}\n    - match: {table: public.orders}",
			want: "orders_customer_fkey refers to public.customers, whose rows are left out"},
		{name: "CHECK with a list", edit: func(c *dataservice.Catalogue) {
			c.Objects[0].Constraints = append(c.Objects[0].Constraints, dataservice.Constraint{Name: "notes_check", Kind: "check", Columns: []string{"notes"},
				Define: "CHECK ((notes = ANY (ARRAY['a'::text, 'b'::text])))"})
		}, want: "notes_check lists the values that are allowed: a masked one is none of them"},
		{name: "partition key", old: `day: {keep: {reason: "no person", reviewedBy: "dpo@example.org"}}`, new: "day: {const: 2026-01-01}",
			want: "the column decides to which partition a row belongs"},
		{name: "one implicit identity with two meanings", old: "notes: {mask: text}", new: "notes: {mask: email, domain: a.example}\n        first_name: {mask: email}",
			want: "mask \"email\" has other parameters here than at spec.rules[0].columns.first_name"},
		{name: "mask of a path that does not exist", old: `"$.email": {identity: person.email}`, new: `"$.email": {mask: nothing}`, want: `unknown mask "nothing"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := shopPolicy
			if tc.name == "one implicit identity with two meanings" {
				text = strings.Replace(text, "        first_name: {mask: name.first}\n", "", 1)
			}
			if tc.name == "foreign key to rows that are left out" {
				from, to := strings.Index(text, "    - match: {component: db, table: public.customers}"), strings.Index(text, "    - match: {table: public.orders}")
				text = text[:from] + text[to:]
			}
			if tc.old != "" && !strings.Contains(text, tc.old) {
				t.Fatalf("the policy has no %q", tc.old)
			}
			text = strings.Replace(text, tc.old, tc.new, 1)
			catalogue := shop()
			if tc.edit != nil {
				tc.edit(&catalogue)
			}
			_, err := mask.Compile(parsePolicy(t, text), []mask.ComponentSchema{{Name: "db", Catalogue: catalogue}}, deps())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v\nwant %s", err, tc.want)
			}
			if fault.ClassOf(err) != fault.Permanent || fault.HintOf(err) == "" {
				t.Errorf("class %s, hint %q", fault.ClassOf(err), fault.HintOf(err))
			}
		})
	}
}

func TestCompileAccepts(t *testing.T) {
	for name, tc := range map[string]struct {
		old, new string
		edit     func(*dataservice.Catalogue)
	}{
		"a unique index over lower(email)": {edit: func(c *dataservice.Catalogue) {
			c.Objects[0].Indexes = []dataservice.Index{{Name: "email_idx", Unique: true, Define: "CREATE UNIQUE INDEX email_idx ON public.customers USING btree (lower((email)::text))"}}
		}},
		"a name in a key that is unique without it": {edit: func(c *dataservice.Catalogue) {
			c.Objects[0].Constraints = append(c.Objects[0].Constraints, dataservice.Constraint{Name: "both", Kind: "unique", Columns: []string{"id", "first_name"}})
		}},
		"a foreign key that becomes NULL": {old: "customer_id: {identity: customer.id}", new: "customer_id: {drop: {}}",
			edit: func(c *dataservice.Catalogue) { c.Objects[1].Column("customer_id").Nullable = true }},
		"columns that on_unknown covers": {old: "- match: {table: public.orders}\n      columns:\n        id: {identity: order.id}",
			new: "- match: {table: public.orders}\n      on_unknown: redact\n      columns:\n        id: {identity: order.id}",
			edit: func(c *dataservice.Catalogue) {
				c.Objects[1].Columns = append(c.Objects[1].Columns, dataservice.Column{Name: "more", Base: "text", Nullable: true})
			}},
	} {
		t.Run(name, func(t *testing.T) {
			catalogue := shop()
			if tc.edit != nil {
				tc.edit(&catalogue)
			}
			policy := parsePolicy(t, strings.Replace(shopPolicy, tc.old, tc.new, 1))
			if _, err := mask.Compile(policy, []mask.ComponentSchema{{Name: "db", Catalogue: catalogue}}, deps()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestUnclassifiedColumnsAreReportedWithoutValues(t *testing.T) {
	catalogue := shop()
	o := &catalogue.Objects[1]
	o.Columns = append(o.Columns,
		dataservice.Column{Name: "phone_number", Type: "text", Base: "text"}, dataservice.Column{Name: "total", Type: "numeric(12,2)", Base: "numeric"})
	catalogue.Objects = append(catalogue.Objects, dataservice.Object{ID: "public.new", Schema: "public", Name: "new", Kind: "table",
		Columns: []dataservice.Column{{Name: "userEmail", Type: "character varying(80)", Base: "varchar", Length: 80}}})
	_, err := mask.Compile(parsePolicy(t, shopPolicy), []mask.ComponentSchema{{Name: "db", Catalogue: catalogue}}, deps())
	var unclassified *mask.UnclassifiedError
	if !errors.As(err, &unclassified) || fault.CodeOf(err) != "mask.unclassified" || fault.ClassOf(err) != fault.Permanent {
		t.Fatalf("got %v", err)
	}
	report, err := unclassified.JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "unclassified.json", string(report))
	golden(t, "unclassified-patch.yaml", string(unclassified.Patch()))
}

func TestPatchIsAPolicyOfTablesWithOddNames(t *testing.T) {
	items := []mask.Unclassified{
		{Component: "db", Object: `crm."Contact ""Log"`, Column: "Mail", Type: "text", Suggested: "email"},
		{Component: "db", Object: "public.plain", Column: "qty", Type: "integer"},
		{Component: "db", Object: "public.plain", Column: "doc", Path: "$.mail", Type: "string", Suggested: "email"},
	}
	patch := string((&mask.UnclassifiedError{Items: items}).Patch())
	golden(t, "unclassified-patch-odd.yaml", patch)
	_, rules, _ := strings.Cut(patch, "rules:\n")
	head, _, _ := strings.Cut(shopPolicy, "  rules:\n")
	parsePolicy(t, head+"  rules:\n"+rules)
}

func TestExactRuleBeatsPattern(t *testing.T) {
	text := shopPolicy + `
    - match: {table: "public.*"}
      columns:
        email: {const: nobody}
        notes: {"null": {}}
`
	p := compile(t, text, mask.ComponentSchema{Name: "db", Catalogue: shop()})
	for _, c := range p.Statement().Components[0].Tables[0].Columns {
		if c.Column == "email" && c.Identity != "person.email" {
			t.Errorf("got %+v", c)
		}
	}
}

func TestSequencesOfPermutedKeysStartBehindTheDomain(t *testing.T) {
	s := compileShop(t).Catalogue("db").Sequences[0]
	if s.Last != 1<<30-1 || !s.Called {
		t.Errorf("got %+v", s)
	}
	if original := shop().Sequences[0]; original.Last != 1000 {
		t.Errorf("the given catalogue was changed: %+v", original)
	}
}

func TestFingerprintFollowsTheStructureAlone(t *testing.T) {
	base := fingerprint(t, shop())
	rows := shop()
	rows.Objects[0].Rows, rows.Sequences[0].Last = 77, 99
	if fingerprint(t, rows) != base {
		t.Error("it depends on the number of rows or the position of a sequence")
	}
	for name, change := range map[string]func(*dataservice.Catalogue){
		"type":        func(c *dataservice.Catalogue) { c.Objects[0].Columns[1].Length = 121 },
		"nullability": func(c *dataservice.Catalogue) { c.Objects[0].Columns[2].Nullable = false },
		"key":         func(c *dataservice.Catalogue) { c.Objects[0].Constraints = c.Objects[0].Constraints[:1] },
		"label":       func(c *dataservice.Catalogue) { c.Objects[0].Columns[9].Enum = []string{"gold"} },
	} {
		changed := shop()
		change(&changed)
		if fingerprint(t, changed) == base {
			t.Errorf("it does not depend on %s", name)
		}
	}
}

func fingerprint(t *testing.T, c dataservice.Catalogue) string {
	t.Helper()
	d, err := mask.Fingerprint(c)
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}
