package jetstream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
)

// Seen remembers keys in the bucket SEEN, each with its own time to live. Keys come from outside, of any length and
// alphabet: the bucket holds their digests.
type Seen struct {
	kv natsjs.KeyValue
}

var _ bus.Seen = (*Seen)(nil)

// NewSeen opens the bucket, which Ensure creates.
func NewSeen(ctx context.Context, js natsjs.JetStream) (*Seen, error) {
	kv, err := openBucket(ctx, js, bus.BucketSeen)
	if err != nil {
		return nil, err
	}
	return &Seen{kv}, nil
}

// Mark implements bus.Seen.
func (s *Seen) Mark(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	if ttl < time.Second {
		return false, fault.New(fault.Permanent, "seen.ttl", "remember a key: a time to live of %s, at least a second is needed", ttl)
	}
	_, err := s.kv.Create(ctx, digestOf(key), nil, natsjs.KeyTTL(ttl))
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, natsjs.ErrKeyExists):
		return false, nil
	}
	return false, fmt.Errorf("remember a key: %w", classifyKV(err))
}

// Forget implements bus.Seen.
func (s *Seen) Forget(ctx context.Context, key string) error {
	if err := s.kv.Delete(ctx, digestOf(key)); err != nil {
		return fmt.Errorf("forget a key: %w", classifyKV(err))
	}
	return nil
}

func digestOf(key string) string {
	d := sha256.Sum256([]byte(key))
	return hex.EncodeToString(d[:])
}
