package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tranship/tranship/internal/demo"
	"github.com/tranship/tranship/test/program"
)

// How many rows the shop has.
const (
	customers = 3000
	orders    = 9000
)

const shopSchema = `
CREATE SEQUENCE tickets START 4711;
CREATE TABLE customers (
	id int PRIMARY KEY, email varchar(120) NOT NULL UNIQUE, full_name text NOT NULL, phone varchar(30), born date, card varchar(19),
	tier text NOT NULL, profile jsonb, joined timestamptz NOT NULL
);
CREATE TABLE orders (
	id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, contact varchar(120) NOT NULL, total numeric(10,2) NOT NULL, note text
);
CREATE INDEX orders_by_customer ON orders (customer_id);
INSERT INTO customers SELECT i, 'person' || i || '@mail.shop-customers.net', 'Wilhelmina Featherstone', '+49 30 9012' || lpad(i::text, 4, '0'),
	DATE '1960-01-01' + i, '4539578763621486', 'gold', jsonb_build_object('mail', 'person' || i || '@mail.shop-customers.net', 'score', i), now()
	FROM generate_series(1, 3000) i;
INSERT INTO orders SELECT i, 1 + i % 3000, 'person' || (1 + i % 3000) || '@mail.shop-customers.net', i * 1.5, 'Featherstone called twice' FROM generate_series(1, 9000) i;
SELECT nextval('tickets');
`

const shopMasking = `apiVersion: tranship.io/v1alpha1
kind: MaskingPolicy
metadata: {name: shop-pii}
spec:
  keys: [{epoch: 1, fromFile: mask-1.key}]
  identities:
    person.email: {mask: email}
    customer.id: {mask: id.int}
  rules:
    - match: {component: db, table: public.customers}
      subject: {column: id, identity: customer.id}
      columns:
        id: {identity: customer.id}
        email: {identity: person.email}
        full_name: {mask: name.full}
        phone: {mask: phone, region: DE}
        born: {mask: date}
        card: {mask: card}
        tier: {keep: {reason: one of three words, reviewedBy: dpo@example.org}}
        profile: {mask: json, paths: {"$.mail": {identity: person.email}, "$.score": {keep: {reason: a number, reviewedBy: dpo@example.org}}}}
        joined: {mask: date}
    - match: {component: db, table: public.orders}
      columns:
        id: {mask: id.int}
        customer_id: {identity: customer.id}
        contact: {identity: person.email}
        total: {keep: {reason: an amount, reviewedBy: dpo@example.org}}
        note: {mask: text}
    - match: {component: invoices, path: "*.txt"}
      keep: {reason: letters without names, reviewedBy: dpo@example.org}
    - match: {component: invoices, path: "**/*.pdf"}
      drop: {}
`

// newShop starts a world with a filled shop.
func newShop(t *testing.T) *demo.World {
	t.Helper()
	w := program.World(t, demo.Config{Masking: shopMasking, Maskers: 1, Lanes: []string{"raw", "canceled", "late", "unknown"}})
	program.Fill(t, w, demo.SourceDatabase, shopSchema)
	for name, text := range map[string]string{"terms.txt": "Terms of the shop\n", "2026/10/1.pdf": "%PDF Wilhelmina Featherstone"} {
		path := filepath.Join(w.Invoices, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// laneOf is a policy that sends the shop through all stages in a lane.
func laneOf(w *demo.World, lane string) string {
	return w.Lane(lane) + fmt.Sprintf(`---
apiVersion: tranship.io/v1alpha1
kind: Policy
metadata: {name: %[1]s}
spec:
  applications: {names: [%[2]s]}
  steps:
    - capture: {to: vault-%[1]s}
    - mask: {policy: %[3]s, to: masked-%[1]s}
    - transfer: {to: test-cloud-%[1]s}
    - restore: {to: {accepts: masked, components: [{name: db, postgres: {dsn: {fromFile: %[1]s.dsn}}}, {name: invoices, files: {path: %[4]q}}]}}
    - verify: {}
`, lane, demo.Application, demo.MaskingPolicy, filepath.Join(w.Dir, "clone", lane))
}
