package artifact_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

// rows returns n bytes of rows of different lengths, and one of more than a chunk may have.
func rows(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		if i == 1000 {
			b.Write(bytes.Repeat([]byte("x"), 9<<20))
		}
		fmt.Fprintf(&b, "%d\t%x\n", i, random(uint64(i), i%200))
	}
	return b.Bytes()
}

func TestChunksOfLinesHoldWholeRows(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	id := l.id(t, "capture-1")
	data := rows(20 << 20)
	a := write(t, begin(t, l.open(t, l.writer), artifact.SessionConfig{Run: "run-1", Task: "1", Capture: id}), "s-1", artifact.Lines, data)
	r := l.open(t, l.reader)
	if a.Chunks < 5 { // of 29 MB, at most 8 MiB each
		t.Fatalf("only %d chunks", a.Chunks)
	}
	for first := range a.Chunks + 1 {
		c, err := r.OpenChunks(t.Context(), id, a, first)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		next := first
		continued := 0
		for {
			chunk, err := c.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if chunk.Index != next {
				t.Fatalf("chunk %d, want %d", chunk.Index, next)
			}
			next++
			if chunk.Continued {
				continued++
			}
			if wholeRows := chunk.Data[len(chunk.Data)-1] == '\n'; wholeRows == chunk.Continued {
				t.Errorf("chunk %d ends with a row: %v; it says that the row goes on: %v", chunk.Index, wholeRows, chunk.Continued)
			}
			got = append(got, chunk.Data...)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasSuffix(data, got) || next != a.Chunks || first == 0 && (len(got) != len(data) || continued != 1) {
			t.Errorf("from chunk %d: %d bytes up to chunk %d, %d of them continued", first, len(got), next, continued)
		}
	}
	if _, err := r.OpenChunks(t.Context(), id, a, a.Chunks+1); !fault.Is(err, fault.Permanent) {
		t.Errorf("a start past the end gave %v, want a permanent error", err)
	}
}

func TestAnEndedContextIsNotTheEndOfTheStream(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	id := l.id(t, "capture-1")
	a := write(t, begin(t, l.open(t, l.writer), artifact.SessionConfig{Run: "run-1", Task: "1", Capture: id}), "s-1", artifact.Stream, random(41, 64<<20))
	lost := errors.New("a newer claim holds the task")
	ctx, cancel := context.WithCancelCause(t.Context())
	s, err := l.open(t, l.reader).OpenStream(ctx, id, a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(s, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	cancel(lost)
	n, err := io.Copy(io.Discard, s)
	if err == nil || n == a.Bytes-1<<20 {
		t.Errorf("reading went on to the end: %d bytes, %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("reading a closed stream gave %v", err)
	}
}

func TestZerosOfBlocksAreNotStored(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	id := l.id(t, "capture-1")
	disk := make([]byte, 40<<20)
	copy(disk[17<<20:], random(42, 1<<20))
	s := begin(t, l.open(t, l.writer), artifact.SessionConfig{Run: "run-1", Task: "1", Capture: id})
	a := write(t, s, "s-1", artifact.Blocks, disk)
	if a.Chunks != 40 || a.Stored < 1<<20 || a.Stored > 1<<20+100 {
		t.Errorf("%d chunks of %d stored bytes, want 40 and one block", a.Chunks, a.Stored)
	}
	if got := read(t, l.open(t, l.reader), id, a); !bytes.Equal(got, disk) {
		t.Error("the disk reads back differently")
	}
}

// TestManyStreamsAtOnceShareTheSession also makes streams of equal content wait for each other's chunks.
func TestManyStreamsAtOnceShareTheSession(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	id := l.id(t, "capture-1")
	s := begin(t, l.open(t, l.writer), artifact.SessionConfig{Run: "run-1", Task: "1", Capture: id, Workers: 4, Uploads: 2})
	contents := map[string][]byte{}
	for i := range 24 {
		contents[fmt.Sprintf("s-%02d", i)] = random(uint64(100+i%8), 1000+i%8*700_000)
	}
	type result struct {
		name string
		a    artifact.Artifact
		err  error
	}
	results := make(chan result)
	for name, data := range contents {
		go func() {
			a, err := writeStream(t.Context(), s, name, data)
			results <- result{name, a, err}
		}()
	}
	r := l.open(t, l.reader)
	var stored int64
	for range contents {
		got := <-results
		if got.err != nil {
			t.Fatal(got.err)
		}
		stored += got.a.Stored
		if !bytes.Equal(read(t, r, id, got.a), contents[got.name]) {
			t.Errorf("%s reads back differently", got.name)
		}
	}
	if stats := s.Stats(); stats.Stored != stored || stats.Skipped < 2*stats.Bytes/3-100 {
		t.Errorf("the session stored %d and skipped %d of %d bytes; its streams stored %d", stats.Stored, stats.Skipped, stats.Bytes, stored)
	}
}

func TestAnAbortedStreamLeavesNothingAndHoldsNobodyUp(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	id := l.id(t, "capture-1")
	r := l.open(t, l.writer)
	s := begin(t, r, artifact.SessionConfig{Run: "run-1", Task: "1", Capture: id})
	aborted, err := s.Stream(t.Context(), artifact.StreamConfig{Name: "s-1", Chunking: artifact.Stream})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := aborted.Write(random(51, 6<<20)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stream(t.Context(), artifact.StreamConfig{Name: "s-1", Chunking: artifact.Stream}); !errors.Is(err, artifact.ErrExists) {
		t.Errorf("a second stream of the name gave %v, want ErrExists", err)
	}
	aborted.Abort()
	if _, err := aborted.Write([]byte("more")); !errors.Is(err, artifact.ErrClosed) {
		t.Errorf("writing to it gave %v, want ErrClosed", err)
	}
	if _, err := aborted.Close(); !errors.Is(err, artifact.ErrClosed) {
		t.Errorf("closing it gave %v, want ErrClosed", err)
	}
	a := write(t, s, "s-1", artifact.Stream, random(51, 6<<20))
	if finished, err := r.FinishedStreams(t.Context(), id); err != nil || len(finished) != 1 || finished["s-1"] != a {
		t.Errorf("finished streams are %v, %v", finished, err)
	}
	if got := read(t, l.open(t, l.reader), id, a); !bytes.Equal(got, random(51, 6<<20)) {
		t.Error("the stream reads back differently")
	}
}

// noisyStore damages what it sends of each pack the first time that it is asked.
type noisyStore struct {
	blob.Store
	mu   sync.Mutex
	seen map[string]bool
}

func (s *noisyStore) Get(ctx context.Context, k blob.Key, off, n int64) (io.ReadCloser, error) {
	r, err := s.Store.Get(ctx, k, off, n)
	if err != nil || !strings.Contains(string(k), "/p/") {
		return r, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	request := fmt.Sprint(k, off)
	if s.seen[request] {
		return r, nil
	}
	s.seen[request] = true
	defer r.Close()
	b, err := io.ReadAll(r)
	b[len(b)/2] ^= 1
	return io.NopCloser(bytes.NewReader(b)), err
}

func TestDamageOnTheWayIsReadAgain(t *testing.T) {
	l, dst := newLocation(t, artifact.Masked), newLocation(t, artifact.Masked)
	id := maskedID(t, "capture-1")
	data := random(61, 10<<20)
	a := write(t, begin(t, l.open(t, l.writer), artifact.SessionConfig{Run: "run-1", Task: "1", Capture: id}), "s-1", artifact.Stream, data)
	noisy := func() *artifact.Repository {
		store := &noisyStore{Store: l.store, seen: map[string]bool{}}
		r, err := artifact.Open(t.Context(), blob.NewBucket(store, "app"), l.config(), l.reader)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if got := read(t, noisy(), id, a); !bytes.Equal(got, data) {
		t.Error("the stream reads back differently")
	}
	s := begin(t, dst.open(t, dst.writer), artifact.SessionConfig{Run: "run-2", Task: "1", Capture: id})
	copied, _, err := artifact.CopyMasked(t.Context(), noisy(), id, a, s)
	if err != nil || copied.Plain != a.Plain {
		t.Errorf("the copy is %+v, %v", copied, err)
	}
}

func TestAReaderHoldsACaptureUntilItReleasesIt(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	r := l.open(t, l.writer)
	id := l.id(t, "capture-1")
	if err := r.Hold(t.Context(), id, "run-2", "restore"); !errors.Is(err, artifact.ErrNotCommitted) {
		t.Errorf("holding what does not exist gave %v, want ErrNotCommitted", err)
	}
	st := l.statement(t, id, "run-1", nil)
	if _, err := r.Commit(t.Context(), st, l.trusted, artifact.Sign(st, l.signers[artifact.Capturer])); err != nil {
		t.Fatal(err)
	}
	leases := func() (n int) {
		for _, err := range l.store.List(t.Context(), "app/l/run-2/") {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	for range 2 {
		if err := l.open(t, artifact.Keys{}).Hold(t.Context(), id, "run-2", "restore"); err != nil {
			t.Fatal(err)
		}
	}
	if n := leases(); n != 1 {
		t.Errorf("%d leases, want one", n)
	}
	for range 2 {
		if err := r.Release(t.Context(), id, "run-2"); err != nil {
			t.Fatal(err)
		}
	}
	if n := leases(); n != 0 {
		t.Errorf("%d leases are left", n)
	}
}
