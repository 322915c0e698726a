package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/copytext"
	"github.com/tranship/tranship/internal/dataservice/postgres/pgserver"
	"github.com/tranship/tranship/internal/fault"
)

func TestDSNs(t *testing.T) {
	for _, dsn := range []string{
		`postgres://u:p%26w@db.example:5433/shop?sslmode=verify-full&sslrootcert=system`,
		`host=db.example port=5433 user = u password='p&w' dbname=shop sslmode=verify-full sslrootcert=system`,
	} {
		e, err := parseDSN(dsn)
		if err != nil {
			t.Fatal(err)
		}
		env := e.environment()
		for _, want := range []string{"PGHOST=db.example", "PGPORT=5433", "PGUSER=u", "PGDATABASE=shop", "PGSSLMODE=verify-full", "PGSSLROOTCERT=system"} {
			if !slices.Contains(env, want) {
				t.Errorf("%s: the environment has no %s: %q", dsn, want, env)
			}
		}
		if strings.Contains(strings.Join(env, " "), "p&w") {
			t.Errorf("%s: the environment has the password", dsn)
		}
		f, err := e.passfile()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil || string(b) != "*:*:*:*:p&w\n" {
			t.Errorf("the password file is %q, %v", b, err)
		}
		if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the password file has mode %v, %v", info.Mode(), err)
		}
		if _, err := os.Stat(f.Name()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the password file has a name: %v", err)
		}
		_ = f.Close()
		if got := e.String(); got != "database shop on db.example:5433" {
			t.Errorf("the endpoint is %q", got)
		}
		err = e.scrub(fault.New(fault.Denied, "c", "tried %s and p&w", dsn).WithHint("h"))
		if strings.Contains(err.Error(), "p&w") || strings.Contains(err.Error(), dsn) || !fault.Is(err, fault.Denied) || fault.CodeOf(err) != "c" || fault.HintOf(err) != "h" {
			t.Errorf("scrubbed: %v", err)
		}
	}
}

func TestConfigurationsAreRefusedWithTheirPath(t *testing.T) {
	for config, want := range map[string]string{
		`{}`: "dsn: a reference", `{"dns": {}}`: `unknown field "dns"`, `{"dsn": {"fromTest": "mysql://h"}}`: "dsn: not a PostgreSQL URL",
		`{"dsn": {"fromTest": ""}}`: "dsn: not", `[]`: "configuration",
	} {
		_, err := Spec.Source(t.Context(), json.RawMessage(config), 1, deps)
		if !fault.Is(err, fault.Permanent) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v (%s), want %q", config, err, fault.ClassOf(err), want)
		}
	}
	missing := deps
	missing.Secret = func(_ context.Context, _ json.RawMessage) (string, error) {
		return "", fault.New(fault.NotFound, "secret.missing", "no such secret")
	}
	if _, err := Spec.Target(t.Context(), json.RawMessage(`{"dsn": {}}`), dataservice.Restoring{Run: "r"}, missing); !fault.Is(err, fault.NotFound) || !strings.HasPrefix(err.Error(), "dsn: ") {
		t.Errorf("a secret that is not there: %v", err)
	}
}

func TestNamesOfSandboxesFitAndDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, final := range []string{"shop", strings.Repeat("x", 63), strings.Repeat("ü", 31), strings.Repeat("x", 62) + "y"} {
		for _, run := range []string{"1", "2"} {
			name := sandboxName(final, run)
			if len(name) > nameAtMost || seen[name] || name == final || strings.ContainsRune(name, '\uFFFD') {
				t.Errorf("the sandbox of %s in run %s is %q", final, run, name)
			}
			seen[name] = true
		}
	}
}

func TestNamesOfObjects(t *testing.T) {
	for _, names := range [][2]string{{"public", "customers"}, {"public", "user"}, {"Odd", "a.b"}, {`"`, `a"."b`}, {"ä", "1a"}, {"a b", ""}, {"x", "$a"}, {"_1$", "select"}} {
		id := objectID(names[0], names[1])
		sql, err := qualifiedID(id)
		if err != nil || sql != (pgx.Identifier{names[0], names[1]}).Sanitize() {
			t.Errorf("%q has the id %s, which is %s in SQL: %v", names, id, sql, err)
		}
	}
	if id := objectID("public", "customers"); id != "public.customers" {
		t.Errorf("the plain id is %s", id)
	}
	for _, id := range []string{"", "a", "a.", "a.b.c", `a."b`, "a b.c", "a;b.c", `"a"b.c`, "A.b", `"a".b"`} {
		if sql, err := qualifiedID(id); err == nil {
			t.Errorf("%q is read as %s", id, sql)
		}
	}
}

func TestRanges(t *testing.T) {
	const block, mib = 8192, 1 << 20
	for _, c := range []struct {
		total, heap, grain int64
		want               string
	}{
		{0, 0, 64 * mib, "[{0 0}]"},
		{64 * mib, 64 * mib, 64 * mib, "[{0 0}]"},
		{65 * mib, 65 * mib, 64 * mib, "[{0 4160} {4160 0}]"},
		{3 * block, 3 * block, block, "[{0 1} {1 2} {2 0}]"},
		{64 * mib, 2 * block, mib, "[{0 1} {1 0}]"}, // values out of line
		{5 * block, 5 * block, 2 * block, "[{0 2} {2 4} {4 0}]"},
	} {
		if got := fmt.Sprint(cut(c.total, c.heap, block, c.grain)); got != c.want {
			t.Errorf("%d bytes, %d in blocks, cut at %d: %s, want %s", c.total, c.heap, c.grain, got, c.want)
		}
	}
	if n := len(cut(1<<50, 1<<50, block, 64*mib)); n > rangesAtMost {
		t.Errorf("a huge table is %d units", n)
	}
}

func TestADumperOfTheServersVersionOrLaterIsNeeded(t *testing.T) {
	path, err := findDumper(t.Context(), oldest)
	if err != nil || path == "" {
		t.Fatalf("%q, %v", path, err)
	}
	if _, err := findDumper(t.Context(), 999); !fault.Is(err, fault.Permanent) || fault.HintOf(err) != "install the package postgresql-client-999" {
		t.Errorf("a server that is too new: %v, hint %q", err, fault.HintOf(err))
	}
}

func TestVersions(t *testing.T) {
	for version, want := range map[string]int{"15.18 (Debian 15.18-0+deb12u1)": 15, "17beta1": 17, "16": 16, "": 0} {
		if got := majorVersion(version); got != want {
			t.Errorf("%q has the major version %d, want %d", version, got, want)
		}
	}
}

func TestCellsMeanWhatTheServerMeans(t *testing.T) {
	ctx := t.Context()
	values := []string{"", `\N`, `\.`, "\\", "\t", "\n", "\r\n", "\b\f\v\x01\x7f", `\x41\101\n`, "ü😀", "a\tb\\\nc", `"quoted",''`, strings.Repeat("\\\t", 300_000)}
	name := newDatabase(t, "CREATE TABLE v (id integer, t text)")
	conn := session(t, name)
	var rows []byte
	for i, v := range values {
		rows = copytext.AppendRow(rows, [][]byte{fmt.Append(nil, i), copytext.Escape(nil, []byte(v))})
	}
	rows = copytext.AppendRow(rows, [][]byte{fmt.Append(nil, len(values)), []byte(copytext.Null)})
	if _, err := conn.PgConn().CopyFrom(ctx, strings.NewReader(string(rows)), "COPY v FROM STDIN"); err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		var same bool
		if err := conn.QueryRow(ctx, "SELECT t = $2 FROM v WHERE id = $1", i, v).Scan(&same); err != nil || !same {
			t.Errorf("the server reads value %d otherwise: %t, %v", i, same, err)
		}
	}
	var out strings.Builder
	if _, err := conn.PgConn().CopyTo(ctx, &out, "COPY (SELECT * FROM v ORDER BY id) TO STDOUT"); err != nil {
		t.Fatal(err)
	}
	if out.String() != string(rows) {
		t.Errorf("the server writes other text: %s", firstDifference(string(rows), out.String()))
	}
	r := copytext.NewReader(strings.NewReader(out.String()), 0)
	for i := 0; i <= len(values); i++ {
		row, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		value, null, err := copytext.Unescape(nil, copytext.Fields(row, nil)[1])
		if err != nil || null != (i == len(values)) || !null && string(value) != values[i] {
			t.Errorf("value %d is read as %.100q, null %t, %v", i, value, null, err)
		}
	}
}

func TestWhyADatabaseCannotBeReachedIsSaidOnce(t *testing.T) {
	for name, tc := range map[string]struct{ dsn, want string }{
		"refused": {"postgres://u:p@127.0.0.1:1/shop", "connection refused"},
		"unknown": {running(t).DSN("no such database"), "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := parseDSN(strings.ReplaceAll(tc.dsn, "sslmode=disable", "sslmode=prefer"))
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = e.pinned(t.Context(), "test")
			if err == nil || strings.Count(err.Error(), tc.want) != 1 || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAStandbyIsRefused(t *testing.T) {
	ctx := t.Context()
	dir := openDir(t)
	first, err := pgserver.Start(ctx, pgserver.Config{Dir: dir, Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	first.Stop()
	if err := os.WriteFile(dir+"/data/standby.signal", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	standby, err := pgserver.Start(ctx, pgserver.Config{Dir: dir, Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	defer standby.Stop()
	_, err = opened(t, configFor(standby.DSN("postgres"))).Plan(ctx)
	if !fault.Is(err, fault.Permanent) || fault.CodeOf(err) != "postgres.standby" {
		t.Errorf("a standby: %v", err)
	}
}
