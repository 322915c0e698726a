package postgres

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
)

// small has each kind of statement that Finish executes, and little data.
const small = `
CREATE TABLE a (id integer PRIMARY KEY, b integer, note text UNIQUE);
CREATE TABLE b (id serial PRIMARY KEY, a integer REFERENCES a, CHECK (id > 0));
ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b;
CREATE INDEX ON a (note); CREATE INDEX ON b (a); CREATE INDEX ON b ((a + 1));
CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM a;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f();
INSERT INTO a SELECT i, NULL, 'n' || i FROM generate_series(1, 100) AS i;
INSERT INTO b (a) SELECT i FROM generate_series(1, 100) AS i;
COMMIT;
UPDATE a SET b = id;
COMMIT;
REFRESH MATERIALIZED VIEW m;
`

func TestARestoreGoesOnWhereverItsConnectionsAreCut(t *testing.T) {
	ctx := t.Context()
	name := newDatabase(t, small)
	c := captureAll(t, configFor(server.DSN(name)), rangeBytes)
	cutter := newProxy(t, hostOf(t, server.DSN(name)))
	target := newName()
	config := configFor(cutter.through(t, server.DSN(target)))

	as := dataservice.Restoring{Run: "run", Workers: 2}
	cuts := 0
	for allowed := int64(300); ; allowed += 300 {
		as.Fence++
		cutter.allow(allowed)
		err := c.restoreInto(ctx, config, as)
		if err == nil {
			break
		}
		if class := fault.ClassOf(err); class != fault.Transient {
			t.Fatalf("after %d bytes: class %s: %v", allowed, class, err)
		}
		if cuts++; cuts > 500 {
			t.Fatalf("the restore never ends: %v", err)
		}
	}
	if cuts < 20 {
		t.Errorf("the restore was cut %d times only", cuts)
	}

	sandbox, err := Spec.Sandbox(ctx, config, as, deps)
	if err != nil {
		t.Fatal(err)
	}
	cuts = 0
	for allowed := int64(100); ; allowed += 50 {
		cutter.allow(allowed)
		if err := sandbox.Publish(ctx, c.Component); err == nil {
			break
		} else if cuts++; cuts > 500 {
			t.Fatalf("publishing never ends: %v", err)
		}
	}
	cutter.allow(1 << 40)
	if err := sandbox.Publish(ctx, c.Component); err != nil {
		t.Fatal(err)
	}
	if want, got := dumpOf(t, name, dumped...), dumpOf(t, target, dumped...); want != got {
		t.Errorf("the restored database differs: %s", firstDifference(want, got))
	}
	if left := like(t, target); len(left) != 1 {
		t.Errorf("there are %q", left)
	}
}

func TestARefusedRowTellsNoValue(t *testing.T) {
	name := newDatabase(t, small)
	c := captureAll(t, configFor(server.DSN(name)), rangeBytes)
	for _, u := range c.Units {
		if u.Unit.Object == "public.a" {
			c.streams[u.Unit.ID] = append(bytes.Clone(c.streams[u.Unit.ID]), "hush-hush\t\\N\thush-hush\n"...)
		}
	}
	err := c.restoreInto(t.Context(), configFor(server.DSN(newName())), dataservice.Restoring{Run: "r", Fence: 1, Workers: 1})
	if !fault.Is(err, fault.Permanent) || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "row 101 of the unit, column id") {
		t.Errorf("a row that does not fit: %v (%s)", err, fault.ClassOf(err))
	}

	// A value that breaks a constraint is found only when the constraint is made.
	for _, u := range c.Units {
		if u.Unit.Object == "public.a" {
			c.streams[u.Unit.ID] = []byte("1\t\\N\thush-hush\n2\t\\N\thush-hush\n")
		}
	}
	err = c.restoreInto(t.Context(), configFor(server.DSN(newName())), dataservice.Restoring{Run: "r", Fence: 1, Workers: 1})
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), "hush") {
			t.Errorf("the error tells the value: %v", e)
		}
	}
	if !fault.Is(err, fault.Permanent) || !strings.Contains(err.Error(), "a_note_key") {
		t.Errorf("values that are not unique: %v (%s)", err, fault.ClassOf(err))
	}
}

func TestInspectFindsDamage(t *testing.T) {
	ctx := t.Context()
	name := newDatabase(t, small)
	c := captureAll(t, configFor(server.DSN(name)), rangeBytes)
	config := configFor(server.DSN(newName()))
	as := dataservice.Restoring{Run: "run", Fence: 1, Workers: 2}
	if err := c.restoreInto(ctx, config, as); err != nil {
		t.Fatal(err)
	}
	sealed := sandboxName(databaseOf(t, config), as.Run)
	sandbox, err := Spec.Sandbox(ctx, config, as, deps)
	if err != nil {
		t.Fatal(err)
	}
	differences := func() string {
		t.Helper()
		findings, err := sandbox.Inspect(ctx, c.Component, testKey)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, d := range dataservice.Compare(c.Component, findings) {
			all = append(all, d.String())
		}
		return strings.Join(all, "\n")
	}
	for _, damage := range []struct{ script, want string }{
		{"UPDATE a SET note = 'x' WHERE id = 7", "public.a: content of rows"},
		{"UPDATE a SET b = NULL WHERE b = 3; DELETE FROM b WHERE id = 3", "public.b: rows: want 100, got 99"},
		{"DROP INDEX a_note_idx", "public.a: index a_note_idx"},
		{"ALTER TABLE a DROP CONSTRAINT a_b_fkey", "public.a: constraint a_b_fkey"},
		{"SELECT setval('b_id_seq', 5)", "public.b_id_seq: sequence"},
		{"ALTER TABLE b ALTER COLUMN a SET NOT NULL", "public.b: column a"},
		{"ALTER TABLE b DROP COLUMN a", "public.b: rows: want 100, got nothing"},
		{"DROP MATERIALIZED VIEW m", "public.m: object"},
		{"CREATE TABLE public.stowaway AS SELECT 1 AS one", "public.stowaway: rows: want nothing, got 1"},
	} {
		if found := differences(); strings.Contains(found, damage.want) {
			t.Fatalf("before %q: %s", damage.script, found)
		}
		if err := server.Exec(ctx, sealed, damage.script); err != nil {
			t.Fatal(err)
		}
		if found := differences(); !strings.Contains(found, damage.want) {
			t.Errorf("after %q: %s; want %q", damage.script, found, damage.want)
		}
	}
	if err := sandbox.Discard(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.Inspect(ctx, c.Component, testKey); !fault.Is(err, fault.NotFound) {
		t.Errorf("inspect of what was discarded: %v", err)
	}
}

// ordinary makes a role without special privileges, under a name like role, and returns the configuration of a database for it.
func ordinary(t *testing.T, role, attributes, database string) json.RawMessage {
	t.Helper()
	role = fmt.Sprintf("%s%d", role, databases.Add(1))
	if err := running(t).Exec(t.Context(), "postgres", "CREATE ROLE "+role+" LOGIN PASSWORD 'pw' "+attributes); err != nil {
		t.Fatal(err)
	}
	dsn := strings.Replace(server.DSN(database), "tranship:"+server.Password(), role+":pw", 1)
	return configFor(dsn)
}

func TestARoleThatMayOnlyReadCaptures(t *testing.T) {
	name := newDatabase(t, small+"CREATE TABLE secret (i integer); COMMIT")
	config := ordinary(t, "reader", "", name)
	if err := server.Exec(t.Context(), name, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO PUBLIC"); err != nil {
		t.Fatal(err)
	}
	captureAll(t, config, rangeBytes)
	if err := server.Exec(t.Context(), name, "REVOKE SELECT ON secret FROM PUBLIC"); err != nil {
		t.Fatal(err)
	}
	_, err := opened(t, config).Plan(t.Context())
	if !fault.Is(err, fault.Denied) || !strings.Contains(fault.HintOf(err), "SELECT") {
		t.Errorf("a table that may not be read: %v (%s, %q)", err, fault.ClassOf(err), fault.HintOf(err))
	}
}

func TestARoleThatMayOnlyCreateDatabasesRestores(t *testing.T) {
	name := newDatabase(t, small)
	c := captureAll(t, configFor(server.DSN(name)), rangeBytes)
	config := ordinary(t, "creator", "CREATEDB", newName())
	as := dataservice.Restoring{Run: "run", Fence: 1, Workers: 3}
	if err := c.restoreInto(t.Context(), config, as); err != nil {
		t.Fatal(err)
	}
	c.publish(t, config, as)

	config = ordinary(t, "nobody", "", newName())
	if err := c.restoreInto(t.Context(), config, as); !fault.Is(err, fault.Denied) || !strings.Contains(fault.HintOf(err), "CREATEDB") {
		t.Errorf("a role that may not create databases: %v (%s, %q)", err, fault.ClassOf(err), fault.HintOf(err))
	}
}

func TestASealedDatabaseIsClosedToOthers(t *testing.T) {
	ctx := t.Context()
	name := newDatabase(t, small)
	c := captureAll(t, configFor(server.DSN(name)), rangeBytes)
	target := newName()
	as := dataservice.Restoring{Run: "run", Fence: 1, Workers: 1}
	if err := c.restoreInto(ctx, configFor(server.DSN(target)), as); err != nil {
		t.Fatal(err)
	}
	stranger := ordinary(t, "stranger", "", sandboxName(target, "run"))
	if _, err := Spec.Source(ctx, stranger, 1, deps); !fault.Is(err, fault.Denied) {
		t.Errorf("a stranger in the sealed database: %v", err)
	}
}

func TestWorkersOfOneRunShareASandbox(t *testing.T) {
	ctx := t.Context()
	name := newDatabase(t, small)
	c := captureAll(t, configFor(server.DSN(name)), rangeBytes)
	config := configFor(server.DSN(newName()))
	var workers errgroup.Group
	for fence := range uint64(4) {
		workers.Go(func() error {
			as := dataservice.Restoring{Run: "run", Fence: fence + 1, Workers: 1}
			for {
				// Who is overtaken, or ended by a higher claim, comes again until everything is done.
				err := c.restoreInto(ctx, config, as)
				if err == nil || !errors.Is(err, dataservice.ErrFenced) && fault.ClassOf(err) == fault.Permanent {
					return err
				}
			}
		})
	}
	if err := workers.Wait(); err != nil {
		t.Fatal(err)
	}
	c.publish(t, config, dataservice.Restoring{Run: "run", Fence: 1, Workers: 2})
}

func TestAnotherRunHasASandboxOfItsOwn(t *testing.T) {
	ctx := t.Context()
	name := newDatabase(t, small)
	c := captureAll(t, configFor(server.DSN(name)), rangeBytes)
	target := newName()
	config := configFor(server.DSN(target))
	for _, run := range []string{"one", "two"} {
		if err := c.restoreInto(ctx, config, dataservice.Restoring{Run: run, Fence: 1, Workers: 1}); err != nil {
			t.Fatal(err)
		}
	}
	c.publish(t, config, dataservice.Restoring{Run: "two", Fence: 1})
	one, err := Spec.Sandbox(ctx, config, dataservice.Restoring{Run: "one"}, deps)
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Publish(ctx, c.Component); !errors.Is(err, dataservice.ErrTargetExists) {
		t.Errorf("a second run publishes over the first: %v", err)
	}
	if err := one.Discard(ctx); err != nil {
		t.Fatal(err)
	}
	if left := like(t, target); len(left) != 1 || left[0] != target {
		t.Errorf("there are %q", left)
	}
}

func TestALocaleThatTheServerLacksIsExplained(t *testing.T) {
	name := newDatabase(t, small)
	c := captureAll(t, configFor(server.DSN(name)), rangeBytes)
	c.Catalogue.Settings = map[string]string{settingEncoding: "UTF8", settingCollate: "xx_XX.UTF-8", settingCtype: "C"}
	target := newName()
	err := c.restoreInto(t.Context(), configFor(server.DSN(target)), dataservice.Restoring{Run: "r", Fence: 1})
	if !fault.Is(err, fault.Permanent) || fault.CodeOf(err) != "postgres.settings" || !strings.Contains(fault.HintOf(err), "xx_XX.UTF-8") {
		t.Errorf("%v (%s, hint %q)", err, fault.ClassOf(err), fault.HintOf(err))
	}
	if left := like(t, target); len(left) != 0 {
		t.Errorf("there are %q", left)
	}
}
