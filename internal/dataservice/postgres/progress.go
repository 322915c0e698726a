package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
)

// progressSchema keeps what a restore has done, within the database that it makes, so that rows and the record of them are
// one transaction. It is dropped before the database is published.
const progressSchema = `
CREATE SCHEMA IF NOT EXISTS tranship;
CREATE TABLE IF NOT EXISTS tranship.progress (
	unit text PRIMARY KEY,
	fence bigint NOT NULL,
	done boolean NOT NULL DEFAULT false
)`

// claims is how often a claim that waits for an older one's transaction looks again.
const claims = 40

// progress records the steps of a restore under one fence.
type progress struct{ fence int64 }

// step does what do does, once over all claims: in one transaction with the record that it was done. It reports whether it
// did. What is done already is done for everybody; what is not belongs to the highest fence.
func (p progress) step(ctx context.Context, conn *pgx.Conn, unit string, do func() error) (bool, error) {
	done, err := p.claim(ctx, conn, unit)
	if err != nil || done {
		return false, err
	}
	if err := run(ctx, conn, "BEGIN"); err != nil {
		return false, fmt.Errorf("begin: %w", err)
	}
	did, err := p.transaction(ctx, conn, unit, do)
	if err != nil {
		rollBack(ctx, conn)
		return false, err
	}
	return did, nil
}

func (p progress) transaction(ctx context.Context, conn *pgx.Conn, unit string, do func() error) (bool, error) {
	var fence int64
	var done bool
	if _, err := conn.Exec(ctx, "SELECT pg_catalog.set_config('application_name', $1, true)", p.label(unit)); err != nil {
		return false, fmt.Errorf("name the session: %w", err)
	}
	err := conn.QueryRow(ctx, "SELECT fence, done FROM tranship.progress WHERE unit = $1 FOR UPDATE", unit).Scan(&fence, &done)
	if err != nil {
		return false, fmt.Errorf("read the progress of %s: %w", unit, gone(err))
	}
	if !done && fence != p.fence {
		return false, fenced(unit)
	}
	if !done {
		if err := do(); err != nil {
			return false, err
		}
		if _, err := conn.Exec(ctx, "UPDATE tranship.progress SET done = true WHERE unit = $1", unit); err != nil {
			return false, fmt.Errorf("record the progress of %s: %w", unit, err)
		}
	}
	if err := run(ctx, conn, "COMMIT"); err != nil {
		return false, fmt.Errorf("commit %s: %w", unit, err)
	}
	return !done, nil
}

// claim raises the fence of a unit, for good, before anything is done for it, and reports whether it is done already.
func (p progress) claim(ctx context.Context, conn *pgx.Conn, unit string) (done bool, err error) {
	for range claims {
		var fence int64
		fence, done, err = p.raise(ctx, conn, unit)
		switch {
		case err == nil && (done || fence == p.fence):
			return done, nil
		case err == nil:
			return false, fenced(unit)
		case stateOf(err) != stateLockNotAvailable:
			return false, fmt.Errorf("claim %s: %w", unit, gone(err))
		}
		// A transaction of another claim is open: of a worker that is frozen, or that is gone and the server has not noticed.
		if err := p.evict(ctx, conn, unit); err != nil {
			return false, err
		}
	}
	return false, fmt.Errorf("claim %s: %w", unit, err)
}

func (p progress) raise(ctx context.Context, conn *pgx.Conn, unit string) (fence int64, done bool, err error) {
	if err := run(ctx, conn, "BEGIN; SET LOCAL lock_timeout = '500ms'"); err != nil {
		return 0, false, err
	}
	err = conn.QueryRow(ctx, `INSERT INTO tranship.progress AS p (unit, fence) VALUES ($1, $2)
		ON CONFLICT (unit) DO UPDATE SET fence = greatest(p.fence, excluded.fence) RETURNING fence, done`, unit, p.fence).Scan(&fence, &done)
	if err == nil {
		err = run(ctx, conn, "COMMIT")
	}
	if err != nil {
		rollBack(ctx, conn)
	}
	return fence, done, err
}

// evict ends the sessions in which older claims work on a unit.
func (p progress) evict(ctx context.Context, conn *pgx.Conn, unit string) error {
	_, err := conn.Exec(ctx, `SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a
		WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() AND a.usename = current_user
		AND CASE WHEN a.application_name ~ '^tranship [0-9]{1,18} ' THEN pg_catalog.split_part(a.application_name, ' ', 2)::int8 < $1 END
		AND pg_catalog.split_part(a.application_name, ' ', 3) = $2`, p.fence, unit)
	if err != nil {
		return fmt.Errorf("end the sessions of older claims: %w", err)
	}
	return nil
}

// label names the session that works on a unit, within the 63 bytes of an application name.
func (p progress) label(unit string) string { return fmt.Sprintf("tranship %d %s", p.fence, unit) }

func fenced(unit string) error {
	return fault.New(fault.Conflict, "restore.fenced", "unit %s: %w", unit, dataservice.ErrFenced)
}

// gone makes of a missing record of progress what it means: somebody published or discarded the restore.
func gone(err error) error {
	if stateOf(err) == stateUndefinedTable || stateOf(err) == "3F000" {
		return fault.New(fault.Conflict, "restore.fenced", "the restore was published or discarded: %w", dataservice.ErrFenced)
	}
	return err
}
