package postgres

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/zeebo/blake3"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
)

// nameAtMost is the length of a name in bytes that a server does not cut.
const nameAtMost = 63

// place is where a restore happens: the server, the name at the end and the name until then.
type place struct {
	endpoint endpoint
	final    string
	sandbox  string
	run      string
}

// marker begins the comment of a database that says which run published it. It tells an own database from somebody else's,
// and is what an owner without further privileges may set.
const marker = "restored by Tranship in run "

func openPlace(ctx context.Context, raw json.RawMessage, r dataservice.Restoring, d dataservice.Deps) (place, error) {
	e, err := resolve(ctx, raw, d)
	if err != nil {
		return place{}, err
	}
	if r.Run == "" {
		return place{}, fault.Wrap(fault.Permanent, errors.New("a restore needs the id of its run"))
	}
	final := e.config.Database
	if len(final) > nameAtMost {
		return place{}, permanent("config.invalid", "dsn: the name of the database is longer than %d bytes", nameAtMost)
	}
	return place{endpoint: e, final: final, sandbox: sandboxName(final, r.Run), run: r.Run}, nil
}

// sandboxName is the name of the sealed database of a run: the same for every worker, and never longer than names may be.
func sandboxName(final, run string) string {
	sum := blake3.Sum256([]byte(final + "\x00" + run))
	suffix := "_tranship_" + hex.EncodeToString(sum[:5])
	head := final
	for len(head) > nameAtMost-len(suffix) {
		_, size := utf8.DecodeLastRuneInString(head)
		head = head[:len(head)-size]
	}
	return head + suffix
}

// maintain calls do with a session outside of both databases, under a lock that makes all workers that maintain the same
// sandbox take turns.
func (p place) maintain(ctx context.Context, do func(conn *pgx.Conn) error) error {
	conn, err := p.maintenance(ctx)
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn)
	// The lock may be held for as long as a database is copied or dropped; it ends with the session.
	if err := run(ctx, conn, "SET lock_timeout = '5min'"); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtextextended($1, 0))", p.sandbox); err != nil {
		return fmt.Errorf("wait for another worker on %s: %w", p.sandbox, err)
	}
	return do(conn)
}

func (p place) maintenance(ctx context.Context) (*pgx.Conn, error) {
	var failures []error
	for _, name := range []string{"postgres", "template1"} {
		conn, err := p.endpoint.database(name).connect(ctx, "maintenance")
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
		if !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Denied) {
			break
		}
	}
	return nil, failures[0]
}

// database is what the server knows of a database.
type database struct {
	exists bool
	run    string // that published it, or is about to; empty for others
}

func lookUp(ctx context.Context, conn *pgx.Conn, name string) (database, error) {
	var d database
	var comment string
	err := conn.QueryRow(ctx, `SELECT coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), '')
		FROM pg_catalog.pg_database d WHERE d.datname = $1`, name).Scan(&comment)
	if errors.Is(err, pgx.ErrNoRows) {
		return d, nil
	}
	if err != nil {
		return d, fmt.Errorf("look up database %s: %w", quoteIfNeeded(name), err)
	}
	d.exists = true
	if run, ok := strings.CutPrefix(comment, marker); ok {
		d.run = run
	}
	return d, nil
}

func (p place) exists() error {
	return fault.New(fault.Conflict, "target.exists", "%s: %w", p.endpoint, dataservice.ErrTargetExists).
		WithHint("a restore never overwrites: name a database that does not exist, or drop or rename the one that does")
}
