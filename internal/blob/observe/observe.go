// Package observe tells an observer what is asked of a store, and what it takes.
package observe

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/fault"
)

// Op is an operation of a store.
type Op string

// The operations.
const (
	Put    Op = "put"
	Get    Op = "get"
	Stat   Op = "stat"
	List   Op = "list"
	Delete Op = "delete"
)

// Call is one finished operation. All of its strings are of small sets, so that they can label metrics.
type Call struct {
	Op       Op
	KeyClass string // what kind of object it was about, see Config.KeyClass
	// Bytes written by a Put that succeeded, or read from a Get, however it ended.
	Bytes    int64
	Duration time.Duration // of a Get and a List until the reader was closed or the iteration ended
	// Outcome is "ok", "canceled" or the class of the error. That there is no such object is "not-found".
	Outcome string
}

// Observer is told about finished calls, from many goroutines. It must not block.
type Observer interface {
	Observe(c Call)
}

// Config says what is told.
type Config struct {
	// KeyClass maps a key or list prefix to a small set of names. Nil means FirstSegment.
	KeyClass func(key string) string
}

// FirstSegment returns what stands before the first "/", or "" when there is none.
func FirstSegment(key string) string {
	segment, _, found := strings.Cut(key, "/")
	if !found {
		return ""
	}
	return segment
}

// Deps is what the wrapper needs from its surroundings.
type Deps struct {
	Observer Observer
	Clock    clock.Clock
}

// Wrap returns s observed. Inside the retry wrapper, every attempt is told by itself.
func Wrap(s blob.Store, c Config, d Deps) blob.Store {
	if c.KeyClass == nil {
		c.KeyClass = FirstSegment
	}
	return &store{store: s, keyClass: c.KeyClass, observer: d.Observer, clock: d.Clock}
}

type store struct {
	store    blob.Store
	keyClass func(string) string
	observer Observer
	clock    clock.Clock
}

func (s *store) done(op Op, key string, start time.Time, bytes int64, err error) {
	s.observer.Observe(Call{Op: op, KeyClass: s.keyClass(key), Bytes: bytes, Duration: s.clock.Now().Sub(start), Outcome: outcome(err)})
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, context.Canceled):
		return "canceled"
	default:
		return string(fault.ClassOf(err))
	}
}

// Put implements blob.Store.
func (s *store) Put(ctx context.Context, k blob.Key, r io.ReadSeeker, o blob.PutOptions) error {
	start := s.clock.Now()
	err := s.store.Put(ctx, k, r, o)
	var size int64
	if err == nil {
		size, _ = r.Seek(0, io.SeekEnd) // it told its size a moment ago
	}
	s.done(Put, string(k), start, size, err)
	return err
}

// Get implements blob.Store.
func (s *store) Get(ctx context.Context, k blob.Key, off, n int64) (io.ReadCloser, error) {
	start := s.clock.Now()
	body, err := s.store.Get(ctx, k, off, n)
	if err != nil {
		s.done(Get, string(k), start, 0, err)
		return nil, err
	}
	return &reader{ReadCloser: body, done: func(bytes int64, err error) { s.done(Get, string(k), start, bytes, err) }}, nil
}

// reader reports when it is closed, once.
type reader struct {
	io.ReadCloser
	bytes int64
	err   error
	done  func(bytes int64, err error)
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.bytes += int64(n)
	if err != nil && err != io.EOF && r.err == nil {
		r.err = err
	}
	return n, err
}

func (r *reader) Close() error {
	err := r.ReadCloser.Close()
	if r.done != nil {
		r.done(r.bytes, r.err)
		r.done = nil
	}
	return err
}

// Stat implements blob.Store.
func (s *store) Stat(ctx context.Context, k blob.Key) (blob.Info, error) {
	start := s.clock.Now()
	info, err := s.store.Stat(ctx, k)
	s.done(Stat, string(k), start, 0, err)
	return info, err
}

// List implements blob.Store. The time includes what the consumer does with the objects.
func (s *store) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		start := s.clock.Now()
		var failed error
		defer func() { s.done(List, prefix, start, 0, failed) }()
		for info, err := range s.store.List(ctx, prefix) {
			failed = err
			if !yield(info, err) {
				return
			}
		}
	}
}

// Delete implements blob.Store.
func (s *store) Delete(ctx context.Context, k blob.Key) error {
	start := s.clock.Now()
	err := s.store.Delete(ctx, k)
	s.done(Delete, string(k), start, 0, err)
	return err
}
