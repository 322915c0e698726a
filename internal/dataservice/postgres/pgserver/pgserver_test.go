package pgserver_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tranship/tranship/internal/dataservice/postgres/pgserver"
)

// openDir is a folder that the server's user can come to, also when the test runs as root.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "pg")
}

func TestServerKeepsItsDataBetweenStarts(t *testing.T) {
	ctx := t.Context()
	config := pgserver.Config{Dir: openDir(t), Volatile: true}
	first, err := pgserver.Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Stop()
	if err := first.CreateDatabase(ctx, `odd "name"`); err != nil {
		t.Fatal(err)
	}
	first.Stop()
	if conn, err := pgx.Connect(ctx, first.DSN("postgres")); err == nil {
		_ = conn.Close(ctx)
		t.Fatal("the server answers after Stop")
	}

	second, err := pgserver.Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Stop()
	for _, dsn := range []string{second.DSN(`odd "name"`), second.SocketDSN(`odd "name"`)} {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close(ctx)
	}
}
