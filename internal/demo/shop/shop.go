// Package shop makes the application that demonstrations and tests move: an online shop in a PostgreSQL database, and its
// invoices in a directory.
//
// Nothing in it is real. Everything follows from the numbers of the rows by arithmetic, so the same Size gives the same
// shop on every machine. The values look as those of production do: e-mail addresses are not under reserved domains, card
// numbers pass the Luhn check, notes name people in running text. Nobody is written to and nothing is charged.
package shop

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Size is the number of rows. Every number must be positive.
type Size struct {
	Customers int
	Orders    int
	Payments  int // at most Orders
	Notes     int
}

// Standard is the shop of the demonstration: about 270 MB in a database.
var Standard = Size{Customers: 200_000, Orders: 1_000_000, Payments: 300_000, Notes: 100_000}

// Small is a shop for tests.
var Small = Size{Customers: 500, Orders: 2000, Payments: 800, Notes: 300}

func (s Size) check() error {
	if s.Customers < 1 || s.Orders < 1 || s.Payments < 1 || s.Notes < 1 {
		return errors.New("a shop needs customers, orders, payments and notes")
	}
	if s.Payments > s.Orders {
		return errors.New("a shop has at most one payment for an order")
	}
	return nil
}

//go:embed schema.sql
var schema string

//go:embed keys.sql
var keys string

// Create fills an empty database, on the server itself. report, which may be nil, is told what has been made, in words.
// Nothing is left behind when it fails: the shop is made in one transaction.
func Create(ctx context.Context, conn *pgx.Conn, size Size, report func(what string)) error {
	if err := size.check(); err != nil {
		return err
	}
	if report == nil {
		report = func(string) {}
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("make the shop: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	for _, step := range []struct {
		what   string
		script string
	}{
		{"tables", schema + functions()},
		{fmt.Sprintf("%d customers", size.Customers), customers(size)},
		{fmt.Sprintf("%d orders", size.Orders), orders(size)},
		{fmt.Sprintf("%d payments", size.Payments), payments(size)},
		{fmt.Sprintf("%d support notes", size.Notes), notes(size)},
		{"keys, indexes, a view and a function", keys},
	} {
		if _, err := tx.Exec(ctx, step.script); err != nil {
			return fmt.Errorf("make the shop: %s: %w", step.what, err)
		}
		report(step.what)
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("make the shop: %w", err)
	}
	// Without statistics the first queries and estimates of rows would be far off. It cannot fail the shop.
	if _, err := conn.Exec(ctx, "ANALYZE public.customers, public.orders, public.payments, public.support_notes"); err != nil {
		return fmt.Errorf("analyze the shop: %w", err)
	}
	return nil
}

// functions are of the session only.
//
// The scripts mark with OFFSET 0 what the server must compute once, rather than at each place that uses it.
//
// h(i, s) is the arithmetic that stands in for chance: an even spread of numbers below 2³¹ for row i and purpose s. Squares
// keep the purposes apart, which a linear formula would not.
func functions() string {
	return `
CREATE FUNCTION pg_temp.h(i bigint, s int) RETURNS bigint IMMUTABLE LANGUAGE sql AS $$
	SELECT ((i * 48271 + s * 16807 + 1) % 2147483647) * ((i * 48271 + s * 16807 + 1) % 2147483647) % 2147483647 / 3 $$;
`
}

// pick is an expression for one of the words, by row and purpose.
func pick(row string, purpose int, words []string) string {
	return fmt.Sprintf("(%s)[1 + pg_temp.h(%s, %d) %% %d]", array(words), row, purpose, len(words))
}

func array(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + strings.ReplaceAll(w, "'", "''") + "'"
	}
	return "ARRAY[" + strings.Join(quoted, ",") + "]"
}

// Purposes keep the columns of a row apart.
const (
	ofFirst = iota + 1
	ofLast
	ofDomain
	ofPhone
	ofKind
	ofBirth
	ofTier
	ofStreet
	ofNumber
	ofCity
	ofMore
	ofFlag
	ofTime
	ofCustomer
	ofProduct
	ofStatus
	ofTotal
	ofCard
	ofCardEnd
	ofSubject
	ofCountry
)

func firstName(row string) string { return pick(row, ofFirst, firstNames) }
func lastName(row string) string  { return pick(row, ofLast, lastNames) }

// phone is an expression for a number of a German mobile or fixed line.
func phone(row string, purpose int) string {
	digits := func(n int) string {
		return fmt.Sprintf("lpad((pg_temp.h(%s, %d) %% 1%s)::text, %d, '0')", row, purpose, strings.Repeat("0", n), n)
	}
	return fmt.Sprintf("CASE pg_temp.h(%s, %d) %% 3 WHEN 0 THEN '+49 30 2' || %s ELSE '+49 151 ' || %s END", row, purpose+100, digits(7), digits(8))
}

func customers(s Size) string {
	return fmt.Sprintf(`
INSERT INTO public.customers (id, external_id, email, first_name, last_name, phone, born, country, tier, profile, created_at)
SELECT i, overlay(overlay(md5('customer ' || i) PLACING '4' FROM 13) PLACING 'a' FROM 17)::uuid,
	lower(translate(first || '.' || last, 'äöüéçñøåßıíÅ ''', 'aouecnoasiia-')) || i || '@' || %s,
	first, last, %s, date '1938-01-01' + (pg_temp.h(i, %d) %% 24800)::int, %s, %s,
	jsonb_build_object(
		'phones', CASE WHEN pg_temp.h(i, %d) %% 3 = 0 THEN jsonb_build_array(%s, %s) ELSE jsonb_build_array(%s) END,
		'newsletter', pg_temp.h(i, %d) %% 2 = 0,
		'language', %s,
		'addresses', jsonb_build_array(jsonb_build_object(
			'street', %s || ' ' || (1 + pg_temp.h(i, %d) %% 190), 'zip', lpad((1067 + pg_temp.h(i, %d) %% 98000)::text, 5, '0'), 'city', %s))),
	timestamptz '2019-01-07 08:00:00+00' + i * interval '617 seconds' + (pg_temp.h(i, %d) %% 600) * interval '1 second'
FROM (SELECT i, %s AS first, %s AS last FROM generate_series(1, %d::bigint) i OFFSET 0) numbered;
SELECT setval('public.customers_id_seq', %[19]d);
`,
		pick("i", ofDomain, domains), phone("i", ofPhone), ofBirth, pick("i", ofCountry, []string{"DE", "DE", "DE", "DE", "AT", "CH"}),
		pick("i", ofTier, []string{"basic", "basic", "basic", "plus", "business"}),
		ofKind, phone("i", ofPhone), phone("i", ofMore), phone("i", ofPhone), ofFlag, pick("i", ofFlag, []string{"de", "de", "en", "fr"}),
		pick("i", ofStreet, streets), ofNumber, ofNumber, pick("i", ofCity, cities), ofTime, firstName("i"), lastName("i"), s.Customers)
}

func orders(s Size) string {
	return fmt.Sprintf(`
INSERT INTO public.orders (id, customer_id, product_id, placed_on, status, total)
SELECT i, 1 + pg_temp.h(i, %d) %% %d, 1 + pg_temp.h(i, %d) %% 24, date '2023-01-01' + (i * 1095 / %d)::int, %s, (499 + pg_temp.h(i, %d) %% 24000) / 100.0
FROM generate_series(1, %[4]d::bigint) i;
SELECT setval('public.orders_id_seq', %[4]d);
`, ofCustomer, s.Customers, ofProduct, s.Orders, pick("i", ofStatus, []string{"delivered", "delivered", "delivered", "sent", "open", "returned"}), ofTotal)
}

// payments pays orders evenly spread over time, by cards of 16 digits with a right check digit.
func payments(s Size) string {
	return fmt.Sprintf(`
INSERT INTO public.payments (id, order_id, placed_on, customer_id, card, holder, amount, paid_at)
SELECT n, i, date '2023-01-01' + (i * 1095 / %[1]d)::int, customer, body || (10 - (%[2]s) %% 10) %% 10, first || ' ' || last,
	(499 + pg_temp.h(i, %[3]d) %% 24000) / 100.0, timestamptz '2023-01-01 00:00:00+00' + (i * 1095 / %[1]d) * interval '1 day' + (pg_temp.h(i, %[4]d) %% 86400) * interval '1 second'
FROM (
	SELECT n, i, customer, %[5]s AS first, %[6]s AS last,
		'4' || lpad((pg_temp.h(customer, %[7]d) %% 1000000000)::text, 9, '0') || lpad((pg_temp.h(customer, %[8]d) %% 100000)::text, 5, '0') AS body
	FROM (SELECT n, i, 1 + pg_temp.h(i, %[9]d) %% %[10]d AS customer FROM (SELECT n, n * %[1]d / %[11]d AS i FROM generate_series(1, %[11]d::bigint) n) paid OFFSET 0) placed OFFSET 0
) known;
SELECT setval('public.payments_id_seq', %[11]d);
`, s.Orders, luhnSum("body"), ofTotal, ofTime, firstName("customer"), lastName("customer"), ofCard, ofCardEnd, ofCustomer, s.Customers, s.Payments)
}

// luhnSum is an expression for the Luhn sum of 15 digits that a check digit follows.
func luhnSum(digits string) string {
	terms := make([]string, 15)
	for k := range terms {
		digit := fmt.Sprintf("substr(%s, %d, 1)", digits, k+1)
		if k%2 == 0 {
			digit = fmt.Sprintf("translate(%s, '0123456789', '0246813579')", digit) // doubled, and the digits of that added up
		}
		terms[k] = "ascii(" + digit + ")"
	}
	return strings.Join(terms, " + ") + fmt.Sprintf(" - %d", len(terms)*'0')
}

func notes(s Size) string {
	return fmt.Sprintf(`
INSERT INTO public.support_notes (id, customer_id, body, created_at)
SELECT i, customer, format(%s, first || ' ' || last, last, 100000 + i, phone), timestamptz '2023-01-02 09:00:00+00' + i * interval '13 minutes'
FROM (
	SELECT i, customer, %s AS first, %s AS last, %s AS phone
	FROM (SELECT i, 1 + pg_temp.h(i, %d) %% %d AS customer FROM generate_series(1, %d::bigint) i OFFSET 0) chosen OFFSET 0
) known;
SELECT setval('public.support_notes_id_seq', %[7]d);
`, pick("i", ofSubject, conversations), firstName("customer"), lastName("customer"), phone("customer", ofPhone), ofCustomer, s.Customers, s.Notes)
}
