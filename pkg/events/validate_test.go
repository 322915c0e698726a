package events_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tranship/tranship/pkg/events"
)

// shapeOnly marks what only Validate refuses: a schema describes the shape.
const shapeOnly = true

func TestInvalidFieldsAreNamed(t *testing.T) {
	long := strings.Repeat("x", events.MaxDetail)
	for _, tc := range []struct {
		eventType string
		path      string
		value     any
		names     string // what the error starts with; empty: the path
		lenient   bool   // the schema takes it
	}{
		{events.TypeCaptureRequested, "attempt", 0, "", false},
		{events.TypeCaptureRequested, "attempt", "1", "io.tranship", false},
		{events.TypeCaptureRequested, "generation", -1, "", false},
		{events.TypeCaptureRequested, "replySubject", "saga.default.run", "", shapeOnly},
		{events.TypeCaptureRequested, "replySubject", "", "", false},
		{events.TypeCaptureRequested, "deadline", "0001-01-01T00:00:00Z", "", shapeOnly},
		{events.TypeCaptureRequested, "deadline", "tomorrow", "io.tranship", false},
		{events.TypeCaptureRequested, "index", -1, "", false},
		{events.TypeCaptureRequested, "index", 257, "", false},
		{events.TypeCaptureRequested, "index", 3, "", shapeOnly}, // of a plan of two
		{events.TypeCaptureRequested, "plan.count", -1, "index", false},
		{events.TypeCaptureRequested, "plan.count", 257, "", false},
		{events.TypeCaptureRequested, "plan.ref", "", "", false},
		{events.TypeCaptureRequested, "plan.digest", "sha256:00", "", false},
		{events.TypeCaptureRequested, "output", "../vault", "", false},
		{events.TypeCaptureRequested, "abandoned", []any{rawID, "a.b"}, "abandoned[1]", shapeOnly},
		{events.TypeCaptureRequested, "work.to", nil, "", false},
		{events.TypeCaptureRequested, "work.to", "vault", "", false},
		{events.TypeCaptureRequested, "work.application", []any{}, "", false},
		{events.TypeMaskRequested, "input.id", "A B", "", false},
		{events.TypeMaskRequested, "input.trust", "clean", "", false},
		{events.TypeMaskRequested, "input.root", "blake3:00", "", false},
		{events.TypeMaskRequested, "work.policy", 7, "", false},
		{events.TypeScanRequested, "outcomes[1].stats.rows", -1, "", false},
		{events.TypeScanRequested, "outcomes[0].digest", "x", "", false},
		{events.TypeTransferRequested, "work.from", false, "", false},
		{events.TypeRestoreRequested, "work.target.accepts", "", "", false},
		{events.TypeRestoreRequested, "work.target.accepts", "anything", "", false},
		{events.TypeRestoreRequested, "work.target.profile", "copy", "", false},
		{events.TypeRestoreRequested, "work.target.components", []any{}, "", false},
		{events.TypeRestoreRequested, "work.target.components", []any{map[string]any{}, "db"}, "work.target.components[1]", false},
		{events.TypeVerifyRequested, "work.checks", []any{}, "", false},
		{events.TypeVerifyRequested, "work.target.accepts", "both", "", false},
		{events.TypeCaptureCompensate, "work.mask", map[string]any{"from": map[string]any{}, "policy": map[string]any{}, "to": map[string]any{}}, "", false},
		{events.TypeRestoreCompensate, "work.restore.from", nil, "", false},
		{events.TypeTaskScheduled, "attempt", 0, "", false},
		{events.TypeTaskScheduled, "at", "0001-01-01T00:00:00Z", "", shapeOnly},
		{events.TypeTaskClaimed, "claim", "", "", false},
		{events.TypeTaskCompleted, "claim", "", "", false},
		{events.TypeTaskCompleted, "outcome.verdict", "failed", "", false},
		{events.TypeTaskCompleted, "outcome.capture.location", "", "", false},
		{events.TypeTaskCompleted, "outcome.plan.count", 300, "", false},
		{events.TypeTaskCompleted, "outcome.stats.bytes", -5, "", false},
		{events.TypeTaskCompleted, "outcome.stats.items", 1.5, "io.tranship", false},
		{events.TypeTaskCompleted, "outcome.detail", long, "", shapeOnly},
		{events.TypeTaskFailed, "error.class", "", "", false},
		{events.TypeTaskFailed, "error.message", "", "", false},
		{events.TypeTaskFailed, "error.details", long, "", shapeOnly},
		{events.TypeTaskTimedOut, "attempt", 0, "", false},
		{events.TypeTaskCanceled, "attempt", -1, "", false},
		{events.TypeRunRequested, "application", "", "", false},
		{events.TypeRunRequested, "cause.kind", "", "", false},
		{events.TypeRunStarted, "definition.application", "", "", false},
		{events.TypeRunStarted, "definition.window", 0, "", false},
		{events.TypeRunStarted, "definition.window", 257, "", false},
		{events.TypeRunStarted, "definition.steps", []any{}, "", false},
		{events.TypeRunStarted, "definition.retry.maxAttempts", 0, "", false},
		{events.TypeRunStarted, "definition.retry.base", "-1s", "", false},
		{events.TypeRunStarted, "definition.retry.base", "soon", "io.tranship", false},
		{events.TypeRunStarted, "definition.retry.cap", "1ms", "", shapeOnly},
		{events.TypeRunStarted, "definition.steps[1].name", "Mask", "", false},
		{events.TypeRunStarted, "definition.steps[1].name", "capture", "", shapeOnly}, // taken
		{events.TypeRunStarted, "definition.steps[1].kind", "copy", "", false},
		{events.TypeRunStarted, "definition.steps[1].kind", "capture", "definition.steps[1].work.capture", shapeOnly},
		{events.TypeRunStarted, "definition.steps[1].cluster", "a.b", "", false},
		{events.TypeRunStarted, "definition.steps[1].input", "verify", "", shapeOnly}, // comes later
		{events.TypeRunStarted, "definition.steps[1].timeout", "0s", "", shapeOnly},
		{events.TypeRunStarted, "definition.steps[1].work.mask.to", nil, "", false},
		{events.TypeRunResumed, "from", "Mask it", "", shapeOnly},
		{events.TypeRunCompleted, "output.trust", "", "", false},
		{events.TypeRunCompleted, "stats.skipped", -1, "", false},
		{events.TypeRunFailed, "step", "a/b", "", shapeOnly},
		{events.TypeRunFailed, "task", "a/b", "", shapeOnly},
		{events.TypeRunFailed, "error.class", "", "", false},
		{events.TypeStepStarted, "generation", 0, "", false},
		{events.TypeStepStarted, "input.application", "", "", false},
		{events.TypeStepStarted, "output", "a b", "", false},
		{events.TypeStepRestarted, "generation", 1, "", false},
		{events.TypeStepRestarted, "reason.message", "", "", false},
		{events.TypeStepCompleted, "stats.stored", -1, "", false},
		{events.TypeStepCompleted, "detail", long, "", shapeOnly},
		{events.TypeStepFailed, "task", "", "", false},
		{events.TypeStepFailed, "error.message", "", "", false},
		{events.TypeStepDead, "attempts", 0, "", false},
		{events.TypeStepDead, "task", "Plan", "", false},
		{events.TypeStepSkipped, "reason", "", "", false},
		{events.TypeTriggerFired, "policy", "", "policy", shapeOnly},
		{events.TypeTriggerFired, "inline", map[string]any{}, "policy", false},
		{events.TypeTriggerFired, "cause.kind", "", "", false},
		{events.TypeControlRequested, "action", "stop", "", false},
		{events.TypeControlRequested, "from", "a.b", "", shapeOnly},
		{events.TypeTimerFired, "kind", "alarm", "", false},
		{events.TypeTimerFired, "step", "", "", false},
		{events.TypeTimerFired, "task", "", "", false},
		{events.TypeTimerFired, "attempt", 0, "", false},
		{events.TypeCaptureCreated, "capture.id", "", "", false},
		{events.TypeCaptureCreated, "stats.rows", -1, "", false},
		{events.TypeCaptureVerified, "capture.location", "", "", false},
		{events.TypeEnvironmentReady, "capture.application", "", "", false},
	} {
		e := sampleOf(t, tc.eventType)
		data := object(t, e.Data())
		put(data, tc.path, tc.value)
		what := tc.eventType + " " + tc.path
		err := decode(t, e, data)
		if !errors.Is(err, events.ErrInvalid) {
			t.Errorf("%s = %v: got %v", what, tc.value, err)
			continue
		}
		names := tc.names
		if names == "" {
			names = tc.path
		}
		if !strings.Contains(err.Error(), ": "+names) {
			t.Errorf("%s = %.20v: %q does not name %s", what, tc.value, err, names)
		}
		if bySchema := validate(t, tc.eventType, encode(t, data)); (bySchema == nil) != tc.lenient {
			t.Errorf("%s = %.20v: the schema says %v", what, tc.value, bySchema)
		}
	}
}

func TestInvalidEventsAreNotBuilt(t *testing.T) {
	address := events.Address{Tenant: "default", Service: "scheduler", Run: "r1"}
	if _, err := events.New(address, 1, at, events.StepSkipped{}); !errors.Is(err, events.ErrInvalid) || !strings.Contains(err.Error(), "reason") {
		t.Errorf("got %v", err)
	}
}

func TestSumOfStats(t *testing.T) {
	if got, want := stats.Add(stats), (events.Stats{Items: 6, Rows: 2400, Bytes: 2 << 20, Stored: 600 << 10, Skipped: 2 << 10}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
