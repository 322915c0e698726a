package saga

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

// Append is a decision for one subject: events to write there as one message, if its last message is still After.
type Append struct {
	Subject string
	After   Seq
	Events  []event.Event
}

// Command is what the scheduler wants of a run: Start, Refuse, Advance, Control, Timer, Redrive or Abandon.
type Command interface{ decide(*decision) error }

// Start opens the journal of a run. On a run that has one it does nothing.
type Start struct {
	Request    events.RunRequested
	Definition events.Definition
}

// Refuse opens and closes the journal of a run that cannot start, so that whoever asked for it learns why.
type Refuse struct {
	Request events.RunRequested
	Reason  events.Fault
}

// Advance asks for what follows from the state alone.
type Advance struct{}

// Control changes the course of a run as a person asked. ID names the request: a repeated one does nothing.
type Control struct {
	ID      string
	Request events.ControlRequested
}

// Timer says that the deadline of an attempt has passed.
type Timer struct {
	Step, Task string
	Attempt    int
}

// Redrive says that the command of an attempt is lost: nobody works on it, and nothing is under way that would make
// somebody.
type Redrive struct {
	Step, Task string
	Attempt    int
}

// Abandon says that no command can be written for a task, and why.
type Abandon struct {
	Step, Task string
	Reason     events.Fault
}

// ErrControl: the run is not in a state in which it can be controlled so.
var ErrControl = errors.New("the run cannot do that now")

const (
	maxGenerations = 5  // of one step, before its consistency point counts as unattainable
	maxRedrives    = 20 // of one task, before a lost command counts as a failure of the attempt
)

// Decide returns what to write next: either one append to the run's own subject, or one to each of several tasks'. When
// they are written (or one met a conflict), fold what the journal holds now and decide again, until nothing is left.
//
// It is pure: the same state, command and time give the same answer. An error means that the command cannot be followed
// (ErrControl), or that an event cannot be written; the state is not at fault.
func Decide(s State, c Command, now time.Time) ([]Append, error) {
	d := &decision{state: s, now: now}
	if err := c.decide(d); err != nil {
		return nil, err
	}
	return d.appends, d.err
}

func (c Start) decide(d *decision) error {
	if d.state.Status != "" {
		return nil
	}
	record(d, "", c.Request)
	record(d, "", events.RunStarted{Definition: c.Definition})
	d.proceed()
	return nil
}

func (c Refuse) decide(d *decision) error {
	if d.state.Status != "" {
		return nil
	}
	record(d, "", c.Request)
	record(d, "", events.RunFailed{Error: c.Reason})
	return nil
}

func (Advance) decide(d *decision) error {
	switch d.state.Status {
	case RunRunning:
		d.advance()
	case RunPaused, RunFailed:
		d.cancelRevoked()
	case RunCanceling:
		if d.cancelRevoked(); len(d.appends) == 0 {
			record(d, "", events.RunCompensating{})
			d.compensated()
		}
	case RunCompensating:
		d.compensate()
	case RunCompensated:
		record(d, "", events.RunCanceled{})
	}
	return nil
}

func (c Control) decide(d *decision) error {
	s := d.state
	if slices.Contains(s.Causes, c.ID) {
		return nil
	}
	d.cause = c.ID
	switch r := c.Request; {
	case s.Status == "":
		return fmt.Errorf("%w: it does not exist", ErrControl)
	case r.Action == "pause" && s.Status == RunRunning:
		record(d, "", events.RunPaused{Reason: r.Reason})
	case r.Action == "resume" && s.Status == RunPaused:
		record(d, "", events.RunResumed{})
	case r.Action == "retry" && s.Status == RunFailed:
		return c.retry(d)
	case r.Action == "cancel" && s.Status != RunCompleted && s.Status != RunCanceled && !s.undone():
		record(d, "", events.RunCancelRequested{Reason: r.Reason})
	case r.Action == "pause" && s.Status == RunPaused, r.Action == "resume" && s.Status == RunRunning,
		r.Action == "cancel" && (s.Status == RunCanceled || s.undone()): // it is so already
	default:
		return fmt.Errorf("%w: a run that is %s does not take %q", ErrControl, s.Status, r.Action)
	}
	return nil
}

// retry goes on where a failed run stopped, or from a step. A step whose consistency point is lost starts anew.
func (c Control) retry(d *decision) error {
	s, from := d.state, c.Request.From
	i := s.current()
	switch {
	case s.compensationBegun():
		return fmt.Errorf("%w: its effects are being undone", ErrControl)
	case s.Definition == nil || i < 0:
		return fmt.Errorf("%w: it never started", ErrControl)
	case from != "" && s.stepIndex(from) < 0:
		return fmt.Errorf("%w: there is no step %q", ErrControl, from)
	case from != "" && s.stepIndex(from) > i:
		return fmt.Errorf("%w: step %q comes after step %q, which is not through", ErrControl, from, s.Steps[i].Name)
	case from == "" && s.Steps[i].Fault != nil && restarts(*s.Steps[i].Fault):
		from = s.Steps[i].Name
	}
	record(d, "", events.RunResumed{From: from})
	return nil
}

func (c Timer) decide(d *decision) error {
	if t := d.current(c.Step, c.Task, c.Attempt); t != nil {
		write(d, c.Step, t, events.TaskTimedOut{Attempt: t.Attempt})
	}
	return nil
}

func (c Redrive) decide(d *decision) error {
	switch t := d.current(c.Step, c.Task, c.Attempt); {
	case t == nil:
	case t.Redrives >= maxRedrives:
		write(d, c.Step, t, events.TaskTimedOut{Attempt: t.Attempt})
	default:
		write(d, c.Step, t, events.TaskScheduled{Attempt: t.Attempt + 1, At: d.now})
	}
	return nil
}

func (c Abandon) decide(d *decision) error {
	if t := d.state.Task(c.Step, c.Task); t != nil && t.InFlight() && d.state.Status.Active() {
		d.giveUp(c.Step, *t, c.Reason)
	}
	return nil
}

// advance looks at a running run: a step that has to start again, a task that failed for good, a step that is through,
// else tasks to cancel, to try again and to reopen.
func (d *decision) advance() {
	i := d.state.current()
	if i < 0 || d.state.Steps[i].Status != StepRunning {
		d.proceed()
		return
	}
	st := d.state.Steps[i]
	for _, t := range st.Tasks {
		if t.Status != TaskFailed && t.Status != TaskTimedOut {
			continue
		}
		if restarts(*t.Fault) && st.Generation < maxGenerations {
			d.restart(st, *t.Fault)
			return
		}
		if !d.retryable(t) {
			d.giveUp(st.Name, t, *t.Fault)
			return
		}
	}
	if len(st.phase()) == 0 {
		d.finish(i)
		d.proceed()
		return
	}
	d.cancelRevoked()
	d.reschedule(st)
}

// restarts reports whether a fault means that the step's consistency point is gone, so that only starting again helps.
func restarts(f events.Fault) bool {
	return f.Code == events.CodeSnapshotLost || f.Code == events.CodeLeaseExpired
}

func (d *decision) retryable(t Task) bool {
	return fault.Class(t.Fault.Class).Retryable() && t.Failures < d.state.Definition.Retry.MaxAttempts
}

func (d *decision) restart(st Step, reason events.Fault) {
	generation, output := st.Generation+1, ""
	if makesCapture(st.Kind) {
		output = captureID(d.state.Run, st.Name, generation)
	}
	record(d, st.Name, events.StepRestarted{Generation: generation, Output: output, Reason: reason})
}

func (d *decision) giveUp(step string, t Task, reason events.Fault) {
	record(d, step, events.StepFailed{Task: t.ID, Error: reason})
	record(d, step, events.StepDead{Task: t.ID, Attempts: t.Attempt})
	record(d, "", events.RunFailed{Step: step, Task: t.ID, Error: reason})
}

// reschedule opens further attempts of the tasks of a step that failed, after a pause that grows, and of those that were
// admitted again.
func (d *decision) reschedule(st Step) {
	for i := range st.Tasks {
		t := &st.Tasks[i]
		switch t.Status {
		case TaskFailed, TaskTimedOut:
			wait := backoff(d.state.Definition.Retry, fault.Class(t.Fault.Class), t.Failures, d.state.Run, st.Name, t.ID, t.Attempt)
			write(d, st.Name, t, events.TaskScheduled{Attempt: t.Attempt + 1, At: d.now.Add(wait)})
		case TaskReopening:
			write(d, st.Name, t, events.TaskScheduled{Attempt: t.Attempt + 1, At: d.now})
		}
	}
}

func (d *decision) cancelRevoked() {
	for i := range d.state.Steps {
		st := &d.state.Steps[i]
		for j := range st.Tasks {
			if t := &st.Tasks[j]; t.Status == TaskRevoked {
				write(d, st.Name, t, events.TaskCanceled{Attempt: t.Attempt, Reason: "the run is " + string(d.state.Status)})
			}
		}
	}
}

// finish closes a step with what its commit said, and tells the outside.
func (d *decision) finish(i int) {
	st := d.state.Steps[i]
	commit := st.task(events.TaskCommit).Outcome
	var stats events.Stats
	for _, id := range workTasks(st.plan().Count) {
		stats = stats.Add(st.task(id).Outcome.Stats)
	}
	if stats == (events.Stats{}) {
		stats = commit.Stats // of a step without work items of its own
	}
	c := commit.Capture
	if c == nil {
		c = st.Input
	}
	record(d, st.Name, events.StepCompleted{Capture: c, Ref: commit.Ref, Detail: commit.Detail, Stats: stats})
	switch {
	case c == nil:
	case makesCapture(st.Kind):
		record(d, st.Name, events.CaptureCreated{Capture: *c, Stats: stats})
	case st.Kind == events.StepVerify:
		record(d, st.Name, events.CaptureVerified{Capture: *c, Ref: commit.Ref})
		record(d, st.Name, events.EnvironmentReady{Capture: *c})
	}
}

// proceed starts the next step, or completes the run after the last.
func (d *decision) proceed() {
	i := d.state.current()
	if i < 0 {
		d.complete()
		return
	}
	st, def := d.state.Steps[i], d.state.Definition.Steps[i]
	p := events.StepStarted{Generation: st.Generation + 1}
	if def.Input != "" {
		if p.Input = d.state.Step(def.Input).Capture; p.Input == nil {
			record(d, "", events.RunFailed{Step: st.Name, Error: *permanent(CodeInputMissing,
				"step %s needs the capture of step %s, which has none", st.Name, def.Input)})
			return
		}
	} else if w := def.Work.Restore; w != nil && w.Capture != "" {
		p.Input = picked(d.state.Definition.Application, w)
	}
	if makesCapture(st.Kind) {
		p.Output = captureID(d.state.Run, st.Name, p.Generation)
	}
	record(d, st.Name, p)
}

// picked refers to the capture that a restore names itself. Its digest is not known: the worker trusts the signatures.
func picked(application string, w *events.RestoreWork) *events.CaptureRef {
	var location struct {
		Metadata struct{ Name string }
		Spec     struct{ Trust string }
	}
	if json.Unmarshal(w.From, &location) != nil {
		return nil // the worker says what is wrong with it
	}
	return &events.CaptureRef{ID: w.Capture, Application: application, Location: location.Metadata.Name, Trust: location.Spec.Trust}
}

func (d *decision) complete() {
	var p events.RunCompleted
	for _, st := range d.state.Steps {
		p.Stats = p.Stats.Add(st.Stats)
		if makesCapture(st.Kind) && st.Capture != nil {
			p.Output = st.Capture
		}
	}
	record(d, "", p)
}

// compensate undoes steps in reverse, one after the other.
func (d *decision) compensate() {
	i := d.state.undoing()
	if i < 0 {
		d.compensated()
		return
	}
	st := d.state.Steps[i]
	t := st.task(events.TaskCompensate)
	if t == nil {
		return
	}
	switch {
	case t.Status == TaskCompleted:
		record(d, st.Name, events.StepCompensated{})
		d.compensated()
	case (t.Status == TaskFailed || t.Status == TaskTimedOut) && !d.retryable(*t):
		d.giveUp(st.Name, *t, *t.Fault)
	default:
		d.cancelRevoked()
		d.reschedule(st)
	}
}

// compensated ends a canceled run when every step is undone.
func (d *decision) compensated() {
	if d.state.Status == RunCompensating && d.state.undoing() < 0 {
		record(d, "", events.RunCompensated{})
		record(d, "", events.RunCanceled{})
	}
}
