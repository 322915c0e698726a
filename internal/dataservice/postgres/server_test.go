package postgres

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/postgres/pgserver"
	"github.com/tranship/tranship/internal/fault"
)

//go:embed testdata/hostile.sql
var hostile string

var (
	server     *pgserver.Server
	startError error
	startOnce  sync.Once
)

func TestMain(m *testing.M) {
	code := m.Run()
	if server != nil {
		server.Stop()
	}
	os.Exit(code)
}

// running returns the server of this package's tests.
func running(t *testing.T) *pgserver.Server {
	t.Helper()
	startOnce.Do(func() {
		server, startError = pgserver.Start(context.Background(), pgserver.Config{Volatile: true})
	})
	if startError != nil {
		t.Fatal(startError)
	}
	return server
}

var databases atomic.Int64

// newName is the name of a database that does not exist.
func newName() string { return fmt.Sprintf(`db %d"x`, databases.Add(1)) }

// newDatabase makes a database from a script and returns its name.
func newDatabase(t *testing.T, script string) string {
	t.Helper()
	name := newName()
	if err := running(t).CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := server.Exec(t.Context(), name, script); err != nil {
		t.Fatal(err)
	}
	return name
}

// deps resolve a reference to itself: {"fromTest": "<dsn>"}.
var deps = dataservice.Deps{
	Secret: func(_ context.Context, ref json.RawMessage) (string, error) {
		var r struct{ FromTest string }
		err := json.Unmarshal(ref, &r)
		return r.FromTest, err
	},
}

func configFor(dsn string) json.RawMessage {
	ref, _ := json.Marshal(map[string]string{"fromTest": dsn})
	config, _ := json.Marshal(map[string]json.RawMessage{"dsn": ref})
	return config
}

// databaseOf is the name of the database that a configuration leads to.
func databaseOf(t *testing.T, config json.RawMessage) string {
	t.Helper()
	var c struct{ DSN struct{ FromTest string } }
	if err := json.Unmarshal(config, &c); err != nil {
		t.Fatal(err)
	}
	parsed, err := pgx.ParseConfig(c.DSN.FromTest)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Database
}

// session opens a session of the test's own.
func session(t *testing.T, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), running(t).DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// like lists the databases whose names begin in the same way.
func like(t *testing.T, prefix string) []string {
	t.Helper()
	rows, err := session(t, "postgres").Query(t.Context(), "SELECT datname FROM pg_database WHERE starts_with(datname, $1) ORDER BY 1", prefix)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// dumpOf is a whole database as pg_dump writes it.
func dumpOf(t *testing.T, database string, args ...string) string {
	t.Helper()
	bin, err := pgserver.FindBin()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "pg_dump"), append(args, "--dbname", running(t).DSN(database))...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	lines := strings.Split(string(out), "\n")
	kept := lines[:0]
	for _, l := range lines {
		if !strings.HasPrefix(l, `\restrict `) && !strings.HasPrefix(l, `\unrestrict `) {
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, "\n")
}

func digestOf(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

func codeOf(err error) string { return fault.CodeOf(err) }

func sortedLines(s string) string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d: want %.200q, got %.200q", i+1, w[i], g[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// openDir is a folder that the server's user can come to, also when the test runs as root.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "pg")
}
