package sagatest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// Feed checks what saga.Feed promises. Each call of open returns an empty journal and its feed.
func Feed(t *testing.T, open func(*testing.T) (saga.Journal, saga.Feed)) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, saga.Journal, saga.Feed)
	}{
		{"following yields what stands and what comes", followsOn},
		{"following resumes after a sequence", followResumes},
		{"following a tenant or all of them", followsMany},
		{"following ends with its context", followEnds},
		{"runs are listed by their last movement, in pages", listsRuns},
		{"a page has bounds", pageBounds},
	} {
		t.Run(c.name, func(t *testing.T) {
			j, f := open(t)
			c.run(t, j, f)
		})
	}
}

const patience = 20 * time.Second

func followsOn(t *testing.T, j saga.Journal, f saga.Feed) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const n = 20
	last := mustAppend(t, j, runSubject, 0, paused(t, run, 1), paused(t, run, 2))
	seen := 0
	for e, err := range f.Follow(ctx, saga.RunID{Tenant: tenant, Run: run}, 0) {
		if err != nil {
			t.Fatal(err)
		}
		seen++
		if want := fmt.Sprintf("%s/%d", run, seen); e.Event.ID() != want {
			t.Fatalf("got %s, want %s", e.Event.ID(), want)
		}
		if seen == n {
			return
		}
		if seen >= 2 { // the next entry exists only when this one was read
			last = mustAppend(t, j, runSubject, last, paused(t, run, uint64(seen+1)))
		}
	}
	t.Fatal("following ended by itself")
}

func followResumes(t *testing.T, j saga.Journal, f saga.Feed) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first := mustAppend(t, j, runSubject, 0, paused(t, run, 1))
	mustAppend(t, j, runSubject, first, paused(t, run, 2))
	for e, err := range f.Follow(ctx, saga.RunID{Tenant: tenant, Run: run}, first) {
		if err != nil || e.Event.ID() != run+"/2" {
			t.Fatalf("got %s, %v", e.Event.ID(), err)
		}
		return
	}
}

func followsMany(t *testing.T, j saga.Journal, f saga.Feed) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	mustAppend(t, j, events.RunSubject("other", "run-3"), 0, paused(t, "run-3", 1))
	mustAppend(t, j, runSubject, 0, paused(t, run, 1))
	mustAppend(t, j, events.RunSubject(tenant, "run-2"), 0, paused(t, "run-2", 1))
	for _, c := range []struct {
		id   saga.RunID
		want []string
	}{
		{saga.RunID{Tenant: tenant}, []string{"run-1/1", "run-2/1"}},
		{saga.RunID{}, []string{"run-3/1", "run-1/1", "run-2/1"}},
	} {
		var got []string
		for e, err := range f.Follow(ctx, c.id, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, e.Event.ID()); len(got) == len(c.want) {
				break
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("of %+v: got %v, want %v", c.id, got, c.want)
		}
	}
}

func followEnds(t *testing.T, j saga.Journal, f saga.Feed) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	mustAppend(t, j, runSubject, 0, paused(t, run, 1))
	var last error
	for _, err := range f.Follow(ctx, saga.RunID{Tenant: tenant, Run: run}, 0) {
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Fatalf("got %v, want the context's error", last)
	}
}

func listsRuns(t *testing.T, j saga.Journal, f saga.Feed) {
	const n = 7
	last := map[string]saga.Seq{}
	for i := range n {
		r := fmt.Sprint("run-", i)
		last[r] = mustAppend(t, j, events.RunSubject(tenant, r), 0, paused(t, r, 1))
		mustAppend(t, j, events.TaskSubject(tenant, r, events.StageCapture, events.LocalCluster, "capture", "1"), 0, claimed(t, r, 1, "a"))
	}
	mustAppend(t, j, events.RunSubject("other", "run-x"), 0, paused(t, "run-x", 1))
	mustAppend(t, j, events.RunSubject(tenant, "run-2"), last["run-2"], paused(t, "run-2", 2), paused(t, "run-2", 3))

	var got []string
	var before saga.Seq
	for {
		page, err := f.Runs(t.Context(), tenant, before, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		if len(page) > 3 {
			t.Fatalf("a page of %d runs", len(page))
		}
		for _, h := range page {
			if h.Run.Tenant != tenant || len(h.Entries) == 0 || h.Entries[0].Seq != h.Seq {
				t.Fatalf("got %+v", h)
			}
			got = append(got, h.Entries[len(h.Entries)-1].Event.ID())
			before = h.Seq
		}
	}
	want := []string{"run-2/3", "run-6/1", "run-5/1", "run-4/1", "run-3/1", "run-1/1", "run-0/1"}
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	all, err := f.Runs(t.Context(), "", 0, saga.MaxRuns)
	if err != nil || len(all) != n+1 {
		t.Fatalf("of all tenants: got %d runs, %v; want %d", len(all), err, n+1)
	}
}

func pageBounds(t *testing.T, _ saga.Journal, f saga.Feed) {
	for _, limit := range []int{0, saga.MaxRuns + 1} {
		if _, err := f.Runs(t.Context(), tenant, 0, limit); !fault.Is(err, fault.Permanent) {
			t.Errorf("limit %d: got %v, want a permanent error", limit, err)
		}
	}
}
