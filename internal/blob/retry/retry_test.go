package retry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/blobtest"
	"github.com/tranship/tranship/internal/blob/check"
	"github.com/tranship/tranship/internal/blob/mem"
	"github.com/tranship/tranship/internal/blob/retry"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/fault"
)

var (
	errLost      = fault.New(fault.Transient, "test", "connection reset")
	errThrottled = fault.New(fault.Throttled, "test", "slow down")
	errDenied    = fault.New(fault.Denied, "test", "access denied")
)

// longest makes the waits predictable: always the upper bound.
var longest = retry.Deps{Jitter: func(bound time.Duration) time.Duration { return bound }}

func faulty() *blobtest.Faulty { return blobtest.NewFaulty(mem.New(clock.Real{})) }

func bucket(s blob.Store) *blob.Bucket {
	return blob.NewBucket(retry.Wrap(s, retry.Config{}, longest), "")
}

func TestConformance(t *testing.T) {
	s := retry.Wrap(mem.New(clock.Real{}), retry.Config{Base: time.Millisecond}, retry.Deps{})
	blobtest.Run(t, func(*testing.T) blob.Store { return s }, check.Features{})
}

func TestTransientErrorsAreRetriedWithGrowingWaits(t *testing.T) {
	for _, test := range []struct {
		name   string
		faults []blobtest.Fault
		waited time.Duration
		calls  int
		err    error
	}{
		{"none", nil, 0, 1, nil},
		{"one", []blobtest.Fault{{Err: errLost}}, 200 * time.Millisecond, 2, nil},
		{"three", []blobtest.Fault{{Err: errLost}, {Err: errLost}, {Err: errLost}}, (200 + 400 + 800) * time.Millisecond, 4, nil},
		{"throttled", []blobtest.Fault{{Err: errThrottled}, {Err: errThrottled}}, (800 + 1600) * time.Millisecond, 3, nil},
		{"denied", []blobtest.Fault{{Err: errDenied}}, 0, 1, errDenied},
		{"too many", []blobtest.Fault{{Err: errLost}, {Err: errLost}, {Err: errLost}, {Err: errLost}, {Err: errLost}, {Err: errLost}},
			(200 + 400 + 800 + 1600 + 3200) * time.Millisecond, 6, errLost},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := faulty()
				f.Script("put", test.faults...)
				start := time.Now()
				err := bucket(f).Put(t.Context(), "k", []byte("data"), blob.PutOptions{})
				if !errors.Is(err, test.err) {
					t.Errorf("put: %v, want %v", err, test.err)
				}
				if waited := time.Since(start); waited != test.waited {
					t.Errorf("waited %v, want %v", waited, test.waited)
				}
				if calls := f.Calls("put"); calls != test.calls {
					t.Errorf("%d attempts, want %d", calls, test.calls)
				}
			})
		})
	}
}

func TestWaitsAreCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faulty()
		for range 9 {
			f.Script("delete", blobtest.Fault{Err: errThrottled})
		}
		start := time.Now()
		s := retry.Wrap(f, retry.Config{Attempts: 10, Base: time.Second, Max: 5 * time.Second}, longest)
		if err := s.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		if waited, want := time.Since(start), (4+8*5)*time.Second; waited != want {
			t.Errorf("waited %v, want %v", waited, want)
		}
	})
}

func TestCancelEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faulty()
		f.Script("stat", blobtest.Fault{Err: errThrottled})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := bucket(f).Stat(ctx, "k")
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errThrottled) {
			t.Errorf("stat: %v, want the deadline and what it waited for", err)
		}
		if waited := time.Since(start); waited != 10*time.Millisecond {
			t.Errorf("waited %v, want until the deadline", waited)
		}
	})
}

func TestLostAnswerOfACreateOnlyPut(t *testing.T) {
	ours := bytes.Repeat([]byte("ours"), 50_000)
	sameSize := bytes.Clone(ours)
	sameSize[len(sameSize)-1]++
	createOnly := blob.PutOptions{IfNotExists: true}
	for _, test := range []struct {
		name   string
		there  []byte // written by somebody else before
		faults []blobtest.Fault
		want   error
	}{
		{"we wrote it", nil, []blobtest.Fault{{Err: errLost, After: true}}, nil},
		{"we did not come so far", nil, []blobtest.Fault{{Err: errLost}}, nil},
		{"we wrote it, and then some", nil, []blobtest.Fault{{Err: errLost}, {Err: errLost, After: true}}, nil},
		{"another was there", []byte("theirs"), []blobtest.Fault{{Err: errLost}}, blob.ErrExists},
		{"another of our size was there", sameSize, []blobtest.Fault{{Err: errLost}}, blob.ErrExists},
		{"another with our bytes, no doubt", ours, nil, blob.ErrExists},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := faulty()
				if test.there != nil {
					if err := f.Store.Put(t.Context(), "k", bytes.NewReader(test.there), blob.PutOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				f.Script("put", test.faults...)
				b := bucket(f)
				if err := b.Put(t.Context(), "k", ours, createOnly); !errors.Is(err, test.want) {
					t.Errorf("put: %v, want %v", err, test.want)
				}
				want := ours
				if test.there != nil {
					want = test.there
				}
				if got, err := b.Get(t.Context(), "k", blob.MaxObject); err != nil || !bytes.Equal(got, want) {
					t.Errorf("the object has %d bytes (%v), want the %d of its writer", len(got), err, len(want))
				}
			})
		})
	}
}

func TestComparisonSurvivesFaultsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faulty()
		f.Script("put", blobtest.Fault{Err: errLost, After: true})
		f.Script("stat", blobtest.Fault{Err: errLost})
		f.Script("get", blobtest.Fault{Err: errLost}, blobtest.Fault{Err: errLost, Break: 3})
		if err := bucket(f).Put(t.Context(), "k", []byte("content"), blob.PutOptions{IfNotExists: true}); err != nil {
			t.Error(err)
		}
	})
}

func TestBrokenStreamGoesOnWhereItStopped(t *testing.T) {
	data := make([]byte, 1000)
	for i := range data {
		data[i] = byte(i * 7)
	}
	for _, r := range []struct{ off, n int64 }{{0, -1}, {0, 1000}, {10, -1}, {10, 500}, {900, 500}} {
		want := data[r.off:]
		if r.n >= 0 {
			want = want[:min(r.n, int64(len(want)))]
		}
		// At every cut point, the last byte included.
		for cut := 1; cut <= len(want); cut++ {
			synctest.Test(t, func(t *testing.T) {
				f := faulty()
				b := bucket(f)
				if err := b.Put(t.Context(), "k", data, blob.PutOptions{}); err != nil {
					t.Fatal(err)
				}
				f.Script("get", blobtest.Fault{Err: errLost, Break: cut}, blobtest.Fault{Err: errLost})
				body, err := b.Open(t.Context(), "k", r.off, r.n)
				if err != nil {
					t.Fatal(err)
				}
				defer body.Close()
				got, err := io.ReadAll(body)
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("read %d from %d, broken after %d: got %d bytes, %v; want %d", r.n, r.off, cut, len(got), err, len(want))
				}
			})
		}
	}
}

func TestDamagedStreamIsNotContinued(t *testing.T) {
	f := faulty()
	b := bucket(f)
	if err := b.Put(t.Context(), "k", []byte("content"), blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	f.Script("get", blobtest.Fault{Err: blob.Corrupt("k"), Break: 7})
	if _, err := b.Get(t.Context(), "k", 100); !errors.Is(err, blob.ErrChecksum) {
		t.Errorf("get: %v, want %v", err, blob.ErrChecksum)
	}
}

func TestStreamThatStaysBrokenGivesItsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faulty()
		b := bucket(f)
		if err := b.Put(t.Context(), "k", []byte("content"), blob.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		f.Script("get", blobtest.Fault{Err: errLost, Break: 3})
		for range 10 {
			f.Script("get", blobtest.Fault{Err: errLost})
		}
		if got, err := b.Get(t.Context(), "k", 100); !errors.Is(err, errLost) {
			t.Errorf("get: %q, %v, want %v", got, err, errLost)
		}
		if calls := f.Calls("get"); calls != 6 {
			t.Errorf("%d attempts, want 6", calls)
		}
	})
}

func TestBrokenListingGoesOn(t *testing.T) {
	const objects = 30
	for cut := range objects + 1 {
		synctest.Test(t, func(t *testing.T) {
			f := faulty()
			b := bucket(f)
			for i := range objects {
				if err := b.Put(t.Context(), blob.Key(fmt.Sprintf("o/%02d", i)), nil, blob.PutOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			f.Script("list", blobtest.Fault{Err: errLost, Break: cut}, blobtest.Fault{Err: errThrottled, Break: cut / 2})
			n := 0
			for info, err := range b.List(t.Context(), "o/") {
				if err != nil {
					t.Fatal(err)
				}
				if want := blob.Key(fmt.Sprintf("o/%02d", n)); info.Key != want {
					t.Fatalf("broken after %d: object %d is %s, want %s", cut, n, info.Key, want)
				}
				n++
			}
			if n != objects {
				t.Errorf("broken after %d: %d objects, want %d", cut, n, objects)
			}
		})
	}
}
