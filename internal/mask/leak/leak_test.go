package leak_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/all"
	"github.com/tranship/tranship/internal/mask/leak"
	"github.com/tranship/tranship/internal/mask/masktest"
)

const policy = `
apiVersion: tranship.io/v1alpha1
kind: MaskingPolicy
metadata: {name: people}
spec:
  keys: [{epoch: 1, fromFile: mask-1.key}]
  identities:
    person.id: {mask: id.int}
    person.email: {mask: email}
  rules:
    - match: {table: public.people}
      subject: {column: id, identity: person.id}
      columns:
        id: {identity: person.id}
        token: {mask: id.uuid}
        email: {identity: person.email}
        first: {mask: name.first}
        phone: {mask: phone, region: DE}
        card: {mask: card}
        born: {mask: date}
        profile:
          mask: json
          paths:
            "$.mail": {identity: person.email}
            "$.nick": {mask: text}
            "$.plan": {keep: {reason: "one of three", reviewedBy: "dpo@example.org"}}
        notes: {mask: text}
        city: {keep: {reason: "no person", reviewedBy: "dpo@example.org"}}
`

var columns = []string{"id", "token", "email", "first", "phone", "card", "born", "profile", "notes", "city"}

// captures is a source with its masked form.
type captures struct {
	raw, masked []string // rows
}

func people(t testing.TB, n int) captures {
	t.Helper()
	types := map[string]string{"id": "int4", "token": "uuid", "born": "date", "profile": "jsonb"}
	o := dataservice.Object{ID: "public.people", Schema: "public", Name: "people", Kind: "table"}
	for _, c := range columns {
		base := types[c]
		if base == "" {
			base = "text"
		}
		o.Columns = append(o.Columns, dataservice.Column{Name: c, Type: base, Base: base, Nullable: true})
	}
	resources, err := api.Decode(strings.NewReader(policy), "policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := mask.Compile(resources[0].(*api.MaskingPolicy),
		[]mask.ComponentSchema{{Name: "db", Catalogue: dataservice.Catalogue{Objects: []dataservice.Object{o}}}},
		mask.CompileDeps{Masks: all.Masks(), Epoch: masktest.Epoch(1), Now: masktest.Now})
	if err != nil {
		t.Fatal(err)
	}
	up, err := p.Unit("db", unit())
	if err != nil {
		t.Fatal(err)
	}
	var raw strings.Builder
	names := []string{"Mary", "José", "Zoë", "Heinrich", "Wilhelmina", "Ngozi"}
	for i := range n {
		h := uint32(i+1) * 2654435761
		fmt.Fprintf(&raw, "%d\t%08x-1111-4222-8333-%012x\tUser.%d@acme-corp.com\t%s\t+49 170 %07d\t4%014d%d\t19%02d-%02d-%02d\t"+
			`{"mail": "user.%d@acme-corp.com", "nick": "Nick%d", "plan": "gold"}`+"\tcalled on\\tMonday %d\tBerlin\n",
			i+100_000, h, i, i, names[h%6], h%10_000_000, h, i%10, 30+h%60, 1+h%12, 1+h%28, i, h, h)
	}
	var masked bytes.Buffer
	if _, err := up.Run(t.Context(), strings.NewReader(raw.String()), &masked, mask.RunOptions{}); err != nil {
		t.Fatal(err)
	}
	return captures{raw: lines(raw.String()), masked: lines(masked.String())}
}

func lines(s string) []string { return strings.Split(strings.TrimSuffix(s, "\n"), "\n") }

func unit() dataservice.Unit {
	return dataservice.Unit{ID: "data-1", Format: dataservice.CopyText, Object: "public.people", Columns: columns, Rows: 1000}
}

func open(rows []string) leak.Open {
	return func(context.Context) (io.ReadCloser, error) {
		if len(rows) == 0 {
			return io.NopCloser(strings.NewReader("")), nil
		}
		return io.NopCloser(strings.NewReader(strings.Join(rows, "\n") + "\n")), nil
	}
}

func config(c captures) leak.Config {
	cfg := leak.Config{Units: []leak.Unit{{Component: "db", Unit: unit(), Raw: open(c.raw), Masked: open(c.masked)}}}
	masks := map[string]string{"id": "id.int", "token": "id.uuid", "email": "email", "first": "name.first", "phone": "phone", "card": "card",
		"born": "date", "profile": "json", "notes": "text"}
	for _, name := range columns {
		column := leak.Column{Component: "db", Object: "public.people", Column: name, Class: leak.ClassOf("mask", masks[name])}
		switch name {
		case "city":
			column.Class = leak.ClassOf("keep", "")
		case "id":
			column.Domain = 1 << 30
		case "profile":
			column.KeptPaths = []string{"$.plan"}
		}
		cfg.Columns = append(cfg.Columns, column)
	}
	return cfg
}

func scan(t testing.TB, cfg leak.Config) leak.Verdict {
	t.Helper()
	v, err := leak.Scan(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// edit replaces one cell of each masked row by what f returns.
func (c captures) edit(column string, f func(raw, masked []string, row int) string) captures {
	at := slices.Index(columns, column)
	out := captures{raw: c.raw}
	for i, row := range c.masked {
		raw, masked := strings.Split(c.raw[i], "\t"), strings.Split(row, "\t")
		masked[at] = f(raw, masked, i)
		out.masked = append(out.masked, strings.Join(masked, "\t"))
	}
	return out
}

func has(v leak.Verdict, kind, column string) bool {
	return slices.ContainsFunc(v.Findings, func(f leak.Finding) bool { return f.Kind == kind && f.Column == column && f.Fails })
}

func TestMaskedCapturePasses(t *testing.T) {
	v := scan(t, config(people(t, 3000)))
	if !v.Passed || v.Rows != 3000 {
		t.Errorf("got %+v", v)
	}
}

func TestColumnThatIsCopiedFails(t *testing.T) {
	c := people(t, 3000)
	for i, name := range columns[:len(columns)-1] {
		v := scan(t, config(c.edit(name, func(raw, _ []string, _ int) string { return raw[i] })))
		if v.Passed || !slices.ContainsFunc(v.Findings, func(f leak.Finding) bool { return f.Column == name && f.Fails }) {
			t.Errorf("%s was copied, and the verdict is %+v", name, v.Findings)
		}
	}
}

func TestFewRowsThatAreCopiedFail(t *testing.T) {
	c := people(t, 20)
	for i, name := range columns[:len(columns)-1] {
		if v := scan(t, config(c.edit(name, func(raw, _ []string, _ int) string { return raw[i] }))); v.Passed {
			t.Errorf("%s was copied in all of 20 rows, and the verdict is %+v", name, v)
		}
	}
}

func TestOneAddressOfTheSourceFailsWhereverItIs(t *testing.T) {
	c := people(t, 500)
	for name, text := range map[string]string{
		"notes":   "write to user.17@ACME-CORP.com, please",
		"first":   "user.17@acme-corp.com",
		"profile": `{"nick": "see <user.17@acme-corp.com>"}`,
		"token":   "00000000-0000-4000-8000-000000000001 user.17@acme-corp.com",
	} {
		v := scan(t, config(c.edit(name, func(_, masked []string, row int) string {
			if row == 300 {
				return text
			}
			return masked[slices.Index(columns, name)]
		})))
		if !has(v, leak.KindSource, name) || !has(v, leak.KindAddress, name) {
			t.Errorf("%s: %+v", name, v.Findings)
		}
	}
}

func TestIdentifiersOfOtherRowsFailOnlyBeyondChance(t *testing.T) {
	c := people(t, 2000)
	moved := func(n int) captures {
		return c.edit("id", func(_, masked []string, row int) string {
			if row < n {
				return strings.Split(c.raw[(row+1)%len(c.raw)], "\t")[0]
			}
			return masked[0]
		})
	}
	if v := scan(t, config(moved(1))); !v.Passed {
		t.Errorf("one key that is another row's: %+v", v.Findings)
	}
	if v := scan(t, config(moved(200))); !has(v, leak.KindSource, "id") {
		t.Errorf("200 keys that are other rows': %+v", v.Findings)
	}
}

func TestLongIdentifiersInTextFail(t *testing.T) {
	c := people(t, 500)
	v := scan(t, config(c.edit("notes", func(raw, masked []string, row int) string {
		if row < 3 {
			return "card " + raw[5][:4] + "-" + raw[5][4:] + " was charged"
		}
		return masked[8]
	})))
	if !has(v, leak.KindSource, "notes") {
		t.Errorf("got %+v", v.Findings)
	}
}

func TestValuesInKeptColumnsAreToldAndPass(t *testing.T) {
	v := scan(t, config(people(t, 100).edit("city", func(raw, _ []string, _ int) string { return raw[2] })))
	if !v.Passed || len(v.Findings) == 0 || v.Findings[0].Column != "city" {
		t.Errorf("got %+v", v)
	}
}

func TestCanariesFailInEveryStream(t *testing.T) {
	c := people(t, 50)
	canary := "CANARY-4711"
	for _, format := range []dataservice.Format{dataservice.SQL, dataservice.Tree} {
		cfg := config(c)
		cfg.Canaries = [][]byte{[]byte(canary)}
		cfg.Units = append(cfg.Units, leak.Unit{Component: "db", Unit: dataservice.Unit{ID: "other", Format: format},
			Masked: open([]string{strings.Repeat("a", 65_530) + canary})})
		if v := scan(t, cfg); v.Passed || v.Findings[0].Kind != leak.KindCanary {
			t.Errorf("%s: %+v", format, v.Findings)
		}
	}
	cfg := config(c.edit("city", func([]string, []string, int) string { return canary }))
	cfg.Canaries = [][]byte{[]byte(canary)}
	if v := scan(t, cfg); v.Passed {
		t.Error("a canary in a kept column passes")
	}
}

func TestDefinitionsWithAnAddressFail(t *testing.T) {
	cfg := config(people(t, 50))
	cfg.Units = append(cfg.Units, leak.Unit{Component: "db", Unit: dataservice.Unit{ID: "pre", Format: dataservice.SQL},
		Masked: open([]string{"CREATE TABLE t (mail text DEFAULT 'user.7@acme-corp.com');"})})
	if v := scan(t, cfg); v.Passed {
		t.Error("a default with an address of the source passes")
	}
}

func TestCapturesWithOtherRowsFail(t *testing.T) {
	c := people(t, 50)
	for name, masked := range map[string][]string{"fewer": c.masked[:49], "more": append(slices.Clone(c.masked), c.masked[0]), "none": nil} {
		v := scan(t, config(captures{raw: c.raw, masked: masked}))
		if v.Passed || v.Findings[0].Kind != leak.KindRows {
			t.Errorf("%s rows: %+v", name, v)
		}
	}
	dropped := config(captures{raw: c.raw})
	dropped.Units[0].Dropped = true
	if v := scan(t, dropped); !v.Passed {
		t.Errorf("a table whose rows are left out: %+v", v.Findings)
	}
}

func TestColumnsThatNobodyListedFail(t *testing.T) {
	cfg := config(people(t, 50))
	cfg.Columns = cfg.Columns[1:]
	if v := scan(t, cfg); !has(v, leak.KindUnlisted, "id") {
		t.Errorf("got %+v", v.Findings)
	}
}

func TestVerdictHoldsNoValuesAndDoesNotDependOnWorkers(t *testing.T) {
	c := people(t, 400).edit("email", func(raw, _ []string, _ int) string { return raw[2] })
	var verdicts []string
	for _, workers := range []int{1, 4} {
		cfg := config(c)
		cfg.Workers, cfg.Units = workers, nil
		for i := range 4 {
			u := unit()
			u.ID = fmt.Sprintf("data-%d", i)
			cfg.Units = append(cfg.Units, leak.Unit{Component: "db", Unit: u, Raw: open(c.raw[i*100 : (i+1)*100]), Masked: open(c.masked[i*100 : (i+1)*100])})
		}
		data, err := json.Marshal(scan(t, cfg))
		if err != nil {
			t.Fatal(err)
		}
		verdicts = append(verdicts, string(data))
	}
	if verdicts[0] != verdicts[1] {
		t.Errorf("1 and 4 workers judge differently:\n%s\n%s", verdicts[0], verdicts[1])
	}
	if strings.Contains(verdicts[0], "acme") {
		t.Errorf("the verdict has a value in it: %s", verdicts[0])
	}
}

func TestCutStreamsAreErrors(t *testing.T) {
	c := people(t, 10)
	cfg := config(c)
	cfg.Units[0].Masked = func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(strings.Join(c.masked, "\n"))), nil
	}
	if _, err := leak.Scan(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "cut") {
		t.Errorf("got %v", err)
	}
}
