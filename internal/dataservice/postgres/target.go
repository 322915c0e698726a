package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
)

// target builds the sealed database of a run.
type target struct {
	place    place
	progress progress
	workers  int
	sessions sessions
}

func openTarget(ctx context.Context, raw json.RawMessage, r dataservice.Restoring, d dataservice.Deps) (dataservice.Target, error) {
	p, err := openPlace(ctx, raw, r, d)
	if err != nil {
		return nil, err
	}
	t := &target{place: p, progress: progress{int64(r.Fence)}, workers: max(1, r.Workers)}
	t.sessions.open = t.connect
	return t, nil
}

// connect opens a session in the sealed database.
func (t *target) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := t.place.endpoint.database(t.place.sandbox).connect(ctx, "restore")
	if err != nil {
		return nil, err
	}
	// Statements that are executed side by side wait for each other.
	err = run(ctx, conn, "SET lock_timeout = 0")
	if err == nil {
		err = silence(ctx, conn)
	}
	if err != nil {
		hangUp(ctx, conn)
		return nil, fmt.Errorf("set up a session: %w", err)
	}
	return conn, nil
}

// silence keeps event triggers, once they are there, from running for what the restore does. Only a superuser can create
// them, and only a superuser can do this.
func silence(ctx context.Context, conn *pgx.Conn) error {
	err := run(ctx, conn, "SET session_replication_role = replica")
	if stateOf(err) == stateNoPrivilege {
		return nil
	}
	return err
}

// Prepare makes the sealed database, closed to everybody but its owner, and the definitions that go before the data.
func (t *target) Prepare(ctx context.Context, c dataservice.Component, open dataservice.OpenUnit) error {
	err := t.place.maintain(ctx, func(conn *pgx.Conn) error {
		if err := t.create(ctx, conn, c.Catalogue.Settings); err != nil {
			return err
		}
		inside, err := t.connect(ctx)
		if err != nil {
			return err
		}
		defer hangUp(ctx, inside)
		if err := run(ctx, inside, progressSchema); err != nil {
			return fmt.Errorf("prepare the progress of the restore: %w", err)
		}
		return nil
	})
	if err == nil {
		err = t.define(ctx, c, open)
	}
	return t.failed("prepare", err)
}

// create makes the database unless it is there.
func (t *target) create(ctx context.Context, conn *pgx.Conn, settings map[string]string) error {
	final, err := lookUp(ctx, conn, t.place.final)
	if err != nil {
		return err
	}
	if final.exists {
		return t.place.exists()
	}
	sandbox, err := lookUp(ctx, conn, t.place.sandbox)
	if err != nil {
		return err
	}
	if sandbox.run != "" {
		return fault.New(fault.Conflict, "restore.fenced", "%s is being published: %w", t.place.endpoint, dataservice.ErrFenced)
	}
	if !sandbox.exists {
		if err := run(ctx, conn, createDatabase(t.place.sandbox, settings)); err != nil && stateOf(err) != stateDuplicateDatabase {
			return notCreated(settings, fmt.Errorf("create database %s: %w", t.place.sandbox, err))
		}
	}
	if err := run(ctx, conn, "REVOKE ALL ON DATABASE "+quote(t.place.sandbox)+" FROM PUBLIC"); err != nil {
		return fmt.Errorf("close database %s: %w", t.place.sandbox, err)
	}
	return nil
}

// notCreated tells, of settings that the server refuses, what would help.
func notCreated(settings map[string]string, err error) error {
	err = classify(err)
	if !fault.Is(err, fault.Permanent) {
		return err
	}
	return (&fault.Error{Class: fault.Permanent, Code: "postgres.settings", Err: err}).
		WithHint("the source has the encoding %s and the locale %s: the target's server needs them too", settings[settingEncoding], settings[settingCollate])
}

func createDatabase(name string, settings map[string]string) string {
	script := "CREATE DATABASE " + quote(name) + " TEMPLATE template0"
	option := func(word, setting string) {
		if v := settings[setting]; v != "" {
			script += " " + word + " " + literal(v)
		}
	}
	option("ENCODING", settingEncoding)
	option("LC_COLLATE", settingCollate)
	option("LC_CTYPE", settingCtype)
	option("LOCALE_PROVIDER", settingProvider)
	switch settings[settingProvider] {
	case "icu":
		option("ICU_LOCALE", settingLocale)
	case "builtin":
		option("BUILTIN_LOCALE", settingLocale)
	}
	return script
}

// define executes the definitions that go before the data, in one transaction.
func (t *target) define(ctx context.Context, c dataservice.Component, open dataservice.OpenUnit) error {
	unit, err := unitOf(c, kindPre)
	if err != nil {
		return err
	}
	conn, err := t.connect(ctx)
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn) // the script leaves settings behind
	known, err := knownSettings(ctx, conn)
	if err != nil {
		return err
	}
	_, err = t.progress.step(ctx, conn, unitPre, func() error {
		r, err := open(ctx, unit)
		if err != nil {
			return fmt.Errorf("open unit %s: %w", unit.Unit.ID, err)
		}
		defer func() { _ = r.Close() }()
		for script := splitStatements(r); ; {
			statement, err := script.next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if statement = admitted(statement, known); statement == "" {
				continue
			}
			if err := run(ctx, conn, statement); err != nil {
				return fmt.Errorf("%s: %w", brief(statement), err)
			}
		}
	})
	return err
}

// knownSettings lists the settings that the server knows: a script of a newer version may set others.
func knownSettings(ctx context.Context, conn *pgx.Conn) (map[string]bool, error) {
	rows, err := conn.Query(ctx, "SELECT pg_catalog.lower(name) FROM pg_catalog.pg_settings")
	if err != nil {
		return nil, fmt.Errorf("list the server's settings: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the server's settings: %w", err)
	}
	known := make(map[string]bool, len(names))
	for _, n := range names {
		known[n] = true
	}
	return known, nil
}

// admitted returns the statement as it is to be executed, or "" when it is to be left out.
func admitted(statement string, known map[string]bool) string {
	switch classOf(statement) {
	case statistic, credential:
		return ""
	case setting:
		if name := settingName(statement); !known[name] {
			return ""
		}
	}
	if statement == "CREATE SCHEMA public" {
		return "CREATE SCHEMA IF NOT EXISTS public" // an empty database has it already
	}
	return statement
}

// brief is the beginning of a statement for messages: what it makes, not what is in it.
func brief(statement string) string {
	const most = 80
	for i, r := range statement {
		if r == '\n' || r == '(' || r == '\'' || i >= most {
			return statement[:i]
		}
	}
	return statement
}

func unitOf(c dataservice.Component, kind string) (dataservice.Captured, error) {
	for _, u := range c.Units {
		if u.Unit.Kind == kind {
			return u, nil
		}
	}
	return dataservice.Captured{}, permanent("component.invalid", "component %s has no unit of kind %s", c.Name, kind)
}

// Restore writes the rows of a unit and the record of it in one transaction.
func (t *target) Restore(ctx context.Context, c dataservice.Captured, open dataservice.OpenUnit) (bool, error) {
	if c.Unit.Kind != kindData {
		return false, nil // Prepare and Finish take the others
	}
	table, err := qualifiedID(c.Unit.Object)
	if err != nil {
		return false, t.failed("restore unit "+c.Unit.ID, err)
	}
	conn, err := t.sessions.take(ctx)
	if err != nil {
		return false, t.failed("restore unit "+c.Unit.ID, err)
	}
	done, err := t.progress.step(ctx, conn, c.Unit.ID, func() error {
		r, err := open(ctx, c)
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		in := &unitReader{r: r}
		defer func() {
			_ = in.stop()
			_ = r.Close()
		}()
		command := "COPY " + table
		if len(c.Unit.Columns) > 0 {
			command += " (" + quoteAll(c.Unit.Columns) + ")"
		}
		_, err = conn.PgConn().CopyFrom(ctx, in, command+" FROM STDIN")
		if failed := in.stop(); failed != nil {
			return fmt.Errorf("read: %w", failed)
		}
		return rowRefused(c.Unit.Object, err)
	})
	if err != nil {
		hangUp(ctx, conn)
		return false, t.failed("restore unit "+c.Unit.ID, err)
	}
	t.sessions.put(ctx, conn)
	return done, nil
}

// unitReader remembers why reading failed, as the server only repeats the text. When a connection breaks, pgx returns while
// a goroutine of its own still reads: after stop, that goroutine reads nothing more.
type unitReader struct {
	mu      sync.Mutex
	r       io.Reader
	err     error
	stopped bool
}

func (u *unitReader) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stopped {
		return 0, io.ErrClosedPipe
	}
	n, err := u.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		u.err = err
	}
	return n, err
}

// stop waits for a Read that is going on, ends reading and returns why reading failed, if it did.
func (u *unitReader) stop() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stopped = true
	return u.err
}

// copyPlace finds the place of an error in what a server says of COPY, which goes on with the value.
var copyPlace = regexp.MustCompile(`^COPY [^\n]*?, line (\d+)(?:, column ([^:\n]+))?`)

// rowRefused makes an error without values of one in which the server refuses a row, and quotes it.
func rowRefused(object string, err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || len(pg.Code) != 5 || pg.Code[:2] != "22" && pg.Code[:2] != "23" && pg.Code[:2] != "P0" {
		return err
	}
	where := ""
	if m := copyPlace.FindStringSubmatch(pg.Where); m != nil {
		where = " at row " + m[1] + " of the unit"
		if m[2] != "" {
			where += ", column " + m[2]
		}
	}
	if pg.ConstraintName != "" {
		where += ", constraint " + pg.ConstraintName
	}
	return permanent("restore.refused", "%s refuses a row%s (SQLSTATE %s)", object, where, pg.Code).
		WithHint("the value does not fit its column: when the unit was masked, look at the masks of the table")
}

// failed completes an error of the target: what was being done, its class, and no secret in it.
func (t *target) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	if stateOf(err) == stateNoDatabase {
		err = fault.New(fault.NotFound, "restore.gone", "the sealed database is not there: it was never prepared, or is published or discarded: %w", err)
	}
	return t.place.endpoint.scrub(classify(fmt.Errorf("%s: %w", what, err)))
}

// Close hangs up.
func (t *target) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	t.sessions.close(ctx)
	return nil
}
