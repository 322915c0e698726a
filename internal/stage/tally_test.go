package stage_test

import (
	"sync"
	"testing"

	"github.com/tranship/tranship/internal/stage"
)

func TestTallyAddsUpWhatManyDo(t *testing.T) {
	var mu sync.Mutex
	var last stage.Progress
	tally := stage.NewTally(func(p stage.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if p.Rows >= last.Rows {
			last = p
		}
	}, stage.Progress{BytesTotal: 1000, RowsTotal: 100}, func() (int64, int64) { return 7, 9 })
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for range 10 {
				tally.Add(20, 1)
			}
		})
	}
	workers.Wait()
	tally.Note("building indexes")
	want := stage.Progress{Bytes: 1000, BytesTotal: 1000, Rows: 80, RowsTotal: 100, Stored: 7, Skipped: 9, Note: "building indexes"}
	if last != want {
		t.Errorf("reported %+v, want %+v", last, want)
	}
}
