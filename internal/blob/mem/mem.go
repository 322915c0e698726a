// Package mem keeps objects in memory, for tests.
package mem

import (
	"bytes"
	"context"
	"hash/crc32"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/fault"
)

// Store is a blob.Store in memory. Use New.
type Store struct {
	clock clock.Clock

	mu      sync.RWMutex
	objects map[blob.Key]object
}

type object struct {
	data []byte // never changed once stored
	info blob.Info
}

var _ blob.Store = (*Store)(nil)

// New returns an empty store that stamps objects with c's time.
func New(c clock.Clock) *Store {
	return &Store{clock: c, objects: map[blob.Key]object{}}
}

// Put implements blob.Store. It supports no locks.
func (s *Store) Put(ctx context.Context, k blob.Key, r io.ReadSeeker, o blob.PutOptions) error {
	if err := k.Validate(); err != nil {
		return err
	}
	if !o.RetainUntil.IsZero() {
		return blob.Unsupported(k, "retention")
	}
	size, err := blob.Rewind(r)
	if err != nil {
		return err
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return fault.New(fault.Permanent, "blob.source", "put object %s: read its bytes: %w", k, err)
	}
	if o.CRC32C != nil && crc32.Checksum(data, blob.Castagnoli) != *o.CRC32C {
		return blob.Corrupt(k)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.objects[k]; exists && o.IfNotExists {
		return blob.Exists(k)
	}
	s.objects[k] = object{data: data, info: blob.Info{Key: k, Size: size, Modified: s.clock.Now()}}
	return nil
}

// Get implements blob.Store.
func (s *Store) Get(ctx context.Context, k blob.Key, off, n int64) (io.ReadCloser, error) {
	if err := blob.ValidateRange(off, n); err != nil {
		return nil, err
	}
	o, err := s.find(ctx, k)
	if err != nil {
		return nil, err
	}
	if off > 0 && off >= o.info.Size {
		return nil, blob.OutOfRange(k, off)
	}
	data := o.data[off:]
	if n >= 0 && n < int64(len(data)) {
		data = data[:n]
	}
	return &reader{ctx: ctx, data: bytes.NewReader(data)}, nil
}

// reader ends with the context that opened it, as that of a remote store does.
type reader struct {
	ctx  context.Context //nolint:containedctx // the context of one Get, as in net/http's response body
	data *bytes.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.data.Read(p)
}

func (r *reader) Close() error { return nil }

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, k blob.Key) (blob.Info, error) {
	o, err := s.find(ctx, k)
	return o.info, err
}

func (s *Store) find(ctx context.Context, k blob.Key) (object, error) {
	if err := k.Validate(); err != nil {
		return object{}, err
	}
	if err := ctx.Err(); err != nil {
		return object{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, ok := s.objects[k]
	if !ok {
		return object{}, blob.NotFound(k)
	}
	return o, nil
}

// List implements blob.Store. It yields the objects that were there when the iteration began and still are.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		if err := blob.ValidatePrefix(prefix); err != nil {
			yield(blob.Info{}, err)
			return
		}
		for _, k := range s.keys(prefix) {
			if err := ctx.Err(); err != nil {
				yield(blob.Info{}, err)
				return
			}
			s.mu.RLock()
			o, ok := s.objects[k]
			s.mu.RUnlock()
			if ok && !yield(o.info, nil) {
				return
			}
		}
	}
}

func (s *Store) keys(prefix string) []blob.Key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var keys []blob.Key
	for k := range s.objects {
		if strings.HasPrefix(string(k), prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, k blob.Key) error {
	if err := k.Validate(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, k)
	return nil
}
