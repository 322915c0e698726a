package jetstream

import (
	"context"
	"errors"
	"fmt"
	"iter"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
)

// Resources keeps resources in the bucket RESOURCES.
type Resources struct {
	kv natsjs.KeyValue
}

var _ bus.Resources = (*Resources)(nil)

// NewResources opens the bucket, which Ensure creates.
func NewResources(ctx context.Context, js natsjs.JetStream) (*Resources, error) {
	kv, err := openBucket(ctx, js, bus.BucketResources)
	if err != nil {
		return nil, err
	}
	return &Resources{kv}, nil
}

// Get implements bus.Resources.
func (r *Resources) Get(ctx context.Context, key string) (bus.Resource, error) {
	e, err := r.kv.Get(ctx, key)
	if err != nil {
		return bus.Resource{}, fmt.Errorf("get resource %s: %w", key, classifyKV(err))
	}
	return resourceOf(e), nil
}

// Put implements bus.Resources.
func (r *Resources) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	var next uint64
	var err error
	if revision == 0 {
		next, err = r.kv.Create(ctx, key, value)
	} else {
		next, err = r.kv.Update(ctx, key, value, revision)
	}
	if err != nil {
		return 0, fmt.Errorf("put resource %s at revision %d: %w", key, revision, classifyKV(err))
	}
	return next, nil
}

// Delete implements bus.Resources.
func (r *Resources) Delete(ctx context.Context, key string, revision uint64) error {
	if err := r.kv.Delete(ctx, key, natsjs.LastRevision(revision)); err != nil {
		return fmt.Errorf("delete resource %s at revision %d: %w", key, revision, classifyKV(err))
	}
	return nil
}

// List implements bus.Resources.
func (r *Resources) List(ctx context.Context, prefix string) iter.Seq2[bus.Resource, error] {
	return func(yield func(bus.Resource, error) bool) {
		for e, err := range r.entries(ctx, prefix, natsjs.IgnoreDeletes()) {
			if err != nil {
				yield(bus.Resource{}, fmt.Errorf("list resources: %w", err))
				return
			}
			if e == nil || !yield(resourceOf(e), nil) {
				return
			}
		}
	}
}

// Watch implements bus.Resources.
func (r *Resources) Watch(ctx context.Context, prefix string) iter.Seq2[bus.Watch, error] {
	return func(yield func(bus.Watch, error) bool) {
		initial := true
		for e, err := range r.entries(ctx, prefix) {
			if err != nil {
				yield(bus.Watch{}, fmt.Errorf("watch resources: %w", err))
				return
			}
			if e == nil {
				initial = false
				continue
			}
			v := resourceOf(e)
			if initial && v.Value == nil {
				continue // long gone
			}
			if !yield(bus.Watch(v), nil) {
				return
			}
		}
	}
}

// History implements bus.Resources.
func (r *Resources) History(ctx context.Context, key string) ([]bus.Resource, error) {
	entries, err := r.kv.History(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read the history of resource %s: %w", key, classifyKV(err))
	}
	var out []bus.Resource
	for _, e := range entries {
		out = append(out, resourceOf(e))
	}
	return out, nil
}

// entries yields the current entries below a prefix, then nil, then every change.
func (r *Resources) entries(ctx context.Context, prefix string, opts ...natsjs.WatchOpt) iter.Seq2[natsjs.KeyValueEntry, error] {
	filter := ">"
	if prefix != "" {
		filter = prefix + ".>"
	}
	return func(yield func(natsjs.KeyValueEntry, error) bool) {
		w, err := r.kv.Watch(ctx, filter, opts...)
		if err != nil {
			yield(nil, classifyKV(err))
			return
		}
		defer func() { _ = w.Stop() }()
		for {
			select {
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			case e, open := <-w.Updates():
				if !open {
					yield(nil, fault.New(fault.Transient, "nats.closed", "the connection to NATS is closed"))
					return
				}
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

func resourceOf(e natsjs.KeyValueEntry) bus.Resource {
	r := bus.Resource{Key: e.Key(), Revision: e.Revision()}
	if e.Operation() == natsjs.KeyValuePut {
		r.Value = append([]byte{}, e.Value()...) // never nil: nil stands for deleted
	}
	return r
}

func openBucket(ctx context.Context, js natsjs.JetStream, name string) (natsjs.KeyValue, error) {
	kv, err := js.KeyValue(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", name, classifyKV(err))
	}
	return kv, nil
}

func classifyKV(err error) error {
	switch {
	case errors.Is(err, natsjs.ErrKeyExists), errors.Is(err, natsjs.ErrKeyRevisionMismatch):
		return fault.Wrap(fault.Conflict, err)
	case errors.Is(err, natsjs.ErrKeyNotFound), errors.Is(err, natsjs.ErrKeyDeleted):
		return fault.Wrap(fault.NotFound, err)
	case errors.Is(err, natsjs.ErrBucketNotFound): // the scheduler has not made it yet
		return fault.Wrap(fault.Transient, err)
	case errors.Is(err, natsjs.ErrInvalidKey):
		return fault.Wrap(fault.Permanent, err)
	}
	return classify(err)
}
