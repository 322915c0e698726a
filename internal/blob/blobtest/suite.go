package blobtest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/check"
	"github.com/tranship/tranship/internal/fault"
)

// Run runs the suite. open returns a store for one subtest; it may be the same for all, as every subtest works in a folder
// of its own.
func Run(t *testing.T, open func(t *testing.T) blob.Store, f check.Features) {
	t.Helper()
	for _, c := range check.Checks(f) {
		t.Run(folder(c.Name), func(t *testing.T) {
			if err := c.Run(t.Context(), blob.NewBucket(open(t), folder(c.Name))); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("hostile-keys", func(t *testing.T) { hostileKeys(t, open(t)) })
	t.Run("source", func(t *testing.T) { source(t, open(t)) })
	t.Run("too-large", func(t *testing.T) { tooLarge(t, open(t)) })
}

func folder(name string) string { return strings.ReplaceAll(name, " ", "-") }

// hostileKeys asks the driver itself: a Bucket would have refused the keys before it.
func hostileKeys(t *testing.T, s blob.Store) {
	ctx := t.Context()
	for _, k := range []blob.Key{
		"", "/", "/etc/passwd", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a/..", `a\b`, "a b", "a\x00b", "a\nb", "ä",
		blob.Key(strings.Repeat("x", 256)), blob.Key(strings.Repeat("x/", 500) + "x"),
	} {
		if err := s.Put(ctx, k, bytes.NewReader(nil), blob.PutOptions{}); !fault.Is(err, fault.Permanent) {
			t.Errorf("put %.40q: %v, want a permanent error", k, err)
		}
		if _, err := s.Get(ctx, k, 0, -1); !fault.Is(err, fault.Permanent) {
			t.Errorf("get %.40q: %v, want a permanent error", k, err)
		}
		if _, err := s.Stat(ctx, k); !fault.Is(err, fault.Permanent) {
			t.Errorf("stat %.40q: %v, want a permanent error", k, err)
		}
		if err := s.Delete(ctx, k); !fault.Is(err, fault.Permanent) {
			t.Errorf("delete %.40q: %v, want a permanent error", k, err)
		}
	}
	for _, prefix := range []string{"/", "../", "a/../", "a//", "a b", "./x"} {
		for _, err := range s.List(ctx, prefix) {
			if err == nil {
				t.Errorf("list %q yields objects", prefix)
			}
			if !fault.Is(err, fault.Permanent) {
				t.Errorf("list %q: %v, want a permanent error", prefix, err)
			}
		}
	}
}

// source checks how a Put treats its reader: from the start, whatever its position, and its failure is not the store's.
func source(t *testing.T, s blob.Store) {
	ctx := t.Context()
	b := blob.NewBucket(s, "source")
	r := strings.NewReader("whole content")
	if _, err := r.Seek(6, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if err := b.PutFrom(ctx, "whole", r, blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Get(ctx, "whole", 100); err != nil || string(got) != "whole content" {
		t.Errorf("got %q, %v: Put must read from the start", got, err)
	}
	broken := errors.New("the disk of the reader broke")
	err := b.PutFrom(ctx, "broken", &breaking{Reader: bytes.NewReader(make([]byte, 1000)), after: 500, err: broken}, blob.PutOptions{})
	if !errors.Is(err, broken) {
		t.Errorf("put from a broken reader: %v, want its error", err)
	}
	if _, err := b.Stat(ctx, "broken"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("stat after a broken put: %v, want %v", err, blob.ErrNotFound)
	}
}

// breaking fails once it has given the first bytes.
type breaking struct {
	*bytes.Reader
	after int64
	err   error
}

func (b *breaking) Read(p []byte) (int, error) {
	pos := b.Size() - int64(b.Len())
	if pos >= b.after {
		return 0, b.err
	}
	return b.Reader.Read(p[:min(int64(len(p)), b.after-pos)])
}

// WriteTo and ReadAt would go around Read.
func (b *breaking) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{b}) }

func tooLarge(t *testing.T, s blob.Store) {
	huge := io.NewSectionReader(zeros{}, 0, blob.MaxObject+1)
	if err := s.Put(t.Context(), "too-large", huge, blob.PutOptions{}); !errors.Is(err, blob.ErrTooLarge) {
		t.Errorf("put of %d bytes: %v, want %v", huge.Size(), err, blob.ErrTooLarge)
	}
}

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}
