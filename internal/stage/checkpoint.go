package stage

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// ErrFenced: a newer claim of the task has taken over. The holder stops at once, and acknowledges nothing.
var ErrFenced = errors.New("a newer claim holds the task")

// Progress is how far a task is, for people and for the reconciler.
type Progress struct {
	Bytes      int64  `json:"bytes"`
	BytesTotal int64  `json:"bytesTotal,omitempty"` // 0: not known
	Rows       int64  `json:"rows"`
	RowsTotal  int64  `json:"rowsTotal,omitempty"`
	Stored     int64  `json:"stored,omitempty"`
	Skipped    int64  `json:"skipped,omitempty"`
	Note       string `json:"note,omitempty"` // what it waits for, never a value of the data
}

// Checkpoint is the record of a task under its key: who holds it, when it last gave a sign of life, how far it is and
// where a successor goes on. Token is the handler's.
type Checkpoint struct {
	Fence      uint64          `json:"fence"`
	Attempt    int             `json:"attempt"`
	Generation int             `json:"generation"` // of the step: a token of another one is worth nothing
	Worker     string          `json:"worker"`
	Beat       time.Time       `json:"beat"`
	Progress   Progress        `json:"progress"`
	Token      json.RawMessage `json:"token,omitempty"`
}

// Checkpoints keeps one Checkpoint under each key.
type Checkpoints interface {
	// Get returns the checkpoint and its revision, or revision 0 when there is none.
	Get(ctx context.Context, key string) (Checkpoint, uint64, error)
	// Put replaces revision (0: creates) and returns the new revision, or ErrFenced when the key is at another revision.
	Put(ctx context.Context, key string, revision uint64, c Checkpoint) (uint64, error)
}
