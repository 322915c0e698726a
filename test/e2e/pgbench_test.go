package e2e_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/dataservice/postgres/pgserver"
	"github.com/tranship/tranship/internal/demo"
	"github.com/tranship/tranship/test/program"
)

// accountRows is what pgbench makes at scale 20.
const accountRows = 2_000_000

const pgbenchPolicies = `apiVersion: tranship.io/v1alpha1
kind: Policy
metadata: {name: migrate}
spec:
  applications: {names: [shop]}
  steps:
    - capture: {to: vault}
    - restore: {profile: migrate, to: {accepts: raw, components: [{name: db, postgres: {dsn: {fromFile: target.dsn}}}]}}
    - verify: {checks: [rows]}
`

func TestTwoMillionRowsComeBackAsPgDumpSeesThem(t *testing.T) {
	if testing.Short() {
		t.Skip("it moves two million rows")
	}
	bin, err := pgserver.FindBin()
	if err != nil {
		t.Fatal(err)
	}
	w := program.World(t, demo.Config{Masking: shopMasking, Maskers: 1, NoFiles: true, Raw: true})
	if err := w.Postgres.CreateDatabase(t.Context(), demo.SourceDatabase); err != nil {
		t.Fatal(err)
	}
	postgresClient(t, filepath.Join(bin, "pgbench"), "--initialize", "--scale=20", "--quiet", "--foreign-keys", "--init-steps=dtgpf", w.Postgres.SocketDSN(demo.SourceDatabase))
	postgresClient(t, filepath.Join(bin, "pgbench"), "--no-vacuum", "--transactions=500", w.Postgres.SocketDSN(demo.SourceDatabase)) // fills the history
	sh := program.NewShell(t, w)
	sh.Apply(t, "tranship.yaml", w.Resources)
	sh.Apply(t, "migrate.yaml", pgbenchPolicies)
	state := sh.Await(t, sh.Start(t, "migrate"))
	program.Completed(t, state)
	if rows := state.Step("restore").Stats.Rows; rows < accountRows {
		t.Errorf("%d rows were restored", rows)
	}
	source, target := dump(t, bin, w, demo.SourceDatabase), dump(t, bin, w, demo.TargetDatabase)
	if source != target {
		t.Errorf("pg_dump sees %+v at the source and %+v at the target", source, target)
	}
	if source.lines < accountRows {
		t.Errorf("pg_dump wrote %d lines", source.lines)
	}
}

// postgresClient runs a client program of PostgreSQL.
func postgresClient(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, out)
	}
}

// dumped describes what pg_dump writes. Ranges of a table are restored side by side, so the order of its rows in the heap,
// which is that of the dump, is not the source's: rows are added up, and everything else is taken in order.
type dumped struct {
	lines int
	rows  uint64 // sum over the digests of the rows, each with its table
	rest  uint64 // digest of everything else
}

func dump(t *testing.T, bin string, w *demo.World, database string) dumped {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "pg_dump"), "--restrict-key=tranship", "--dbname", w.Postgres.SocketDSN(database))
	if help, err := exec.CommandContext(ctx, filepath.Join(bin, "pg_dump"), "--help").Output(); err != nil || !strings.Contains(string(help), "--restrict-key") {
		cmd.Args = append(cmd.Args[:1], cmd.Args[2:]...)
	}
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d, err := digest(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("pg_dump: %v\n%s", err, problems.String())
	}
	return d
}

func digest(r io.Reader) (dumped, error) {
	var d dumped
	rest, row := fnv.New64a(), fnv.New64a()
	table := ""
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && err != io.EOF {
			return d, fmt.Errorf("read the dump: %w", err)
		}
		if len(line) == 0 {
			d.rest = rest.Sum64()
			return d, nil
		}
		d.lines++
		switch {
		case table == "":
			_, _ = rest.Write(line)
			if strings.HasPrefix(string(line), "COPY ") {
				table = string(line)
			}
		case string(line) == "\\.\n":
			table = ""
			_, _ = rest.Write(binary.LittleEndian.AppendUint64(nil, d.rows))
		default:
			row.Reset()
			_, _ = io.WriteString(row, table)
			_, _ = row.Write(line)
			d.rows += row.Sum64()
		}
	}
}
