// Command masking measures what masking a table of customers costs: the engine alone, from a file of COPY text to nowhere.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"github.com/tranship/tranship/bench/customers"
	"github.com/tranship/tranship/bench/usage"
	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/postgres"
	"github.com/tranship/tranship/internal/dataservice/postgres/pgserver"
	"github.com/tranship/tranship/internal/mask"
	maskall "github.com/tranship/tranship/internal/mask/all"
)

func main() {
	n := flag.Int("n", 200_000, "`number` of customers")
	profile := flag.String("profile", "", "`file` for a CPU profile of the masking")
	flag.Parse()
	if err := run(context.Background(), *n, *profile); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, n int, profile string) (err error) {
	dir, err := os.MkdirTemp("", "tranship-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	server, err := pgserver.Start(ctx, pgserver.Config{Volatile: true})
	if err != nil {
		return err
	}
	defer server.Stop()
	if err := customers.Fill(ctx, server, "shop", n); err != nil {
		return err
	}
	captured, err := capture(ctx, server.DSN("shop"), dir)
	if err != nil {
		return err
	}
	program, err := compile(captured.catalogue)
	if err != nil {
		return err
	}
	if profile != "" {
		out, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, out.Close()) }()
		if err := pprof.StartCPUProfile(out); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	return measure(ctx, program, captured)
}

// captured is the table customers as the driver captures it.
type captured struct {
	catalogue dataservice.Catalogue
	units     []dataservice.Unit
	files     []string
	bytes     int64
}

// stream takes what a source captures. How many rows there are is counted later, by the masking.
type stream struct{ io.Writer }

func (stream) AddRows(int64) {}

func capture(ctx context.Context, dsn, dir string) (c captured, err error) {
	config, err := json.Marshal(map[string]any{"dsn": map[string]string{"fromFile": "dsn"}})
	if err != nil {
		return c, err
	}
	source, err := postgres.Spec.Source(ctx, config, 1, dataservice.Deps{
		Secret: func(context.Context, json.RawMessage) (string, error) { return dsn, nil },
		Logf:   func(string, ...any) {},
	})
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	plan, err := source.Plan(ctx)
	if err != nil {
		return c, err
	}
	c.catalogue = plan.Catalogue
	for _, u := range plan.Units {
		if u.Object != "public.customers" || u.Format != dataservice.CopyText {
			continue
		}
		path := filepath.Join(dir, fmt.Sprintf("unit-%d", len(c.files)))
		file, err := os.Create(path)
		if err != nil {
			return c, err
		}
		_, err = source.Capture(ctx, u, stream{file})
		size, sizeErr := file.Seek(0, io.SeekEnd)
		if err := errors.Join(err, sizeErr, file.Close()); err != nil {
			return c, err
		}
		c.units, c.files, c.bytes = append(c.units, u), append(c.files, path), c.bytes+size
	}
	return c, nil
}

func compile(catalogue dataservice.Catalogue) (*mask.Program, error) {
	text, err := os.ReadFile(customers.Policy)
	if err != nil {
		return nil, err
	}
	resources, err := api.Decode(bytes.NewReader(text), customers.Policy)
	if err != nil {
		return nil, err
	}
	policy, ok := resources[0].(*api.MaskingPolicy)
	if !ok {
		return nil, fmt.Errorf("%s holds no MaskingPolicy", customers.Policy)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	epoch, err := mask.NewEpoch(api.DefaultTenant, 1, key)
	if err != nil {
		return nil, err
	}
	return mask.Compile(policy, []mask.ComponentSchema{{Name: "db", Driver: "postgres", Catalogue: catalogue}},
		mask.CompileDeps{Masks: maskall.Masks(), Epoch: epoch, Now: time.Now()})
}

func measure(ctx context.Context, program *mask.Program, c captured) error {
	before, err := usage.CPU()
	if err != nil {
		return err
	}
	start := time.Now()
	var rows int64
	for i, u := range c.units {
		unit, err := program.Unit("db", u)
		if err != nil {
			return err
		}
		in, err := os.Open(c.files[i])
		if err != nil {
			return err
		}
		_, err = unit.Run(ctx, in, io.Discard, mask.RunOptions{Progress: func(n int64) { rows += n }})
		if err := errors.Join(err, in.Close()); err != nil {
			return err
		}
	}
	wall := time.Since(start)
	after, err := usage.CPU()
	if err != nil {
		return err
	}
	rss, err := usage.PeakRSS()
	if err != nil {
		return err
	}
	cpu := (after - before).Seconds()
	fmt.Printf("masking    %d rows of 17 columns, %.1f MB: %.1f CPU-s, %.1f CPU-s per million rows, %.1f MB per CPU-s, wall %.1f s, peak RSS %.0f MiB\n",
		rows, float64(c.bytes)/1e6, cpu, cpu/float64(rows)*1e6, float64(c.bytes)/1e6/cpu, wall.Seconds(), float64(rss)/(1<<20))
	return nil
}
