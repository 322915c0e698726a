package api

import "time"

// Run is one execution of a policy. It is read-only: the scheduler reports it.
type Run struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata"`
	Spec       RunSpec   `json:"spec"`
	Status     RunStatus `json:"status"`
}

// RunSpec says what was started and why.
type RunSpec struct {
	Policy      string            `json:"policy,omitempty"` // empty for a step that was started by hand
	Application string            `json:"application"`
	Params      map[string]string `json:"params,omitempty"`
	Cause       string            `json:"cause"` // schedule, event, api or retry
}

// RunStatus says how far a run is.
type RunStatus struct {
	Phase      string       `json:"phase"`
	StartedAt  time.Time    `json:"startedAt,omitzero"`
	FinishedAt time.Time    `json:"finishedAt,omitzero"`
	Steps      []StepStatus `json:"steps,omitempty"`
	Failure    *Failure     `json:"failure,omitempty"`
}

// StepStatus says how far a step is.
type StepStatus struct {
	Name       string    `json:"name"`
	Kind       StepKind  `json:"kind"`
	Phase      string    `json:"phase"`
	Attempts   int       `json:"attempts,omitempty"`
	Capture    string    `json:"capture,omitempty"` // the capture that the step made
	Bytes      int64     `json:"bytes,omitempty"`
	Rows       int64     `json:"rows,omitempty"`
	TasksDone  int       `json:"tasksDone,omitempty"`
	TasksTotal int       `json:"tasksTotal,omitempty"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	Failure    *Failure  `json:"failure,omitempty"`
}

// Failure is a typed reason with what to do next.
type Failure struct {
	Class   string `json:"class"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Capture is an immutable copy of an application. It is read-only: its manifest is the truth.
type Capture struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata"`
	Status     CaptureStatus `json:"status"`
}

// CaptureStatus is the summary of a manifest.
type CaptureStatus struct {
	Application string    `json:"application"`
	Location    string    `json:"location"`
	Trust       Trust     `json:"trust"`
	Policy      string    `json:"policy,omitempty"`
	Run         string    `json:"run,omitempty"`
	Point       time.Time `json:"point"` // the moment that the copy shows
	Artifacts   int       `json:"artifacts"`
	Bytes       int64     `json:"bytes"`
	Stored      int64     `json:"stored"` // bytes that the capture added to the location
	Rows        int64     `json:"rows,omitempty"`
	Parents     []string  `json:"parents,omitempty"`
	VerifiedAt  time.Time `json:"verifiedAt,omitzero"`
	RetiredAt   time.Time `json:"retiredAt,omitzero"`
}

// Environment is a restored clone with an owner and a time to live. It is read-only.
type Environment struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata"`
	Status     EnvironmentStatus `json:"status"`
}

// EnvironmentStatus says where a clone is and how long it stays.
type EnvironmentStatus struct {
	Application string    `json:"application"`
	Capture     string    `json:"capture"`
	Run         string    `json:"run"`
	Owner       string    `json:"owner,omitempty"`
	Cluster     string    `json:"cluster,omitempty"`
	Namespace   string    `json:"namespace,omitempty"`
	Phase       string    `json:"phase"` // sealed, ready, expiring or failed
	ExpiresAt   time.Time `json:"expiresAt,omitzero"`
}
