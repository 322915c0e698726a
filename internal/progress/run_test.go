package progress_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/progress"
	"github.com/tranship/tranship/pkg/events"
)

var start = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// script builds the events of one run, a second apart.
type script struct {
	t      *testing.T
	run    string
	events []event.Event
}

func newScript(t *testing.T) *script { return &script{t: t, run: "r1"} }

func emit[P events.Payload](s *script, step, task string, p P) event.Event {
	s.t.Helper()
	at := events.Address{Tenant: "default", Service: "scheduler", Run: s.run, Step: step, Task: task}
	n := uint64(len(s.events) + 1)
	e, err := events.New(at, n, start.Add(time.Duration(n)*time.Second), p)
	if err != nil {
		s.t.Fatal(err)
	}
	s.events = append(s.events, e)
	return e
}

func claimed(worker string) events.TaskClaimed {
	return events.TaskClaimed{Attempt: 1, Claim: worker, Worker: worker}
}

func planned(count int) events.TaskCompleted {
	return events.TaskCompleted{Attempt: 1, Claim: "a", Outcome: events.Outcome{Plan: &events.PlanRef{Count: count, Ref: "x", Digest: "blake3:" + strings.Repeat("0", 64)}}}
}

func fault(message string) events.Fault {
	return events.Fault{Class: "transient", Code: "store.away", Message: message}
}

// begun is a run whose capture step is planned and in work.
func begun(t *testing.T) (*script, *progress.Run) {
	s := newScript(t)
	emit(s, "", "", events.RunRequested{Policy: "nightly", Application: "shop", Cause: events.Cause{Kind: "cli"}})
	emit(s, "capture", "", events.StepStarted{Generation: 1, Output: "c1"})
	emit(s, "capture", events.TaskPlan, claimed("one"))
	emit(s, "capture", events.TaskPlan, planned(2))
	emit(s, "capture", "1", claimed("one"))
	emit(s, "capture", "2", claimed("two"))
	r := &progress.Run{}
	for _, e := range s.events {
		if news := r.Apply(e); len(news) > 0 {
			t.Errorf("nothing has gone wrong yet: %+v", news)
		}
	}
	return s, r
}

func TestRunFollowsItsJournal(t *testing.T) {
	s, r := begun(t)
	step := r.Step("capture")
	if r.Policy != "nightly" || r.Application != "shop" || step.Status != progress.Running {
		t.Fatalf("run %+v, step %+v", r, step)
	}
	r.Apply(emit(s, "capture", "1", events.TaskCompleted{Attempt: 1, Claim: "one"}))
	if done, of := step.Tasks(); done != 1 || of != 2 {
		t.Errorf("%d of %d tasks", done, of)
	}
	if f := step.Fraction(); f <= 0 || f >= 1 {
		t.Errorf("fraction %v", f)
	}
	r.Apply(emit(s, "capture", "", events.StepCompleted{Stats: events.Stats{Rows: 5, Bytes: 50}, Detail: json.RawMessage(`{"a":1}`)}))
	if step.Status != progress.Done || step.Fraction() != 1 || step.Moved().Bytes != 50 || string(step.Detail) != `{"a":1}` {
		t.Errorf("step %+v", step)
	}
	r.Apply(emit(s, "", "", events.RunCompleted{}))
	if r.Status != progress.Done || !r.Status.Ended() || !r.Ended.After(r.Started) {
		t.Errorf("run %+v", r)
	}
}

func TestLostWorkersAndRetriesAreNews(t *testing.T) {
	s, r := begun(t)
	step := r.Step("capture")
	news := r.Apply(emit(s, "capture", "2", claimed("three")))
	if len(news) != 1 || news[0].Text != "task 2: worker lost, taken over by three" || step.Takeovers != 1 {
		t.Errorf("takeover: %+v", news)
	}
	if news = r.Apply(emit(s, "capture", "1", events.TaskFailed{Attempt: 1, Claim: "one", Error: fault("no answer")})); len(news) != 1 || step.Fault == nil {
		t.Errorf("failure: %+v", news)
	}
	due := start.Add(time.Minute)
	r.Apply(emit(s, "capture", "1", events.TaskScheduled{Attempt: 2, At: due}))
	if step.Retries != 1 || !step.Waiting.Equal(due) {
		t.Errorf("retry: %+v", step)
	}
	if news = r.Apply(emit(s, "capture", "1", events.TaskClaimed{Attempt: 2, Claim: "b", Worker: "four"})); len(news) != 0 || !step.Waiting.IsZero() {
		t.Errorf("a claim after a failure is no takeover: %+v", news)
	}
	if news = r.Apply(emit(s, "capture", "1", events.TaskTimedOut{Attempt: 2})); len(news) != 1 {
		t.Errorf("deadline: %+v", news)
	}
	news = r.Apply(emit(s, "capture", "", events.StepRestarted{Generation: 2, Output: "c2", Reason: fault("the snapshot is gone")}))
	if len(news) != 1 || step.Restarts != 1 {
		t.Errorf("restart: %+v", news)
	}
	if done, of := step.Tasks(); done != 0 || of != 0 {
		t.Errorf("a step that begins again knows no tasks: %d of %d", done, of)
	}
}

func TestRunThatIsRetriedIsNotFailedAnyMore(t *testing.T) {
	s, r := begun(t)
	r.Apply(emit(s, "capture", "", events.StepFailed{Task: "1", Error: fault("no answer")}))
	r.Apply(emit(s, "capture", "", events.StepDead{Task: "1", Attempts: 5}))
	r.Apply(emit(s, "", "", events.RunFailed{Step: "capture", Task: "1", Error: fault("no answer")}))
	if r.Status != progress.Failed || r.FaultStep != "capture" || r.Step("capture").Status != progress.Failed {
		t.Errorf("run %+v", r)
	}
	r.Apply(emit(s, "", "", events.RunResumed{}))
	if r.Status != progress.Running || r.Fault != nil || !r.Ended.IsZero() {
		t.Errorf("run %+v", r)
	}
}

func TestRunCanBeJoinedLateAndIgnoresOthers(t *testing.T) {
	s := newScript(t)
	r := &progress.Run{}
	r.Apply(emit(s, "mask", "7", claimed("one")))
	if step := r.Step("mask"); step == nil || step.Status != progress.Running {
		t.Errorf("a step is known by its tasks: %+v", step)
	}
	other := &script{t: t, run: "r2"}
	r.Apply(emit(other, "", "", events.RunCanceled{}))
	if r.Status == progress.Canceled || r.ID != "r1" {
		t.Errorf("an event of another run changed this one: %+v", r)
	}
}

func TestProgressMovesRunningSteps(t *testing.T) {
	s, r := begun(t)
	r.Progress(client.Progress{Steps: []client.StepProgress{{Step: "capture", Kind: events.StepCapture, Bytes: 30, BytesTotal: 120, Note: "waits for a lock"}}})
	step := r.Step("capture")
	if step.Fraction() != 0.25 || step.Moved().Bytes != 30 || step.Note != "waits for a lock" {
		t.Errorf("step %+v", step)
	}
	r.Apply(emit(s, "capture", "", events.StepCompleted{Stats: events.Stats{Bytes: 120}}))
	r.Progress(client.Progress{Steps: []client.StepProgress{{Step: "capture", Kind: events.StepCapture, Bytes: 60, BytesTotal: 120}}})
	if step.Fraction() != 1 || step.Moved().Bytes != 120 {
		t.Errorf("late progress moved a step back: %+v", step)
	}
}

func TestQuantitiesAreWrittenForPeople(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{progress.Bytes(0), "0 B"}, {progress.Bytes(999), "999 B"}, {progress.Bytes(1000), "1.0 kB"}, {progress.Bytes(999_949), "999.9 kB"},
		{progress.Bytes(999_999), "1.0 MB"}, {progress.Bytes(12_345_678_901), "12.3 GB"}, {progress.Bytes(1<<63 - 1), "9.2 EB"},
		{progress.Count(0), "0"}, {progress.Count(999), "999"}, {progress.Count(1000), "1,000"}, {progress.Count(-1234567), "-1,234,567"},
		{progress.Took(-time.Second), "0s"}, {progress.Took(420 * time.Millisecond), "0.4s"}, {progress.Took(12 * time.Second), "12s"},
		{progress.Took(59*time.Second + 700*time.Millisecond), "1m00s"}, {progress.Took(185 * time.Second), "3m05s"}, {progress.Took(127 * time.Minute), "2h07m"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
