package blob

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/tranship/tranship/internal/fault"
)

// Bucket is what the rest of the program holds: a Store seen through a prefix, with the conveniences that would otherwise
// be written in each driver. It is safe for concurrent use and costs nothing to derive, so pass Sub(…) to those who need
// one folder only.
type Bucket struct {
	store Store
}

// NewBucket returns the objects of s whose keys start with prefix and "/", under keys without them. An empty prefix means
// all of s. It panics when the prefix is no valid key: prefixes come from validated configuration.
func NewBucket(s Store, prefix string) *Bucket {
	return &Bucket{store: Prefixed(s, prefix)}
}

// Sub returns the objects below prefix, under keys without it. It panics when the prefix is neither empty nor a valid key.
func (b *Bucket) Sub(prefix string) *Bucket { return NewBucket(b.store, prefix) }

// Store returns the bucket as a Store, for wrappers and for those who stream into it.
func (b *Bucket) Store() Store { return b.store }

// Put stores data under k. See Store.Put for what holds when it returns.
func (b *Bucket) Put(ctx context.Context, k Key, data []byte, o PutOptions) error {
	return b.store.Put(ctx, k, bytes.NewReader(data), o)
}

// PutFrom stores all of r, read from its start, under k.
func (b *Bucket) PutFrom(ctx context.Context, k Key, r io.ReadSeeker, o PutOptions) error {
	return b.store.Put(ctx, k, r, o)
}

// Get returns the whole object, which must not be larger than limit bytes: a larger one gives ErrTooLarge and is not read
// further. It returns ErrNotFound when there is none.
func (b *Bucket) Get(ctx context.Context, k Key, limit int64) ([]byte, error) {
	r, err := b.store.Get(ctx, k, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return nil, fmt.Errorf("read object %s: %w", k, err)
	}
	// The read that finds the end is the one that lets the driver verify what it read.
	var more [1]byte
	switch n, err := io.ReadFull(r, more[:]); {
	case n > 0:
		return nil, fault.New(fault.Permanent, "blob.too-large", "read object %s: %w: more than %d bytes", k, ErrTooLarge, limit)
	case err != io.EOF:
		return nil, fmt.Errorf("read object %s: %w", k, err)
	}
	return data, nil
}

// Range returns exactly n bytes from off; an object that ends earlier gives ErrRange.
func (b *Bucket) Range(ctx context.Context, k Key, off, n int64) ([]byte, error) {
	r, err := b.store.Get(ctx, k, off, n)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, n)
	switch _, err := io.ReadFull(r, data); err {
	case nil:
		return data, nil
	case io.EOF, io.ErrUnexpectedEOF:
		return nil, fault.New(fault.Permanent, "blob.range", "read object %s: %w: it ends before %d", k, ErrRange, off+n)
	default:
		return nil, fmt.Errorf("read object %s: %w", k, err)
	}
}

// Open streams n bytes from off, or all from off when n is -1. See Store.Get.
func (b *Bucket) Open(ctx context.Context, k Key, off, n int64) (io.ReadCloser, error) {
	return b.store.Get(ctx, k, off, n)
}

// Stat describes the object, or returns ErrNotFound.
func (b *Bucket) Stat(ctx context.Context, k Key) (Info, error) { return b.store.Stat(ctx, k) }

// List streams the objects whose keys start with prefix in ascending byte order. The prefix need not end at a "/".
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return b.store.List(ctx, prefix)
}

// Delete removes the object. Deleting what does not exist succeeds.
func (b *Bucket) Delete(ctx context.Context, k Key) error { return b.store.Delete(ctx, k) }
