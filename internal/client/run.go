package client

import (
	"encoding/json"
	"time"

	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// RunRequest asks for a run. Exactly one of Policy and Inline is set.
type RunRequest struct {
	Policy      string            `json:"policy,omitempty"`      // name of a policy
	Inline      json.RawMessage   `json:"inline,omitempty"`      // a Policy resource as JSON, for steps by hand: of it only spec counts
	Application string            `json:"application,omitempty"` // narrows the policy's selection to one
	Params      map[string]string `json:"params,omitempty"`
	Cause       string            `json:"cause,omitempty"` // cli or api; api when absent

	// IdempotencyKey makes repeated requests one: the same key starts the same run for a week. It travels as a header. The
	// client makes one up when it is empty, for its own repetitions.
	IdempotencyKey string `json:"-"`
}

// StartedRun names a run whose journal is open.
type StartedRun struct {
	Run         string         `json:"run"`
	Tenant      string         `json:"tenant"`
	Policy      string         `json:"policy,omitempty"`
	Application string         `json:"application"`
	Status      saga.RunStatus `json:"status"`
}

// Control asks a run to change its course.
type Control struct {
	From   string `json:"from,omitempty"` // step to retry from; the one that failed when empty
	Reason string `json:"reason,omitempty"`
}

// Action is a way to control a run.
type Action string

// The actions.
const (
	ActionCancel Action = "cancel"
	ActionPause  Action = "pause"
	ActionResume Action = "resume"
	ActionRetry  Action = "retry"
)

// Run is where a run stands.
type Run struct {
	saga.State
	Progress []StepProgress `json:"progress,omitempty"` // of the steps that were begun
}

// RunSummary is a run in a list.
type RunSummary struct {
	Run         string         `json:"run"`
	Tenant      string         `json:"tenant"`
	Status      saga.RunStatus `json:"status"`
	Policy      string         `json:"policy,omitempty"` // empty for steps by hand
	Application string         `json:"application"`
	Cause       events.Cause   `json:"cause"`
	Step        string         `json:"step,omitempty"` // in progress, or dead
	StepsDone   int            `json:"stepsDone"`
	StepsTotal  int            `json:"stepsTotal"`
	Stats       events.Stats   `json:"stats"`
	Failure     *saga.Failure  `json:"failure,omitempty"`
	RequestedAt time.Time      `json:"requestedAt,omitzero"`
	FinishedAt  time.Time      `json:"finishedAt,omitzero"`
}

// RunList is a page of runs, the one that moved last first.
type RunList struct {
	Items []RunSummary `json:"items"`
	Next  saga.Seq     `json:"next,omitempty"` // Before of the next page; 0: there is none
}

// RunsQuery selects a page of runs.
type RunsQuery struct {
	Limit  int      // 1 to MaxRuns; 0: 20
	Before saga.Seq // Next of the page before; 0: the first page
}

// MaxRuns is the largest page of runs.
const MaxRuns = 100

// StepProgress sums up how far the tasks of a step are.
type StepProgress struct {
	Step       string          `json:"step"`
	Kind       events.StepKind `json:"kind"`
	Tasks      TaskCounts      `json:"tasks"`
	Bytes      int64           `json:"bytes"`
	BytesTotal int64           `json:"bytesTotal,omitempty"` // 0: not known
	Rows       int64           `json:"rows"`
	RowsTotal  int64           `json:"rowsTotal,omitempty"` // 0: not known
	Stored     int64           `json:"stored,omitempty"`    // bytes that went to the store
	Skipped    int64           `json:"skipped,omitempty"`   // bytes that the store had already
	Note       string          `json:"note,omitempty"`      // what a task waits for
}

// TaskCounts counts the tasks of a step, planning and commit among them. Total is 0 until the step is planned.
type TaskCounts struct {
	Total     int `json:"total,omitempty"`
	Completed int `json:"completed"`
	Running   int `json:"running"` // a worker has it
	Open      int `json:"open"`    // waits for a worker, or for its next attempt
	Failed    int `json:"failed"`  // given up
}
