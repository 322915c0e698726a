package saga

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tranship/tranship/pkg/events"
)

var pipeline = []events.StepKind{events.StepCapture, events.StepMask, events.StepTransfer, events.StepRestore, events.StepVerify}

func TestRunGoesThroughItsStepsAndCompletes(t *testing.T) {
	for _, items := range []int{0, 1, 5} {
		w := newWorld()
		w.start(t, pipeline...)
		s := w.finish(t, items)
		if s.Status != RunCompleted || s.Ignored != 0 {
			t.Fatalf("with %d items: %s, %d ignored\n%s", items, s.Status, s.Ignored, w.history())
		}
		if s.Output == nil || s.Output.ID != s.Step("transfer").Output {
			t.Errorf("with %d items: the output is %v, want the transferred capture", items, s.Output)
		}
		if want := int64(5 * items); s.Stats.Items != want {
			t.Errorf("with %d items: %d counted, want %d", items, s.Stats.Items, want)
		}
		if len(w.timers) != 0 {
			t.Errorf("with %d items: %d deadlines are left", items, len(w.timers))
		}
	}
}

// upTo works the run off until a command for a task waits, and returns its id.
func (w *world) upTo(t *testing.T, step, task string, items int) string {
	t.Helper()
	for n := range 1000 {
		for _, id := range w.pending() {
			if at := w.work[id].at; at.Step == step && at.Task == task {
				return id
			}
		}
		if len(w.work) == 0 {
			break
		}
		id, claim := w.pending()[0], fmt.Sprintf("u%d", n)
		if fence, ok := w.claim(t, id, claim); ok {
			w.complete(t, id, claim, fence, items)
		}
		w.must(t, Advance{})
	}
	t.Fatalf("there is no command for task %s of step %s\n%s", task, step, w.history())
	return ""
}

func (w *world) must(t *testing.T, c Command) State {
	t.Helper()
	if err := w.decide(t, c); err != nil {
		t.Fatal(err)
	}
	s, err := w.fold()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// failed claims a waiting command and fails it.
func (w *world) failed(t *testing.T, id string, f events.Fault) State {
	t.Helper()
	fence, ok := w.claim(t, id, "f"+id)
	if !ok || !w.fail(t, id, "f"+id, fence, f) {
		t.Fatalf("%s could not be claimed and failed\n%s", id, w.history())
	}
	return w.must(t, Advance{})
}

func control(id, action, from string) Control {
	return Control{ID: id, Request: events.ControlRequested{Action: action, From: from}}
}

var away = events.Fault{Class: "transient", Code: "store.away", Message: "the store is away"}

func TestCommandsOfAPhaseWaitForTheOneBefore(t *testing.T) {
	w := newWorld()
	w.start(t, events.StepCapture, events.StepMask)
	w.upTo(t, "mask", events.TaskPlan, 3)
	s := w.finish(t, 3)
	if s.Status != RunCompleted {
		t.Fatal(w.history())
	}
	var order []string
	for _, id := range w.published {
		if strings.HasPrefix(id, "r1/mask/") {
			order = append(order, strings.TrimSuffix(strings.TrimPrefix(id, "r1/mask/"), "/1"))
		}
	}
	if got := strings.Join(order, " "); got != "0 1 2 3 draft scan commit" {
		t.Errorf("the commands went out as %q", got)
	}
}

func TestWindowBoundsTheCommandsThatAreOut(t *testing.T) {
	w := newWorld()
	w.start(t, events.StepCapture)
	w.upTo(t, "capture", "1", 10)
	if n := len(w.pending()); n != 2 {
		t.Errorf("%d commands are out, the window is 2", n)
	}
}

func TestCommitHearsOfEveryOutcomeInOrder(t *testing.T) {
	w := newWorld()
	w.start(t, events.StepCapture, events.StepMask)
	id := w.upTo(t, "mask", events.TaskCommit, 3)
	a := w.work[id].payload.Assigned()
	if len(a.Outcomes) != 5 || a.Outcomes[4].Verdict != VerdictPassed || a.Index != 3 || a.Plan == nil {
		t.Errorf("the commit is told %+v, want three items, the draft and the scan", a)
	}
	if a.Input == nil || a.Input.ID != w.scheduled.Step("capture").Output || a.Output != w.scheduled.Step("mask").Output {
		t.Errorf("input %v and output %q do not follow from the steps", a.Input, a.Output)
	}
}

func TestFailuresAreRetriedUpToTheLimit(t *testing.T) {
	for _, tc := range []struct {
		name     string
		fault    events.Fault
		attempts int
	}{
		{"transient", away, 3},
		{"throttled", events.Fault{Class: "throttled", Message: "slow down"}, 3},
		{"permanent", events.Fault{Class: "permanent", Message: "no"}, 1},
		{"denied", events.Fault{Class: "denied", Message: "no"}, 1},
		{"of an unknown class", events.Fault{Class: "odd", Message: "no"}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld()
			w.start(t, events.StepCapture)
			for n := 1; ; n++ {
				s := w.failed(t, w.pending()[0], tc.fault)
				if s.Status == RunFailed {
					if n != tc.attempts || s.Failure.Error.Message != tc.fault.Message || s.Steps[0].Status != StepDead {
						t.Errorf("failed after %d attempts with %+v, want %d", n, s.Failure, tc.attempts)
					}
					return
				}
				w.fire(t, w.retries()[0])
			}
		})
	}
}

func TestRetryGoesOnWhereTheRunStopped(t *testing.T) {
	w := newWorld()
	w.start(t, pipeline...)
	id := w.upTo(t, "mask", "2", 3)
	s := w.failed(t, id, events.Fault{Class: "permanent", Message: "no"})
	if s.Status != RunFailed {
		t.Fatal(w.history())
	}
	for _, task := range s.Step("mask").Tasks {
		if task.InFlight() {
			t.Errorf("task %s is still in flight in a failed run", task.ID)
		}
	}
	w.must(t, control("q1", "retry", ""))
	s = w.finish(t, 3)
	if s.Status != RunCompleted || s.Step("mask").Generation != 1 || s.Task("mask", "2").Attempt != 2 || s.Task("mask", "0").Attempt != 1 {
		t.Errorf("%s\n%s", s.Status, w.history())
	}
}

func TestRetryFromAStepMakesItAndTheFollowingAnew(t *testing.T) {
	w := newWorld()
	w.start(t, pipeline...)
	w.failed(t, w.upTo(t, "restore", "0", 1), events.Fault{Class: "permanent", Message: "no"})
	w.must(t, control("q1", "retry", "mask"))
	s := w.finish(t, 1)
	if s.Status != RunCompleted {
		t.Fatalf("%s\n%s", s.Status, w.history())
	}
	for name, generation := range map[string]int{"capture": 1, "mask": 2, "transfer": 2, "restore": 2, "verify": 1} {
		if got := s.Step(name).Generation; got != generation {
			t.Errorf("step %s is of generation %d, want %d", name, got, generation)
		}
	}
	if s.Step("mask").Capture.ID == s.Step("mask").Abandoned[0] {
		t.Error("the step made the abandoned capture again")
	}
}

func TestRequestsThatDoNotFitTheStateAreRefused(t *testing.T) {
	completed := newWorld()
	completed.start(t, events.StepCapture)
	completed.finish(t, 0)
	running := newWorld()
	running.start(t, events.StepCapture)
	for _, tc := range []struct {
		w      *world
		action string
		from   string
	}{
		{newWorld(), "cancel", ""}, {completed, "cancel", ""}, {completed, "pause", ""}, {completed, "retry", ""}, {running, "retry", ""},
	} {
		if err := tc.w.decide(t, control("q", tc.action, tc.from)); !errors.Is(err, ErrControl) {
			t.Errorf("%s: %v, want ErrControl", tc.action, err)
		}
	}
}

func TestRequestThatIsDeliveredTwiceCountsOnce(t *testing.T) {
	w := newWorld()
	w.start(t, events.StepCapture)
	w.must(t, control("q1", "pause", ""))
	w.must(t, control("q2", "resume", ""))
	if s := w.must(t, control("q1", "pause", "")); s.Status != RunRunning {
		t.Errorf("the run is %s after the first pause came again", s.Status)
	}
	if s := w.must(t, control("q3", "pause", "")); s.Status != RunPaused {
		t.Errorf("the run is %s after a second pause", s.Status)
	}
}

func TestZombieOfAnOldAttemptIsRefused(t *testing.T) {
	w := newWorld()
	w.start(t, events.StepCapture)
	id := w.pending()[0]
	zombie := w.work[id]
	fence, _ := w.claim(t, id, "zombie")
	w.must(t, Timer{Step: "capture", Task: "0", Attempt: 1})
	w.work["zombie"] = zombie
	if w.complete(t, "zombie", "zombie", fence, 1) {
		t.Error("the zombie's result was accepted after its deadline")
	}
	if s := w.must(t, Timer{Step: "capture", Task: "0", Attempt: 1}); s.Task("capture", "0").Failures != 1 {
		t.Error("a timer that rang twice counted twice")
	}
}

func TestVerdictsFailClosed(t *testing.T) {
	for _, at := range []struct{ step, task string }{{"mask", events.TaskScan}, {"verify", events.TaskCommit}} {
		w := newWorld()
		w.start(t, pipeline...)
		id := w.upTo(t, at.step, at.task, 1)
		fence, _ := w.claim(t, id, "c")
		a := w.work[id]
		e := w.fact(t, a, events.TaskCompleted{Attempt: 1, Claim: "c", Outcome: events.Outcome{}})
		if _, err := w.append(a.subject, fence, e); err != nil {
			t.Fatal(err)
		}
		if s := w.must(t, Advance{}); s.Status != RunFailed || s.Failure.Error.Code != CodeOutcomeInvalid {
			t.Errorf("%s/%s without a verdict: the run is %s", at.step, at.task, s.Status)
		}
	}
}

func TestNoWorkerChoosesTheCaptureOfLaterSteps(t *testing.T) {
	for _, step := range []string{"capture", "mask", "transfer", "restore", "verify"} {
		for name, forge := range map[string]func(*events.CaptureRef){
			"another capture":     func(c *events.CaptureRef) { c.ID = "other" },
			"another application": func(c *events.CaptureRef) { c.Application = "payroll" },
		} {
			w := newWorld()
			w.start(t, pipeline...)
			id := w.upTo(t, step, events.TaskCommit, 1)
			fence, _ := w.claim(t, id, "c")
			a := w.work[id]
			assigned := a.payload.Assigned()
			made := events.CaptureRef{ID: assigned.Output, Application: "shop", Location: "l", Trust: events.TrustMasked}
			if assigned.Input != nil && assigned.Output == "" {
				made = *assigned.Input
			}
			forge(&made)
			e := w.fact(t, a, events.TaskCompleted{Attempt: 1, Claim: "c", Outcome: events.Outcome{Verdict: events.VerdictPassed, Capture: &made}})
			if _, err := w.append(a.subject, fence, e); err != nil {
				t.Fatal(err)
			}
			if s := w.must(t, Advance{}); s.Status != RunFailed || s.Failure.Error.Code != CodeOutcomeInvalid {
				t.Errorf("%s of %s: the run is %s", name, step, s.Status)
			}
		}
	}
}

func TestRestoreWorksOnTheCaptureThatItNames(t *testing.T) {
	w := newWorld()
	def := definition(events.StepRestore, events.StepVerify)
	def.Steps[0].Work.Restore.Capture = "c1"
	def.Steps[0].Work.Restore.From = events.Resource(`{"metadata":{"name":"test-cloud"},"spec":{"trust":"masked"}}`)
	if err := w.decide(t, Start{Request: events.RunRequested{Application: "shop", Cause: events.Cause{Kind: "cli"}}, Definition: def}); err != nil {
		t.Fatal(err)
	}
	want := events.CaptureRef{ID: "c1", Application: "shop", Location: "test-cloud", Trust: events.TrustMasked}
	if got := w.work[w.pending()[0]].payload.Assigned().Input; got == nil || *got != want {
		t.Errorf("the restore is given %+v", got)
	}
}

func TestGenerationsOfAStepAreBounded(t *testing.T) {
	w := newWorld()
	w.start(t, events.StepCapture)
	lost := events.Fault{Class: "transient", Code: events.CodeSnapshotLost, Message: "gone"}
	for n := 1; ; n++ {
		s := w.failed(t, w.pending()[0], lost)
		if s.Status != RunFailed {
			if n > 20 {
				t.Fatalf("the step starts again for ever\n%s", w.history())
			}
			if len(w.pending()) == 0 {
				w.fire(t, w.retries()[0])
			}
			continue
		}
		if g := s.Steps[0].Generation; g != maxGenerations {
			t.Errorf("it gave up in generation %d, want %d", g, maxGenerations)
		}
		return
	}
}

func TestBackoffGrowsWithinItsBoundsAndIsTheSameTwice(t *testing.T) {
	p := events.RetryPolicy{Base: events.Duration(time.Second), Cap: events.Duration(10 * time.Second)}
	for failure, limit := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second} {
		if failure == 0 {
			continue
		}
		var longest time.Duration
		for attempt := range 200 {
			d := backoff(p, "transient", failure, "r", "s", "t", attempt)
			if d != backoff(p, "transient", failure, "r", "s", "t", attempt) {
				t.Fatal("two answers to one question")
			}
			longest = max(longest, d)
		}
		if longest > limit || longest < limit*3/4 {
			t.Errorf("after failure %d the longest of 200 waits is %s, want up to %s", failure, longest, limit)
		}
	}
}
