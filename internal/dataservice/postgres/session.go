package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// pins are the settings under which every value is written and read, so that equal values have equal text wherever and
// whenever they are read. The server notices within a minute or so that a worker's machine is gone, and releases what was
// held for it.
const pins = `
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SET extra_float_digits = 3;
SET bytea_output = 'hex';
SET xmloption = 'content';
SET lc_monetary = 'C';
SET standard_conforming_strings = on;
SET quote_all_identifiers = off;
SET array_nulls = on;
SET search_path = '';
SET row_security = off;
SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET lock_timeout = '30s';
SET tcp_keepalives_idle = 30;
SET tcp_keepalives_interval = 10;
SET tcp_keepalives_count = 3;
SET client_min_messages = 'warning';
`

// readPins make the rows of a range of blocks come in the order of the blocks, in every session that reads rows.
const readPins = `
SET synchronize_seqscans = off;
SET max_parallel_workers_per_gather = 0;
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SET enable_bitmapscan = off;
SET jit = off;
`

// pin applies the pinned settings to a new connection and refuses servers that are too old.
func pin(ctx context.Context, conn *pgx.Conn) error {
	major := majorOf(conn)
	if major < oldest {
		return permanent("version.unsupported", "the server is PostgreSQL %s: versions from %d are supported", conn.PgConn().ParameterStatus("server_version"), oldest)
	}
	script := pins + "SET client_encoding = '" + encodingOf(conn) + "';\n"
	if major >= 14 {
		script += "SET idle_session_timeout = 0;\n"
	}
	if major >= 17 {
		script += "SET transaction_timeout = 0;\n"
	}
	if err := run(ctx, conn, script); err != nil {
		return fmt.Errorf("pin the settings of a session: %w", err)
	}
	return nil
}

// encodings in which a database is read and written.
const (
	unicodeText = "UTF8"
	anyBytes    = "SQL_ASCII"
)

// encodingOf is the encoding of what is exchanged with the database. One without an encoding holds bytes that cannot be
// converted.
func encodingOf(conn *pgx.Conn) string {
	if conn.PgConn().ParameterStatus("server_encoding") == anyBytes {
		return anyBytes
	}
	return unicodeText
}

// majorOf is the server's major version.
func majorOf(conn *pgx.Conn) int {
	return majorVersion(conn.PgConn().ParameterStatus("server_version"))
}

// majorVersion reads "15.18 (Debian …)", "17beta1" and "16".
func majorVersion(version string) int {
	digits := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if digits < 0 {
		digits = len(version)
	}
	n, _ := strconv.Atoi(version[:digits])
	return n
}

// run executes a script by the simple protocol and drops its results.
func run(ctx context.Context, conn *pgx.Conn, script string) error {
	_, err := conn.PgConn().Exec(ctx, script).ReadAll()
	return err
}

// parting bounds what is still said to a server when all is over: it may not be there any more.
const parting = 5 * time.Second

// hangUp closes a connection even when ctx is done already.
func hangUp(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
	defer cancel()
	_ = conn.Close(ctx)
}

// rollBack ends a failed transaction, so that the session can be used again, unless the session is gone.
func rollBack(ctx context.Context, conn *pgx.Conn) {
	if conn.IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
	defer cancel()
	_ = run(ctx, conn, "ROLLBACK")
}
