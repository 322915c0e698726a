package blobtest

import (
	"context"
	"io"
	"iter"
	"sync"

	"github.com/tranship/tranship/internal/blob"
)

// Faulty is a store that fails as its script says. The zero script of an operation does nothing.
type Faulty struct {
	blob.Store

	mu     sync.Mutex
	faults map[string][]Fault
	calls  map[string]int
}

// Fault is what happens to one call.
type Fault struct {
	Err error // returned, or given by the reader or the listing
	// After the operation was done: the answer gets lost on its way back. Otherwise the operation is not even tried.
	After bool
	// Break, when positive, lets a Get's reader or a List give so many bytes or objects before Err.
	Break int
}

// NewFaulty returns s with an empty script.
func NewFaulty(s blob.Store) *Faulty {
	return &Faulty{Store: s, faults: map[string][]Fault{}, calls: map[string]int{}}
}

// Script appends what happens to the next calls of op: "put", "get", "stat", "list" or "delete". A Fault without Err lets
// its call pass.
func (f *Faulty) Script(op string, faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[op] = append(f.faults[op], faults...)
}

// Calls returns how often op was called.
func (f *Faulty) Calls(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

func (f *Faulty) next(op string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	script := f.faults[op]
	if len(script) == 0 {
		return Fault{}
	}
	f.faults[op] = script[1:]
	return script[0]
}

// Put implements blob.Store.
func (f *Faulty) Put(ctx context.Context, k blob.Key, r io.ReadSeeker, o blob.PutOptions) error {
	fault := f.next("put")
	if fault.Err != nil && !fault.After {
		return fault.Err
	}
	if err := f.Store.Put(ctx, k, r, o); err != nil {
		return err
	}
	return fault.Err
}

// Get implements blob.Store.
func (f *Faulty) Get(ctx context.Context, k blob.Key, off, n int64) (io.ReadCloser, error) {
	fault := f.next("get")
	if fault.Err != nil && fault.Break == 0 {
		return nil, fault.Err
	}
	r, err := f.Store.Get(ctx, k, off, n)
	if err != nil || fault.Err == nil {
		return r, err
	}
	return &broken{ReadCloser: r, left: fault.Break, err: fault.Err}, nil
}

// broken gives some bytes and then an error.
type broken struct {
	io.ReadCloser
	left int
	err  error
}

func (b *broken) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// Stat implements blob.Store.
func (f *Faulty) Stat(ctx context.Context, k blob.Key) (blob.Info, error) {
	if fault := f.next("stat"); fault.Err != nil {
		return blob.Info{}, fault.Err
	}
	return f.Store.Stat(ctx, k)
}

// List implements blob.Store.
func (f *Faulty) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		fault := f.next("list")
		n := 0
		for info, err := range f.Store.List(ctx, prefix) {
			if fault.Err != nil && n == fault.Break {
				break
			}
			n++
			if !yield(info, err) {
				return
			}
		}
		if fault.Err != nil {
			yield(blob.Info{}, fault.Err)
		}
	}
}

// Delete implements blob.Store.
func (f *Faulty) Delete(ctx context.Context, k blob.Key) error {
	fault := f.next("delete")
	if fault.Err != nil && !fault.After {
		return fault.Err
	}
	if err := f.Store.Delete(ctx, k); err != nil {
		return err
	}
	return fault.Err
}
