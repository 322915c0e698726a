// Package memcheckpoint keeps checkpoints of tasks in memory: for tests, and for nothing that must survive its process.
package memcheckpoint

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/stage"
)

// Checkpoints is a stage.Checkpoints. It is safe for concurrent use.
type Checkpoints struct {
	mu       sync.Mutex
	revision uint64 // of the last Put, over all keys
	entries  map[string]entry
}

type entry struct {
	revision uint64
	data     []byte // encoded, so that callers share no memory with the store
}

var _ stage.Checkpoints = (*Checkpoints)(nil)

// New returns an empty store.
func New() *Checkpoints { return &Checkpoints{entries: map[string]entry{}} }

// Get implements stage.Checkpoints.
func (c *Checkpoints) Get(ctx context.Context, key string) (stage.Checkpoint, uint64, error) {
	if err := ctx.Err(); err != nil {
		return stage.Checkpoint{}, 0, fmt.Errorf("read checkpoint %s: %w", key, err)
	}
	c.mu.Lock()
	e, ok := c.entries[key]
	c.mu.Unlock()
	if !ok {
		return stage.Checkpoint{}, 0, nil
	}
	var v stage.Checkpoint
	if err := json.Unmarshal(e.data, &v); err != nil {
		return stage.Checkpoint{}, 0, fmt.Errorf("read checkpoint %s: %w", key, err)
	}
	return v, e.revision, nil
}

// Put implements stage.Checkpoints.
func (c *Checkpoints) Put(ctx context.Context, key string, revision uint64, v stage.Checkpoint) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("save checkpoint %s: %w", key, err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return 0, fault.New(fault.Permanent, "checkpoint.invalid", "save checkpoint %s: %w", key, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[key].revision != revision {
		return 0, fault.Wrap(fault.Conflict, fmt.Errorf("save checkpoint %s at revision %d: %w", key, revision, stage.ErrFenced))
	}
	c.revision++
	c.entries[key] = entry{c.revision, data}
	return c.revision, nil
}
