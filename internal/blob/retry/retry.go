// Package retry repeats what a store could not do for the moment.
//
// It repeats only errors whose class says that the same may succeed later, waits between attempts with exponential backoff
// and full jitter, and gives the last error when the attempts are used up.
package retry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

// Config bounds the attempts. The zero value means the defaults.
type Config struct {
	Attempts int           // in all, the first included; default 6
	Base     time.Duration // the upper bound of the first wait, doubled for each further one; default 200 ms
	Max      time.Duration // the upper bound of every wait; default 20 s
}

func (c Config) withDefaults() Config {
	if c.Attempts == 0 {
		c.Attempts = 6
	}
	if c.Base == 0 {
		c.Base = 200 * time.Millisecond
	}
	if c.Max == 0 {
		c.Max = 20 * time.Second
	}
	return c
}

// Deps is what the wrapper needs from its surroundings.
type Deps struct {
	// Jitter picks a wait from 0 to bound. Nil means a random one.
	Jitter func(bound time.Duration) time.Duration
}

// throttleFactor stretches the waits when the store asked for patience.
const throttleFactor = 4

// Wrap returns s with retries.
//
// A create-only Put whose answer was lost finds its own object when it is repeated. The wrapper then compares the object
// with what it sent: equal bytes mean that the first attempt won. A Get that breaks off goes on where it stopped; what it
// reads from there on is not verified against the checksum of the whole object. A List that breaks off begins again and
// skips what it has yielded.
func Wrap(s blob.Store, c Config, d Deps) blob.Store {
	if d.Jitter == nil {
		d.Jitter = func(bound time.Duration) time.Duration { return rand.N(bound + 1) }
	}
	return &store{store: s, config: c.withDefaults(), jitter: d.Jitter}
}

type store struct {
	store  blob.Store
	config Config
	jitter func(time.Duration) time.Duration
}

// do calls f until it succeeds, fails for good or has used up its attempts.
func (s *store) do(ctx context.Context, f func() error) error {
	for failed := 1; ; failed++ {
		err := f()
		if err == nil {
			return nil
		}
		if again, wait := s.again(ctx, failed, err); !again {
			return err
		} else if !sleep(ctx, wait) {
			return canceled(ctx, err)
		}
	}
}

// again reports whether to try again after so many failures in a row, and after which wait.
func (s *store) again(ctx context.Context, failed int, err error) (bool, time.Duration) {
	class := fault.ClassOf(err)
	if failed >= s.config.Attempts || !class.Retryable() || ctx.Err() != nil {
		return false, 0
	}
	bound := s.config.Base
	if class == fault.Throttled {
		bound *= throttleFactor
	}
	for range failed - 1 {
		if bound *= 2; bound >= s.config.Max {
			break
		}
	}
	return true, s.jitter(min(bound, s.config.Max))
}

// sleep reports whether it slept through, rather than being woken by the end of ctx.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// canceled says that ctx ended while err was waiting for another attempt.
func canceled(ctx context.Context, err error) error {
	return fmt.Errorf("%w, while waiting to try again after: %w", context.Cause(ctx), err)
}

// Put implements blob.Store.
func (s *store) Put(ctx context.Context, k blob.Key, r io.ReadSeeker, o blob.PutOptions) error {
	ambiguous := false
	return s.do(ctx, func() error {
		err := s.store.Put(ctx, k, r, o)
		if o.IfNotExists && ambiguous && errors.Is(err, blob.ErrExists) {
			switch ours, compareErr := s.holds(ctx, k, r); {
			case compareErr != nil:
				return fmt.Errorf("find out whether an earlier attempt wrote object %s: %w", k, compareErr)
			case ours:
				return nil
			}
		}
		if err != nil && !errors.Is(err, blob.ErrChecksum) {
			ambiguous = true // the store may have done it and the answer got lost
		}
		return err
	})
}

// holds reports whether the object's bytes are those of r.
func (s *store) holds(ctx context.Context, k blob.Key, r io.ReadSeeker) (bool, error) {
	size, err := blob.Rewind(r)
	if err != nil {
		return false, err
	}
	info, err := s.store.Stat(ctx, k)
	if err != nil || info.Size != size {
		return false, err
	}
	stored, err := s.Get(ctx, k, 0, -1)
	if err != nil {
		return false, err
	}
	defer stored.Close()
	return equal(stored, r)
}

// equal compares two streams to their ends.
func equal(a, b io.Reader) (bool, error) {
	const step = 64 << 10
	bufA, bufB := make([]byte, step), make([]byte, step)
	for {
		nA, errA := io.ReadFull(a, bufA)
		nB, errB := io.ReadFull(b, bufB)
		for _, err := range []error{errA, errB} {
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return false, err
			}
		}
		if !bytes.Equal(bufA[:nA], bufB[:nB]) {
			return false, nil
		}
		if errA != nil || errB != nil {
			return errA != nil && errB != nil, nil
		}
	}
}

// Stat implements blob.Store.
func (s *store) Stat(ctx context.Context, k blob.Key) (blob.Info, error) {
	var info blob.Info
	err := s.do(ctx, func() (err error) {
		info, err = s.store.Stat(ctx, k)
		return err
	})
	return info, err
}

// Delete implements blob.Store.
func (s *store) Delete(ctx context.Context, k blob.Key) error {
	return s.do(ctx, func() error { return s.store.Delete(ctx, k) })
}

// List implements blob.Store.
func (s *store) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		last := blob.Key("")
		for failed := 1; ; failed++ {
			var broken error
			for info, err := range s.store.List(ctx, prefix) {
				if err != nil {
					broken = err
					break
				}
				if info.Key <= last {
					continue
				}
				last, failed = info.Key, 1 // it gets on: count anew
				if !yield(info, nil) {
					return
				}
			}
			if broken == nil {
				return
			}
			if again, wait := s.again(ctx, failed, broken); !again {
				yield(blob.Info{}, broken)
				return
			} else if !sleep(ctx, wait) {
				yield(blob.Info{}, canceled(ctx, broken))
				return
			}
		}
	}
}
