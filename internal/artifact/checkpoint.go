package artifact

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tranship/tranship/internal/blob"
)

// maxCheckpoint is the largest checkpoint object in bytes.
const maxCheckpoint = 64 << 10

// Checkpoints returns how far the streams of a session were when it saved them last, by name. It needs the writer key only.
func (r *Repository) Checkpoints(ctx context.Context, session string) (map[string]StreamCheckpoint, error) {
	if err := validateSession(session); err != nil {
		return nil, err
	}
	if err := r.needIndex("read checkpoints"); err != nil {
		return nil, err
	}
	prefix := string(sessionKey(session, "k/"))
	out := map[string]StreamCheckpoint{}
	// Packs become durable in any order, so the checkpoint that reaches furthest need not be the one of the last pack.
	for info, err := range r.bucket.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list the checkpoints of session %s: %w", session, err)
		}
		stream, _, _ := strings.Cut(strings.TrimPrefix(string(info.Key), prefix), "/")
		c, err := r.readCheckpoint(ctx, info.Key)
		if err != nil {
			return nil, err
		}
		if c.Stream != stream {
			return nil, corrupt(info.Key, "it is the checkpoint of stream %.100q", c.Stream)
		}
		if last, ok := out[stream]; !ok || c.Chunks > last.Chunks {
			out[stream] = c
		}
	}
	return out, nil
}

func (r *Repository) readCheckpoint(ctx context.Context, at blob.Key) (StreamCheckpoint, error) {
	var c StreamCheckpoint
	sealed, err := r.bucket.Get(ctx, at, maxCheckpoint)
	if err != nil {
		return c, fmt.Errorf("read a checkpoint: %w", err)
	}
	b, err := r.domain.open(&r.keys.index, kindCheckpoint, at, sealed)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, corrupt(at, "%w", err)
	}
	return c, nil
}
