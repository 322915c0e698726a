// Package crash_test kills every kind of process with SIGKILL in the middle of runs, at every named place, and compares what
// comes of it with a run that nobody disturbed.
package crash_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/demo"
	"github.com/tranship/tranship/internal/failpoint"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/test/program"
)

func TestMain(m *testing.M) { program.Main(m) }

// The schema has several tables, so that a component has several units, and enough text that does not compress for several
// packs.
const schema = `
CREATE TABLE customers (id int PRIMARY KEY, email varchar(120) NOT NULL UNIQUE, full_name text, born date);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, total numeric(10,2));
CREATE TABLE events (id int PRIMARY KEY, customer_id int REFERENCES customers, at timestamptz NOT NULL, what text);
CREATE TABLE documents (id int PRIMARY KEY, body bytea NOT NULL);
ALTER TABLE documents ALTER body SET STORAGE EXTERNAL;
INSERT INTO customers SELECT i, 'person' || i || '@mail.example.net', 'Ada Byron ' || i, DATE '1960-01-01' + i % 9000 FROM generate_series(1, 15000) i;
INSERT INTO orders SELECT i, 1 + i % 15000, i * 1.5 FROM generate_series(1, 30000) i;
INSERT INTO events SELECT i, 1 + i % 15000, TIMESTAMPTZ '2026-01-01' + i * INTERVAL '1 second', 'event number ' || i FROM generate_series(1, 20000) i;
INSERT INTO documents SELECT i, (SELECT string_agg(sha512((i || '.' || j)::text::bytea), ''::bytea) FROM generate_series(1, 160) j) FROM generate_series(1, 5000) i;
`

const masking = `apiVersion: tranship.io/v1alpha1
kind: MaskingPolicy
metadata: {name: shop-pii}
spec:
  keys: [{epoch: 1, fromFile: mask-1.key}]
  identities:
    customer.id: {mask: id.int}
  rules:
    - match: {component: db, table: public.customers}
      subject: {column: id, identity: customer.id}
      columns: {id: {identity: customer.id}, email: {mask: email}, full_name: {mask: name.full}, born: {mask: date}}
    - match: {component: db, table: public.orders}
      columns: {id: {mask: id.int}, customer_id: {identity: customer.id}, total: {keep: {reason: an amount, reviewedBy: dpo@example.org}}}
    - match: {component: db, table: public.events}
      subject: {column: customer_id, identity: customer.id}
      columns: {id: {mask: id.int}, customer_id: {identity: customer.id}, at: {mask: date}, what: {keep: {reason: a number, reviewedBy: dpo@example.org}}}
    - match: {component: db, table: public.documents}
      columns: {id: {mask: id.int}, body: {keep: {reason: random, reviewedBy: dpo@example.org}}}
`

const undisturbed = "quiet"

// disturbed are the lanes of the runs in which processes die.
var disturbed = []string{"one", "two", "three"}

// places says where each process dies, in this order.
var places = map[string][]string{
	"scheduler": at(failpoint.TriggerBeforeAppend, failpoint.ReactorBeforeAppend, failpoint.ReactorBeforeEmit, failpoint.ReactorBeforeAck),
	"capturer": at(failpoint.StageBeforeClaim, failpoint.StageAfterClaim, failpoint.StageBeforeSave+":2", failpoint.UnitDone+":2",
		failpoint.StreamsDurable, failpoint.StageBeforeCompleted, failpoint.StageBeforeAck, failpoint.ManifestBefore, failpoint.ManifestAfter),
	"masker-1": at(failpoint.StageAfterClaim, failpoint.UnitDone+":2", failpoint.StreamsDurable, failpoint.ManifestBefore, failpoint.ManifestAfter),
	"verifier": at(failpoint.StageAfterClaim, failpoint.StageBeforeCompleted, failpoint.StageBeforeAck),
	"transferer": at(failpoint.StageAfterClaim, failpoint.UnitDone+":2", failpoint.StreamsDurable, failpoint.ManifestBefore,
		failpoint.ManifestAfter),
	"restorer": at(failpoint.StageAfterClaim, failpoint.UnitDone+":2", failpoint.StageBeforeCompleted, failpoint.PublishBefore, failpoint.PublishAfter),
}

func at(names ...failpoint.Name) []string {
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = string(n)
	}
	return words
}

func TestProcessesKilledInTheMiddleChangeNothing(t *testing.T) {
	w := program.World(t, demo.Config{Masking: masking, Maskers: 1, NoFiles: true, Workers: 2, Lanes: append([]string{undisturbed}, disturbed...)})
	program.Fill(t, w, demo.SourceDatabase, schema)
	sh := program.NewShell(t, w)
	sh.Apply(t, "tranship.yaml", w.Resources)
	for _, lane := range append([]string{undisturbed}, disturbed...) {
		sh.Apply(t, lane+".yaml", policyOf(w, lane))
	}
	quiet := sh.Await(t, sh.Start(t, undisturbed))
	program.Completed(t, quiet)
	content := program.ContentOf(t, w, undisturbed)

	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	supervisors := map[string]*supervisor{}
	for name, where := range places {
		s := &supervisor{process: w.Process(name), places: where}
		supervisors[name] = s
		if err := s.watch(ctx, &watching); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { cancel(); watching.Wait() })

	runs := map[string]string{}
	for _, lane := range disturbed {
		runs[lane] = begin(t, sh, lane)
	}
	for _, lane := range disturbed {
		t.Run("the run of lane "+lane, func(t *testing.T) {
			state := sh.Await(t, runs[lane])
			program.Completed(t, state)
			sameRoots(t, quiet, state)
			sentOnce(t, quiet, state)
			program.Same(t, content, program.ContentOf(t, w, lane))
		})
	}
	cancel()
	watching.Wait()
	for _, s := range supervisors {
		s.judge(t)
	}
	if program.Exists(t, w, `%\_tranship\_%`) {
		t.Error("a sandbox is left")
	}
}

var runID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// begin starts a run and returns its id. While the scheduler is dead the request is kept, and the command says so; then
// begin waits until the run has a journal.
func begin(t *testing.T, sh *program.Shell, policy string) string {
	t.Helper()
	r := sh.Run(t, "run", policy)
	id := runID.FindString(r.Stdout + r.Stderr)
	if id == "" || r.Code != 0 && !strings.Contains(r.Stderr, "the request is kept") {
		t.Fatalf("starting a run of %s ended with %d:\n%s", policy, r.Code, r.Stderr)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(time.Minute)
	defer timeout.Stop()
	for sh.Run(t, "runs", "show", id).Code != 0 {
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("the request for run %s was not kept", id)
		}
	}
	return id
}

// sameRoots compares what was captured, masked and transferred.
func sameRoots(t *testing.T, want, got saga.State) {
	t.Helper()
	for _, step := range []string{"capture", "mask", "transfer"} {
		a, b := want.Step(step).Capture, got.Step(step).Capture
		if a == nil || b == nil || a.Root != b.Root || a.Root == "" {
			t.Errorf("step %s made %+v, and undisturbed %+v", step, b, a)
		}
	}
	if a, b := want.Step("mask").Capture.Root, want.Step("capture").Capture.Root; a == b {
		t.Errorf("masked and raw root are both %s", a)
	}
}

// sentOnce bounds what the claims that finished a step have sent: what earlier claims had made durable is not in it.
func sentOnce(t *testing.T, want, got saga.State) {
	t.Helper()
	for _, step := range []string{"capture", "mask", "transfer"} {
		a, b := want.Step(step).Stats, got.Step(step).Stats
		if a.Stored == 0 || b.Stored > a.Stored+a.Stored/50 {
			t.Errorf("step %s sent %d bytes, and undisturbed %d", step, b.Stored, a.Stored)
		}
	}
}

// policyOf sends the database through all stages in a lane.
func policyOf(w *demo.World, lane string) string {
	return strings.TrimSuffix(w.Lane(lane), "\n") + fmt.Sprintf(`
---
apiVersion: tranship.io/v1alpha1
kind: Policy
metadata: {name: %[1]s}
spec:
  applications: {names: [%[2]s]}
  steps:
    - capture: {to: vault-%[1]s}
    - mask: {policy: %[3]s, to: masked-%[1]s}
    - transfer: {to: test-cloud-%[1]s}
    - restore: {to: {accepts: masked, components: [{name: db, postgres: {dsn: {fromFile: %[1]s.dsn}}}]}}
    - verify: {}
`, lane, demo.Application, demo.MaskingPolicy)
}
