package saga

import (
	"strings"
	"testing"

	"github.com/tranship/tranship/pkg/events"
)

// once writes what is decided, and dies before it decides again.
func (w *world) once(t *testing.T, appends []Append) State {
	t.Helper()
	for _, a := range appends {
		if _, err := w.append(a.Subject, a.After, a.Events...); err != nil {
			t.Fatal(err)
		}
	}
	s, err := w.fold()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) decided(t *testing.T, c Command) []Append {
	t.Helper()
	s, err := w.fold()
	if err != nil {
		t.Fatal(err)
	}
	appends, err := Decide(s, c, w.now)
	if err != nil || len(appends) == 0 {
		t.Fatalf("%T decides %v, %v", c, appends, err)
	}
	return appends
}

// failing brings a run to where task 1 of two has failed with f and the scheduler has not seen it.
func failing(t *testing.T, f events.Fault) *world {
	t.Helper()
	w := newWorld()
	w.start(t, events.StepCapture, events.StepTransfer)
	id := w.upTo(t, "capture", "1", 2)
	fence, _ := w.claim(t, id, "c")
	if !w.fail(t, id, "c", fence, f) {
		t.Fatal(w.history())
	}
	return w
}

func TestRetryBeforeTheTasksInFlightAreEndedLosesNoneOfThem(t *testing.T) {
	w := failing(t, events.Fault{Class: "permanent", Message: "no"})
	s := w.once(t, w.decided(t, Advance{}))
	if s.Status != RunFailed || s.Task("capture", "2").Status != TaskRevoked {
		t.Fatal(w.history())
	}
	w.once(t, w.decided(t, control("q1", "retry", "")))
	w.must(t, Advance{})
	if s := w.finish(t, 2); s.Status != RunCompleted {
		t.Errorf("the run is %s\n%s", s.Status, w.history())
	}
}

func TestAttemptThatIsScheduledWhileTheRunTurnsIsNeverHandedOut(t *testing.T) {
	for action, want := range map[string]RunStatus{"cancel": RunCanceled, "pause": RunPaused} {
		w := failing(t, away)
		late := w.decided(t, Advance{}) // another replica, about to write
		w.once(t, w.decided(t, control("q1", action, "")))
		s := w.once(t, late)
		if task := s.Task("capture", "1"); action == "cancel" && task.Status != TaskRevoked {
			t.Errorf("after %s the task is %s", action, task.Status)
		}
		w.must(t, Advance{})
		for _, name := range append(w.retries(), w.pending()...) {
			if strings.Contains(name, "capture/1/2") || strings.HasSuffix(name, "capture.1") {
				t.Errorf("after %s the command %s is out", action, name)
			}
		}
		if action == "pause" {
			if s := w.must(t, Advance{}); s.Status != want {
				t.Errorf("the run is %s", s.Status)
			}
			w.must(t, control("q2", "resume", ""))
			want = RunCompleted
		}
		if s := w.finish(t, 2); s.Status != want {
			t.Errorf("after %s the run is %s, want %s\n%s", action, s.Status, want, w.history())
		}
	}
}
