package saga

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/pkg/events"
)

// EffectKind says what an Effect does.
type EffectKind int

// The kinds of effects.
const (
	Publish    EffectKind = iota // put Event on Subject, with ID against duplicates
	Schedule                     // set the schedule Name: at At, the server puts Event on Subject
	Unschedule                   // remove the schedule Name
)

// Effect is something to do outside the journal. It follows from the journal, so it may be lost or done twice: the journal
// is the outbox.
type Effect struct {
	Kind    EffectKind
	Subject string
	ID      string
	Name    string
	At      time.Time
	Event   event.Event
}

// CommandError says that no command can be written for a task. Abandon ends its step.
type CommandError struct {
	Step, Task string
	Err        error
}

// Error names the task and what is wrong.
func (e *CommandError) Error() string {
	return fmt.Sprintf("write the command of task %s of step %s: %v", e.Task, e.Step, e.Err)
}

// Unwrap returns the cause.
func (e *CommandError) Unwrap() error { return e.Err }

// RetryName names the schedule that holds the command of a task's next attempt.
func RetryName(run RunID, step, task string) string {
	return events.ScheduleSubject("retry", run.Tenant, run.Run, step, task)
}

// DeadlineName names the schedule that ends a task's attempt.
func DeadlineName(run RunID, step, task string) string {
	return events.ScheduleSubject("deadline", run.Tenant, run.Run, step, task)
}

// Effects returns what is to be done when a run has gone from one state to another: commands of the attempts that were
// opened, their deadlines, and deadlines to clear. Between the zero State and s it is all that s needs.
//
// A deadline counts from now, and a schedule comes before its command: whoever dies in between leaves a timer too many
// rather than a task without one. Commands that cannot be written come as *CommandError, beside the effects of the others.
func Effects(before, after State, now time.Time) ([]Effect, error) {
	var effects []Effect
	var errs []error
	for i := range after.Steps {
		st := &after.Steps[i]
		for j := range st.Tasks {
			t := &st.Tasks[j]
			was := before.Task(st.Name, t.ID)
			switch {
			case t.Status == TaskOpen && after.Status.Active() && !before.handedOut(was, t.Attempt):
				opened, err := after.opened(i, t, now)
				if err != nil {
					errs = append(errs, &CommandError{Step: st.Name, Task: t.ID, Err: err})
				}
				effects = append(effects, opened...)
			case was != nil && was.InFlight() && !t.InFlight():
				effects = append(effects, Effect{Kind: Unschedule, Name: DeadlineName(after.ID(), st.Name, t.ID)})
			}
		}
	}
	return effects, errors.Join(errs...)
}

// handedOut reports whether the command of an attempt was an effect of s already; t is the task then, or nil.
func (s State) handedOut(t *Task, attempt int) bool {
	return s.Status.Active() && t != nil && t.Status == TaskOpen && t.Attempt == attempt
}

// opened returns the deadline and the command of an open attempt.
func (s State) opened(step int, t *Task, now time.Time) ([]Effect, error) {
	def := s.Definition.Steps[step]
	start := now
	if t.NotBefore.After(now) {
		start = t.NotBefore
	}
	deadline := start.Add(time.Duration(def.Timeout))
	cmd, err := s.command(step, t, deadline, now)
	if err != nil {
		return nil, err
	}
	timer, err := events.New(events.Address{Tenant: s.Tenant, Service: Service, Run: s.Run, Step: def.Name, Task: t.ID}, uint64(t.Attempt), now,
		events.TimerFired{Kind: TimerDeadline, Step: def.Name, Task: t.ID, Attempt: t.Attempt})
	if err != nil {
		return nil, err
	}
	work := events.WorkSubject(StageOf(def.Kind, t.ID), def.Cluster, s.Tenant, s.Run, def.Name, t.ID)
	out := Effect{Kind: Publish, Subject: work, ID: fmt.Sprintf("%s/%s/%s/%d", s.Run, def.Name, t.ID, t.Attempt), Event: cmd}
	if t.NotBefore.After(now) {
		out = Effect{Kind: Schedule, Name: RetryName(s.ID(), def.Name, t.ID), At: t.NotBefore, Subject: work, Event: cmd}
	}
	return []Effect{
		{Kind: Schedule, Name: DeadlineName(s.ID(), def.Name, t.ID), At: deadline, Subject: events.TimerSubject(s.Tenant, s.Run), Event: timer},
		out,
	}, nil
}

// TimerDeadline is the kind of the timers that end attempts.
const TimerDeadline = "deadline"

// command writes the command of a task's attempt.
func (s State) command(step int, t *Task, deadline, now time.Time) (event.Event, error) {
	def, st := s.Definition.Steps[step], &s.Steps[step]
	a := events.Assignment{
		Attempt: t.Attempt, Generation: max(st.Generation, 1), ReplySubject: s.subject(step, t.ID), Deadline: deadline.UTC(),
		Input: st.Input, Output: st.Output, Abandoned: st.Abandoned, Outcomes: st.outcomes(t.ID),
	}
	if t.ID != events.TaskPlan {
		a.Plan = st.plan()
	}
	switch {
	case t.ID == events.TaskPlan || t.ID == events.TaskCompensate:
	case a.Plan == nil:
		return event.Event{}, errors.New("the step has no plan")
	case t.ID == events.TaskDraft || t.ID == events.TaskScan || t.ID == events.TaskCommit:
		a.Index = a.Plan.Count
	default:
		index, err := strconv.Atoi(t.ID)
		if err != nil {
			return event.Event{}, fmt.Errorf("task %q is not a work item", t.ID)
		}
		a.Index = index
	}
	at := events.Address{Tenant: s.Tenant, Service: Service, Run: s.Run, Step: def.Name, Task: t.ID}
	e, err := commandEvent(at, t, a, def, now)
	if err != nil {
		return event.Event{}, err
	}
	e.SetID(e.ID() + "/command") // the numbers of a task's facts are the journal's
	e.SetExtension(events.ExtAttempt, strconv.Itoa(t.Attempt))
	_, _, err = events.Encode(e)
	return e, err
}

func commandEvent(at events.Address, t *Task, a events.Assignment, def events.StepDefinition, now time.Time) (event.Event, error) {
	n := uint64(t.Attempt)
	if t.ID == events.TaskCompensate {
		c := events.Compensation{Assignment: a, Work: def.Work}
		switch def.Kind {
		case events.StepCapture:
			return events.New(at, n, now, events.CaptureCompensate{Compensation: c})
		case events.StepMask:
			return events.New(at, n, now, events.MaskCompensate{Compensation: c})
		case events.StepTransfer:
			return events.New(at, n, now, events.TransferCompensate{Compensation: c})
		case events.StepRestore:
			return events.New(at, n, now, events.RestoreCompensate{Compensation: c})
		}
		return event.Event{}, fmt.Errorf("a step of kind %q leaves nothing to undo", def.Kind)
	}
	switch w := def.Work; {
	case def.Kind == events.StepCapture && w.Capture != nil:
		return events.New(at, n, now, events.CaptureRequested{Assignment: a, Work: *w.Capture})
	case def.Kind == events.StepMask && w.Mask != nil && t.ID == events.TaskScan:
		return events.New(at, n, now, events.ScanRequested{Assignment: a, Work: *w.Mask})
	case def.Kind == events.StepMask && w.Mask != nil:
		return events.New(at, n, now, events.MaskRequested{Assignment: a, Work: *w.Mask})
	case def.Kind == events.StepTransfer && w.Transfer != nil:
		return events.New(at, n, now, events.TransferRequested{Assignment: a, Work: *w.Transfer})
	case def.Kind == events.StepRestore && w.Restore != nil:
		return events.New(at, n, now, events.RestoreRequested{Assignment: a, Work: *w.Restore})
	case def.Kind == events.StepVerify && w.Verify != nil:
		return events.New(at, n, now, events.VerifyRequested{Assignment: a, Work: *w.Verify})
	}
	return event.Event{}, fmt.Errorf("step %q of kind %q holds no work of that kind", def.Name, def.Kind)
}
