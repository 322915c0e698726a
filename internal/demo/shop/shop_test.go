package shop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/all"
	"github.com/tranship/tranship/internal/dataservice/postgres/pgserver"
	"github.com/tranship/tranship/internal/demo/shop"
	"github.com/tranship/tranship/internal/mask"
	masks "github.com/tranship/tranship/internal/mask/all"
)

var server *pgserver.Server

func TestMain(m *testing.M) {
	var err error
	if server, err = pgserver.Start(context.Background(), pgserver.Config{Volatile: true}); err != nil {
		panic(err)
	}
	code := m.Run()
	server.Stop()
	os.Exit(code)
}

// made makes a shop in a database of its own.
func made(t *testing.T, name string, size shop.Size) *pgx.Conn {
	t.Helper()
	ctx := t.Context()
	must(t, server.CreateDatabase(ctx, name))
	conn, err := pgx.Connect(ctx, server.DSN(name))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	must(t, shop.Create(ctx, conn, size, nil))
	return conn
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, conn *pgx.Conn, query string) int {
	t.Helper()
	var n int
	must(t, conn.QueryRow(t.Context(), query).Scan(&n))
	return n
}

func TestTheShopHasItsSize(t *testing.T) {
	conn := made(t, "sized", shop.Small)
	for query, want := range map[string]int{
		"SELECT count(*) FROM customers":              shop.Small.Customers,
		"SELECT count(*) FROM orders":                 shop.Small.Orders,
		"SELECT count(*) FROM payments":               shop.Small.Payments,
		"SELECT count(*) FROM support_notes":          shop.Small.Notes,
		"SELECT count(DISTINCT tableoid) FROM orders": 3,
		"SELECT count(*) FROM (SELECT created_at, lag(created_at) OVER (ORDER BY id) AS before FROM customers) c WHERE created_at <= before": 0,
		"SELECT count(*) FROM payments p JOIN customers c ON c.id = p.customer_id WHERE holder <> first_name || ' ' || last_name":            0,
		"SELECT count(*) FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.customer_id <> p.customer_id":                            0,
		"SELECT count(*) FROM customers WHERE email !~ '^[a-z0-9.-]+@[a-z0-9-]+[.][a-z]+$'":                                                  0,
		"SELECT nextval('orders_id_seq')": shop.Small.Orders + 1,
	} {
		if got := number(t, conn, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	if n := number(t, conn, "SELECT count(DISTINCT first_name || last_name) FROM customers"); n < shop.Small.Customers/2 {
		t.Errorf("%d customers have only %d names", shop.Small.Customers, n)
	}
}

func TestCardNumbersPassTheirCheck(t *testing.T) {
	conn := made(t, "cards", shop.Small)
	rows, err := conn.Query(t.Context(), "SELECT card FROM payments")
	must(t, err)
	cards, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	for _, card := range cards {
		sum := 0
		for i := range card {
			d := int(card[len(card)-1-i] - '0')
			if i%2 == 1 {
				if d *= 2; d > 9 {
					d -= 9
				}
			}
			sum += d
		}
		if len(card) != 16 || sum%10 != 0 {
			t.Fatalf("card %s does not pass", card)
		}
	}
	slices.Sort(cards)
	if n := len(slices.Compact(cards)); n < shop.Small.Customers/2 {
		t.Errorf("only %d different cards", n)
	}
}

func TestTheSameSizeIsTheSameShop(t *testing.T) {
	digest := func(name string) string {
		conn := made(t, name, shop.Small)
		var d string
		must(t, conn.QueryRow(t.Context(), `SELECT md5(string_agg(r, E'\n' ORDER BY r)) FROM (SELECT c::text FROM customers c UNION ALL SELECT o::text FROM orders o
			UNION ALL SELECT p::text FROM payments p UNION ALL SELECT s::text FROM support_notes s) AS every(r)`).Scan(&d))
		return d
	}
	if a, b := digest("first"), digest("second"); a != b {
		t.Error("two shops of one size differ")
	}
}

func TestAShopThatCannotBeMadeLeavesNothing(t *testing.T) {
	conn := made(t, "twice", shop.Small)
	if err := shop.Create(t.Context(), conn, shop.Small, nil); err == nil {
		t.Error("a second shop is made in one database")
	}
	if got := number(t, conn, "SELECT count(*) FROM customers"); got != shop.Small.Customers {
		t.Errorf("%d customers are left", got)
	}
	if err := shop.Create(t.Context(), conn, shop.Size{}, nil); err == nil {
		t.Error("a shop without customers is made")
	}
}

func TestSampleShowsWholeCustomersInTheOrderTheyCame(t *testing.T) {
	conn := made(t, "sample", shop.Small)
	list, err := shop.Sample(t.Context(), conn, 5)
	must(t, err)
	if len(list) != 5 {
		t.Fatalf("%d customers", len(list))
	}
	for _, c := range list {
		v := reflect.ValueOf(c)
		for i := range v.NumField() {
			if v.Field(i).String() == "" {
				t.Errorf("%s of customer %s is empty", v.Type().Field(i).Name, c.ID)
			}
		}
	}
	// Another id for everybody, as masking gives them, changes nothing but that.
	_, err = conn.Exec(t.Context(), `ALTER TABLE payments DROP CONSTRAINT payments_customer_id_fkey; ALTER TABLE support_notes DROP CONSTRAINT support_notes_customer_id_fkey;
		ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey;
		UPDATE customers SET id = 1000000 - id; UPDATE payments SET customer_id = 1000000 - customer_id; UPDATE support_notes SET customer_id = 1000000 - customer_id`)
	must(t, err)
	masked, err := shop.Sample(t.Context(), conn, 5)
	must(t, err)
	for i := range list {
		list[i].ID, masked[i].ID = "", ""
		if list[i] != masked[i] {
			t.Errorf("customer %d is another one: %+v, was %+v", i, masked[i], list[i])
		}
	}
}

func TestInvoicesAreFiledAndTheSameAgain(t *testing.T) {
	read := func() map[string]string {
		dir := t.TempDir()
		must(t, shop.Invoices(dir, 400))
		files := map[string]string{}
		must(t, fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(filepath.Join(dir, p))
			files[p] = string(b)
			return err
		}))
		return files
	}
	files := read()
	if len(files) != 402 {
		t.Errorf("%d files, want 400 invoices, a form and a README", len(files))
	}
	if !reflect.DeepEqual(files, read()) {
		t.Error("the invoices differ the second time")
	}
	filed := regexp.MustCompile(`^(202[3-5]/(0[1-9]|1[0-2])/invoice-\d{6}\.(txt|pdf)|README\.md|templates/invoice\.html)$`)
	pdfs := 0
	for p, content := range files {
		if !filed.MatchString(p) {
			t.Errorf("a file at %s", p)
		}
		if strings.HasSuffix(p, ".pdf") {
			pdfs++
			if !strings.HasPrefix(content, "%PDF-") || !strings.Contains(content, "\n%%EOF\n") {
				t.Errorf("%s is no PDF", p)
			}
		}
	}
	if pdfs < 50 {
		t.Errorf("%d PDFs", pdfs)
	}
}

// schemas captures the shop's components and returns what a policy is compiled against, with the sources left open.
func schemas(t *testing.T) (list []mask.ComponentSchema, sources map[string]dataservice.Source, plans map[string]dataservice.Plan) {
	t.Helper()
	made(t, "policy", shop.Small)
	dir := t.TempDir()
	must(t, shop.Invoices(dir, 60))
	sources, plans = map[string]dataservice.Source{}, map[string]dataservice.Plan{}
	deps := dataservice.Deps{Secret: func(context.Context, json.RawMessage) (string, error) { return server.DSN("policy"), nil }}
	for _, c := range []struct{ name, driver, config string }{
		{shop.Database, "postgres", `{"dsn": {"fromEnv": "TRANSHIP_SECRET_DSN"}}`},
		{shop.Files, "files", `{"path": "` + dir + `"}`},
	} {
		spec, err := all.Drivers().Get(c.driver)
		must(t, err)
		source, err := spec.Source(t.Context(), json.RawMessage(c.config), 1, deps)
		must(t, err)
		t.Cleanup(func() { _ = source.Close() })
		plan, err := source.Plan(t.Context())
		must(t, err)
		list = append(list, mask.ComponentSchema{Name: c.name, Driver: c.driver, Catalogue: plan.Catalogue})
		sources[c.name], plans[c.name] = source, plan
	}
	return list, sources, plans
}

func TestThePolicyClassifiesTheWholeShop(t *testing.T) {
	resources, err := api.Decode(strings.NewReader(shop.Policy()), "policy.yaml")
	must(t, err)
	policy, ok := resources[0].(*api.MaskingPolicy)
	if !ok || len(resources) != 1 {
		t.Fatalf("the policy holds %T", resources[0])
	}
	list, sources, plans := schemas(t)
	epoch, err := mask.NewEpoch("default", 1, []byte("0123456789abcdefghijklmnopqrstuv"))
	must(t, err)
	program, err := mask.Compile(policy, list, mask.CompileDeps{Masks: masks.Masks(), Epoch: epoch, Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	must(t, err)
	for _, w := range program.Warnings() {
		// The addresses are all in lower case.
		if w.Code != "folding" || w.Column != "email" {
			t.Errorf("warning: %s", w)
		}
	}
	kept := program.Catalogue(shop.Files).Objects
	var files []string
	for _, o := range kept {
		files = append(files, o.ID)
	}
	if got, want := strings.Join(files, " "), ". README.md templates templates/invoice.html"; got != want {
		t.Errorf("kept files: %s, want %s", got, want)
	}
	// Every row goes through: there is no value that a mask refuses, and none is crossed out because it could not be read.
	for component, plan := range plans {
		for _, u := range plan.Units {
			var raw, masked bytes.Buffer
			if _, err := sources[component].Capture(t.Context(), u, counted{&raw}); err != nil {
				t.Fatal(err)
			}
			unit, err := program.Unit(component, u)
			must(t, err)
			report, err := unit.Run(t.Context(), &raw, &masked, mask.RunOptions{Progress: func(int64) {}})
			if err != nil {
				t.Errorf("mask unit %s of %s: %v", u.ID, component, err)
			}
			for _, c := range report.Columns {
				if c.Invalid > 0 {
					t.Errorf("%d of %d values of %s.%s cannot be read by mask %s", c.Invalid, c.Rows, report.Object, c.Column, c.Mask)
				}
			}
			if strings.Contains(masked.String(), "nordpost-mail.de") {
				t.Errorf("unit %s of %s still has an address", u.ID, component)
			}
		}
	}
}

type counted struct{ *bytes.Buffer }

func (counted) AddRows(int64) {}
