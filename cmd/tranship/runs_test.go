package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/proof"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

func TestRunWithoutWaitingPrintsTheRun(t *testing.T) {
	g := newGateway(t)
	r := g.do(t, "run", "nightly", "--param", "env=pr-1", "--application", "shop")
	if r.code != exitCompleted || r.stdout != testRun+"\n" {
		t.Errorf("unexpected:\n%s", r.text())
	}
	var q client.RunRequest
	if err := json.Unmarshal(g.last(t, "POST", "/v1/runs").body, &q); err != nil {
		t.Fatal(err)
	}
	if q.Policy != "nightly" || q.Application != "shop" || q.Params["env"] != "pr-1" || q.Cause != "cli" {
		t.Errorf("asked for %+v", q)
	}
	golden(t, "run_json", g.do(t, "run", "nightly", "-o", "json").text())
}

func TestRunWaitWritesOneLineOfJSONPerEvent(t *testing.T) {
	g := newGateway(t)
	j := captureRun(t)
	emit(j, "", "", events.RunCompleted{})
	g.events, g.run = j.events, endedRun(saga.RunCompleted)
	r := g.do(t, "run", "nightly", "--wait")
	if r.code != exitCompleted {
		t.Fatalf("want exit code 0:\n%s", r.text())
	}
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if len(lines) != len(j.events) {
		t.Fatalf("%d lines for %d events:\n%s", len(lines), len(j.events), r.stdout)
	}
	for i, line := range lines {
		var e struct{ ID, Type string }
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.ID != j.events[i].ID() || e.Type != j.events[i].Type() {
			t.Errorf("line %d: %v: %s", i, err, line)
		}
	}
	golden(t, "run_wait_summary", r.stderr)
}

func TestRunWaitTellsHowTheRunEnded(t *testing.T) {
	failure := events.Fault{Class: "denied", Code: "store.denied", Message: "the store refused the credentials", Hint: "look at the credentials of location vault"}
	for _, c := range []struct {
		name string
		end  func(j *journal)
		run  client.Run
		code int
		want []string
	}{
		{"failed", func(j *journal) { emit(j, "", "", events.RunFailed{Step: "capture", Task: "0", Error: failure}) }, failedRun(failure), exitFailed,
			[]string{"Error: run " + testRun + " failed in step capture\n  because the store refused the credentials (store.denied)\n  hint: look at the credentials"}},
		{"canceled", func(j *journal) { emit(j, "", "", events.RunCanceled{}) }, endedRun(saga.RunCanceled), exitCanceled, []string{"was canceled"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t)
			j := captureRun(t)
			c.end(j)
			g.events, g.run = j.events, c.run
			r := g.do(t, "runs", "watch", testRun)
			if r.code != c.code {
				t.Errorf("want exit code %d:\n%s", c.code, r.text())
			}
			contains(t, r.stderr, c.want...)
		})
	}
}

func TestWaitingEndsAtItsTimeoutAndTheRunGoesOn(t *testing.T) {
	g := newGateway(t)
	g.events, g.endless = captureRun(t).events, true
	r := g.do(t, "run", "nightly", "--wait", "--timeout", "50ms")
	if r.code != exitTimedOut {
		t.Errorf("want exit code 4:\n%s", r.text())
	}
	contains(t, r.stderr, "did not end within 50ms, and goes on", "tranship runs watch "+testRun, "tranship runs cancel "+testRun)
}

func TestInterruptDetachesFromTheRun(t *testing.T) {
	g := newGateway(t)
	g.events, g.endless = captureRun(t).events, true
	ctx, interrupt := context.WithCancel(t.Context())
	go func() {
		<-g.streaming
		interrupt()
	}()
	r := g.call(t, call{args: []string{"runs", "watch", testRun}, ctx: ctx})
	if r.code != exitInterrupted {
		t.Errorf("want exit code 130:\n%d %s", r.code, r.stderr)
	}
	contains(t, r.stderr, "the waiting was interrupted; run "+testRun+" goes on", "tranship runs cancel "+testRun)
}

func TestUnclassifiedPlacesAreLeftInFiles(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	failure := events.Fault{Class: "permanent", Code: "mask.unclassified", Message: "no rule covers db/public.customers.email (text)",
		Details: json.RawMessage(`{"total":3,"unclassified":[{"component":"db","object":"public.customers","column":"email","type":"text","suggested":"email"},{"component":"db","object":"public.customers","column":"x","type":"point"}]}`)}
	g := newGateway(t)
	j := captureRun(t)
	emit(j, "", "", events.RunFailed{Step: "capture", Error: failure})
	g.events, g.run = j.events, failedRun(failure)
	r := g.do(t, "run", "nightly", "--wait")
	if r.code != exitFailed {
		t.Errorf("want exit code 1:\n%s", r.text())
	}
	contains(t, r.stderr, unclassifiedFile, patchFile, "1 more")
	report, err := os.ReadFile(filepath.Join(dir, unclassifiedFile))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(report), `"total": 3`, `"column": "email"`)
	patch, err := os.ReadFile(filepath.Join(dir, patchFile))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(patch), "email: {mask: email}", "# x: a decision is needed")
}

func TestRefusedRunTellsWhy(t *testing.T) {
	g := newGateway(t)
	g.problem = &client.Problem{Class: fault.NotFound, Code: "policy.missing", Message: `there is no Policy "nihgtly" in tenant default`, Hint: `did you mean "nightly"?`, Run: testRun}
	golden(t, "run_refused", g.do(t, "run", "nihgtly", "--wait").text())
}

func TestCaptureAndRestoreAreRunsOfOneStep(t *testing.T) {
	g := newGateway(t)
	g.captures = []client.Capture{{ID: "c1", Application: "shop", Location: "test-cloud", Trust: "masked", Created: now}}
	sent := func() *api.Policy {
		t.Helper()
		var q client.RunRequest
		if err := json.Unmarshal(g.last(t, "POST", "/v1/runs").body, &q); err != nil {
			t.Fatal(err)
		}
		list, err := api.Decode(strings.NewReader(string(q.Inline)), "")
		if err != nil {
			t.Fatal(err)
		}
		return list[0].(*api.Policy)
	}

	if r := g.do(t, "capture", "shop", "--to", "vault"); r.code != exitCompleted {
		t.Fatal(r.text())
	}
	if p := sent(); len(p.Spec.Steps) != 1 || p.Spec.Steps[0].Capture.To != "vault" || p.Spec.Applications.Names[0] != "shop" {
		t.Errorf("asked for %+v", p.Spec)
	}

	r := g.do(t, "restore", "c1", "--location", "test-cloud", "--to-postgres", "db=env:TRANSHIP_SECRET_DSN", "--to-files", "invoices=./restored", "--only", "db")
	if r.code != exitCompleted {
		t.Fatal(r.text())
	}
	p := sent()
	if len(p.Spec.Steps) != 2 || p.Spec.Steps[1].Verify == nil || p.Spec.Applications.Names[0] != "shop" {
		t.Fatalf("want a restore of the captured application, and a verify: %+v", p.Spec)
	}
	step := p.Spec.Steps[0].Restore
	if step.From.Capture != "c1" || step.From.Location != "test-cloud" || step.To.Accepts != api.TrustMasked || len(step.Only) != 1 ||
		step.To.Components[0].Postgres.DSN.FromEnv != "TRANSHIP_SECRET_DSN" || step.To.Components[1].Files.Path != "./restored" {
		t.Errorf("asked for %+v", step)
	}
}

func TestConnectionStringsOnTheCommandLineAreRefusedAndNotRepeated(t *testing.T) {
	for _, word := range []string{"db=postgres://u:pa55@host/db", "db=env:postgres://u:pa55@host/db", "db=host=h password=pa55"} {
		r := newGateway(t).do(t, "restore", "c1", "--location", "l", "--application", "shop", "--to-postgres", word)
		if r.code != exitMisuse || strings.Contains(r.stderr, "pa55") {
			t.Errorf("want exit code 2 and no password:\n%s", r.text())
		}
	}
	r := newGateway(t).do(t, "restore", "c1", "--location", "l", "--application", "shop", "--to-postgres", "db=env:HOME")
	if r.code != exitMisuse {
		t.Errorf("only variables with the prefix can be named:\n%s", r.text())
	}
}

func TestListAndShowRuns(t *testing.T) {
	g := newGateway(t)
	failure := events.Fault{Class: "transient", Code: "store.away", Message: "the store does not answer"}
	g.run = failedRun(failure)
	g.runs = []client.RunSummary{
		{Run: testRun, Tenant: "default", Status: saga.RunFailed, Policy: "nightly", Application: "shop", Cause: events.Cause{Kind: "cron"}, Step: "capture", StepsTotal: 5,
			Failure: g.run.Failure, RequestedAt: g.run.RequestedAt, FinishedAt: g.run.FinishedAt},
		{Run: "r2", Tenant: "default", Status: saga.RunRunning, Application: "shop", Cause: events.Cause{Kind: "cli"}, Step: "mask", StepsDone: 1, StepsTotal: 2,
			Stats: events.Stats{Rows: 1200000, Bytes: 98765432}, RequestedAt: now.Add(-90e9)},
	}
	for _, format := range formats {
		golden(t, "runs_ls_"+format, g.do(t, "runs", "ls", "-o", format).text())
	}
	for _, format := range []string{"table", "wide", "json"} {
		golden(t, "runs_show_"+format, g.do(t, "runs", "show", testRun, "-o", format).text())
	}
	golden(t, "runs_show_missing", g.do(t, "runs", "show", "nope").text())
}

func TestControlOfRuns(t *testing.T) {
	g := newGateway(t)
	g.run = endedRun(saga.RunCanceled)
	for action, want := range map[string]string{"cancel": "is being canceled", "pause": "is paused", "resume": "goes on", "retry": "is tried again"} {
		r := g.do(t, "runs", action, testRun, "--reason", "because")
		if r.code != exitCompleted || r.stderr != "run "+testRun+" "+want+"\n" {
			t.Errorf("%s:\n%s", action, r.text())
		}
		if a := g.last(t, "POST", "/v1/runs/"+testRun+"/"+action); string(a.body) != `{"reason":"because"}` {
			t.Errorf("%s: sent %s", action, a.body)
		}
	}
	g.do(t, "runs", "retry", testRun, "--from", "mask")
	if a := g.last(t, "POST", "/v1/runs/"+testRun+"/retry"); string(a.body) != `{"from":"mask"}` {
		t.Errorf("sent %s", a.body)
	}

	j := captureRun(t)
	emit(j, "", "", events.RunCanceled{})
	g.events = j.events
	if r := g.do(t, "runs", "cancel", testRun, "--wait"); r.code != exitCompleted {
		t.Errorf("a cancellation that was asked for and happened is a success:\n%s", r.text())
	}
}

func TestListAndShowCaptures(t *testing.T) {
	g := newGateway(t)
	g.captures = []client.Capture{{
		ID: "c1", Application: "shop", Location: "vault", Trust: "masked", Run: testRun, Created: now.Add(-26 * 3600e9), Digest: "blake3:aa", Root: "blake3:bb",
		Streams: 3, Bytes: 98765432, Stored: 1234567, Verified: []string{"r2"}, Masking: &client.Masking{Policy: "blake3:cc", Epoch: 2, Engine: "1", Verdict: "passed"},
		Parents:   []client.Parent{{Relation: "maskedFrom", Manifest: "blake3:dd"}},
		Artifacts: []client.Artifact{{Stream: "s1", Bytes: 98765432, Stored: 1234567, Chunks: 42}},
	}}
	for _, format := range formats {
		golden(t, "captures_ls_"+format, g.do(t, "captures", "ls", "--location", "vault", "-o", format).text())
	}
	for _, format := range []string{"table", "wide", "json"} {
		golden(t, "captures_show_"+format, g.do(t, "captures", "show", "c1", "--location", "vault", "-o", format).text())
	}
}

func TestProofOfAVerifiedRunIsPrinted(t *testing.T) {
	report := proof.Report{
		Version: 1, Run: testRun, Application: "shop", Verdict: "passed", At: now, CapturedAt: now.Add(-3600e9),
		Capture: events.CaptureRef{ID: "c3", Application: "shop", Location: "test-cloud", Trust: "masked"},
		Components: []proof.Component{{Name: "db", Driver: "postgres", Objects: 6, Rows: 1200000, Bytes: 98765432, Sequences: 1, Constraints: 12, Indexes: 9,
			Gaps: []dataservice.Gap{{Object: "public.tmp", Code: "vanished", Reason: "it was dropped meanwhile"}}}},
		Masked: &proof.Masked{Policy: "shop-pii", Epoch: 1, Engine: 1, Scan: "passed", Masks: map[string]int{"email": 2, "keep": 1},
			Keeps: []mask.KeepStatement{{Place: "db/public.orders.total", Reason: "an amount", ReviewedBy: "dpo@example.org"}}},
		Moved: []proof.Move{{From: "c2"}},
	}
	detail, err := report.Within(events.MaxDetail)
	if err != nil {
		t.Fatal(err)
	}
	g := newGateway(t)
	j := captureRun(t)
	emit(j, "verify", "", events.StepStarted{Generation: 1})
	emit(j, "verify", "", events.StepCompleted{Detail: detail})
	emit(j, "", "", events.RunCompleted{})
	g.events, g.run = j.events, endedRun(saga.RunCompleted)
	g.run.Steps = append(g.run.Steps, saga.Step{Name: "verify", Kind: events.StepVerify, Status: saga.StepCompleted, Capture: &report.Capture})
	r := g.do(t, "runs", "watch", testRun)
	if r.code != exitCompleted {
		t.Fatal(r.text())
	}
	golden(t, "watch_proof", r.stderr)
}
