// Command clone measures a copy of a database through two stages and an S3 store, proven at the end, beside pg_dump piped
// into psql: the same database, on the same server, one after the other.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tranship/tranship/bench/customers"
	"github.com/tranship/tranship/bench/usage"
	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/dataservice/postgres/pgserver"
	"github.com/tranship/tranship/internal/demo"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/internal/secret"
)

const policies = `---
apiVersion: tranship.io/v1alpha1
kind: Policy
metadata: {name: migrate}
spec:
  applications: {names: [shop]}
  steps:
    - capture: {to: vault}
    - restore: {profile: migrate, to: {accepts: raw, components: [{name: db, postgres: {dsn: {fromFile: raw.dsn}}}]}}
    - verify: {checks: [rows]}
`

func main() {
	n := flag.Int("n", 200_000, "`number` of customers")
	binary := flag.String("binary", "bin/tranship", "the `program`")
	flag.Parse()
	if err := run(context.Background(), *n, *binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, n int, binary string) error {
	dir, err := os.MkdirTemp("", "tranship-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	masking, err := os.ReadFile(customers.Policy)
	if err != nil {
		return err
	}
	w, err := demo.New(ctx, demo.Config{Binary: binary, Dir: dir, Masking: string(masking), NoFiles: true, Raw: true, Lanes: []string{"raw"}})
	if err != nil {
		return err
	}
	defer w.Close()
	if err := customers.Fill(ctx, w.Postgres, demo.SourceDatabase, n); err != nil {
		return err
	}
	token, err := os.ReadFile(w.TokenFile)
	if err != nil {
		return err
	}
	c, err := client.New(client.Config{BaseURL: w.Server, Token: secret.NewValue(strings.TrimSpace(string(token)))}, client.Deps{})
	if err != nil {
		return err
	}
	if _, err := c.Apply(ctx, []byte(w.Resources+policies), false); err != nil {
		return err
	}
	peer, err := timed(func() error { return pipe(ctx, w) })
	if err != nil {
		return err
	}
	fmt.Printf("pg_dump | psql                                     wall %5.1f s, %5.1f CPU-s\n", peer.wall.Seconds(), peer.cpu.Seconds())
	for _, policy := range []struct{ name, what string }{
		{"migrate", "capture → restore → verify"}, {demo.Policy, "capture → mask → transfer → restore → verify"},
	} {
		before, err := perProcess(w)
		if err != nil {
			return err
		}
		ours, err := timed(func() error { return follow(ctx, c, policy.name) })
		if err != nil {
			return err
		}
		after, err := perProcess(w)
		if err != nil {
			return err
		}
		for _, p := range w.Processes {
			fmt.Printf("  %-10s %5.1f CPU-s\n", p.Name, (after[p.Name] - before[p.Name]).Seconds())
		}
		fmt.Printf("%-50s wall %5.1f s, %5.1f CPU-s; %.2f × the wall and %.2f × the CPU of pg_dump | psql\n", policy.what, ours.wall.Seconds(), ours.cpu.Seconds(),
			ours.wall.Seconds()/peer.wall.Seconds(), ours.cpu.Seconds()/peer.cpu.Seconds())
	}
	return nil
}

// cost is what something took, with the servers' share.
type cost struct{ wall, cpu time.Duration }

func timed(f func() error) (cost, error) {
	before, err := usage.CPU()
	if err != nil {
		return cost{}, err
	}
	start := time.Now()
	if err := f(); err != nil {
		return cost{}, err
	}
	wall := time.Since(start)
	after, err := usage.CPU()
	return cost{wall: wall, cpu: after - before}, err
}

// perProcess returns what each process of the program has had. The rest of a cost is that of PostgreSQL and the S3 stores.
func perProcess(w *demo.World) (map[string]time.Duration, error) {
	all := map[string]time.Duration{}
	for _, p := range w.Processes {
		cpu, err := usage.CPUBelow(p.PID())
		if err != nil {
			return nil, err
		}
		all[p.Name] = cpu
	}
	return all, nil
}

func pipe(ctx context.Context, w *demo.World) error {
	bin, err := pgserver.FindBin()
	if err != nil {
		return err
	}
	const target = "peer"
	if err := w.Postgres.CreateDatabase(ctx, target); err != nil {
		return err
	}
	dump := exec.CommandContext(ctx, filepath.Join(bin, "pg_dump"), w.Postgres.SocketDSN(demo.SourceDatabase))
	psql := exec.CommandContext(ctx, filepath.Join(bin, "psql"), "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", w.Postgres.SocketDSN(target))
	if psql.Stdin, err = dump.StdoutPipe(); err != nil {
		return err
	}
	dump.Stderr, psql.Stderr = os.Stderr, os.Stderr
	if err := errors.Join(dump.Start(), psql.Start()); err != nil {
		return err
	}
	return errors.Join(psql.Wait(), dump.Wait())
}

func follow(ctx context.Context, c *client.Client, policy string) error {
	started, err := c.StartRun(ctx, client.RunRequest{Policy: policy})
	if err != nil {
		return err
	}
	for _, err := range c.Events(ctx, started.Run, client.EventsOptions{}) {
		if err != nil {
			return err
		}
	}
	run, err := c.Run(ctx, started.Run)
	if err != nil {
		return err
	}
	if run.Status != saga.RunCompleted {
		return fmt.Errorf("run %s of policy %s ended as %s: %+v", run.Run, policy, run.Status, run.Failure)
	}
	for _, st := range run.Steps {
		fmt.Printf("  %-10s %5.1f s\n", st.Name, st.FinishedAt.Sub(st.StartedAt).Seconds())
	}
	return nil
}
