package artifact_test

import (
	"context"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/file"
	"github.com/tranship/tranship/internal/clock"
)

// slowStore is slower than the processor, so that whatever piles up does.
type slowStore struct {
	blob.Store
	t    testing.TB
	peak uint64
	turn chan struct{}
}

func (s *slowStore) Put(ctx context.Context, k blob.Key, r io.ReadSeeker, o blob.PutOptions) error {
	s.turn <- struct{}{} // one at a time
	defer func() { <-s.turn }()
	s.measure()
	return s.Store.Put(ctx, k, r, o)
}

func (s *slowStore) measure() {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	s.peak = max(s.peak, m.HeapInuse)
}

// TestMemoryDoesNotGrowWithTheStream writes and reads 300 MB and looks at the live heap at every call to the store.
func TestMemoryDoesNotGrowWithTheStream(t *testing.T) {
	disk, err := file.New(file.Config{Path: t.TempDir()}, clock.Real{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	store := &slowStore{Store: disk, t: t, turn: make(chan struct{}, 1)}
	l := newLocationIn(t, artifact.Raw, store)
	id := l.id(t, "capture-1")
	const workers, uploads, size = 2, 2, 300 << 20
	s := begin(t, l.open(t, l.writer), artifact.SessionConfig{Run: "run-1", Task: "1", Capture: id, Workers: workers, Uploads: uploads})
	w, err := s.Stream(t.Context(), artifact.StreamConfig{Name: "s-1", Chunking: artifact.Stream})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, rand.NewChaCha8([32]byte{1}), size); err != nil {
		t.Fatal(err)
	}
	a, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	const limit = (workers + uploads) * 20 << 20
	if store.peak > limit || store.peak < packBuffer {
		t.Errorf("the heap reached %d MiB while writing, want a pack at least and %d MiB at most", store.peak>>20, limit>>20)
	}

	store.peak = 0
	stream, err := l.open(t, l.reader).OpenStream(t.Context(), id, a)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var total int64
	buf := make([]byte, 32<<10)
	for {
		n, err := stream.Read(buf)
		if total/(32<<20) != (total+int64(n))/(32<<20) {
			store.measure()
		}
		total += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if total != size || store.peak > limit {
		t.Errorf("%d bytes came back, and the heap reached %d MiB; want %d and at most %d MiB", total, store.peak>>20, size, limit>>20)
	}
}

const packBuffer = 16 << 20
