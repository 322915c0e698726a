// Package all knows every object store and how the wrappers go around them.
package all

import (
	"context"
	"io"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/file"
	"github.com/tranship/tranship/internal/blob/observe"
	"github.com/tranship/tranship/internal/blob/retry"
	"github.com/tranship/tranship/internal/blob/s3"
	"github.com/tranship/tranship/internal/registry"
)

// Stores returns the registry of object stores.
func Stores() *registry.Registry[blob.Spec] {
	return registry.New("object store", func(s blob.Spec) string { return s.Name },
		file.Spec,
		s3.Spec,
	)
}

// Options say what goes around the driver.
type Options struct {
	Retry    retry.Config
	Observe  observe.Config
	Observer observe.Observer // nil: nobody is told
}

// Open opens the named store and returns its bucket with observation of every attempt, and retries around that. closeStore
// releases what the driver holds; call it when no call is running any more.
func Open(ctx context.Context, name string, c blob.Config, d blob.Deps, o Options) (b *blob.Bucket, closeStore func() error, err error) {
	spec, err := Stores().Get(name)
	if err != nil {
		return nil, nil, err
	}
	s, err := spec.Open(ctx, c, d)
	if err != nil {
		return nil, nil, err
	}
	closeStore = func() error { return nil }
	if closer, ok := s.(io.Closer); ok {
		closeStore = closer.Close
	}
	if o.Observer != nil {
		s = observe.Wrap(s, o.Observe, observe.Deps{Observer: o.Observer, Clock: d.Clock})
	}
	return blob.NewBucket(retry.Wrap(s, o.Retry, retry.Deps{}), ""), closeStore, nil
}
