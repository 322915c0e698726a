package saga

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tranship/tranship/pkg/events"
)

// ErrIgnored: an entry changed nothing, because it breaks the contract or does not fit the state. Duplicates and facts of
// old attempts are ignored without an error: they are a normal sight.
var ErrIgnored = errors.New("the journal holds an event that means nothing here")

// keptCauses is how many control requests a run remembers, so that one that is delivered twice counts once.
const keptCauses = 32

// Fold returns the state after an entry. It is deterministic, never panics, and leaves s as it was.
//
// The returned state is good even with an error: the entry is then behind it, without effect, and the error (ErrIgnored)
// says why. So an entry that nobody understands cannot hold up a run.
func Fold(s State, e Entry) (State, error) {
	if s.Tenant == "" && s.Run == "" {
		s.Tenant, s.Run = runOf(e.Subject)
	}
	if s.seen(e) {
		s.Ignored++
		return s, nil
	}
	s.remember(e)
	s.Steps = slices.Clone(s.Steps)

	var old bool
	var err error
	if e.Subject == events.RunSubject(s.Tenant, s.Run) {
		s.RunSeq = e.Seq
		s.Events++
		err = s.foldRun(e)
	} else {
		old, err = s.foldTask(e)
	}
	if err != nil || old {
		s.Ignored++
	}
	if err != nil {
		return s, fmt.Errorf("%w: %s at %d on %s: %w", ErrIgnored, e.Event.Type(), e.Seq, e.Subject, err)
	}
	s.admit()
	return s, nil
}

// seen reports whether the entry was folded before: entries come in stream order, and those of one message share a Seq.
func (s *State) seen(e Entry) bool {
	return e.Seq < s.Seq || (e.Seq == s.Seq && slices.Contains(s.message, e.Event.ID()))
}

func (s *State) remember(e Entry) {
	if e.Seq != s.Seq {
		s.message = nil
	}
	s.Seq, s.message = e.Seq, append(slices.Clip(s.message), e.Event.ID())
}

var errTransition = errors.New("it does not follow from the state before it")

func (s *State) foldRun(e Entry) error {
	p, err := events.Decoded(e.Event)
	if err != nil {
		return err
	}
	at, err := events.AddressOf(e.Event)
	if err != nil {
		return err
	}
	if at.Tenant != s.Tenant || at.Run != s.Run {
		return errors.New("it is about another run")
	}
	if cause, _ := e.Event.Extensions()[events.ExtCausationID].(string); cause != "" {
		s.Causes = append(slices.Clip(s.Causes), cause)
		s.Causes = s.Causes[max(0, len(s.Causes)-keptCauses):]
	}
	if at.Step == "" {
		return s.applyRun(p, e.Event.Time())
	}
	i := s.stepIndex(at.Step)
	if i < 0 {
		return fmt.Errorf("there is no step %q", at.Step)
	}
	return s.applyStep(i, p, e.Event.Time())
}

// applyRun applies an event about the run as a whole.
func (s *State) applyRun(p events.Payload, at time.Time) error {
	switch p := p.(type) {
	case events.RunRequested:
		if s.Status != "" {
			return errTransition
		}
		s.Status, s.Request, s.RequestedAt = RunRequested, &p, at
	case events.RunStarted:
		if s.Status != RunRequested {
			return errTransition
		}
		s.Status, s.Definition = RunRunning, &p.Definition
		for _, d := range p.Definition.Steps {
			s.Steps = append(s.Steps, Step{Name: d.Name, Kind: d.Kind, Status: StepPending})
		}
	case events.RunPaused:
		if s.Status != RunRunning {
			return errTransition
		}
		s.Status = RunPaused
	case events.RunResumed:
		return s.resume(p)
	case events.RunCancelRequested:
		if s.Status == "" || s.Status == RunCompleted || s.Status == RunCanceled || s.undone() {
			return errTransition
		}
		s.Status, s.Failure, s.FinishedAt = RunCanceling, nil, time.Time{}
		s.revoke()
		s.reviveCompensations()
	case events.RunCompensating:
		if s.Status != RunCanceling {
			return errTransition
		}
		s.Status = RunCompensating
	case events.RunCompensated:
		if s.Status != RunCompensating {
			return errTransition
		}
		s.Status = RunCompensated
	case events.RunCanceled:
		if s.Status != RunCompensated {
			return errTransition
		}
		s.Status, s.FinishedAt = RunCanceled, at
	case events.RunCompleted:
		if s.Status != RunRunning {
			return errTransition
		}
		s.Status, s.Output, s.Stats, s.FinishedAt = RunCompleted, p.Output, p.Stats, at
	case events.RunFailed:
		if s.Status != RunRequested && !s.Status.Active() {
			return errTransition
		}
		s.Status, s.FinishedAt = RunFailed, at
		s.Failure = &Failure{Step: p.Step, Task: p.Task, Error: p.Error}
		s.revoke()
	default:
		return errTransition
	}
	return nil
}

// undone reports whether the run is being canceled already.
func (s *State) undone() bool {
	return s.Status == RunCanceling || s.Status == RunCompensating || s.Status == RunCompensated
}

// resume ends a pause, or reopens a failed run: where it stopped, or at a step and all that follow it.
func (s *State) resume(p events.RunResumed) error {
	switch {
	case s.Status == RunPaused && p.From == "":
		for i := range s.Steps {
			s.edit(i, func(t *Task) {
				if t.InFlight() {
					t.Status = TaskReopening // a worker may have left it: only a further attempt is sure to be taken
				}
			})
		}
	case s.Status == RunFailed && s.Definition != nil && !s.compensationBegun():
		from := s.current()
		if p.From != "" {
			from = s.stepIndex(p.From)
		}
		if from < 0 {
			return fmt.Errorf("there is no step %q to go on from", p.From)
		}
		if p.From == "" {
			s.reopen(from)
			break
		}
		for i := from; i < len(s.Steps); i++ {
			s.reset(i)
		}
	default:
		return errTransition
	}
	s.Status, s.Failure, s.FinishedAt = RunRunning, nil, time.Time{}
	return nil
}

// compensationBegun reports whether effects of the run may have been undone, so that it cannot go on.
func (s *State) compensationBegun() bool {
	return slices.ContainsFunc(s.Steps, func(st Step) bool {
		return st.Status == StepCompensated || st.task(events.TaskCompensate) != nil
	})
}

// reopen makes a dead step run again where it stopped: completed tasks stay.
func (s *State) reopen(i int) {
	st := &s.Steps[i]
	if st.Status == StepDead {
		st.Status, st.Fault, st.FinishedAt = StepRunning, nil, time.Time{}
	}
	s.edit(i, func(t *Task) {
		t.Failures, t.Redrives = 0, 0
		switch t.Status {
		case TaskCompleted, TaskWaiting, TaskRevoked:
		default:
			t.Status = TaskWaiting
		}
	})
}

// reset makes a step pending again. What it made stays known, so that it can be undone.
func (s *State) reset(i int) {
	st := &s.Steps[i]
	st.Status, st.Fault, st.Capture, st.Stats = StepPending, nil, nil, events.Stats{}
	st.StartedAt, st.FinishedAt = time.Time{}, time.Time{}
	s.renew(i)
}

// renew forgets what the tasks of a step found: they belong to an old generation. Those in flight are revoked.
func (s *State) renew(i int) {
	s.edit(i, func(t *Task) {
		t.Failures, t.Redrives, t.Outcome, t.Fault = 0, 0, nil, nil
		switch {
		case t.InFlight():
			t.Status = TaskRevoked
		case t.Status != TaskRevoked:
			t.Status = TaskWaiting
		}
	})
}

// revoke takes back what is in flight, and what would be scheduled again.
func (s *State) revoke() {
	for i := range s.Steps {
		s.edit(i, func(t *Task) {
			switch t.Status {
			case TaskOpen, TaskClaimed:
				t.Status = TaskRevoked
			case TaskFailed, TaskTimedOut, TaskReopening:
				t.Status = TaskCanceled // nobody holds it
			}
		})
	}
}

// reviveCompensations lets compensations that were given up try again.
func (s *State) reviveCompensations() {
	for i := range s.Steps {
		s.edit(i, func(t *Task) {
			if t.ID == events.TaskCompensate && t.Status != TaskCompleted && t.Status != TaskRevoked {
				t.Status, t.Failures, t.Redrives = TaskWaiting, 0, 0
			}
		})
	}
}

// applyStep applies an event about a step, or one that tells the outside what a step made.
func (s *State) applyStep(i int, p events.Payload, at time.Time) error {
	st := &s.Steps[i]
	switch p := p.(type) {
	case events.StepStarted:
		if s.Status != RunRunning || st.Status != StepPending || p.Generation != st.Generation+1 || s.current() != i {
			return errTransition
		}
		s.renew(i)
		if st.Generation > 0 && st.Output != "" {
			st.Abandoned = append(slices.Clip(st.Abandoned), st.Output)
		}
		st.Status, st.Generation, st.Input, st.Output, st.StartedAt = StepRunning, p.Generation, p.Input, p.Output, at
	case events.StepRestarted:
		if s.Status != RunRunning || st.Status != StepRunning || p.Generation != st.Generation+1 {
			return errTransition
		}
		s.renew(i)
		if st.Output != "" {
			st.Abandoned = append(slices.Clip(st.Abandoned), st.Output)
		}
		st.Generation, st.Output = p.Generation, p.Output
	case events.StepCompleted:
		if s.Status != RunRunning || st.Status != StepRunning {
			return errTransition
		}
		st.Status, st.Capture, st.Stats, st.FinishedAt = StepCompleted, p.Capture, p.Stats, at
	case events.StepFailed:
		st.Fault = &p.Error
	case events.StepDead:
		if st.Status == StepRunning {
			st.Status, st.FinishedAt = StepDead, at
		}
		s.edit(i, func(t *Task) {
			if t.ID == p.Task {
				t.Status = TaskDead
			}
		})
	case events.StepSkipped:
		if st.Status != StepPending && st.Status != StepRunning {
			return errTransition
		}
		st.Status, st.FinishedAt = StepSkipped, at
	case events.StepCompensated:
		if s.Status != RunCompensating {
			return errTransition
		}
		st.Status, st.FinishedAt = StepCompensated, at
	case events.CaptureCreated, events.CaptureVerified, events.EnvironmentReady: // facts for the outside
	default:
		return errTransition
	}
	return nil
}

// edit changes the tasks of a step without touching those of the state before.
func (s *State) edit(step int, change func(*Task)) {
	s.Steps[step].Tasks = slices.Clone(s.Steps[step].Tasks)
	for i := range s.Steps[step].Tasks {
		change(&s.Steps[step].Tasks[i])
	}
}
