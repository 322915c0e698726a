package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tranship/tranship/internal/failpoint"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

// record is a task's checkpoint in the hands of the claim with its fence. It is the handler's Checkpointer, and the one
// writer of the checkpoint while nobody has a higher fence.
type record struct {
	w   *Worker
	key string

	mu       sync.Mutex // orders writes: each expects the revision of the one before
	revision uint64
	now      Checkpoint

	reported sync.Mutex
	progress Progress
}

var _ Checkpointer = (*record)(nil)

func newRecord(w *Worker, k *holding) *record {
	return &record{
		w: w, key: events.CheckpointKey(k.stage, k.cluster, k.at.Tenant, k.at.Run, k.at.Step, k.at.Task),
		now: Checkpoint{Fence: uint64(k.fence), Attempt: k.assigned.Attempt, Generation: k.assigned.Generation, Worker: w.cfg.Name},
	}
}

// takeOver puts this claim's fence on the checkpoint and keeps what its predecessor saved. From then on the predecessor's
// writes are refused.
func (r *record) takeOver(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		old, revision, err := r.w.deps.Checkpoints.Get(ctx, r.key)
		if err != nil {
			return err
		}
		if old.Fence > r.now.Fence {
			return fmt.Errorf("take over checkpoint %s: %w", r.key, ErrFenced)
		}
		r.now.Token, r.now.Progress = nil, Progress{}
		if old.Generation == r.now.Generation {
			r.now.Token, r.now.Progress = old.Token, old.Progress
		}
		r.now.Beat = r.w.deps.Clock.Now()
		r.revision, err = r.w.deps.Checkpoints.Put(ctx, r.key, revision, r.now)
		if errors.Is(err, ErrFenced) && ctx.Err() == nil {
			continue // the predecessor gave a sign of life, or the answer was lost
		}
		if err != nil {
			return err
		}
		r.reported.Lock()
		r.progress = r.now.Progress
		r.reported.Unlock()
		return nil
	}
}

// Load implements Checkpointer.
func (r *record) Load(_ context.Context, into any) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.now.Token) == 0 {
		return false, nil
	}
	if err := json.Unmarshal(r.now.Token, into); err != nil {
		return false, fault.New(fault.Permanent, "checkpoint.invalid", "read the resume token of %s: %w", r.key, err)
	}
	return true, nil
}

// Save implements Checkpointer.
func (r *record) Save(ctx context.Context, v any) error {
	token, err := json.Marshal(v)
	if err != nil {
		return fault.New(fault.Permanent, "checkpoint.invalid", "encode the resume token of %s: %w", r.key, err)
	}
	if len(token) > MaxToken {
		return fault.New(fault.Permanent, "checkpoint.invalid", "the resume token of %s has %d bytes, at most %d are allowed", r.key, len(token), MaxToken)
	}
	failpoint.Hit(failpoint.StageBeforeSave)
	if err := r.put(ctx, token); err != nil {
		return err
	}
	failpoint.Hit(failpoint.StageAfterSave)
	return nil
}

// report is a Job's Report.
func (r *record) report(p Progress) {
	r.reported.Lock()
	r.progress = p
	r.reported.Unlock()
}

// beat writes a sign of life.
func (r *record) beat(ctx context.Context) error { return r.put(ctx, nil) }

const putTries = 5

// put writes the checkpoint with a sign of life, with the token when there is a new one. A write that is refused although
// the fence is still this one's was its own, whose answer was lost.
func (r *record) put(ctx context.Context, token json.RawMessage) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.now
	if token != nil {
		next.Token = token
	}
	r.reported.Lock()
	next.Progress = r.progress
	r.reported.Unlock()
	next.Beat = r.w.deps.Clock.Now()

	var err error
	for try := range putTries {
		if try > 0 {
			wait(ctx, time.Duration(try)*200*time.Millisecond)
		}
		var revision uint64
		if revision, err = r.w.deps.Checkpoints.Put(ctx, r.key, r.revision, next); err == nil {
			r.revision, r.now = revision, next
			return nil
		}
		if ctx.Err() != nil || (!errors.Is(err, ErrFenced) && !fault.ClassOf(err).Retryable()) {
			return err
		}
		there, revision, getErr := r.w.deps.Checkpoints.Get(ctx, r.key)
		if getErr != nil {
			continue
		}
		if there.Fence != r.now.Fence {
			return fmt.Errorf("save checkpoint %s: %w", r.key, ErrFenced)
		}
		r.revision = revision
	}
	return err
}
