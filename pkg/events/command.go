package events

import (
	"encoding/json"
	"time"
)

// Assignment is the part that all commands share: which task of which attempt, and what earlier tasks of the step found.
type Assignment struct {
	// Attempt counts from 1 and rises with every task.scheduled.
	Attempt int `json:"attempt" jsonschema:"minimum=1"`
	// Generation counts from 1 and rises with every step.restarted.
	Generation int `json:"generation" jsonschema:"minimum=1"`
	// ReplySubject is where the task's facts go.
	ReplySubject string `json:"replySubject" jsonschema:"minLength=1"`
	// Deadline ends the attempt.
	Deadline time.Time `json:"deadline"`
	// Input is the capture that the step reads; nil for a capture step.
	Input *CaptureRef `json:"input,omitempty"`
	// Output is the id of the capture that the step makes; empty for restore and verify.
	Output string `json:"output,omitempty" jsonschema:"pattern=^[a-z0-9-]+$,maxLength=64"`
	// Abandoned are the outputs of earlier generations: their sessions serve deduplication and nothing else.
	Abandoned []string `json:"abandoned,omitempty"`
	// Index is 0 for the planning task and counts work items from 1; scan and commit carry the number of work items.
	Index int `json:"index" jsonschema:"minimum=0,maximum=256"`
	// Plan is what the planning task wrote; nil for the planning task itself.
	Plan *PlanRef `json:"plan,omitempty"`
	// Outcomes are those of the work items in order, then those of draft and scan; only draft, scan and commit get them.
	Outcomes []Outcome `json:"outcomes,omitempty"`
}

// PlanRef refers to a step's plan, a sealed object in the step's location.
type PlanRef struct {
	Count  int    `json:"count" jsonschema:"minimum=0,maximum=256"`          // work items, 0 to MaxTasks
	Ref    string `json:"ref" jsonschema:"minLength=1"`                      // key below the application's prefix in the location
	Digest string `json:"digest" jsonschema:"pattern=^blake3:[0-9a-f]{64}$"` // "blake3:" and 64 hex digits, of the sealed object
}

// CaptureRef names a capture in a location.
type CaptureRef struct {
	ID          string `json:"id" jsonschema:"pattern=^[a-z0-9-]+$,maxLength=64"`
	Application string `json:"application" jsonschema:"minLength=1"`
	Location    string `json:"location" jsonschema:"minLength=1"`
	Trust       string `json:"trust" jsonschema:"enum=raw,enum=masked"`              // raw or masked
	Digest      string `json:"digest" jsonschema:"pattern=^(blake3:[0-9a-f]{64})?$"` // "blake3:" and 64 hex digits, of the manifest object
	Root        string `json:"root" jsonschema:"pattern=^(blake3:[0-9a-f]{64})?$"`   // "blake3:" and 64 hex digits, over the plain stream digests; equal for equal content
}

// Outcome is the result of a task.
type Outcome struct {
	Plan    *PlanRef    `json:"plan,omitempty"`                                              // of a planning task
	Capture *CaptureRef `json:"capture,omitempty"`                                           // of a commit that makes a capture
	Ref     string      `json:"ref,omitempty"`                                               // object with the details, sealed, in the step's location
	Digest  string      `json:"digest,omitempty" jsonschema:"pattern=^blake3:[0-9a-f]{64}$"` // of that object
	Verdict string      `json:"verdict,omitempty" jsonschema:"enum=passed"`                  // of a scan or a verification: passed
	Stats   Stats       `json:"stats"`
	// Detail is what else the task found, for the step's commit and for people: names and counts, never a value of the
	// data. At most MaxDetail bytes.
	Detail json.RawMessage `json:"detail,omitempty"`
}

// MaxDetail bounds Outcome.Detail and Fault.Details, in bytes.
const MaxDetail = 32 << 10

// Stats counts what a task did.
type Stats struct {
	Items   int64 `json:"items,omitempty" jsonschema:"minimum=0"`   // units of the data service: table ranges, shards
	Rows    int64 `json:"rows,omitempty" jsonschema:"minimum=0"`    // rows, or files
	Bytes   int64 `json:"bytes,omitempty" jsonschema:"minimum=0"`   // plain bytes read or written
	Stored  int64 `json:"stored,omitempty" jsonschema:"minimum=0"`  // bytes that went to the store
	Skipped int64 `json:"skipped,omitempty" jsonschema:"minimum=0"` // plain bytes that the store had already
}

// Add returns the sum of two counts.
func (s Stats) Add(o Stats) Stats {
	return Stats{s.Items + o.Items, s.Rows + o.Rows, s.Bytes + o.Bytes, s.Stored + o.Stored, s.Skipped + o.Skipped}
}

// Assigned returns the assignment itself: commands embed one and so have the method.
func (a Assignment) Assigned() Assignment { return a }

// Command is the payload of a command.
type Command interface {
	Payload
	Assigned() Assignment
}

// CaptureRequested asks a capturer to do one task of a capture step.
type CaptureRequested struct {
	Assignment
	Work CaptureWork `json:"work"`
}

// MaskRequested asks a masker to do one task of a mask step.
type MaskRequested struct {
	Assignment
	Work MaskWork `json:"work"`
}

// ScanRequested asks a verifier for the leak scan of a mask step's draft.
type ScanRequested struct {
	Assignment
	Work MaskWork `json:"work"`
}

// TransferRequested asks a transferer to do one task of a transfer step.
type TransferRequested struct {
	Assignment
	Work TransferWork `json:"work"`
}

// RestoreRequested asks a restorer to do one task of a restore step.
type RestoreRequested struct {
	Assignment
	Work RestoreWork `json:"work"`
}

// VerifyRequested asks a restorer to do one task of a verify step.
type VerifyRequested struct {
	Assignment
	Work VerifyWork `json:"work"`
}

// Compensation undoes a step: it voids the capture, or drops the sandbox. It is recorded before the effect it undoes, and
// undoing twice is harmless.
type Compensation struct {
	Assignment
	Work Work `json:"work"`
}

// CaptureCompensate voids the capture that a capture step made or was making.
type CaptureCompensate struct{ Compensation }

// MaskCompensate voids the capture that a mask step made or was making.
type MaskCompensate struct{ Compensation }

// TransferCompensate voids the capture that a transfer step made or was making.
type TransferCompensate struct{ Compensation }

// RestoreCompensate drops what a restore step made and did not publish.
type RestoreCompensate struct{ Compensation }

// Event types of the commands.
const (
	TypeCaptureRequested   = "io.tranship.capture.requested.v1"
	TypeMaskRequested      = "io.tranship.mask.requested.v1"
	TypeScanRequested      = "io.tranship.scan.requested.v1"
	TypeTransferRequested  = "io.tranship.transfer.requested.v1"
	TypeRestoreRequested   = "io.tranship.restore.requested.v1"
	TypeVerifyRequested    = "io.tranship.verify.requested.v1"
	TypeCaptureCompensate  = "io.tranship.capture.compensate.v1"
	TypeMaskCompensate     = "io.tranship.mask.compensate.v1"
	TypeTransferCompensate = "io.tranship.transfer.compensate.v1"
	TypeRestoreCompensate  = "io.tranship.restore.compensate.v1"
)

// EventType returns the event type.
func (CaptureRequested) EventType() string { return TypeCaptureRequested }

// EventType returns the event type.
func (MaskRequested) EventType() string { return TypeMaskRequested }

// EventType returns the event type.
func (ScanRequested) EventType() string { return TypeScanRequested }

// EventType returns the event type.
func (TransferRequested) EventType() string { return TypeTransferRequested }

// EventType returns the event type.
func (RestoreRequested) EventType() string { return TypeRestoreRequested }

// EventType returns the event type.
func (VerifyRequested) EventType() string { return TypeVerifyRequested }

// EventType returns the event type.
func (CaptureCompensate) EventType() string { return TypeCaptureCompensate }

// EventType returns the event type.
func (MaskCompensate) EventType() string { return TypeMaskCompensate }

// EventType returns the event type.
func (TransferCompensate) EventType() string { return TypeTransferCompensate }

// EventType returns the event type.
func (RestoreCompensate) EventType() string { return TypeRestoreCompensate }
