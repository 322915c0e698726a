package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
)

var testKey = dataservice.MeasureKey{9}

// capture is a component with its streams in memory.
type capture struct {
	dataservice.Component
	streams map[string][]byte
}

type memory struct {
	bytes.Buffer
	rows int64
}

func (m *memory) AddRows(n int64) { m.rows += n }

// captureAll captures a database, with ranges of grain bytes.
func captureAll(t *testing.T, config json.RawMessage, grain int64) capture {
	t.Helper()
	s := opened(t, config)
	defer func() { _ = s.Close() }()
	s.grain = grain
	plan, err := s.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return taken(t, s, plan)
}

func opened(t *testing.T, config json.RawMessage) *source {
	t.Helper()
	s, err := Spec.Source(t.Context(), config, 2, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.(*source)
}

func taken(t *testing.T, s *source, plan dataservice.Plan) capture {
	t.Helper()
	c := capture{dataservice.Component{Name: "db", Driver: Spec.Name, Point: plan.Point, Catalogue: plan.Catalogue, Gaps: plan.Gaps}, map[string][]byte{}}
	for _, u := range plan.Units {
		var m memory
		if _, err := s.Capture(t.Context(), u, &m); err != nil {
			t.Fatal(err)
		}
		meter := dataservice.NewMeter(testKey)
		var measured dataservice.Measure
		if u.Format == dataservice.CopyText {
			_, _ = meter.Write(m.Bytes())
			var err error
			if measured, err = meter.Measure(); err != nil {
				t.Fatal(err)
			}
		}
		c.streams[u.ID] = m.Bytes()
		c.Units = append(c.Units, dataservice.Captured{Unit: u, Measure: measured})
	}
	return c
}

func (c *capture) open(_ context.Context, u dataservice.Captured) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(c.streams[u.Unit.ID])), nil
}

// restoreInto prepares, restores and finishes, up to the first error.
func (c *capture) restoreInto(ctx context.Context, config json.RawMessage, as dataservice.Restoring) error {
	target, err := Spec.Target(ctx, config, as, deps)
	if err != nil {
		return err
	}
	defer func() { _ = target.Close() }()
	if err := target.Prepare(ctx, c.Component, c.open); err != nil {
		return err
	}
	for _, u := range c.Units {
		if _, err := target.Restore(ctx, u, c.open); err != nil {
			return err
		}
	}
	return target.Finish(ctx, c.Component, c.open)
}

// publish verifies and publishes.
func (c *capture) publish(t *testing.T, config json.RawMessage, as dataservice.Restoring) {
	t.Helper()
	sandbox, err := Spec.Sandbox(t.Context(), config, as, deps)
	if err != nil {
		t.Fatal(err)
	}
	findings, err := sandbox.Inspect(t.Context(), c.Component, testKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dataservice.Compare(c.Component, findings) {
		t.Errorf("the restored database differs: %s", d)
	}
	if err := sandbox.Publish(t.Context(), c.Component); err != nil {
		t.Fatal(err)
	}
}

// dumped are the options under which a database and its restored copy must be dumped alike.
var dumped = []string{"--no-comments", "--no-owner", "--no-privileges"}

func TestARestoredDatabaseIsDumpedLikeItsSource(t *testing.T) {
	for _, test := range []struct {
		name    string
		grain   int64
		workers int
	}{{"one range per table", rangeBytes, 1}, {"many ranges", 64 << 10, 4}} {
		t.Run(test.name, func(t *testing.T) {
			name := newDatabase(t, hostile)
			c := captureAll(t, configFor(server.SocketDSN(name)), test.grain)
			target := newName()
			as := dataservice.Restoring{Run: "run", Fence: 1, Workers: test.workers}
			if err := c.restoreInto(t.Context(), configFor(server.SocketDSN(target)), as); err != nil {
				t.Fatal(err)
			}
			c.publish(t, configFor(server.SocketDSN(target)), as)
			var ranges int
			for _, u := range c.Units {
				if u.Unit.Object == "public.many" {
					ranges++
				}
			}
			if many := ranges > 1; many != (test.grain < rangeBytes) {
				t.Errorf("public.many is %d units", ranges)
			}
			// Ranges are restored from the largest on, so only their schema and, as sets, their rows are the same.
			if want, got := dumpOf(t, name, append(dumped, "--schema-only")...), dumpOf(t, target, append(dumped, "--schema-only")...); want != got {
				t.Errorf("the schemas differ: %s", firstDifference(want, got))
			}
			if want, got := sortedLines(dumpOf(t, name, dumped...)), sortedLines(dumpOf(t, target, dumped...)); want != got {
				t.Errorf("the data differs: %s", firstDifference(want, got))
			}
			var open bool
			if err := session(t, target).QueryRow(t.Context(), "SELECT has_database_privilege('public', current_database(), 'CONNECT')").Scan(&open); err != nil || !open {
				t.Errorf("the published database is open: %t, %v", open, err)
			}
		})
	}
}

func TestPlanDescribesTheDatabase(t *testing.T) {
	name := newDatabase(t, hostile)
	s := opened(t, configFor(server.DSN(name)))
	plan, err := s.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := plan.Catalogue
	people := c.Object("public.people")
	for name, want := range map[string]dataservice.Column{
		"id":      {Name: "id", Type: "bigint", Base: "int8", Identity: true},
		"email":   {Name: "email", Type: "text", Base: "text", Nullable: true, Collation: `pg_catalog."C"`},
		"name":    {Name: "name", Type: "hr.shorter", Base: "varchar", Length: 12, Default: "'n/a'::character varying"},
		"mood":    {Name: "mood", Type: "hr.mood", Base: "mood", Nullable: true, Default: "'it''s ok'::hr.mood", Enum: []string{"sad", "it's ok", `HAPPY \o/`, "tab\tbed"}},
		"loud":    {Name: "loud", Type: "text", Base: "text", Nullable: true, Generated: true, Default: "hr.shout(email)"},
		"tags":    {Name: "tags", Type: "text[]", Base: "_text", Nullable: true, Default: "'{}'::text[]"},
		"code":    {Name: "code", Type: "character(5)", Base: "bpchar", Length: 5, Nullable: true},
		"profile": {Name: "profile", Type: "jsonb", Base: "jsonb", Nullable: true},
	} {
		if got := people.Column(name); got == nil || fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", want) {
			t.Errorf("column %s is %+v, want %+v", name, got, want)
		}
	}
	for id, want := range map[string][2]string{
		"public.events": {"partitioned", ""}, "public.events_2024": {"partitioned", "public.events"}, "public.events_2024_a": {"partition", "public.events"},
		"public.adults": {"view", ""}, "public.totals": {"materialized", ""}, `"Odd ""Schema"."Select; DROP"`: {"table", ""},
	} {
		if o := c.Object(id); o == nil || o.Kind != want[0] || o.Parent != want[1] {
			t.Errorf("object %s is %+v, want kind and parent %q", id, o, want)
		}
	}
	for id, want := range map[string]string{"public.events": "[at]", "public.events_2024": "[kind]", "public.events_2024_a": "[]"} {
		if got := fmt.Sprint(c.Object(id).PartitionKey); got != want {
			t.Errorf("the partition key of %s is %s, want %s", id, got, want)
		}
	}
	for _, want := range []dataservice.Sequence{
		{ID: "hr.called", Type: "bigint", Last: 2, Called: true},
		{ID: "hr.never_called", Type: "bigint", Last: 42},
		{ID: `"Odd ""Schema"."Select; DROP_Id_seq"`, Type: "integer", Last: 77, OwnedBy: `"Odd ""Schema"."Select; DROP".Id`, Column: "Id"},
	} {
		if !slices.Contains(c.Sequences, want) {
			t.Errorf("no sequence %+v among %+v", want, c.Sequences)
		}
	}
	for _, u := range plan.Units {
		if u.Object == "public.people" && (slices.Contains(u.Columns, "loud") || !slices.Contains(u.Columns, "id")) {
			t.Errorf("the columns of people are %q", u.Columns)
		}
	}
	if plan.Point.Kind != dataservice.PointSnapshot || len(plan.Point.Details["timeline"]) != 8 || c.Settings["encoding"] != "UTF8" {
		t.Errorf("point %+v, settings %v", plan.Point, c.Settings)
	}
}

func TestChangesAfterThePlanAreNotCaptured(t *testing.T) {
	name := newDatabase(t, "CREATE TABLE a AS SELECT i FROM generate_series(1, 1000) AS i; CREATE TABLE b AS TABLE a")
	config := configFor(server.DSN(name))
	want := captureAll(t, config, rangeBytes)
	s := opened(t, config)
	plan, err := s.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Exec(t.Context(), name, "UPDATE a SET i = -i; DELETE FROM b WHERE i < 500; INSERT INTO a VALUES (7); CREATE TABLE c (i integer); CREATE INDEX late ON a (i)"); err != nil {
		t.Fatal(err)
	}
	got := taken(t, s, plan)
	for id, stream := range want.streams {
		if !bytes.Equal(got.streams[id], stream) {
			t.Errorf("unit %s shows what happened after the plan", id)
		}
	}
	// The lock holds off what no snapshot could hide.
	err = server.Exec(t.Context(), name, "SET lock_timeout = '10ms'; TRUNCATE a")
	if stateOf(err) != stateLockNotAvailable {
		t.Errorf("a table can be emptied while it is captured: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := server.Exec(t.Context(), name, "SET lock_timeout = '10s'; TRUNCATE a"); err != nil {
		t.Errorf("the source still holds its locks after Close: %v", err)
	}
}

func TestATableThatIsDroppedWhileItIsLockedIsNotInThePlan(t *testing.T) {
	ctx := t.Context()
	name := newDatabase(t, "CREATE TABLE stays (i integer); CREATE TABLE goes (i integer)")
	dropping := session(t, name)
	if err := run(ctx, dropping, "BEGIN; DROP TABLE goes"); err != nil {
		t.Fatal(err)
	}
	s := opened(t, configFor(server.DSN(name)))
	type outcome struct {
		plan dataservice.Plan
		err  error
	}
	planned := make(chan outcome)
	go func() {
		plan, err := s.Plan(ctx)
		planned <- outcome{plan, err}
	}()
	watching := session(t, name)
	for waiting := 0; waiting == 0; {
		if err := watching.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tranship snapshot' AND wait_event_type = 'Lock'").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(ctx, dropping, "COMMIT"); err != nil {
		t.Fatal(err)
	}
	got := <-planned
	if got.err != nil {
		t.Fatal(got.err)
	}
	if got.plan.Catalogue.Object("public.goes") != nil || got.plan.Catalogue.Object("public.stays") == nil {
		t.Errorf("the plan has %+v", got.plan.Catalogue.Objects)
	}
}

func TestALostLeaderLosesTheSnapshot(t *testing.T) {
	ctx := t.Context()
	name := newDatabase(t, "CREATE TABLE a AS SELECT i FROM generate_series(1, 10) AS i")
	s := opened(t, configFor(server.DSN(name)))
	plan, err := s.Plan(ctx)
	if err != nil {
		t.Fatal(err)
	}
	end := func(application string) {
		t.Helper()
		var ended int
		if err := session(t, "postgres").QueryRow(ctx, "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = $1 AND application_name = $2", name, application).Scan(&ended); err != nil || ended == 0 {
			t.Fatalf("ended %d sessions of %s: %v", ended, application, err)
		}
	}
	data := plan.Units[1]
	if _, err := s.Capture(ctx, data, &memory{}); err != nil {
		t.Fatal(err)
	}
	end("tranship capture")
	if _, err := s.Capture(ctx, data, &memory{}); err == nil || errors.Is(err, dataservice.ErrSnapshotLost) {
		t.Errorf("capture over an ended session: %v, want an error that can be tried again", err)
	}
	if _, err := s.Capture(ctx, data, &memory{}); err != nil {
		t.Errorf("capture over a new session: %v", err)
	}
	end("tranship snapshot")
	end("tranship capture")
	for _, u := range plan.Units {
		if _, err := s.Capture(ctx, u, &memory{}); !errors.Is(err, dataservice.ErrSnapshotLost) || codeOf(err) != "snapshot.lost" {
			t.Errorf("capture of unit %s without the leader: %v", u.ID, err)
		}
	}
}

func TestWhatIsNotCapturedIsReported(t *testing.T) {
	name := newDatabase(t, "SELECT lo_create(0); CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE far (i integer) SERVER s")
	plan, err := opened(t, configFor(server.DSN(name))).Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var gaps []string
	for _, g := range plan.Gaps {
		gaps = append(gaps, g.Object+" "+g.Code)
	}
	if want := []string{"large objects unsupported", "public.far unsupported"}; !slices.Equal(gaps, want) {
		t.Errorf("the gaps are %q, want %q", gaps, want)
	}
}

func TestAReservedSchemaIsRefused(t *testing.T) {
	name := newDatabase(t, "CREATE SCHEMA tranship")
	if _, err := opened(t, configFor(server.DSN(name))).Plan(t.Context()); !fault.Is(err, fault.Permanent) || codeOf(err) != "postgres.reserved" {
		t.Errorf("a schema tranship: %v", err)
	}
}
