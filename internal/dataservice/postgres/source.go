package postgres

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

// source reads one database under one exported snapshot. The leader is the session that exported it; as long as its
// transaction is open, other sessions and pg_dump can join.
type source struct {
	endpoint endpoint
	sessions sessions
	dumper   string // path of pg_dump
	grain    int64  // bytes of a range
	ranged   bool   // whether tables are read in ranges
	encoding string // of everything that is read
	snapshot string
	objects  map[string]*dataservice.Object

	mu     sync.Mutex
	leader *pgx.Conn
}

func openSource(ctx context.Context, raw json.RawMessage, _ int, d dataservice.Deps) (dataservice.Source, error) {
	e, err := resolve(ctx, raw, d)
	if err != nil {
		return nil, err
	}
	e, leader, err := e.pinned(ctx, "snapshot")
	if err != nil {
		return nil, err
	}
	s := &source{endpoint: e, leader: leader, grain: rangeBytes, ranged: majorOf(leader) >= rangedFrom, encoding: encodingOf(leader)}
	s.sessions.open = s.join
	return s, nil
}

// Plan locks the tables, exports the snapshot and reads the catalogue under it.
func (s *source) Plan(ctx context.Context) (dataservice.Plan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	plan, err := s.plan(ctx)
	return plan, s.endpoint.scrub(classify(err))
}

func (s *source) plan(ctx context.Context) (dataservice.Plan, error) {
	var none dataservice.Plan
	var standby, reserved bool
	if err := s.leader.QueryRow(ctx, `SELECT pg_catalog.pg_is_in_recovery(), EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'tranship')`).
		Scan(&standby, &reserved); err != nil {
		return none, fmt.Errorf("ask the server what it is: %w", err)
	}
	if standby {
		return none, permanent("postgres.standby", "%s is a standby", s.endpoint).WithHint("name the primary server in the DSN")
	}
	if reserved {
		return none, permanent("postgres.reserved", "%s has a schema tranship", s.endpoint).
			WithHint("restores keep their progress in a schema of this name: rename the schema, or drop it if an unfinished restore left it")
	}
	var err error
	if s.dumper, err = findDumper(ctx, majorOf(s.leader)); err != nil {
		return none, err
	}
	if err := s.hold(ctx); err != nil {
		return none, err
	}
	catalogue, relations, err := readCatalogue(ctx, s.leader)
	if err != nil {
		return none, err
	}
	s.objects = make(map[string]*dataservice.Object, len(relations))
	for id, r := range relations {
		s.objects[id] = r.object
	}
	var block int64
	var lsn, timeline string
	if err := s.leader.QueryRow(ctx, `SELECT pg_catalog.current_setting('block_size')::int8, l::text, pg_catalog.substr(pg_catalog.pg_walfile_name(l), 1, 8)
		FROM pg_catalog.pg_current_wal_lsn() AS l`).Scan(&block, &lsn, &timeline); err != nil {
		return none, fmt.Errorf("read the position in the log: %w", err)
	}
	units, err := planUnits(&catalogue, relations, block, s.grain, s.ranged)
	if err != nil {
		return none, err
	}
	gaps, err := s.gaps(ctx, &catalogue)
	if err != nil {
		return none, err
	}
	return dataservice.Plan{
		Point: dataservice.Point{
			Kind: dataservice.PointSnapshot, Position: "lsn " + lsn,
			Details: map[string]string{"server": catalogue.Version, "timeline": timeline},
		},
		Catalogue: catalogue,
		Units:     units,
		Gaps:      gaps,
	}, nil
}

// drifts is how often a schema may change between looking at it and locking it.
const drifts = 5

// hold opens the leader's transaction, with every table locked before its snapshot is taken: a table can then neither be
// changed nor emptied or dropped between the snapshot and the last unit.
func (s *source) hold(ctx context.Context) error {
	for range drifts {
		before, err := s.leaves(ctx)
		if err != nil {
			return err
		}
		// LOCK TABLE takes no snapshot; the first SELECT after it does.
		if err := run(ctx, s.leader, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
			return fmt.Errorf("begin the snapshot: %w", err)
		}
		err = s.lock(ctx, before)
		if err == nil {
			if err = s.leader.QueryRow(ctx, "SELECT pg_catalog.pg_export_snapshot()").Scan(&s.snapshot); err != nil {
				return fmt.Errorf("export the snapshot: %w", err)
			}
			after, err := s.leaves(ctx)
			if err != nil {
				return err
			}
			if slices.Equal(before, after) {
				return nil
			}
		} else if stateOf(err) != stateUndefinedTable {
			return err
		}
		if err := run(ctx, s.leader, "ROLLBACK"); err != nil {
			return fmt.Errorf("end the snapshot: %w", err)
		}
	}
	return fault.New(fault.Throttled, "postgres.drift", "the tables of %s changed again and again while they were being locked", s.endpoint).
		WithHint("wait until the migration is over")
}

// leaf is a table that holds rows.
type leaf struct {
	oid          uint32
	schema, name string
}

func (s *source) leaves(ctx context.Context) ([]leaf, error) {
	rows, err := s.leader.Query(ctx, selectLeaves)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	leaves, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (leaf, error) {
		var l leaf
		return l, row.Scan(&l.oid, &l.schema, &l.name)
	})
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	return leaves, nil
}

func (s *source) lock(ctx context.Context, leaves []leaf) error {
	for chunk := range slices.Chunk(leaves, 100) {
		var b bytes.Buffer
		for i, l := range chunk {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString("ONLY " + qualified(l.schema, l.name))
		}
		if err := run(ctx, s.leader, "LOCK TABLE "+b.String()+" IN ACCESS SHARE MODE"); err != nil {
			return fmt.Errorf("lock the tables for reading: %w", err)
		}
	}
	return nil
}

func (s *source) gaps(ctx context.Context, c *dataservice.Catalogue) ([]dataservice.Gap, error) {
	rows, err := s.leader.Query(ctx, selectUnsupported)
	if err != nil {
		return nil, fmt.Errorf("look for what cannot be captured: %w", err)
	}
	gaps, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (dataservice.Gap, error) {
		g := dataservice.Gap{Code: "unsupported"}
		return g, row.Scan(&g.Object, &g.Reason)
	})
	if err != nil {
		return nil, fmt.Errorf("look for what cannot be captured: %w", err)
	}
	for _, o := range c.Objects {
		if o.Kind == objectForeign {
			gaps = append(gaps, dataservice.Gap{Object: o.ID, Code: "unsupported", Reason: "rows of a foreign table live on another server"})
		}
	}
	return gaps, nil
}

// Capture writes one unit.
func (s *source) Capture(ctx context.Context, u dataservice.Unit, w dataservice.StreamWriter) ([]dataservice.Gap, error) {
	var err error
	switch u.Kind {
	case kindPre, kindPost:
		err = dump(ctx, s.endpoint, s.dumper, s.snapshot, s.encoding, u.Kind, w)
	case kindData:
		err = s.captureRows(ctx, u, w)
	default:
		err = permanent("unit.invalid", "unit %s has the unknown kind %q", u.ID, u.Kind)
	}
	if err == nil {
		return nil, nil
	}
	err = s.endpoint.scrub(classify(fmt.Errorf("capture unit %s: %w", u.ID, err)))
	if ctx.Err() == nil && !s.alive(ctx) {
		return nil, s.lost(err)
	}
	return nil, err
}

func (s *source) captureRows(ctx context.Context, u dataservice.Unit, w dataservice.StreamWriter) error {
	o := s.objects[u.Object]
	if o == nil {
		return permanent("unit.invalid", "the plan has no table %s", u.Object)
	}
	var r blocks
	if err := json.Unmarshal(u.Detail, &r); err != nil {
		return permanent("unit.invalid", "detail: %w", err)
	}
	conn, err := s.sessions.take(ctx)
	if err != nil {
		return err
	}
	rows := newRowWriter(w)
	tag, err := conn.PgConn().CopyTo(ctx, rows, copyOut(qualified(o.Schema, o.Name), u.Columns, r, s.ranged))
	if err == nil {
		err = rows.flush()
	}
	if err != nil {
		hangUp(ctx, conn)
		return fmt.Errorf("read %s: %w", u.Object, err)
	}
	s.sessions.put(ctx, conn)
	if tag.RowsAffected() != rows.total {
		return fmt.Errorf("read %s: %d rows came, the server sent %d", u.Object, rows.total, tag.RowsAffected())
	}
	return nil
}

// join opens a session under the snapshot.
func (s *source) join(ctx context.Context) (*pgx.Conn, error) {
	conn, err := s.endpoint.reading(ctx, "capture")
	if err != nil {
		return nil, err
	}
	if err := run(ctx, conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT "+literal(s.snapshot)); err != nil {
		hangUp(ctx, conn)
		return nil, fmt.Errorf("join the snapshot: %w", err)
	}
	return conn, nil
}

// alive reports whether the leader still holds the snapshot.
func (s *source) alive(ctx context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leader == nil || s.leader.IsClosed() {
		return false
	}
	// The caller's context must not end the leader's session.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return run(ctx, s.leader, "SELECT 1") == nil
}

// lost makes of an error that the snapshot is gone. The same unit cannot be captured any more: a new capture can.
func (s *source) lost(err error) error {
	return fault.New(fault.Permanent, events.CodeSnapshotLost, "%w: %w", dataservice.ErrSnapshotLost, err).
		WithHint("the connection to the source broke: the step starts again with a new snapshot")
}

// Close ends the snapshot.
func (s *source) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s.sessions.close(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leader == nil {
		return nil
	}
	err := s.leader.Close(ctx)
	s.leader = nil
	if err != nil && !errors.Is(err, context.Canceled) {
		return s.endpoint.scrub(fmt.Errorf("close the source: %w", err))
	}
	return nil
}

// rowWriter passes on rows in larger pieces and counts them.
type rowWriter struct {
	buffer *bufio.Writer
	total  int64
}

func newRowWriter(w dataservice.StreamWriter) *rowWriter {
	return &rowWriter{buffer: bufio.NewWriterSize(countingWriter{w}, 256<<10)}
}

func (r *rowWriter) Write(p []byte) (int, error) {
	r.total += int64(bytes.Count(p, newline))
	return r.buffer.Write(p)
}

func (r *rowWriter) flush() error { return r.buffer.Flush() }

var newline = []byte{'\n'}

// countingWriter tells a stream how many rows it was given.
type countingWriter struct{ w dataservice.StreamWriter }

func (c countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if err == nil {
		c.w.AddRows(int64(bytes.Count(p, newline)))
	}
	return n, err
}
