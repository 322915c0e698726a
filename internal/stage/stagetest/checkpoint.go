package stagetest

import (
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/stage"
)

// Checkpoints checks what stage.Checkpoints promises. Each call of open returns a store that holds nothing under the keys
// capture.local.default.run-1.capture.1 and .2.
func Checkpoints(t *testing.T, open func(*testing.T) stage.Checkpoints) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, stage.Checkpoints)
	}{
		{"an unknown key has revision 0", unknownKey},
		{"a checkpoint reads back as it was put", readsBack},
		{"a put at another revision is fenced and changes nothing", fenced},
		{"of many puts at one revision one is accepted", oneHolder},
		{"keys move on their own", keysAreIndependent},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

const (
	key      = "capture.local.default.run-1.capture.1"
	otherKey = "capture.local.default.run-1.capture.2"
)

func unknownKey(t *testing.T, c stage.Checkpoints) {
	v, revision, err := c.Get(t.Context(), key)
	if err != nil || revision != 0 || v.Fence != 0 || v.Token != nil {
		t.Fatalf("got %+v at %d, %v", v, revision, err)
	}
}

func readsBack(t *testing.T, c stage.Checkpoints) {
	want := stage.Checkpoint{
		Fence: 7, Attempt: 2, Worker: "capturer@test", Beat: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
		Progress: stage.Progress{Bytes: 3, Rows: 4, Note: "waiting"}, Token: json.RawMessage(`{"at":[1,2]}`),
	}
	put(t, c, key, 0, want)
	got, _, err := c.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if got.Fence != want.Fence || got.Attempt != want.Attempt || got.Worker != want.Worker || !got.Beat.Equal(want.Beat) ||
		got.Progress != want.Progress || string(got.Token) != string(want.Token) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func fenced(t *testing.T, c stage.Checkpoints) {
	first := put(t, c, key, 0, stage.Checkpoint{Fence: 1})
	second := put(t, c, key, first, stage.Checkpoint{Fence: 2})
	for _, revision := range []uint64{0, first, second + 1} {
		_, err := c.Put(t.Context(), key, revision, stage.Checkpoint{Fence: 3})
		if !errors.Is(err, stage.ErrFenced) || !fault.Is(err, fault.Conflict) {
			t.Fatalf("put at %d: got %v, want ErrFenced of class conflict", revision, err)
		}
	}
	if got, revision, err := c.Get(t.Context(), key); err != nil || got.Fence != 2 || revision != second {
		t.Fatalf("got fence %d at %d, %v; want 2 at %d", got.Fence, revision, err, second)
	}
}

func oneHolder(t *testing.T, c stage.Checkpoints) {
	var mu sync.Mutex
	var held []uint64
	var wg sync.WaitGroup
	for i := range uint64(16) {
		wg.Go(func() {
			_, err := c.Put(t.Context(), key, 0, stage.Checkpoint{Fence: i + 1})
			switch {
			case err == nil:
				mu.Lock()
				held = append(held, i+1)
				mu.Unlock()
			case !errors.Is(err, stage.ErrFenced):
				t.Errorf("put: %v", err)
			}
		})
	}
	wg.Wait()
	if len(held) != 1 {
		t.Fatalf("%d puts were accepted", len(held))
	}
	if got, _, err := c.Get(t.Context(), key); err != nil || got.Fence != held[0] {
		t.Fatalf("got fence %d, %v; want %d", got.Fence, err, held[0])
	}
}

func keysAreIndependent(t *testing.T, c stage.Checkpoints) {
	put(t, c, key, 0, stage.Checkpoint{Fence: 1})
	put(t, c, otherKey, 0, stage.Checkpoint{Fence: 2})
	if got, _, err := c.Get(t.Context(), key); err != nil || got.Fence != 1 {
		t.Fatalf("got fence %d, %v", got.Fence, err)
	}
}

func put(t *testing.T, c stage.Checkpoints, key string, revision uint64, v stage.Checkpoint) uint64 {
	t.Helper()
	next, err := c.Put(t.Context(), key, revision, v)
	if err != nil {
		t.Fatal(err)
	}
	return next
}
