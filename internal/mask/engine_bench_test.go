package mask_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/mask"
)

// wideTable is a table of customers with 17 columns of the usual kinds.
func wideTable() dataservice.Catalogue {
	o := dataservice.Object{ID: "public.customers", Schema: "public", Name: "customers", Kind: "table", Rows: 1_000_000}
	for _, c := range [][2]string{{"id", "int8"}, {"ext_id", "uuid"}, {"first_name", "varchar"}, {"last_name", "varchar"}, {"email", "varchar"},
		{"phone", "varchar"}, {"ssn", "bpchar"}, {"card_no", "varchar"}, {"iban", "varchar"}, {"street", "text"}, {"city", "text"}, {"zip", "varchar"},
		{"birth_date", "date"}, {"created_at", "timestamptz"}, {"balance", "numeric"}, {"profile", "jsonb"}, {"notes", "text"}} {
		o.Columns = append(o.Columns, dataservice.Column{Name: c[0], Type: c[1], Base: c[1], Nullable: c[0] != "id" && c[0] != "email"})
	}
	o.Constraints = []dataservice.Constraint{
		{Name: "customers_pkey", Kind: "primary", Columns: []string{"id"}},
		{Name: "customers_ext_id_key", Kind: "unique", Columns: []string{"ext_id"}},
		{Name: "customers_email_key", Kind: "unique", Columns: []string{"email"}},
	}
	return dataservice.Catalogue{Engine: "postgresql", Objects: []dataservice.Object{o}}
}

const widePolicy = `
kind: MaskingPolicy
metadata: {name: wide}
spec:
  keys: [{epoch: 1, fromFile: mask-1.key}]
  identities:
    customer.id: {mask: id.int, max: 4503599627370495}
    person.email: {mask: email}
    person.phone: {mask: phone}
    person.first: {mask: name.first}
    person.last: {mask: name.last}
  rules:
    - match: {table: public.customers}
      subject: {column: id, identity: customer.id}
      columns:
        id: {identity: customer.id}
        ext_id: {mask: id.uuid}
        first_name: {identity: person.first}
        last_name: {identity: person.last}
        email: {identity: person.email}
        phone: {identity: person.phone, region: US}
        ssn: {mask: text}
        card_no: {mask: card}
        iban: {mask: text}
        street: {mask: text}
        city: {keep: {reason: "a city is no person", reviewedBy: "dpo@example.org"}}
        zip: {mask: text}
        birth_date: {mask: date}
        created_at: {mask: date}
        balance: {keep: {reason: "a sum is no person", reviewedBy: "dpo@example.org"}}
        profile:
          mask: json
          paths:
            "$.email": {identity: person.email}
            "$.phones[*]": {identity: person.phone, region: DE}
            "$.address.street": {mask: text}
            "$.address.geo[*]": {const: 0}
            "$.tags[*]": {keep: {reason: "a short list", reviewedBy: "dpo@example.org"}}
            "$.score": {keep: {reason: "a sum", reviewedBy: "dpo@example.org"}}
        notes: {mask: text}
`

// wideRows makes n rows of about 500 bytes.
func wideRows(n int) string {
	first := []string{"James", "Mary", "José", "Zoë", "Иван", "李", "O'Neil"}
	last := []string{"Smith", "Müller", "van der Berg", "Петров", "O'Brien", "Garcia"}
	var b strings.Builder
	for g := 1; g <= n; g++ {
		h := int(uint32(g*2654435761)) & 0x7fffffff
		f, l := first[h%len(first)], last[h/7%len(last)]
		phone := fmt.Sprintf("+1-%d-%d-%04d", 200+h%800, 200+h/7%800, h/13%10000)
		if g%20 == 0 {
			phone = `\N`
		}
		tail := fmt.Sprintf(` re: invoice %d \\\\ no action.`, h)
		if g%7 == 0 {
			tail = fmt.Sprintf(`\nasked to update card\t4%015d`, h)
		}
		fmt.Fprintf(&b, "%d\t%08x-0000-4000-8000-%012x\t%s\t%s\t%s%d@acme-corp.com\t%s\t%03d-%02d-%04d\t4%015d\tDE%02d%018d\t%d %s Street, Apt %d\tBerlin\t%05d\t"+
			"%04d-%02d-%02d\t2015-%02d-%02d 10:11:12+00\t%d.%02d\t"+
			`{"tags": ["vip", "t%d"], "email": "user%d@private.example", "score": %d, "phones": ["+49 30 %d"], "address": {"geo": [%d.5, %d.75], "street": "%d Main"}}`+
			"\tCustomer %s %s called on 2020-01-01 from %d-555-%04d%s\n",
			g, h, g, f, l, "user", g, phone, 1+h%898, 1+h/3%99, 1+h/11%9999, h, h%97, h, 1+h%9999, l, h%300, h%100000,
			1940+h%60, 1+h%12, 1+h%28, 1+h%12, 1+h%28, h%1000000, h%100,
			h%50, g, h%1000, h%9000000+1000000, h%180, h%90, h%999, f, l, 200+h%800, h%10000, tail)
	}
	return b.String()
}

func BenchmarkEngine(b *testing.B) {
	const n = 20_000
	p := compile(b, widePolicy, mask.ComponentSchema{Name: "db", Driver: "postgres", Catalogue: wideTable()})
	u := dataservice.Unit{ID: "data", Format: dataservice.CopyText, Object: "public.customers"}
	for _, c := range wideTable().Objects[0].Columns {
		u.Columns = append(u.Columns, c.Name)
	}
	up := unit(b, p, u)
	in := wideRows(n)
	reader := strings.NewReader(in)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(in)
		if _, err := up.Run(context.Background(), reader, io.Discard, mask.RunOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
}

func TestManyRowsAreMaskedWithoutAllocations(t *testing.T) {
	p := compile(t, widePolicy, mask.ComponentSchema{Name: "db", Driver: "postgres", Catalogue: wideTable()})
	u := dataservice.Unit{ID: "data", Format: dataservice.CopyText, Object: "public.customers"}
	for _, c := range wideTable().Objects[0].Columns {
		u.Columns = append(u.Columns, c.Name)
	}
	up := unit(t, p, u)
	in := []byte(wideRows(20_000))
	reader := bytes.NewReader(in)
	perRun := testing.AllocsPerRun(2, func() {
		reader.Reset(in)
		if _, err := up.Run(context.Background(), reader, io.Discard, mask.RunOptions{}); err != nil {
			t.Fatal(err)
		}
	})
	if perRun > 500 {
		t.Errorf("%.0f allocations for 20,000 rows", perRun)
	}
}
