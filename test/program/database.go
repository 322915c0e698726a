package program

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tranship/tranship/internal/demo"
)

// Connect connects to a database of the world until the test ends.
func Connect(t *testing.T, w *demo.World, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.Postgres.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// Fill makes a database and runs a script in it.
func Fill(t *testing.T, w *demo.World, database, script string) {
	t.Helper()
	if err := w.Postgres.CreateDatabase(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	if err := w.Postgres.Exec(t.Context(), database, script); err != nil {
		t.Fatal(err)
	}
}

// Number returns the one number that a query asks for.
func Number(t *testing.T, conn *pgx.Conn, query string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// Exists reports whether the server has a database whose name is like a pattern.
func Exists(t *testing.T, w *demo.World, pattern string) bool {
	t.Helper()
	return Number(t, Connect(t, w, "postgres"), "SELECT count(*) FROM pg_database WHERE datname LIKE $1", pattern) > 0
}

// Content is a digest of each table's rows, whatever their order.
type Content map[string]string

// ContentOf digests all tables of a database.
func ContentOf(t *testing.T, w *demo.World, database string) Content {
	t.Helper()
	conn := Connect(t, w, database)
	rows, err := conn.Query(t.Context(), `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	content := Content{}
	for _, table := range tables {
		var digest string
		// A sum over two independent hashes of every row: swapping, losing or doubling a row changes it.
		query := fmt.Sprintf(`SELECT count(*) || '/' || coalesce(sum(hashtextextended(r::text, 0)::numeric), 0) || '/' || coalesce(sum(hashtextextended(r::text, 1)::numeric), 0) FROM %s r`, table)
		if err := conn.QueryRow(t.Context(), query).Scan(&digest); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		content[table] = digest
	}
	return content
}

// Same fails the test unless both contents are the same.
func Same(t *testing.T, want, got Content) {
	t.Helper()
	if len(want) == 0 || !maps.Equal(want, got) {
		t.Errorf("the contents differ:\nwant %v\n got %v", want, got)
	}
}
