package saga

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tranship/tranship/pkg/events"
)

// foldTask applies a fact of a task. It reports old for one that an earlier attempt or claim left: it changes nothing but
// the task's place in the journal.
func (s *State) foldTask(e Entry) (old bool, err error) {
	at, _, _, err := events.ParseTaskSubject(e.Subject)
	if err != nil {
		return false, err
	}
	i := s.stepIndex(at.Step)
	switch {
	case at.Tenant != s.Tenant || at.Run != s.Run:
		return false, errors.New("it is about another run")
	case i < 0 || s.Definition == nil:
		return false, fmt.Errorf("there is no step %q", at.Step)
	case e.Subject != s.subject(i, at.Task):
		return false, errors.New("the task's facts stand elsewhere")
	}
	s.Steps[i].Tasks = slices.Clone(s.Steps[i].Tasks)
	t := s.Steps[i].task(at.Task)
	if t == nil {
		return false, fmt.Errorf("step %q has no task %q", at.Step, at.Task)
	}
	t.Seq = e.Seq
	t.Events++
	p, err := events.Decoded(e.Event)
	if err != nil {
		return false, err
	}
	if is, err := events.AddressOf(e.Event); err != nil || is.Tenant != at.Tenant || is.Run != at.Run || is.Step != at.Step || is.Task != at.Task {
		return false, errors.New("its envelope names another task than its subject")
	}
	return s.applyTask(i, t, p, e.Seq, e.Event.Time())
}

func (s *State) applyTask(i int, t *Task, p events.Payload, seq Seq, at time.Time) (old bool, err error) {
	switch p := p.(type) {
	case events.TaskClaimed:
		if p.Attempt != t.Attempt || (!t.InFlight() && t.Status != TaskRevoked) {
			return true, nil
		}
		t.Claim, t.Fence, t.Worker, t.ClaimedAt = p.Claim, seq, p.Worker, at
		if t.Status == TaskOpen {
			t.Status = TaskClaimed
		}
	case events.TaskCompleted:
		if p.Attempt != t.Attempt || p.Claim != t.Claim || !t.held() {
			return true, nil
		}
		s.complete(&s.Steps[i], t, p.Outcome)
	case events.TaskFailed:
		// A worker that cannot read a command fails it without a claim.
		if p.Attempt != t.Attempt || (t.Claim != "" && p.Claim != t.Claim) || (!t.InFlight() && t.Status != TaskRevoked) {
			return true, nil
		}
		s.fail(&s.Steps[i], t, TaskFailed, p.Error)
	case events.TaskTimedOut:
		if p.Attempt != t.Attempt || (!t.InFlight() && t.Status != TaskRevoked) {
			return true, nil
		}
		s.fail(&s.Steps[i], t, TaskTimedOut, *timedOut(s.Steps[i].Name, t.ID))
	case events.TaskCanceled:
		if t.Status != TaskRevoked || p.Attempt != t.Attempt {
			return true, nil
		}
		s.close(&s.Steps[i], t)
	case events.TaskScheduled:
		return s.schedule(i, t, p), nil
	default:
		return false, errTransition
	}
	return false, nil
}

// held reports whether the task has a claim whose result counts.
func (t *Task) held() bool {
	return t.Status == TaskClaimed || (t.Status == TaskRevoked && t.Claim != "")
}

// complete takes a result. A result that came before the cancellation stands, unless the step has been started anew.
func (s *State) complete(st *Step, t *Task, o events.Outcome) {
	switch fault := st.unusable(t.ID, o, s.Definition.Application); {
	case t.Generation != st.Generation:
		t.Status = TaskWaiting
	case fault != nil && t.Status == TaskRevoked:
		t.Status, t.Fault = TaskCanceled, fault
	case fault != nil:
		t.Status, t.Fault = TaskFailed, fault
		t.Failures++
	default:
		t.Status, t.Outcome, t.Fault = TaskCompleted, &o, nil
	}
}

// fail takes a failed attempt.
func (s *State) fail(st *Step, t *Task, status TaskStatus, f events.Fault) {
	t.Fault = &f
	if t.Status == TaskRevoked {
		s.close(st, t)
		return
	}
	t.Status = status
	t.Failures++
}

// close ends a revoked task. Where its step goes on, in a new generation or because the run was retried meanwhile, it
// waits to be opened again.
func (s *State) close(st *Step, t *Task) {
	t.Status = TaskCanceled
	if s.Status == RunRunning || t.Generation != st.Generation {
		t.Status = TaskWaiting
	}
}

// schedule opens a further attempt.
func (s *State) schedule(i int, t *Task, p events.TaskScheduled) (old bool) {
	if p.Attempt != t.Attempt+1 {
		return true
	}
	switch t.Status {
	case TaskReopening, TaskFailed, TaskTimedOut:
		t.Status = TaskOpen
	case TaskOpen, TaskClaimed:
		t.Redrives++
		t.Status = TaskOpen
	case TaskRevoked, TaskWaiting: // the step was started anew while the scheduler wrote
	case TaskCanceled: // the run was turned meanwhile: nobody may take this attempt
		t.Status = TaskRevoked
	default:
		return true
	}
	t.Attempt, t.NotBefore, t.Claim, t.Worker, t.ClaimedAt = p.Attempt, p.At, "", "", time.Time{}
	if t.Status == TaskOpen {
		t.Generation = s.Steps[i].Generation
	}
	return false
}

// admit opens tasks of the phase in progress while the window has room. It is part of Fold, so that everybody who folds
// the same journal counts the same tasks in flight.
func (s *State) admit() {
	switch s.Status {
	case RunRunning:
		if i := s.current(); i >= 0 && s.Steps[i].Status == StepRunning {
			s.open(i, s.Steps[i].phase(), s.Definition.Window)
		}
	case RunCompensating:
		if i := s.undoing(); i >= 0 {
			s.open(i, []string{events.TaskCompensate}, 1)
		}
	}
}

func (s *State) open(i int, ids []string, window int) {
	st := &s.Steps[i]
	free := window
	for _, t := range st.Tasks {
		if t.occupies() {
			free--
		}
	}
	cloned := false
	for _, id := range ids {
		if free <= 0 {
			return
		}
		if t := st.task(id); t != nil && t.Status != TaskWaiting {
			continue
		}
		if !cloned {
			st.Tasks, cloned = slices.Clone(st.Tasks), true
		}
		t := st.ensure(id)
		t.Generation = st.Generation
		if t.Status = TaskReopening; t.Attempt == 0 {
			t.Status, t.Attempt = TaskOpen, 1 // the command of a first attempt needs no task.scheduled
		}
		free--
	}
}

func timedOut(step, task string) *events.Fault {
	return &events.Fault{
		Class: "transient", Code: CodeTimedOut,
		Message: fmt.Sprintf("task %s of step %s was not done at its deadline", task, step),
	}
}

// runOf reads tenant and run from any subject of a journal.
func runOf(subject string) (tenant, run string) {
	parts := strings.SplitN(subject, ".", 4)
	if len(parts) < 4 || parts[0] != "saga" {
		return "", ""
	}
	return parts[1], parts[2]
}
