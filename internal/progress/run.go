package progress

import (
	"slices"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/pkg/events"
)

// Status is where a run or a step stands, in one word for people.
type Status string

// The states that are shown.
const (
	Pending  Status = "pending"
	Running  Status = "running"
	Paused   Status = "paused"
	Undoing  Status = "undoing"
	Undone   Status = "undone"
	Done     Status = "completed"
	Skipped  Status = "skipped"
	Failed   Status = "failed"
	Canceled Status = "canceled"
)

// Ended reports whether a run in this state moves on by itself no more.
func (s Status) Ended() bool { return s == Done || s == Failed || s == Canceled }

// Run is what can be shown of a run. The zero value knows nothing yet. It is not safe for concurrent use.
type Run struct {
	ID          string
	Policy      string
	Application string
	Status      Status
	Steps       []*Step
	Output      *events.CaptureRef // of a completed run
	Fault       *events.Fault      // of a failed run
	FaultStep   string             // the step that failed
	Started     time.Time
	Ended       time.Time
}

// Step is what can be shown of a step.
type Step struct {
	Name      string
	Kind      events.StepKind
	Status    Status
	Capture   *events.CaptureRef // that it made, restored or verified
	Detail    []byte             // what its commit had to say: JSON; empty when nothing
	Stats     events.Stats       // of a completed step
	Retries   int                // attempts beyond the first, of all tasks
	Takeovers int                // tasks that went on with another worker
	Restarts  int                // times that the step began again from its plan
	Fault     *events.Fault      // of the last failure, while it matters
	Waiting   time.Time          // when the next attempt is due; zero when none is waited for
	Note      string             // what a worker waits for
	Started   time.Time
	Ended     time.Time

	planned int // work items; 0: not known
	tasks   map[string]*task
	live    client.StepProgress // as last told; of a step that is not through
}

// task is what a display remembers of a task.
type task struct {
	worker string // that holds it; empty when none does
	done   bool
}

// News is something that a person wants to read even while bars move: a takeover, a retry, a restart.
type News struct {
	Time time.Time
	Step string
	Text string
}

// Apply takes one event of the run's journal in and returns what is worth a line of its own. Events of unknown types and
// of other runs change nothing.
func (r *Run) Apply(e event.Event) []News {
	at, err := events.AddressOf(e)
	if err != nil || (r.ID != "" && at.Run != r.ID) {
		return nil
	}
	payload, err := events.Decoded(e)
	if err != nil {
		return nil
	}
	r.ID = at.Run
	if at.Task != "" {
		return r.taskFact(e.Time(), at, payload)
	}
	if at.Step != "" {
		return r.stepFact(e.Time(), r.step(at.Step), payload)
	}
	return r.runFact(e.Time(), payload)
}

func (r *Run) runFact(now time.Time, payload events.Payload) []News {
	news := func(text string) []News { return []News{{Time: now, Text: text}} }
	switch p := payload.(type) {
	case events.RunRequested:
		r.Policy, r.Application, r.Status, r.Started = p.Policy, p.Application, Pending, now
	case events.RunStarted:
		r.Policy, r.Application, r.Status = p.Definition.Policy, p.Definition.Application, Running
		for _, d := range p.Definition.Steps {
			r.step(d.Name).Kind = d.Kind
		}
	case events.RunPaused:
		r.Status = Paused
		return news(withReason("the run is paused", p.Reason))
	case events.RunResumed:
		r.Status, r.Fault, r.FaultStep, r.Ended = Running, nil, "", time.Time{}
		return news("the run goes on")
	case events.RunCancelRequested:
		r.Status = Undoing
		return news(withReason("the run is being canceled", p.Reason))
	case events.RunCompensating:
		r.Status = Undoing
	case events.RunCompleted:
		r.Status, r.Output, r.Ended = Done, p.Output, now
	case events.RunFailed:
		r.Status, r.Fault, r.FaultStep, r.Ended = Failed, &p.Error, p.Step, now
	case events.RunCanceled:
		r.Status, r.Ended = Canceled, now
	}
	return nil
}

func withReason(text, reason string) string {
	if reason == "" {
		return text
	}
	return text + ": " + reason
}

func (r *Run) stepFact(now time.Time, s *Step, payload events.Payload) []News {
	news := func(text string) []News { return []News{{Time: now, Step: s.Name, Text: text}} }
	switch p := payload.(type) {
	case events.StepStarted:
		s.Status, s.Fault, s.Started, s.Ended = Running, nil, now, time.Time{}
	case events.StepRestarted:
		s.Status, s.Fault = Running, &p.Reason
		s.Restarts++
		s.planned, s.tasks, s.live = 0, map[string]*task{}, client.StepProgress{}
		return news("begins again: " + p.Reason.Message)
	case events.StepCompleted:
		s.Status, s.Capture, s.Detail, s.Stats, s.Ended = Done, p.Capture, p.Detail, p.Stats, now
		s.Fault, s.Waiting, s.Note = nil, time.Time{}, ""
	case events.StepFailed:
		s.Fault = &p.Error
	case events.StepDead:
		s.Status, s.Waiting, s.Ended = Failed, time.Time{}, now
	case events.StepSkipped:
		s.Status, s.Note, s.Ended = Skipped, p.Reason, now
	case events.StepCompensated:
		s.Status = Undone
	}
	return nil
}

func (r *Run) taskFact(now time.Time, at events.Address, payload events.Payload) []News {
	s := r.step(at.Step)
	s.begin(now)
	t := s.task(at.Task)
	news := func(text string) []News { return []News{{Time: now, Step: s.Name, Text: text}} }
	switch p := payload.(type) {
	case events.TaskScheduled:
		s.Waiting = p.At
		s.Retries++
	case events.TaskClaimed:
		s.Waiting = time.Time{}
		lost := t.worker
		t.worker = p.Worker
		if lost != "" {
			s.Takeovers++
			return news("task " + at.Task + ": worker lost, taken over by " + p.Worker)
		}
	case events.TaskCompleted:
		t.worker, t.done = "", true
		if p.Outcome.Plan != nil && at.Task == events.TaskPlan {
			s.planned = p.Outcome.Plan.Count
		}
		s.Fault, s.Note = nil, ""
	case events.TaskFailed:
		t.worker, s.Fault = "", &p.Error
		return news("task " + at.Task + " failed: " + p.Error.Message)
	case events.TaskTimedOut:
		t.worker = ""
		return news("task " + at.Task + " ran into its deadline")
	case events.TaskCanceled:
		t.worker = ""
	}
	return nil
}

// Progress takes in how far the steps are. Steps that are through are not moved back.
func (r *Run) Progress(p client.Progress) {
	for _, live := range p.Steps {
		s := r.step(live.Step)
		s.Kind = live.Kind
		s.begin(time.Time{})
		s.live, s.Note = live, live.Note
	}
}

// Step returns the step of that name, or nil.
func (r *Run) Step(name string) *Step {
	if i := slices.IndexFunc(r.Steps, func(s *Step) bool { return s.Name == name }); i >= 0 {
		return r.Steps[i]
	}
	return nil
}

// step returns the step of that name, and makes one where the journal was joined too late to know it.
func (r *Run) step(name string) *Step {
	if s := r.Step(name); s != nil {
		return s
	}
	s := &Step{Name: name, Status: Pending, tasks: map[string]*task{}}
	r.Steps = append(r.Steps, s)
	return s
}

func (s *Step) task(id string) *task {
	if s.tasks[id] == nil {
		s.tasks[id] = &task{}
	}
	return s.tasks[id]
}

// begin marks a step of which only the tasks were heard as running.
func (s *Step) begin(now time.Time) {
	if s.Status == Pending {
		s.Status, s.Started = Running, now
	}
}

// Tasks returns how many work items are through and how many there are; 0 of 0 while nobody knows.
func (s *Step) Tasks() (done, planned int) {
	for id, t := range s.tasks {
		if t.done && isWork(id) {
			done++
		}
	}
	return done, s.planned
}

// Moved returns how much the step has worked through, and how much there will be, 0 when not known.
func (s *Step) Moved() client.StepProgress {
	if s.Status != Done {
		return s.live
	}
	return client.StepProgress{
		Bytes: s.Stats.Bytes, BytesTotal: s.Stats.Bytes, Rows: s.Stats.Rows, RowsTotal: s.Stats.Rows,
		Stored: s.Stats.Stored, Skipped: s.Stats.Skipped,
	}
}

// Fraction returns how far the step is, from 0 to 1.
func (s *Step) Fraction() float64 {
	switch s.Status {
	case Done, Skipped:
		return 1
	case Pending:
		return 0
	}
	if s.live.BytesTotal > 0 {
		return min(1, float64(s.live.Bytes)/float64(s.live.BytesTotal))
	}
	done, planned := s.Tasks()
	if planned == 0 {
		return 0
	}
	// A step is not through with its last work item: its commit is still to come.
	return float64(done) / float64(planned+1)
}

func isWork(id string) bool {
	return id != events.TaskPlan && strings.Trim(id, "0123456789") == ""
}
