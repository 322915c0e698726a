package events

import (
	"encoding/json"
	"time"
)

// Fault is an error as a fact: what class it is, and what a person should do.
type Fault struct {
	Class   string `json:"class" jsonschema:"minLength=1"` // transient, throttled, permanent, not-found, conflict, denied
	Code    string `json:"code,omitempty"`                 // stable and dotted: snapshot.lost, mask.unclassified, secret.missing
	Message string `json:"message" jsonschema:"minLength=1"`
	Hint    string `json:"hint,omitempty"`
	// Details list what is wrong where there is much: names and places, never a value of the data. At most MaxDetail bytes.
	Details json.RawMessage `json:"details,omitempty"`
}

// Codes that the saga itself acts on.
const (
	// CodeSnapshotLost: the consistency point is gone. The step starts again with a new capture id.
	CodeSnapshotLost = "snapshot.lost"
	// CodeLeaseExpired: a void marker stands in the capture's place. The step starts again with a new capture id.
	CodeLeaseExpired = "lease.expired"
)

// TaskScheduled reopens a task for a further attempt, not before At.
type TaskScheduled struct {
	Attempt int       `json:"attempt" jsonschema:"minimum=1"`
	At      time.Time `json:"at"`
}

// TaskClaimed says that a worker has the task. Its place in the journal is the fence of all that the worker does.
type TaskClaimed struct {
	Attempt int    `json:"attempt" jsonschema:"minimum=1"`
	Claim   string `json:"claim" jsonschema:"minLength=1"` // random: a worker recognises its own append by it
	Worker  string `json:"worker"`                         // for people: service and host
}

// TaskCompleted says that the task is done.
type TaskCompleted struct {
	Attempt int     `json:"attempt" jsonschema:"minimum=1"`
	Claim   string  `json:"claim" jsonschema:"minLength=1"`
	Outcome Outcome `json:"outcome"`
}

// TaskFailed says that this attempt of the task failed.
type TaskFailed struct {
	Attempt int    `json:"attempt" jsonschema:"minimum=1"`
	Claim   string `json:"claim" jsonschema:"minLength=1"`
	Error   Fault  `json:"error"`
}

// TaskTimedOut ends an attempt at its deadline.
type TaskTimedOut struct {
	Attempt int `json:"attempt" jsonschema:"minimum=1"`
}

// TaskCanceled ends a task for good.
type TaskCanceled struct {
	Attempt int    `json:"attempt" jsonschema:"minimum=1"`
	Reason  string `json:"reason,omitempty"`
}

// RunRequested opens a run's journal.
type RunRequested struct {
	Policy      string            `json:"policy,omitempty"`
	Application string            `json:"application" jsonschema:"minLength=1"`
	Params      map[string]string `json:"params,omitempty"`
	Cause       Cause             `json:"cause"`
}

// Cause says what started a run.
type Cause struct {
	Kind string    `json:"kind" jsonschema:"minLength=1"` // cli, api, cron, event, webhook
	ID   string    `json:"id,omitempty"`
	Slot time.Time `json:"slot,omitzero"` // of a cron schedule
}

// RunStarted carries the definition that the run keeps to its end.
type RunStarted struct {
	Definition Definition `json:"definition"`
}

// RunPaused says that no further task is handed out.
type RunPaused struct {
	Reason string `json:"reason,omitempty"`
}

// RunResumed ends a pause, or reopens a failed run at a step.
type RunResumed struct {
	From string `json:"from,omitempty"` // step name; empty: where it stopped
}

// RunCancelRequested turns a run towards compensation.
type RunCancelRequested struct {
	Reason string `json:"reason,omitempty"`
}

// RunCompensating says that completed steps are being undone, in reverse.
type RunCompensating struct{}

// RunCompensated says that every completed step is undone.
type RunCompensated struct{}

// RunCompleted ends a run well.
type RunCompleted struct {
	Output *CaptureRef `json:"output,omitempty"` // the last capture that it made
	Stats  Stats       `json:"stats"`
}

// RunFailed ends a run with the reason of its dead step.
type RunFailed struct {
	Step  string `json:"step"`
	Task  string `json:"task,omitempty"`
	Error Fault  `json:"error"`
}

// RunCanceled ends a run whose cancellation is through.
type RunCanceled struct{}

// StepStarted opens a step. Output is the id of the capture it will make.
type StepStarted struct {
	Generation int         `json:"generation" jsonschema:"minimum=1"`
	Input      *CaptureRef `json:"input,omitempty"`
	Output     string      `json:"output,omitempty" jsonschema:"pattern=^[a-z0-9-]+$,maxLength=64"`
}

// StepRestarted starts a step again from its plan, under a new output id.
type StepRestarted struct {
	Generation int    `json:"generation" jsonschema:"minimum=2"`
	Output     string `json:"output,omitempty" jsonschema:"pattern=^[a-z0-9-]+$,maxLength=64"`
	Reason     Fault  `json:"reason"`
}

// StepCompleted closes a step with its result.
type StepCompleted struct {
	Capture *CaptureRef `json:"capture,omitempty"` // that it made, or restored, or verified
	Ref     string      `json:"ref,omitempty"`     // of the report
	Stats   Stats       `json:"stats"`
	// Detail is the commit's Outcome.Detail.
	Detail json.RawMessage `json:"detail,omitempty"`
}

// StepFailed says that a task of the step failed for good.
type StepFailed struct {
	Task  string `json:"task" jsonschema:"pattern=^[a-z0-9-]+$,maxLength=64"`
	Error Fault  `json:"error"`
}

// StepDead says that no further attempt follows until somebody redrives the step.
type StepDead struct {
	Task     string `json:"task" jsonschema:"pattern=^[a-z0-9-]+$,maxLength=64"`
	Attempts int    `json:"attempts" jsonschema:"minimum=1"`
}

// StepSkipped says that there was nothing to do.
type StepSkipped struct {
	Reason string `json:"reason" jsonschema:"minLength=1"`
}

// StepCompensated says that the step's effect is undone.
type StepCompensated struct{}

// TriggerFired asks the scheduler to start a run. Exactly one of Policy and Inline is set.
type TriggerFired struct {
	Policy      string            `json:"policy,omitempty"`                          // name of a Policy
	Inline      Resource          `json:"inline,omitempty" jsonschema:"type=object"` // a Policy without a name: steps by hand
	Application string            `json:"application,omitempty"`                     // narrows the policy's selection to one
	Params      map[string]string `json:"params,omitempty"`
	Cause       Cause             `json:"cause"`
}

// ControlRequested asks the scheduler to change the course of a run.
type ControlRequested struct {
	Action string `json:"action" jsonschema:"enum=cancel,enum=pause,enum=resume,enum=retry"` // cancel, pause, resume, retry
	From   string `json:"from,omitempty"`                                                    // step to retry from
	Reason string `json:"reason,omitempty"`
}

// TimerFired wakes the scheduler for a task.
type TimerFired struct {
	Kind    string `json:"kind" jsonschema:"enum=deadline"` // deadline
	Step    string `json:"step" jsonschema:"pattern=^[a-z0-9-]+$,maxLength=63"`
	Task    string `json:"task" jsonschema:"pattern=^[a-z0-9-]+$,maxLength=64"`
	Attempt int    `json:"attempt" jsonschema:"minimum=1"`
}

// CaptureCreated tells the outside that a capture exists.
type CaptureCreated struct {
	Capture CaptureRef `json:"capture"`
	Stats   Stats      `json:"stats"`
}

// CaptureVerified tells the outside that a capture was restored and found equal.
type CaptureVerified struct {
	Capture CaptureRef `json:"capture"`
	Ref     string     `json:"ref,omitempty"` // of the signed report
}

// EnvironmentReady tells the outside that a restored target is open.
type EnvironmentReady struct {
	Capture CaptureRef `json:"capture"`
}

// Event types of the facts.
const (
	TypeTaskScheduled      = "io.tranship.task.scheduled.v1"
	TypeTaskClaimed        = "io.tranship.task.claimed.v1"
	TypeTaskCompleted      = "io.tranship.task.completed.v1"
	TypeTaskFailed         = "io.tranship.task.failed.v1"
	TypeTaskTimedOut       = "io.tranship.task.timedout.v1"
	TypeTaskCanceled       = "io.tranship.task.canceled.v1"
	TypeRunRequested       = "io.tranship.run.requested.v1"
	TypeRunStarted         = "io.tranship.run.started.v1"
	TypeRunPaused          = "io.tranship.run.paused.v1"
	TypeRunResumed         = "io.tranship.run.resumed.v1"
	TypeRunCancelRequested = "io.tranship.run.cancel-requested.v1"
	TypeRunCompensating    = "io.tranship.run.compensating.v1"
	TypeRunCompensated     = "io.tranship.run.compensated.v1"
	TypeRunCompleted       = "io.tranship.run.completed.v1"
	TypeRunFailed          = "io.tranship.run.failed.v1"
	TypeRunCanceled        = "io.tranship.run.canceled.v1"
	TypeStepStarted        = "io.tranship.step.started.v1"
	TypeStepRestarted      = "io.tranship.step.restarted.v1"
	TypeStepCompleted      = "io.tranship.step.completed.v1"
	TypeStepFailed         = "io.tranship.step.failed.v1"
	TypeStepDead           = "io.tranship.step.dead.v1"
	TypeStepSkipped        = "io.tranship.step.skipped.v1"
	TypeStepCompensated    = "io.tranship.step.compensated.v1"
	TypeTriggerFired       = "io.tranship.trigger.fired.v1"
	TypeControlRequested   = "io.tranship.run.control-requested.v1"
	TypeTimerFired         = "io.tranship.timer.fired.v1"
	TypeCaptureCreated     = "io.tranship.capture.created.v1"
	TypeCaptureVerified    = "io.tranship.capture.verified.v1"
	TypeEnvironmentReady   = "io.tranship.environment.ready.v1"
)
