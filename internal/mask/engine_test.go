package mask_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/masktest"
)

// shop is a database with a customer, her orders and a log in partitions.
func shop() dataservice.Catalogue {
	column := func(name, typ, base string, more ...func(*dataservice.Column)) dataservice.Column {
		c := dataservice.Column{Name: name, Type: typ, Base: base, Nullable: true}
		for _, f := range more {
			f(&c)
		}
		return c
	}
	notNull := func(c *dataservice.Column) { c.Nullable = false }
	generated := func(c *dataservice.Column) { c.Generated = true }
	length := func(n int) func(*dataservice.Column) { return func(c *dataservice.Column) { c.Length = n } }
	return dataservice.Catalogue{Engine: "postgresql", Version: "17", Name: "shop", Objects: []dataservice.Object{
		{
			ID: "public.customers", Schema: "public", Name: "customers", Kind: "table", Rows: 1000,
			Columns: []dataservice.Column{
				column("id", "integer", "int4", notNull), column("email", "character varying(120)", "varchar", notNull, length(120)),
				column("first_name", "text", "text"), column("born", "date", "date"), column("card", "text", "text"),
				column("profile", "jsonb", "jsonb"), column("notes", "text", "text"), column("active", "boolean", "bool", notNull),
				column("label", "text", "text", generated),
				column("tier", "public.tier", "tier", func(c *dataservice.Column) { c.Enum = []string{"gold", "silver"} }),
			},
			Constraints: []dataservice.Constraint{
				{Name: "customers_pkey", Kind: "primary", Columns: []string{"id"}, Define: "PRIMARY KEY (id)"},
				{Name: "customers_email_key", Kind: "unique", Columns: []string{"email"}, Define: "UNIQUE (email)"},
			},
		},
		{
			ID: "public.orders", Schema: "public", Name: "orders", Kind: "table", Rows: 5000,
			Columns: []dataservice.Column{column("id", "bigint", "int8", notNull), column("customer_id", "integer", "int4", notNull), column("customer_email", "text", "text")},
			Constraints: []dataservice.Constraint{
				{Name: "orders_pkey", Kind: "primary", Columns: []string{"id"}, Define: "PRIMARY KEY (id)"},
				{Name: "orders_customer_fkey", Kind: "foreign", Columns: []string{"customer_id"}, RefObject: "public.customers", RefColumns: []string{"id"}},
			},
		},
		{
			ID: "public.log", Schema: "public", Name: "log", Kind: "partitioned", PartitionKey: []string{"day"},
			Columns: []dataservice.Column{column("day", "date", "date", notNull), column("who", "text", "text")},
		},
		{
			ID: "public.log_2026", Schema: "public", Name: "log_2026", Kind: "partition", Parent: "public.log",
			Columns: []dataservice.Column{column("who", "text", "text"), column("day", "date", "date", notNull)},
		},
		{ID: "public.report", Schema: "public", Name: "report", Kind: "view", Columns: []dataservice.Column{column("email", "text", "text")}},
	}, Sequences: []dataservice.Sequence{{ID: "public.customers_id_seq", Type: "integer", Last: 1000, OwnedBy: "public.customers.id", Column: "id"}}}
}

const shopPolicy = `
kind: MaskingPolicy
metadata: {name: shop-pii}
spec:
  keys: [{epoch: 1, fromFile: mask-1.key}]
  identities:
    customer.id: {mask: id.int}
    order.id: {mask: id.int, max: 9007199254740991}
    person.email: {mask: email}
  rules:
    - match: {component: db, table: public.customers}
      subject: {column: id, identity: customer.id}
      columns:
        id: {identity: customer.id}
        email: {identity: person.email}
        first_name: {mask: name.first}
        born: {mask: date}
        card: {mask: card}
        profile:
          mask: json
          paths:
            "$.email": {identity: person.email}
            "$.tags[*]": {keep: {reason: "a short list of words", reviewedBy: "dpo@example.org"}}
            "$.score": {const: 7}
        notes: {mask: text}
        active: {keep: {reason: "a flag", reviewedBy: "dpo@example.org", expires: 2030-12-31}}
        tier: {const: silver}
    - match: {table: public.orders}
      columns:
        id: {identity: order.id}
        customer_id: {identity: customer.id}
        customer_email: {identity: person.email}
    - match: {table: "public.lo*"}
      columns:
        day: {keep: {reason: "no person", reviewedBy: "dpo@example.org"}}
        who: {"null": {}}
`

// parsePolicy decodes a policy and puts defaults.
func parsePolicy(t testing.TB, text string) *api.MaskingPolicy {
	t.Helper()
	text = strings.Replace(strings.TrimSpace(text), "kind:", "apiVersion: "+api.Version+"\nkind:", 1)
	resources, err := api.Decode(strings.NewReader(text), "policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return resources[0].(*api.MaskingPolicy)
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func deps() mask.CompileDeps {
	return mask.CompileDeps{Masks: masks(), Epoch: masktest.Epoch(1), Now: now}
}

func compile(t testing.TB, policy string, components ...mask.ComponentSchema) *mask.Program {
	t.Helper()
	p, err := mask.Compile(parsePolicy(t, policy), components, deps())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func compileShop(t testing.TB) *mask.Program {
	t.Helper()
	return compile(t, shopPolicy, mask.ComponentSchema{Name: "db", Driver: "postgres", Catalogue: shop()})
}

var customerUnit = dataservice.Unit{ID: "data-0001", Kind: "data", Format: dataservice.CopyText, Object: "public.customers",
	Columns: []string{"id", "email", "first_name", "born", "card", "profile", "notes", "active", "tier"}}

func unit(t testing.TB, p *mask.Program, u dataservice.Unit) *mask.UnitProgram {
	t.Helper()
	up, err := p.Unit("db", u)
	if err != nil {
		t.Fatal(err)
	}
	return up
}

func run(t testing.TB, up *mask.UnitProgram, in string, workers int) (string, mask.UnitReport) {
	t.Helper()
	var out bytes.Buffer
	report, err := up.Run(context.Background(), strings.NewReader(in), &out, mask.RunOptions{Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), report
}

func customerRow(i int) string {
	return fmt.Sprintf("%d\tUser%d@Acme.com\tMary\t1980-02-%02d\t4111111111111111\t"+
		`{"email": "user%d@acme.com", "tags": ["vip"], "score": %d}`+"\tline one\\nline %d\tt\tgold\n", i, i, 1+i%28, i, i, i)
}

func TestEngineMasksRowsAsThePolicySays(t *testing.T) {
	p := compileShop(t)
	in := customerRow(1) + "2\t\t\\N\t\\N\tnot a card\t\\N\ta\\tb\\\\c\tf\t\\N\n"
	out, report := run(t, unit(t, p, customerUnit), in, 1)
	rows := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(rows) != 2 {
		t.Fatalf("got %d rows: %q", len(rows), out)
	}
	first, second := strings.Split(rows[0], "\t"), strings.Split(rows[1], "\t")
	for _, raw := range []string{"Acme", "Mary", "4111111111111111", "line", "vip-not", "gold"} {
		if strings.Contains(out, raw) {
			t.Errorf("the output has %q in it: %s", raw, out)
		}
	}
	if first[6] != `xxxxxxxx\nxxxxxx` || second[6] != `xxxxx` {
		t.Errorf("notes became %q and %q", first[6], second[6])
	}
	if first[7] != "t" || second[7] != "f" || first[8] != "silver" || second[8] != `\N` {
		t.Errorf("kept and constant columns became %q, %q", first[7:], second[7:])
	}
	if second[1] != "" || second[2] != `\N` || second[3] != `\N` || second[4] != "xxxxxxxxxx" {
		t.Errorf("empty, NULL and invalid cells became %q", second)
	}
	var profile struct {
		Email string
		Tags  []string
		Score int
	}
	if err := json.Unmarshal([]byte(first[5]), &profile); err != nil {
		t.Fatal(err)
	}
	if profile.Email != first[1] || profile.Tags[0] != "vip" || profile.Score != 7 {
		t.Errorf("profile became %+v, want the e-mail address of the column: %s", profile, first[1])
	}
	orders := dataservice.Unit{ID: "o", Format: dataservice.CopyText, Object: "public.orders", Columns: []string{"id", "customer_id", "customer_email"}}
	order, _ := run(t, unit(t, p, orders), "9\t1\tuser1@acme.com\n", 1)
	if fields := strings.Split(strings.TrimSpace(order), "\t"); fields[1] != first[0] || fields[2] != first[1] {
		t.Errorf("an order became %q, which does not belong to customer %q", fields, first[:2])
	}
	card := report.Columns[4]
	if report.Rows != 2 || card.Invalid != 1 || card.Redacted != 1 || report.Columns[2].NullsIn != 1 || report.Columns[1].Empty != 1 {
		t.Errorf("the report counts %+v", report)
	}
}

func TestOutputDoesNotDependOnWorkers(t *testing.T) {
	p := compileShop(t)
	var in strings.Builder
	for i := range 30_000 {
		in.WriteString(customerRow(i + 1))
	}
	up := unit(t, p, customerUnit)
	one, reportOne := run(t, up, in.String(), 1)
	eight, reportEight := run(t, up, in.String(), 8)
	if one != eight {
		t.Error("1 and 8 workers give different bytes")
	}
	if fmt.Sprint(reportOne) != fmt.Sprint(reportEight) {
		t.Errorf("1 and 8 workers count differently:\n%+v\n%+v", reportOne, reportEight)
	}
	if again, _ := run(t, unit(t, compileShop(t), customerUnit), in.String(), 2); again != one {
		t.Error("a program that was compiled again gives different bytes")
	}
}

func TestPartitionsFollowTheirTable(t *testing.T) {
	p := compileShop(t)
	out, _ := run(t, unit(t, p, dataservice.Unit{ID: "l", Format: dataservice.CopyText, Object: "public.log_2026", Columns: []string{"who", "day"}}), "Mary\t2026-01-01\n", 1)
	if out != "\\N\t2026-01-01\n" {
		t.Errorf("got %q", out)
	}
}

func TestUnitsBeyondTheCatalogueAreRefused(t *testing.T) {
	p := compileShop(t)
	for name, u := range map[string]dataservice.Unit{
		"unknown object":  {ID: "x", Format: dataservice.CopyText, Object: "public.extra", Columns: []string{"a"}},
		"unknown column":  {ID: "x", Format: dataservice.CopyText, Object: "public.orders", Columns: []string{"id", "extra"}},
		"generated":       {ID: "x", Format: dataservice.CopyText, Object: "public.customers", Columns: []string{"id", "label"}},
		"without subject": {ID: "x", Format: dataservice.CopyText, Object: "public.customers", Columns: []string{"email"}},
		"no columns":      {ID: "x", Format: dataservice.CopyText, Object: "public.orders"},
		"a view":          {ID: "x", Format: dataservice.CopyText, Object: "public.report", Columns: []string{"email"}},
		"other format":    {ID: "x", Format: "bson", Object: "public.orders"},
	} {
		if _, err := p.Unit("db", u); !fault.Is(err, fault.Permanent) {
			t.Errorf("%s: %v, want a permanent error", name, err)
		}
	}
	if _, err := p.Unit("other", customerUnit); !fault.Is(err, fault.Permanent) {
		t.Errorf("unknown component: %v", err)
	}
}

func TestErrorsNameThePlaceAndNoValue(t *testing.T) {
	up := unit(t, compileShop(t), customerUnit)
	good := customerRow(1)
	secret := "Geheim4711"
	for name, tc := range map[string]struct{ row, want string }{
		"too few columns": {secret + "\n", "public.customers, row 2: the row has 1 cells, and the table 9 columns"},
		"cut escape":      {strings.Replace(customerRow(2), "line one", secret+`\`+"\t", 1), "row 2"},
		"no newline":      {strings.TrimSuffix(customerRow(2), "\n") + secret, "the stream was cut"},
		"outside domain":  {strings.Replace(customerRow(2), "2\t", "-4711\t", 1), "public.customers.id, row 2: "},
	} {
		for _, workers := range []int{1, 3} {
			_, err := up.Run(context.Background(), strings.NewReader(good+tc.row), &bytes.Buffer{}, mask.RunOptions{Workers: workers})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %v, want %q", name, err, tc.want)
			} else if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "4711") {
				t.Errorf("%s: the error has the value in it: %v", name, err)
			}
		}
	}
}

func TestPathsWithoutARuleStopTheUnitAndAreAllNamed(t *testing.T) {
	up := unit(t, compileShop(t), customerUnit)
	in := strings.Replace(customerRow(1), `"score"`, `"phone": "0170 123", "score"`, 1) + customerRow(2) + strings.Replace(customerRow(3), `"tags"`, `"iban": "DE1", "tags"`, 1)
	for _, workers := range []int{1, 4} {
		var out bytes.Buffer
		_, err := up.Run(context.Background(), strings.NewReader(in), &out, mask.RunOptions{Workers: workers})
		items := mask.UnclassifiedIn(err)
		if len(items) != 2 || items[0].Path != "$.iban" || items[1].Path != "$.phone" || items[1].Component != "db" || items[1].Object != "public.customers" {
			t.Errorf("got %+v, %v", items, err)
		}
		if items != nil && items[1].Suggested != "phone" {
			t.Errorf("for $.phone the report suggests %q", items[1].Suggested)
		}
		if fault.CodeOf(err) != "mask.unclassified" || fault.ClassOf(err) != fault.Permanent || out.Len() > 0 {
			t.Errorf("class %s, code %s, %d bytes written", fault.ClassOf(err), fault.CodeOf(err), out.Len())
		}
	}
}

func TestRunStopsWhenItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, workers := range []int{1, 4} {
		_, err := unit(t, compileShop(t), customerUnit).Run(ctx, strings.NewReader(customerRow(1)), &bytes.Buffer{}, mask.RunOptions{Workers: workers})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%d workers: %v", workers, err)
		}
	}
}

func TestRowsBeyondTheLimitAreRefused(t *testing.T) {
	up := unit(t, compileShop(t), customerUnit)
	in := customerRow(1) + strings.Replace(customerRow(2), "line one", strings.Repeat("y", 3<<20), 1)
	var out bytes.Buffer
	if _, err := up.Run(context.Background(), strings.NewReader(in), &out, mask.RunOptions{MaxRow: 2 << 20}); fault.CodeOf(err) != "mask.row-size" {
		t.Errorf("got %v", err)
	}
	if masked, _ := run(t, up, in, 1); strings.Count(masked, "x") < 3<<20 || strings.Contains(masked, "y") && strings.Contains(masked, "yyyy") {
		t.Error("a row of 3 MiB was not crossed out")
	}
}

// Whatever comes in: no crash, as many rows and cells as before, NULL where NULL was kept, and bytes that do not depend on
// workers.
func FuzzRows(f *testing.F) {
	f.Add([]byte(customerRow(1)))
	f.Add([]byte("1\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\n"))
	f.Add([]byte("1\ta@b\t\\x4\t\\0\t\\\\\t{\"email\":1}\t\\b\t\\\t\\N\n\n"))
	f.Add([]byte("2\t\xff@\xfe\t\xc3\x28\t0000-00-00\t4 1\t[[[[\t\r\tt\tgold\n"))
	up := unit(f, compileShop(f), customerUnit)
	f.Fuzz(func(t *testing.T, in []byte) {
		var one, four bytes.Buffer
		_, err := up.Run(context.Background(), bytes.NewReader(in), &one, mask.RunOptions{})
		_, errFour := up.Run(context.Background(), bytes.NewReader(in), &four, mask.RunOptions{Workers: 4})
		if (err == nil) != (errFour == nil) {
			t.Fatalf("1 worker: %v, 4 workers: %v", err, errFour)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(one.Bytes(), four.Bytes()) {
			t.Fatal("1 and 4 workers give different bytes")
		}
		if bytes.Count(one.Bytes(), []byte("\n")) != bytes.Count(in, []byte("\n")) {
			t.Fatal("the number of rows changed")
		}
		for i, row := range bytes.Split(bytes.TrimSuffix(one.Bytes(), []byte("\n")), []byte("\n")) {
			if len(in) > 0 && bytes.Count(row, []byte("\t")) != len(customerUnit.Columns)-1 {
				t.Fatalf("row %d has another number of cells: %q", i+1, row)
			}
		}
	})
}
