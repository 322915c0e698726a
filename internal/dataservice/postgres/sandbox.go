package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
)

// sandbox is the sealed database of a run.
type sandbox struct {
	place   place
	workers int
	deps    dataservice.Deps
}

func openSandbox(ctx context.Context, raw json.RawMessage, r dataservice.Restoring, d dataservice.Deps) (dataservice.Sandbox, error) {
	p, err := openPlace(ctx, raw, r, d)
	if err != nil {
		return nil, err
	}
	return &sandbox{place: p, workers: max(1, r.Workers), deps: d}, nil
}

// Inspect reads the catalogue and measures every table that the component has rows of.
func (s *sandbox) Inspect(ctx context.Context, c dataservice.Component, key dataservice.MeasureKey) (dataservice.Findings, error) {
	f, err := s.inspect(ctx, c, key)
	return f, s.failed("inspect", err)
}

func (s *sandbox) inspect(ctx context.Context, c dataservice.Component, key dataservice.MeasureKey) (dataservice.Findings, error) {
	var none dataservice.Findings
	inside := s.place.endpoint.database(s.place.sandbox)
	open := &sessions{open: func(ctx context.Context) (*pgx.Conn, error) { return inside.reading(ctx, "inspect") }}
	defer open.close(ctx)
	conn, err := open.take(ctx)
	if err != nil {
		return none, err
	}
	catalogue, relations, err := readCatalogue(ctx, conn)
	if err != nil {
		hangUp(ctx, conn)
		return none, err
	}
	ranged := majorOf(conn) >= rangedFrom
	var block int64
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.current_setting('block_size')::int8").Scan(&block); err != nil {
		hangUp(ctx, conn)
		return none, fmt.Errorf("read the size of a block: %w", err)
	}
	open.put(ctx, conn)

	columns := map[string][]string{}
	for _, u := range c.Units {
		if u.Unit.Kind == kindData {
			columns[u.Unit.Object] = u.Unit.Columns
		}
	}
	var mu sync.Mutex
	measures := map[string]dataservice.Measure{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.workers)
	for i := range catalogue.Objects {
		o := &catalogue.Objects[i]
		if !holdsRows(o) {
			continue
		}
		names, captured := columns[o.ID]
		if !captured {
			names = capturedColumns(o)
		}
		if !hasColumns(o, names) {
			continue // no measure: the comparison says what is missing
		}
		ranges := []blocks{{}}
		if ranged {
			ranges = cut(o.Bytes, relations[o.ID].heap, block, rangeBytes)
		}
		for _, r := range ranges {
			group.Go(func() error {
				m, err := measure(ctx, open, copyOut(qualified(o.Schema, o.Name), names, r, ranged), key)
				if err != nil {
					return fmt.Errorf("measure %s: %w", o.ID, err)
				}
				mu.Lock()
				defer mu.Unlock()
				measures[o.ID] = measures[o.ID].Add(m)
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return none, err
	}
	return dataservice.Findings{Catalogue: catalogue, Measures: measures}, nil
}

func hasColumns(o *dataservice.Object, names []string) bool {
	for _, n := range names {
		if o.Column(n) == nil {
			return false
		}
	}
	return true
}

func measure(ctx context.Context, open *sessions, command string, key dataservice.MeasureKey) (dataservice.Measure, error) {
	conn, err := open.take(ctx)
	if err != nil {
		return dataservice.Measure{}, err
	}
	meter := dataservice.NewMeter(key)
	if _, err := conn.PgConn().CopyTo(ctx, meter, command); err != nil {
		hangUp(ctx, conn)
		return dataservice.Measure{}, err
	}
	open.put(ctx, conn)
	return meter.Measure()
}

// Publish renames the sealed database into its place and opens it, both in one transaction.
func (s *sandbox) Publish(ctx context.Context, _ dataservice.Component) error {
	return s.failed("publish", s.place.maintain(ctx, func(conn *pgx.Conn) error {
		final, err := lookUp(ctx, conn, s.place.final)
		if err != nil {
			return err
		}
		sealed, err := lookUp(ctx, conn, s.place.sandbox)
		if err != nil {
			return err
		}
		switch {
		case final.exists && final.run == s.place.run && !sealed.exists:
			return nil
		case final.exists:
			return s.place.exists()
		case !sealed.exists:
			return fault.New(fault.NotFound, "restore.gone", "there is no restored database to publish as %s", quoteIfNeeded(s.place.final))
		}
		return s.publish(ctx, conn)
	}))
}

func (s *sandbox) publish(ctx context.Context, conn *pgx.Conn) error {
	sealed, final := quote(s.place.sandbox), quote(s.place.final)
	// From here on no worker of the restore may write: Prepare refuses a marked database, and without the record of
	// progress nothing else begins.
	if err := run(ctx, conn, "COMMENT ON DATABASE "+sealed+" IS "+literal(marker+s.place.run)); err != nil {
		return fmt.Errorf("mark the database: %w", err)
	}
	if _, err := conn.Exec(ctx, "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = $1 AND usename = current_user", s.place.sandbox); err != nil {
		return fmt.Errorf("end the sessions in the sealed database: %w", err)
	}
	inside, err := s.place.endpoint.database(s.place.sandbox).connect(ctx, "publish")
	if err != nil {
		return err
	}
	if err = silence(ctx, inside); err == nil {
		err = run(ctx, inside, "DROP SCHEMA IF EXISTS tranship CASCADE")
	}
	hangUp(ctx, inside)
	if err != nil {
		return fmt.Errorf("drop the progress of the restore: %w", err)
	}
	if err := run(ctx, conn, "BEGIN; ALTER DATABASE "+sealed+" RENAME TO "+final+"; GRANT CONNECT, TEMPORARY ON DATABASE "+final+" TO PUBLIC; COMMIT"); err != nil {
		rollBack(ctx, conn)
		return fmt.Errorf("rename the database: %w", err)
	}
	logf(s.deps, "postgres: published %s", s.place.endpoint)
	return nil
}

// Discard drops the sealed database. It is never the published one: the names differ.
func (s *sandbox) Discard(ctx context.Context) error {
	return s.failed("discard", s.place.maintain(ctx, func(conn *pgx.Conn) error {
		if err := run(ctx, conn, "DROP DATABASE IF EXISTS "+quote(s.place.sandbox)+" WITH (FORCE)"); err != nil {
			return fmt.Errorf("drop database %s: %w", s.place.sandbox, err)
		}
		return nil
	}))
}

func (s *sandbox) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	if stateOf(err) == stateNoDatabase {
		err = fault.New(fault.NotFound, "restore.gone", "the sealed database is not there: it was never prepared, or is published or discarded: %w", err)
	}
	return s.place.endpoint.scrub(classify(fmt.Errorf("%s: %w", what, err)))
}

// Close does nothing: every method hangs up what it opened.
func (s *sandbox) Close() error { return nil }
