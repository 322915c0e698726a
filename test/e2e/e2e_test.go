// Package e2e_test starts the program as its documentation says, every service in a process of its own, beside a real
// PostgreSQL server and real S3 stores, and uses it from the command line.
package e2e_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/demo"
	"github.com/tranship/tranship/internal/failpoint"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
	"github.com/tranship/tranship/test/program"
)

func TestMain(m *testing.M) { program.Main(m) }

// The subtests share a world and run in this order: each leaves it as the next one may find it.
func TestTheProgramFromTheCommandLine(t *testing.T) {
	w := newShop(t)
	sh := program.NewShell(t, w)
	sh.Apply(t, "tranship.yaml", w.Resources)
	var first saga.State
	t.Run("a clone goes through all stages", func(t *testing.T) { first = clone(t, w, sh) })
	t.Run("the clone is masked and whole", func(t *testing.T) { maskedAndWhole(t, w) })
	t.Run("captures are listed with their proofs", func(t *testing.T) { listed(t, sh, first) })
	t.Run("a target that exists is left alone", func(t *testing.T) { refusedAgain(t, w, sh) })
	t.Run("a wrong token is refused", func(t *testing.T) { wrongToken(t, sh) })
	t.Run("raw data is not restored where only masked data may be", func(t *testing.T) { rawRefused(t, w, sh) })
	t.Run("a canceled run drops its sandbox", func(t *testing.T) { canceledInVerify(t, w, sh) })
	t.Run("a canceled run voids the capture that it was making", func(t *testing.T) { canceledInMask(t, w, sh) })
	t.Run("a column that no rule names stops the run", func(t *testing.T) { unclassified(t, w, sh) })
}

func clone(t *testing.T, w *demo.World, sh *program.Shell) saga.State {
	r := sh.Run(t, "run", demo.Policy, "--wait")
	if r.Code != 0 {
		t.Fatalf("it ended with %d:\n%s", r.Code, r.Stderr)
	}
	var run string
	seen := map[string]int{}
	for line := range strings.Lines(r.Stdout) {
		var e struct {
			SpecVersion, Type, PartitionKey string
		}
		program.Decode(t, line, &e)
		if e.SpecVersion != "1.0" {
			t.Fatalf("a line is not a CloudEvent: %s", line)
		}
		seen[e.Type]++
		run = e.PartitionKey
	}
	if seen[events.TypeRunCompleted] != 1 || seen[events.TypeStepCompleted] != 5 {
		t.Errorf("the events are %v", seen)
	}
	for _, word := range []string{"proven equal", "leak"} {
		if !strings.Contains(r.Stderr, word) {
			t.Errorf("the summary does not say %q:\n%s", word, r.Stderr)
		}
	}
	state := sh.Show(t, run)
	program.Completed(t, state)
	if rows := state.Step("capture").Stats.Rows; rows < customers+orders {
		t.Errorf("%d rows were captured", rows)
	}
	return state
}

func maskedAndWhole(t *testing.T, w *demo.World) {
	conn := program.Connect(t, w, demo.TargetDatabase)
	for query, want := range map[string]int64{
		"SELECT count(*) FROM customers": customers,
		"SELECT count(*) FROM orders":    orders,
		"SELECT count(*) FROM customers c WHERE c::text ~ 'person[0-9]|shop-customers|Featherstone|4539578763621486'": 0,
		// A masked number may be another customer's by chance; most of them cannot.
		"SELECT (count(*) > 40)::int FROM customers WHERE phone LIKE '+49 30 9012%'":                     0,
		"SELECT count(*) FROM orders o WHERE o::text ~ 'person[0-9]|shop-customers|Featherstone'":        0,
		"SELECT count(*) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id WHERE c.id IS NULL": 0,
		// One identity, one mask: across tables, and into documents.
		"SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.email <> o.contact OR c.profile->>'mail' <> c.email": 0,
		"SELECT count(DISTINCT email) FROM customers":                                               customers,
		"SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated":                   1,
		"SELECT count(*) FROM pg_indexes WHERE indexname = 'orders_by_customer'":                    1,
		"SELECT nextval('tickets')":                                                                 4712,
		"SELECT count(*) FROM pg_namespace WHERE nspname = 'tranship'":                              0,
		"SELECT count(*) FROM pg_database WHERE datname LIKE '%tranship%'":                          0,
		"SELECT count(*) FROM customers WHERE born BETWEEN DATE '1940-01-01' AND DATE '1970-01-01'": customers,
	} {
		if got := program.Number(t, conn, query); got != want {
			t.Errorf("%s: %d, not %d", query, got, want)
		}
	}
	if text, err := os.ReadFile(filepath.Join(w.Restored, "terms.txt")); err != nil || string(text) != "Terms of the shop\n" {
		t.Errorf("terms.txt is %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(w.Restored, "2026/10/1.pdf")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that the policy drops is there: %v", err)
	}
}

func listed(t *testing.T, sh *program.Shell, run saga.State) {
	if run.Output == nil {
		t.Skip("there was no run to look at")
	}
	for location, step := range map[string]string{demo.Vault: "capture", demo.Masked: "mask", demo.TestCloud: "transfer"} {
		var list client.CaptureList
		program.Decode(t, sh.Must(t, "captures", "ls", "--location", location, "-o", "json"), &list)
		if len(list.Items) != 1 || len(list.Unreadable) > 0 {
			t.Fatalf("location %s has %+v", location, list)
		}
		c, ref := list.Items[0], run.Step(step).Capture
		if c.ID != ref.ID || c.Root != ref.Root || c.Trust != ref.Trust || c.Run != run.Run {
			t.Errorf("location %s has %+v, and the run made %+v", location, c, ref)
		}
		if masked := c.Trust == "masked"; masked != (c.Masking != nil) || masked && !strings.HasPrefix(c.Masking.Verdict, "passed") {
			t.Errorf("a capture of trust %s is masked as %+v", c.Trust, c.Masking)
		}
		if verified := len(c.Verified) > 0; verified != (location == demo.TestCloud) {
			t.Errorf("in location %s the capture is verified by %v", location, c.Verified)
		}
	}
}

func refusedAgain(t *testing.T, w *demo.World, sh *program.Shell) {
	before := program.ContentOf(t, w, demo.TargetDatabase)
	r := sh.Run(t, "run", demo.Policy, "--wait", "--quiet")
	if r.Code != 1 || !strings.Contains(r.Stderr, "target.exists") {
		t.Errorf("it ended with %d:\n%s", r.Code, r.Stderr)
	}
	program.Same(t, before, program.ContentOf(t, w, demo.TargetDatabase))
}

func wrongToken(t *testing.T, sh *program.Shell) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("not-the-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := sh.Run(t, "runs", "ls", "--token-file", file)
	if r.Code != 1 || !strings.Contains(r.Stderr, "token") || strings.Contains(r.Stderr, "not-the-token") {
		t.Errorf("it ended with %d:\n%s", r.Code, r.Stderr)
	}
}

func rawRefused(t *testing.T, w *demo.World, sh *program.Shell) {
	sh.Apply(t, "raw.yaml", `apiVersion: tranship.io/v1alpha1
kind: Policy
metadata: {name: raw}
spec:
  applications: {names: [shop]}
  steps:
    - capture: {to: vault}
    - restore: {profile: migrate, to: {accepts: raw, components: [{name: db, postgres: {dsn: {fromFile: raw.dsn}}}, {name: invoices, files: {path: `+filepath.Join(w.Dir, "raw")+`}}]}}
`)
	state := sh.Await(t, sh.Start(t, "raw"))
	if state.Status != saga.RunFailed || state.Failure.Step != "restore" || state.Failure.Error.Code != "trust.refused" || state.Failure.Error.Class != "denied" {
		t.Errorf("the run ended as %s: %+v", state.Status, state.Failure)
	}
	if program.Exists(t, w, "raw%") {
		t.Error("there is a database of raw data")
	}
}

// dieAt lets a process die at a place while a policy runs, and returns the run when the process is gone.
func dieAt(t *testing.T, w *demo.World, sh *program.Shell, process string, at failpoint.Name, policy string) (run string) {
	t.Helper()
	p := w.Process(process)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	p.Setenv(failpoint.Env + "=" + string(at))
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	run = sh.Start(t, policy)
	select {
	case <-p.Done():
	case <-time.After(time.Minute):
		t.Fatalf("%s did not come to %s; the run stands at %+v", process, at, sh.Show(t, run))
	}
	p.Setenv()
	return run
}

func canceledInVerify(t *testing.T, w *demo.World, sh *program.Shell) {
	sh.Apply(t, "late.yaml", laneOf(w, "late"))
	run := dieAt(t, w, sh, "restorer", failpoint.PublishBefore, "late")
	if !program.Exists(t, w, "late\\_tranship%") {
		t.Error("the restored database is not in a sandbox")
	}
	sh.Must(t, "runs", "cancel", run, "--reason", "a test")
	if err := w.Process("restorer").Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := sh.Run(t, "runs", "watch", run)
	if state := sh.Show(t, run); r.Code != 3 || state.Status != saga.RunCanceled {
		t.Errorf("watching ended with %d, and the run as %s", r.Code, state.Status)
	}
	if program.Exists(t, w, "late%") {
		t.Error("something of the target database is left")
	}
	if left, _ := filepath.Glob(filepath.Join(w.Dir, "clone", "*late*")); len(left) > 0 {
		t.Errorf("of the target directory is left: %v", left)
	}
}

func canceledInMask(t *testing.T, w *demo.World, sh *program.Shell) {
	sh.Apply(t, "canceled.yaml", laneOf(w, "canceled"))
	run := dieAt(t, w, sh, "masker-1", failpoint.ManifestBefore, "canceled")
	output := sh.Show(t, run).Step("mask").Output
	sh.Must(t, "runs", "cancel", run)
	if err := w.Process("masker-1").Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if state := sh.Await(t, run); state.Status != saga.RunCanceled || state.Step("mask").Status != saga.StepCompensated {
		t.Errorf("the run ended as %s, with steps %+v", state.Status, state.Steps)
	}
	if r := sh.Run(t, "captures", "show", output, "--location", "masked-canceled"); r.Code == 0 {
		t.Errorf("the capture exists:\n%s", r.Stdout)
	}
	noCaptures(t, sh, "masked-canceled")
}

func noCaptures(t *testing.T, sh *program.Shell, location string) {
	t.Helper()
	var list client.CaptureList
	program.Decode(t, sh.Must(t, "captures", "ls", "--location", location, "-o", "json"), &list)
	if len(list.Items) != 0 {
		t.Errorf("location %s has captures: %+v", location, list.Items)
	}
}

func unclassified(t *testing.T, w *demo.World, sh *program.Shell) {
	if err := w.Postgres.Exec(t.Context(), demo.SourceDatabase, "ALTER TABLE customers ADD COLUMN nickname text"); err != nil {
		t.Fatal(err)
	}
	sh.Apply(t, "unknown.yaml", laneOf(w, "unknown"))
	r := sh.Run(t, "run", "unknown", "--wait")
	if r.Code != 1 || !strings.Contains(r.Stderr, "mask.unclassified") {
		t.Errorf("it ended with %d:\n%s", r.Code, r.Stderr)
	}
	text, err := os.ReadFile(filepath.Join(sh.Dir, "unclassified.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(text) || !strings.Contains(string(text), "nickname") {
		t.Errorf("unclassified.json holds %s", text)
	}
	noCaptures(t, sh, "masked-unknown")
	if program.Exists(t, w, "unknown%") {
		t.Error("there is a database")
	}
}
