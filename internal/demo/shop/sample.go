package shop

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Customer is what a reader of the demonstration is shown of one customer.
type Customer struct {
	ID     string
	Name   string
	Email  string
	Phone  string
	Born   string
	Street string
	Card   string // of the first payment
	Note   string // the first support note
}

// Sample returns the first customers who have a payment and a support note, by the time at which they came. That time is
// kept by the masking policy, so the n-th customer of a shop and of its masked clone are one customer, whatever their ids
// and names are there.
func Sample(ctx context.Context, conn *pgx.Conn, n int) ([]Customer, error) {
	rows, err := conn.Query(ctx, `
SELECT c.id::text, c.first_name || ' ' || c.last_name, c.email, coalesce(c.phone, ''), coalesce(c.born::text, ''),
	coalesce(c.profile #>> '{addresses,0,street}', ''), p.card, s.body
FROM public.customers c
	CROSS JOIN LATERAL (SELECT card FROM public.payments WHERE customer_id = c.id ORDER BY paid_at, amount LIMIT 1) p
	CROSS JOIN LATERAL (SELECT body FROM public.support_notes WHERE customer_id = c.id ORDER BY created_at LIMIT 1) s
ORDER BY c.created_at LIMIT $1`, n)
	if err != nil {
		return nil, fmt.Errorf("look at some customers: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Customer])
	if err != nil {
		return nil, fmt.Errorf("look at some customers: %w", err)
	}
	return list, nil
}
