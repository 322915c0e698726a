package artifact_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/mem"
	"github.com/tranship/tranship/internal/clock"
)

// recordingStore dies at a given call, as a process does: the call itself and all that follow fail. The call may have had
// its effect or not. It remembers the packs that were put.
type recordingStore struct {
	blob.Store
	calls  atomic.Int64
	dieAt  int64 // 0: never
	effect bool  // the call at which it dies reaches the store
	onDie  func()

	mu    sync.Mutex
	packs []blob.Key
}

var errDead = errors.New("the process is dead")

func (s *recordingStore) alive() (alive, effect bool) {
	n := s.calls.Add(1)
	if s.dieAt == 0 || n < s.dieAt {
		return true, true
	}
	if n == s.dieAt {
		s.onDie()
		return false, s.effect
	}
	return false, false
}

func (s *recordingStore) Put(ctx context.Context, k blob.Key, r io.ReadSeeker, o blob.PutOptions) error {
	alive, effect := s.alive()
	if effect {
		if err := s.Store.Put(context.WithoutCancel(ctx), k, r, o); err != nil {
			return err
		}
		if strings.Contains(string(k), "/p/") {
			s.mu.Lock()
			s.packs = append(s.packs, k)
			s.mu.Unlock()
		}
	}
	if !alive {
		return errDead
	}
	return nil
}

func (s *recordingStore) Get(ctx context.Context, k blob.Key, off, n int64) (io.ReadCloser, error) {
	if alive, _ := s.alive(); !alive {
		return nil, errDead
	}
	return s.Store.Get(ctx, k, off, n)
}

func (s *recordingStore) Delete(ctx context.Context, k blob.Key) error {
	alive, effect := s.alive()
	if effect {
		if err := s.Store.Delete(context.WithoutCancel(ctx), k); err != nil {
			return err
		}
	}
	if !alive {
		return errDead
	}
	return nil
}

// checkpointed counts what OnCheckpoint was told.
type checkpointed struct {
	mu    sync.Mutex
	bytes map[string]int64
}

func (c *checkpointed) save(_ context.Context, cp artifact.Checkpoint) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range cp.Streams {
		c.bytes[s.Stream] = max(c.bytes[s.Stream], s.Bytes)
	}
	return nil
}

// captureAll is a task as a worker does it: begin, write what no earlier claim finished, commit. Two writers at a time.
func captureAll(ctx context.Context, l *location, r *artifact.Repository, id artifact.ID, fence uint64, contents map[string][]byte, on func(context.Context, artifact.Checkpoint) error) (*artifact.Manifest, artifact.Stats, error) {
	s, err := r.Begin(ctx, artifact.SessionConfig{Run: "run-1", Task: "1", Fence: fence, Capture: id, OnCheckpoint: on, Workers: 2, Uploads: 2})
	if err != nil {
		return nil, artifact.Stats{}, err
	}
	defer s.Close()
	finished, err := r.FinishedStreams(ctx, id)
	if err != nil {
		return nil, s.Stats(), err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	written := map[string]artifact.Artifact{}
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		if _, ok := finished[name]; ok {
			continue
		}
		wg.Go(func() {
			a, err := writeStream(ctx, s, name, contents[name])
			mu.Lock()
			defer mu.Unlock()
			written[name] = a
			failed = errors.Join(failed, err)
		})
	}
	wg.Wait()
	if failed != nil {
		return nil, s.Stats(), failed
	}
	maps.Copy(finished, written)
	var streams []artifact.Labelled
	for name, a := range finished {
		streams = append(streams, artifact.Labelled{Label: "db/" + name, Artifact: a})
	}
	m, err := l.tryCommit(ctx, r, id, "run-1", streams...)
	return m, s.Stats(), err
}

func writeStream(ctx context.Context, s *artifact.Session, name string, data []byte) (artifact.Artifact, error) {
	w, err := s.Stream(ctx, artifact.StreamConfig{Name: name, Chunking: artifact.Stream})
	if err != nil {
		return artifact.Artifact{}, err
	}
	defer w.Abort()
	if _, err := w.Write(data); err != nil {
		return artifact.Artifact{}, err
	}
	return w.Close()
}

// TestAKillAtAnyStoreCallIsResumed kills a capture at each call to the store in turn, once with and once without the call
// reaching it, and lets another process go on.
func TestAKillAtAnyStoreCallIsResumed(t *testing.T) {
	contents := map[string][]byte{"s-1": random(11, 20<<20), "s-2": random(12, 3<<20), "s-3": random(13, 100)}
	private, writerKey := must(t, artifact.GenerateLocationKey), artifact.GenerateWriterKey()
	begin := func() (*location, blob.Store) {
		store := mem.New(clock.Real{})
		l := newLocationWith(t, artifact.Raw, store, private, writerKey)
		return l, store
	}
	undisturbed, _ := begin()
	counting := &recordingStore{Store: undisturbed.store}
	want, _, err := captureAll(t.Context(), undisturbed, undisturbed.over(t, counting), undisturbed.id(t, "capture-0"), 1, contents, nil)
	if err != nil {
		t.Fatal(err)
	}
	calls := counting.calls.Load()
	if calls < 15 {
		t.Fatalf("a capture makes only %d calls, so this test proves little", calls)
	}
	for at := int64(1); at <= calls; at++ {
		for _, effect := range []bool{false, true} {
			t.Run(fmt.Sprintf("call %d effect %v", at, effect), func(t *testing.T) {
				t.Parallel()
				l, store := begin()
				id := l.id(t, "capture-1")
				ctx, kill := context.WithCancel(t.Context())
				dying := &recordingStore{Store: store, dieAt: at, effect: effect, onDie: kill}
				saved := &checkpointed{bytes: map[string]int64{}}
				r, err := artifact.Open(ctx, blob.NewBucket(dying, "app"), l.config(), l.writer)
				if err == nil {
					_, _, _ = captureAll(ctx, l, r, id, 1, contents, saved.save) // it dies, or it was done before
				}
				kill()

				living := &recordingStore{Store: store}
				m, stats, err := captureAll(t.Context(), l, l.over(t, living), id, 2, contents, nil)
				if err != nil {
					t.Fatalf("the second process cannot go on: %v", err)
				}
				if m.Payload.Root != want.Payload.Root {
					t.Errorf("root %s, want that of the undisturbed capture %s", m.Payload.Root, want.Payload.Root)
				}
				var durable int64
				for _, n := range saved.bytes {
					durable += n
				}
				if total := int64(23<<20 + 100); stats.Bytes-stats.Skipped > total-durable {
					t.Errorf("%d plain bytes were sent again of which %d had been checkpointed", stats.Bytes-stats.Skipped, durable)
				}
				reader := l.open(t, l.reader)
				body := mustBody(t, reader, id, l.trusted)
				for _, s := range body.Streams {
					if got := read(t, reader, id, s.Artifact); string(got) != string(contents[s.Artifact.Stream]) {
						t.Errorf("stream %s reads back differently", s.Artifact.Stream)
					}
				}
				for info, err := range store.List(t.Context(), "app/l/") {
					t.Errorf("lease %s is left, %v", info.Key, err)
				}
			})
		}
	}
}

func TestTheSecondCaptureSendsOnlyWhatChanged(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	r := l.open(t, l.writer)
	data := random(21, 48<<20)
	first := begin(t, r, artifact.SessionConfig{Run: "run-1", Task: "1", Fence: 1, Capture: l.id(t, "capture-1")})
	a := write(t, first, "s-1", artifact.Stream, data)
	l.commit(t, r, l.id(t, "capture-1"), "run-1", artifact.Labelled{Label: "disk", Artifact: a})

	again := begin(t, r, artifact.SessionConfig{Run: "run-2", Task: "1", Fence: 1, Capture: l.id(t, "capture-2"), Parents: []artifact.ID{l.id(t, "capture-1")}})
	b := write(t, again, "s-1", artifact.Stream, data)
	if sent := again.Stats().Stored; sent != 0 || b.Plain != a.Plain {
		t.Errorf("%d bytes were sent for an unchanged source", sent)
	}
	second := l.commit(t, r, l.id(t, "capture-2"), "run-2", artifact.Labelled{Label: "disk", Artifact: b})
	if second.Payload.Sessions[0] != first.ID() || len(second.Payload.Sessions) != 1 {
		t.Errorf("the second capture names sessions %v, want the first capture's only", second.Payload.Sessions)
	}

	// A few bytes put in near the start move all that follows.
	changed := append(append(append([]byte{}, data[:100_000]...), "some new bytes"...), data[100_000:]...)
	third := begin(t, r, artifact.SessionConfig{Run: "run-3", Task: "1", Fence: 1, Capture: l.id(t, "capture-3"), Parents: []artifact.ID{l.id(t, "capture-2")}})
	c := write(t, third, "s-1", artifact.Stream, changed)
	if sent := third.Stats().Stored; sent == 0 || sent > 6<<20 {
		t.Errorf("%d bytes were sent for a small change, want the chunks around it only", sent)
	}
	l.commit(t, r, l.id(t, "capture-3"), "run-3", artifact.Labelled{Label: "disk", Artifact: c})
	if got := read(t, l.open(t, l.reader), l.id(t, "capture-3"), c); string(got) != string(changed) {
		t.Error("the changed capture reads back differently")
	}
}

// TestASessionThatEndedWellIsLookedUpInOneRequest counts what a successor reads, for the number of packs grows with the data.
func TestASessionThatEndedWellIsLookedUpInOneRequest(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	id := l.id(t, "capture-1")
	s := begin(t, l.open(t, l.writer), artifact.SessionConfig{Run: "run-1", Task: "1", Fence: 1, Capture: id})
	for i := range 20 {
		write(t, s, fmt.Sprintf("s-%d", i), artifact.Stream, random(uint64(i), 1000))
	}
	if packs := s.Stats().Packs; packs != 20 {
		t.Fatalf("%d packs, want one for each stream", packs)
	}
	calls := func() int64 {
		store := &recordingStore{Store: l.store}
		r := l.over(t, store)
		next := begin(t, r, artifact.SessionConfig{Run: "run-1", Task: "1", Fence: 2, Capture: id})
		n := store.calls.Load()
		write(t, next, "s-again", artifact.Stream, random(7, 1000))
		if sent := next.Stats().Stored; sent != 0 {
			t.Errorf("%d bytes were sent again", sent)
		}
		return n
	}
	open := calls()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if closed := calls(); open < 20 || closed > 12 {
		t.Errorf("a successor makes %d calls while the session is open and %d after it has ended, want more than 20 and few", open, closed)
	}
}

func TestChunksOfAnAbandonedCaptureAreNotSentAgain(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	r := l.open(t, l.writer)
	data := random(22, 20<<20)
	dead := begin(t, r, artifact.SessionConfig{Run: "run-1", Task: "1", Fence: 1, Capture: l.id(t, "capture-1")})
	write(t, dead, "s-1", artifact.Stream, data)

	next := begin(t, r, artifact.SessionConfig{Run: "run-1", Task: "1", Fence: 2, Capture: l.id(t, "capture-2"), Abandoned: []artifact.ID{l.id(t, "capture-1")}})
	a := write(t, next, "s-1", artifact.Stream, data)
	if sent := next.Stats().Stored; sent != 0 {
		t.Errorf("%d bytes were sent again", sent)
	}
	if finished, err := r.FinishedStreams(t.Context(), l.id(t, "capture-2")); err != nil || finished["s-1"] != a {
		t.Errorf("finished streams are %v, %v; want the new one only", finished, err)
	}
}

func TestTheResultDoesNotDependOnTheNumberOfWorkers(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	r := l.open(t, l.writer)
	data := random(23, 30<<20)
	var plain []artifact.Digest
	for i, workers := range []int{1, 8} {
		id := l.id(t, fmt.Sprintf("capture-%d", i))
		s := begin(t, r, artifact.SessionConfig{Run: fmt.Sprintf("run-%d", i), Task: "1", Fence: 1, Capture: id, Workers: workers, Uploads: workers})
		plain = append(plain, write(t, s, "s-1", artifact.Stream, data).Plain)
	}
	if plain[0] != plain[1] {
		t.Errorf("plain digests %s with one worker and %s with eight", plain[0], plain[1])
	}
}

func TestAnErrorOfOnCheckpointEndsTheSession(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	fenced := errors.New("a newer claim holds the task")
	s := begin(t, l.open(t, l.writer), artifact.SessionConfig{
		Run: "run-1", Task: "1", Fence: 1, Capture: l.id(t, "capture-1"),
		OnCheckpoint: func(context.Context, artifact.Checkpoint) error { return fenced },
	})
	if _, err := writeStream(t.Context(), s, "s-1", random(24, 1<<20)); !errors.Is(err, fenced) {
		t.Errorf("closing the stream gave %v, want the callback's error", err)
	}
	if _, err := writeStream(t.Context(), s, "s-2", random(25, 1<<20)); !errors.Is(err, fenced) {
		t.Errorf("a later stream gave %v, want the callback's error", err)
	}
	if err := s.Close(); !errors.Is(err, fenced) {
		t.Errorf("closing the session gave %v, want the callback's error", err)
	}
}

func TestAnotherClaimsRecipeIsAdoptedWhenItHasTheSameContent(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	r := l.open(t, l.writer)
	id := l.id(t, "capture-1")
	data := random(26, 5<<20)
	zombie := begin(t, r, artifact.SessionConfig{Run: "run-1", Task: "1", Fence: 1, Capture: id})
	owner := begin(t, r, artifact.SessionConfig{Run: "run-1", Task: "1", Fence: 2, Capture: id})
	first := write(t, owner, "s-1", artifact.Stream, data)
	if second := write(t, zombie, "s-1", artifact.Stream, data); second != first {
		t.Errorf("the zombie's stream is %+v, want the owner's %+v", second, first)
	}
	if _, err := writeStream(t.Context(), zombie, "s-1", data[1:]); !errors.Is(err, artifact.ErrExists) {
		t.Errorf("another content under the same name gave %v, want ErrExists", err)
	}
}
