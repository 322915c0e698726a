package events_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/pkg/events"
)

const (
	run    = "01930f5e-7a10-7c3e-9a52-3f6d2c4b8a01"
	rawID  = "01930f5e-7a10-7c3e-9a52-3f6d2c4b8a02"
	madeID = "01930f5e-7a10-7c3e-9a52-3f6d2c4b8a03"
)

var (
	at         = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	deadline   = at.Add(time.Hour)
	raw        = events.CaptureRef{ID: rawID, Application: "shop", Location: "vault", Trust: events.TrustRaw, Digest: digest('a'), Root: digest('b')}
	masked     = events.CaptureRef{ID: madeID, Application: "shop", Location: "masked", Trust: events.TrustMasked, Digest: digest('c'), Root: digest('d')}
	plan       = events.PlanRef{Count: 2, Ref: "t/" + madeID + "/plan", Digest: digest('e')}
	stats      = events.Stats{Items: 3, Rows: 1200, Bytes: 1 << 20, Stored: 300 << 10, Skipped: 1 << 10}
	detail     = json.RawMessage(`{"tables":{"public.customers":1200}}`)
	away       = events.Fault{Class: "transient", Code: "store.away", Message: "reach location vault: connection refused", Hint: "check that the store is up"}
	lost       = events.Fault{Class: "transient", Code: events.CodeSnapshotLost, Message: "the snapshot is gone", Details: json.RawMessage(`["public.orders"]`)}
	vault      = location("vault", "raw")
	maskedAt   = location("masked", "masked")
	cloud      = location("cloud", "masked")
	shop       = events.Resource(`{"apiVersion":"tranship.io/v1alpha1","kind":"Application","metadata":{"name":"shop"},"spec":{"components":[{"name":"db","postgres":{"dsn":{"fromFile":"source.dsn"}}}]}}`)
	pii        = events.Resource(`{"apiVersion":"tranship.io/v1alpha1","kind":"MaskingPolicy","metadata":{"name":"pii"},"spec":{"keys":[{"epoch":1,"fromFile":"mask-1.key"}]}}`)
	target     = events.Target{Accepts: events.TrustMasked, Components: []events.Resource{events.Resource(`{"name":"db","postgres":{"dsn":{"fromFile":"target.dsn"}}}`)}, Profile: "clone"}
	capture    = events.CaptureWork{Application: shop, To: vault}
	mask       = events.MaskWork{From: vault, Policy: pii, To: maskedAt}
	transfer   = events.TransferWork{From: maskedAt, To: cloud}
	restore    = events.RestoreWork{From: cloud, Target: target, Only: []string{"db"}}
	verify     = events.VerifyWork{From: cloud, Target: target, Only: []string{"db"}, Checks: []string{"rows", "leaks"}}
	nightly    = events.Cause{Kind: "cron", ID: "shop-nightly", Slot: at}
	definition = events.Definition{
		Policy: "shop-nightly", Application: "shop", Params: map[string]string{"env": "nightly"}, Window: 4,
		Retry: events.RetryPolicy{MaxAttempts: 5, Base: events.Duration(time.Second), Cap: events.Duration(time.Minute)},
		Steps: []events.StepDefinition{
			step(events.StepCapture, "", events.Work{Capture: &capture}),
			step(events.StepMask, events.StepCapture, events.Work{Mask: &mask}),
			step(events.StepTransfer, events.StepMask, events.Work{Transfer: &transfer}),
			step(events.StepRestore, events.StepTransfer, events.Work{Restore: &restore}),
			step(events.StepVerify, events.StepRestore, events.Work{Verify: &verify}),
		},
	}
)

func digest(hex rune) string { return "blake3:" + strings.Repeat(string(hex), 64) }

func location(name, trust string) events.Resource {
	return events.Resource(`{"apiVersion":"tranship.io/v1alpha1","kind":"Location","metadata":{"name":"` + name + `"},"spec":{"trust":"` + trust + `","file":{"path":"` + name + `"}}}`)
}

func step(kind, input events.StepKind, w events.Work) events.StepDefinition {
	return events.StepDefinition{
		Name: string(kind), Kind: kind, Cluster: events.LocalCluster, Input: string(input), Timeout: events.Duration(time.Hour), Work: w,
	}
}

// assigned returns what every command for a task carries.
func assigned(stage events.Stage, kind events.StepKind, task string) events.Assignment {
	a := events.Assignment{
		Attempt: 1, Generation: 1, Deadline: deadline,
		ReplySubject: events.TaskSubject("default", run, stage, events.LocalCluster, string(kind), task),
	}
	switch kind {
	case events.StepCapture:
		a.Output = rawID
	case events.StepMask:
		a.Input, a.Output = &raw, madeID
	case events.StepTransfer:
		a.Input, a.Output = &masked, madeID
	default:
		a.Input = &masked
	}
	switch task {
	case events.TaskPlan, events.TaskCompensate:
	case "1":
		a.Plan, a.Index = &plan, 1
	default:
		a.Plan, a.Index = &plan, plan.Count
		a.Outcomes = []events.Outcome{{Ref: "t/1", Digest: digest('f'), Stats: stats}, {Ref: "t/2", Digest: digest('0'), Stats: stats}}
	}
	return a
}

// sample is one event of the catalogue as a running system would write it.
type sample struct {
	event event.Event
	err   error
}

func speak[P events.Payload](service, step, task string, p P) sample {
	e, err := events.New(events.Address{Tenant: "default", Service: service, Run: run, Step: step, Task: task}, 3, at, p)
	return sample{e, err}
}

// command is speak for the scheduler to a worker.
func command[P events.Command](step, task string, p P) sample {
	s := speak("scheduler", step, task, p)
	s.event.SetID(s.event.ID() + "/command")
	s.event.SetExtension(events.ExtAttempt, strconv.Itoa(p.Assigned().Attempt))
	return s
}

// decision is speak for the scheduler about a run, which is in a state afterwards.
func decision[P events.Payload](state, step string, p P) sample {
	s := speak("scheduler", step, "", p)
	s.event.SetExtension(events.ExtRunState, state)
	return s
}

// fact is speak about attempt 1 of a capture's first work item.
func fact[P events.Payload](service string, p P) sample {
	s := speak(service, "capture", "1", p)
	s.event.SetExtension(events.ExtAttempt, "1")
	s.event.SetExtension(events.ExtCausationID, run+"/capture/1/1/command")
	return s
}

// samples holds one event of every type.
func samples() []sample {
	restarted := assigned(events.StageCapture, events.StepCapture, "1")
	restarted.Generation, restarted.Abandoned, restarted.Output = 2, []string{rawID}, madeID
	undo := func(stage events.Stage, kind events.StepKind, w events.Work) events.Compensation {
		return events.Compensation{Assignment: assigned(stage, kind, events.TaskCompensate), Work: w}
	}
	return []sample{
		command("capture", "1", events.CaptureRequested{Assignment: restarted, Work: capture}),
		command("mask", events.TaskPlan, events.MaskRequested{Assignment: assigned(events.StageMask, events.StepMask, events.TaskPlan), Work: mask}),
		command("mask", events.TaskScan, events.ScanRequested{Assignment: assigned(events.StageScan, events.StepMask, events.TaskScan), Work: mask}),
		command("transfer", "1", events.TransferRequested{Assignment: assigned(events.StageTransfer, events.StepTransfer, "1"), Work: transfer}),
		command("restore", "1", events.RestoreRequested{Assignment: assigned(events.StageRestore, events.StepRestore, "1"), Work: restore}),
		command("verify", events.TaskCommit, events.VerifyRequested{Assignment: assigned(events.StageVerify, events.StepVerify, events.TaskCommit), Work: verify}),
		command("capture", events.TaskCompensate, events.CaptureCompensate{Compensation: undo(events.StageCapture, events.StepCapture, events.Work{Capture: &capture})}),
		command("mask", events.TaskCompensate, events.MaskCompensate{Compensation: undo(events.StageMask, events.StepMask, events.Work{Mask: &mask})}),
		command("transfer", events.TaskCompensate, events.TransferCompensate{Compensation: undo(events.StageTransfer, events.StepTransfer, events.Work{Transfer: &transfer})}),
		command("restore", events.TaskCompensate, events.RestoreCompensate{Compensation: undo(events.StageRestore, events.StepRestore, events.Work{Restore: &restore})}),
		fact("scheduler", events.TaskScheduled{Attempt: 2, At: at.Add(4 * time.Second)}),
		fact("capturer", events.TaskClaimed{Attempt: 1, Claim: "QX7F", Worker: "capturer@host-1/42"}),
		fact("capturer", events.TaskCompleted{Attempt: 1, Claim: "QX7F", Outcome: events.Outcome{
			Plan: &plan, Capture: &raw, Ref: "t/1", Digest: digest('f'), Verdict: events.VerdictPassed, Stats: stats, Detail: detail,
		}}),
		fact("capturer", events.TaskFailed{Attempt: 1, Claim: "QX7F", Error: lost}),
		fact("scheduler", events.TaskTimedOut{Attempt: 1}),
		fact("scheduler", events.TaskCanceled{Attempt: 1, Reason: "the run is canceling"}),
		decision("requested", "", events.RunRequested{Policy: "shop-nightly", Application: "shop", Params: map[string]string{"env": "nightly"}, Cause: nightly}),
		decision("running", "", events.RunStarted{Definition: definition}),
		decision("paused", "", events.RunPaused{Reason: "the source is in maintenance"}),
		decision("running", "", events.RunResumed{From: "mask"}),
		decision("canceling", "", events.RunCancelRequested{Reason: "not needed"}),
		decision("compensating", "", events.RunCompensating{}),
		decision("compensated", "", events.RunCompensated{}),
		decision("completed", "", events.RunCompleted{Output: &masked, Stats: stats}),
		decision("failed", "", events.RunFailed{Step: "capture", Task: "1", Error: away}),
		decision("canceled", "", events.RunCanceled{}),
		decision("running", "mask", events.StepStarted{Generation: 1, Input: &raw, Output: madeID}),
		decision("running", "capture", events.StepRestarted{Generation: 2, Output: madeID, Reason: lost}),
		decision("running", "mask", events.StepCompleted{Capture: &masked, Ref: "c/" + madeID + "/report", Stats: stats, Detail: detail}),
		decision("running", "capture", events.StepFailed{Task: "1", Error: away}),
		decision("running", "capture", events.StepDead{Task: "1", Attempts: 5}),
		decision("running", "verify", events.StepSkipped{Reason: "the capture holds no component that was asked for"}),
		decision("compensating", "mask", events.StepCompensated{}),
		speak("gateway", "", "", events.TriggerFired{Policy: "shop-nightly", Application: "shop", Params: map[string]string{"env": "nightly"}, Cause: nightly}),
		speak("gateway", "", "", events.ControlRequested{Action: "retry", From: "mask", Reason: "the store is back"}),
		speak("scheduler", "capture", "1", events.TimerFired{Kind: "deadline", Step: "capture", Task: "1", Attempt: 1}),
		decision("running", "capture", events.CaptureCreated{Capture: raw, Stats: stats}),
		decision("running", "verify", events.CaptureVerified{Capture: masked, Ref: "c/" + madeID + "/verified"}),
		decision("running", "verify", events.EnvironmentReady{Capture: masked}),
	}
}

// sampleOf returns the sample of a type.
func sampleOf(t *testing.T, eventType string) event.Event {
	t.Helper()
	for _, s := range samples() {
		if s.err != nil {
			t.Fatal(s.err)
		}
		if s.event.Type() == eventType {
			return s.event
		}
	}
	t.Fatalf("there is no sample of %s", eventType)
	return event.Event{}
}
