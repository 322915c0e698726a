package saga

import (
	"slices"
	"time"

	"github.com/tranship/tranship/pkg/events"
)

// RunStatus is where a run as a whole stands. It is also the extension runstate of every event on the run's subject.
type RunStatus string

// The states of a run. The zero value means that nothing has been written yet.
const (
	RunRequested    RunStatus = "requested"
	RunRunning      RunStatus = "running"
	RunPaused       RunStatus = "paused"
	RunCanceling    RunStatus = "canceling"    // tasks in flight are being ended
	RunCompensating RunStatus = "compensating" // steps are being undone
	RunCompensated  RunStatus = "compensated"  // every step is undone
	RunCompleted    RunStatus = "completed"
	RunFailed       RunStatus = "failed" // until somebody retries or cancels it
	RunCanceled     RunStatus = "canceled"
)

// Terminal reports whether a run in this state moves on by itself: completed, failed and canceled runs do not.
func (s RunStatus) Terminal() bool {
	return s == RunCompleted || s == RunFailed || s == RunCanceled
}

// Active reports whether tasks are handed out.
func (s RunStatus) Active() bool { return s == RunRunning || s == RunCompensating }

// StepStatus is where a step stands.
type StepStatus string

// The states of a step.
const (
	StepPending     StepStatus = "pending"
	StepRunning     StepStatus = "running"
	StepCompleted   StepStatus = "completed"
	StepSkipped     StepStatus = "skipped"
	StepDead        StepStatus = "dead" // no further attempt until somebody retries the run
	StepCompensated StepStatus = "compensated"
)

// TaskStatus is where a task stands.
type TaskStatus string

// The states of a task.
const (
	TaskWaiting   TaskStatus = "waiting"   // its phase is not open, or the window is full
	TaskReopening TaskStatus = "reopening" // admitted again: the scheduler has yet to write task.scheduled
	TaskOpen      TaskStatus = "open"      // a command for the attempt is out, or due at NotBefore
	TaskClaimed   TaskStatus = "claimed"
	TaskCompleted TaskStatus = "completed"
	TaskFailed    TaskStatus = "failed"   // the attempt failed: to be tried again or given up
	TaskTimedOut  TaskStatus = "timedout" // the same
	TaskRevoked   TaskStatus = "revoked"  // its result is no longer wanted: the scheduler has yet to write task.canceled
	TaskCanceled  TaskStatus = "canceled"
	TaskDead      TaskStatus = "dead" // it failed for good
)

// State is where a run stands: the fold of its journal. It is a value: Fold returns a new one and leaves the old as it
// was. Its JSON form is what people see of a run.
type State struct {
	Tenant      string               `json:"tenant"`
	Run         string               `json:"run"`
	Status      RunStatus            `json:"status"`
	Request     *events.RunRequested `json:"request,omitempty"`
	Definition  *events.Definition   `json:"-"` // long, and the same for the whole run
	Steps       []Step               `json:"steps,omitempty"`
	Failure     *Failure             `json:"failure,omitempty"` // of a failed run
	Output      *events.CaptureRef   `json:"output,omitempty"`  // of a completed run
	Stats       events.Stats         `json:"stats"`
	RequestedAt time.Time            `json:"requestedAt,omitzero"`
	FinishedAt  time.Time            `json:"finishedAt,omitzero"`

	Seq     Seq      `json:"seq"`               // of the last entry folded
	RunSeq  Seq      `json:"runSeq"`            // of the last message on the run's own subject
	Events  uint64   `json:"events"`            // on the run's own subject
	Ignored int      `json:"ignored,omitempty"` // duplicates, facts of old attempts, and what breaks the contract
	Causes  []string `json:"-"`                 // ids of the control requests that were answered last

	message []string // ids of the events folded from the message at Seq, which tell duplicates from the rest of a batch
}

// Failure is why a run failed.
type Failure struct {
	Step  string       `json:"step,omitempty"`
	Task  string       `json:"task,omitempty"`
	Error events.Fault `json:"error"`
}

// Step is one step of a run.
type Step struct {
	Name       string             `json:"name"`
	Kind       events.StepKind    `json:"kind"`
	Status     StepStatus         `json:"status"`
	Generation int                `json:"generation,omitempty"` // 0: never started
	Input      *events.CaptureRef `json:"input,omitempty"`
	Output     string             `json:"output,omitempty"`    // id of the capture that it makes
	Abandoned  []string           `json:"abandoned,omitempty"` // outputs of earlier generations
	Capture    *events.CaptureRef `json:"capture,omitempty"`   // that it made, restored or verified
	Stats      events.Stats       `json:"stats"`
	Fault      *events.Fault      `json:"fault,omitempty"` // of a dead step
	StartedAt  time.Time          `json:"startedAt,omitzero"`
	FinishedAt time.Time          `json:"finishedAt,omitzero"`
	Tasks      []Task             `json:"tasks,omitempty"`
}

// Task is one task of a step.
type Task struct {
	ID         string          `json:"id"`
	Status     TaskStatus      `json:"status"`
	Attempt    int             `json:"attempt,omitempty"`    // 0: never opened
	Generation int             `json:"generation,omitempty"` // of the step when the attempt was opened
	Failures   int             `json:"failures,omitempty"`   // since the task was first opened or the run was retried
	Redrives   int             `json:"redrives,omitempty"`   // commands that were lost, since then
	NotBefore  time.Time       `json:"notBefore,omitzero"`   // of a retry: what it waits for is in Fault
	Worker     string          `json:"worker,omitempty"`
	Claim      string          `json:"-"`
	Fence      Seq             `json:"fence,omitempty"`
	ClaimedAt  time.Time       `json:"claimedAt,omitzero"`
	Fault      *events.Fault   `json:"fault,omitempty"` // of the last attempt that failed
	Outcome    *events.Outcome `json:"outcome,omitempty"`

	Seq    Seq    `json:"seq,omitempty"`    // of the last message on the task's subject
	Events uint64 `json:"events,omitempty"` // on the task's subject
}

// InFlight reports whether a worker has the task or may take it.
func (t Task) InFlight() bool { return t.Status == TaskOpen || t.Status == TaskClaimed }

// occupies reports whether the task takes a place in the window.
func (t Task) occupies() bool {
	switch t.Status {
	case TaskOpen, TaskClaimed, TaskReopening, TaskFailed, TaskTimedOut, TaskRevoked:
		return true
	}
	return false
}

// ID returns the run's name.
func (s State) ID() RunID { return RunID{s.Tenant, s.Run} }

// Step returns the step of that name, or nil. The result points into s: do not change it.
func (s State) Step(name string) *Step {
	if i := s.stepIndex(name); i >= 0 {
		return &s.Steps[i]
	}
	return nil
}

// Task returns the task of a step, or nil. The result points into s: do not change it.
func (s State) Task(step, id string) *Task {
	if st := s.Step(step); st != nil {
		return st.task(id)
	}
	return nil
}

func (s State) stepIndex(name string) int {
	return slices.IndexFunc(s.Steps, func(st Step) bool { return st.Name == name })
}

// current returns the index of the step in progress: the first that is neither completed nor skipped, or -1.
func (s State) current() int {
	return slices.IndexFunc(s.Steps, func(st Step) bool { return st.Status != StepCompleted && st.Status != StepSkipped })
}

// undoing returns the index of the step to undo next: the last that was begun, left something and is not undone, or -1.
func (s State) undoing() int {
	for i, st := range slices.Backward(s.Steps) {
		if st.Generation > 0 && st.Status != StepCompensated && st.Status != StepSkipped && st.Kind != events.StepVerify {
			return i
		}
	}
	return -1
}

func (st *Step) task(id string) *Task {
	for i := range st.Tasks {
		if st.Tasks[i].ID == id {
			return &st.Tasks[i]
		}
	}
	return nil
}

// ensure returns the task of that id and makes one that waits where there is none.
func (st *Step) ensure(id string) *Task {
	if t := st.task(id); t != nil {
		return t
	}
	st.Tasks = append(st.Tasks, Task{ID: id, Status: TaskWaiting})
	return &st.Tasks[len(st.Tasks)-1]
}

// subject is where the facts of a task of the step stand.
func (s State) subject(step int, task string) string {
	d := s.Definition.Steps[step]
	return events.TaskSubject(s.Tenant, s.Run, StageOf(d.Kind, task), d.Cluster, d.Name, task)
}
