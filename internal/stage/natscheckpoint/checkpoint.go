// Package natscheckpoint keeps checkpoints of tasks in a JetStream bucket, with compare-and-set on the revision of a key.
package natscheckpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/stage"
)

// Deps are what Checkpoints need.
type Deps struct {
	JetStream natsjs.JetStream
}

// Checkpoints is a stage.Checkpoints. It is safe for concurrent use.
type Checkpoints struct {
	js natsjs.JetStream
	mu sync.Mutex
	kv natsjs.KeyValue // opened at first use: a worker may be there before the scheduler has made the bucket
}

var _ stage.Checkpoints = (*Checkpoints)(nil)

// New returns the checkpoints behind a connection.
func New(deps Deps) *Checkpoints { return &Checkpoints{js: deps.JetStream} }

// Get implements stage.Checkpoints.
func (c *Checkpoints) Get(ctx context.Context, key string) (stage.Checkpoint, uint64, error) {
	kv, err := c.bucket(ctx)
	if err != nil {
		return stage.Checkpoint{}, 0, err
	}
	e, err := kv.Get(ctx, key)
	if errors.Is(err, natsjs.ErrKeyNotFound) {
		return stage.Checkpoint{}, 0, nil
	}
	if err != nil {
		return stage.Checkpoint{}, 0, fmt.Errorf("read checkpoint %s: %w", key, classify(err))
	}
	var v stage.Checkpoint
	if err := json.Unmarshal(e.Value(), &v); err != nil {
		return stage.Checkpoint{}, 0, fault.New(fault.Permanent, "checkpoint.invalid", "read checkpoint %s: %w", key, err)
	}
	return v, e.Revision(), nil
}

// Put implements stage.Checkpoints.
func (c *Checkpoints) Put(ctx context.Context, key string, revision uint64, v stage.Checkpoint) (uint64, error) {
	kv, err := c.bucket(ctx)
	if err != nil {
		return 0, err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return 0, fault.New(fault.Permanent, "checkpoint.invalid", "save checkpoint %s: %w", key, err)
	}
	next, err := kv.Update(ctx, key, data, revision)
	switch {
	case errors.Is(err, natsjs.ErrKeyRevisionMismatch):
		return 0, fault.Wrap(fault.Conflict, fmt.Errorf("save checkpoint %s at revision %d: %w", key, revision, stage.ErrFenced))
	case err != nil:
		return 0, fmt.Errorf("save checkpoint %s: %w", key, classify(err))
	}
	return next, nil
}

func (c *Checkpoints) bucket(ctx context.Context) (natsjs.KeyValue, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kv != nil {
		return c.kv, nil
	}
	kv, err := c.js.KeyValue(ctx, bus.BucketCheckpoint)
	if err != nil { // a bucket that is not there yet will be
		return nil, fault.Wrap(fault.Transient, fmt.Errorf("open the bucket of checkpoints: %w", err))
	}
	c.kv = kv
	return kv, nil
}

func classify(err error) error {
	var api *natsjs.APIError
	if errors.As(err, &api) && api.Code >= 400 && api.Code < 500 || errors.Is(err, natsjs.ErrInvalidKey) {
		return fault.Wrap(fault.Permanent, err)
	}
	return fault.Wrap(fault.Transient, err)
}
