// Package sagatest holds the conformance suites of journals.
//
//	func TestJournal(t *testing.T) {
//		sagatest.Journal(t, func(t *testing.T) saga.Journal { return mem.New() })
//	}
package sagatest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// Journal checks what saga.Journal promises. Each call of open returns an empty journal, whose writer may append anything.
func Journal(t *testing.T, open func(*testing.T) saga.Journal) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, saga.Journal)
	}{
		{"an empty subject has no last message", emptySubject},
		{"an append is the last message of its subject", appendIsLast},
		{"an append after another sequence is refused and changes nothing", wrongSequence},
		{"of many appends at one place one is accepted", oneWinner},
		{"the same event may happen twice", sameEventTwice},
		{"a batch is one message", batchIsOneMessage},
		{"subjects move on their own", subjectsAreIndependent},
		{"an append without events is refused", noEvents},
		{"loading yields one run in stream order", loadsOneRun},
		{"loading an unknown run yields nothing", loadsNothing},
		{"loading a long run is complete and ends while others append", loadsLongRun},
		{"loading stops with its reader", loadStops},
		{"a canceled context is an error", canceled},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

const (
	tenant = "default"
	run    = "run-1"
)

var (
	runSubject  = events.RunSubject(tenant, run)
	taskSubject = events.TaskSubject(tenant, run, events.StageCapture, events.LocalCluster, "capture", "1")
)

func emptySubject(t *testing.T, j saga.Journal) {
	seq, evs, err := j.Last(t.Context(), taskSubject)
	if seq != 0 || evs != nil || err != nil {
		t.Fatalf("got %d, %v, %v; want 0, nil, nil", seq, evs, err)
	}
}

func appendIsLast(t *testing.T, j saga.Journal) {
	first := mustAppend(t, j, taskSubject, 0, claimed(t, run, 1, "a"))
	wantLast(t, j, taskSubject, first, "a")
	second := mustAppend(t, j, taskSubject, first, claimed(t, run, 2, "b"))
	if second <= first {
		t.Fatalf("sequence %d does not follow %d", second, first)
	}
	wantLast(t, j, taskSubject, second, "b")
}

func wrongSequence(t *testing.T, j saga.Journal) {
	first := mustAppend(t, j, taskSubject, 0, claimed(t, run, 1, "a"))
	for _, after := range []saga.Seq{0, first + 1} {
		_, err := j.Append(t.Context(), taskSubject, after, claimed(t, run, 2, "b"))
		if !errors.Is(err, saga.ErrConflict) || !fault.Is(err, fault.Conflict) {
			t.Fatalf("append after %d: got %v, want ErrConflict of class conflict", after, err)
		}
	}
	wantLast(t, j, taskSubject, first, "a")
}

func oneWinner(t *testing.T, j saga.Journal) {
	const writers = 16
	accepted := make(chan string, writers)
	var wg sync.WaitGroup
	for i := range writers {
		e := claimed(t, run, 1, fmt.Sprint("claim", i))
		wg.Go(func() {
			_, err := j.Append(t.Context(), taskSubject, 0, e)
			switch {
			case err == nil:
				accepted <- fmt.Sprint("claim", i)
			case !errors.Is(err, saga.ErrConflict):
				t.Errorf("append: %v", err)
			}
		})
	}
	wg.Wait()
	close(accepted)
	var won []string
	for c := range accepted {
		won = append(won, c)
	}
	if len(won) != 1 {
		t.Fatalf("accepted %v, want one", won)
	}
	seq, _, err := j.Last(t.Context(), taskSubject)
	if err != nil {
		t.Fatal(err)
	}
	wantLast(t, j, taskSubject, seq, won[0])
}

func sameEventTwice(t *testing.T, j saga.Journal) {
	e := claimed(t, run, 1, "a")
	first := mustAppend(t, j, taskSubject, 0, e)
	if second := mustAppend(t, j, taskSubject, first, e); second == first {
		t.Fatal("the second append was swallowed")
	}
}

func batchIsOneMessage(t *testing.T, j saga.Journal) {
	seq := mustAppend(t, j, runSubject, 0, paused(t, run, 1), paused(t, run, 2), paused(t, run, 3))
	last, evs, err := j.Last(t.Context(), runSubject)
	if err != nil || last != seq || len(evs) != 3 {
		t.Fatalf("got sequence %d with %d events, %v; want %d with 3", last, len(evs), err, seq)
	}
	for i, e := range load(t, j, run) {
		if e.Seq != seq || e.Event.ID() != fmt.Sprintf("%s/%d", run, i+1) {
			t.Fatalf("entry %d is %s at %d", i, e.Event.ID(), e.Seq)
		}
	}
}

func subjectsAreIndependent(t *testing.T, j saga.Journal) {
	mustAppend(t, j, taskSubject, 0, claimed(t, run, 1, "a"))
	mustAppend(t, j, runSubject, 0, paused(t, run, 1))
}

func noEvents(t *testing.T, j saga.Journal) {
	if _, err := j.Append(t.Context(), runSubject, 0); !fault.Is(err, fault.Permanent) {
		t.Fatalf("got %v, want a permanent error", err)
	}
}

func loadsOneRun(t *testing.T, j saga.Journal) {
	var want []saga.Seq
	want = append(want, mustAppend(t, j, runSubject, 0, paused(t, run, 1)))
	mustAppend(t, j, events.RunSubject(tenant, "run-10"), 0, paused(t, "run-10", 1))
	mustAppend(t, j, events.RunSubject("other", run), 0, paused(t, run, 1))
	want = append(want, mustAppend(t, j, taskSubject, 0, claimed(t, run, 1, "a")))
	want = append(want, mustAppend(t, j, runSubject, want[0], paused(t, run, 2)))
	var got []saga.Seq
	for _, e := range load(t, j, run) {
		got = append(got, e.Seq)
		if e.Subject != runSubject && e.Subject != taskSubject {
			t.Errorf("subject %q", e.Subject)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got the sequences %v, want %v", got, want)
	}
}

func loadsNothing(t *testing.T, j saga.Journal) {
	mustAppend(t, j, runSubject, 0, paused(t, run, 1))
	if got := load(t, j, "run-2"); len(got) != 0 {
		t.Fatalf("got %d entries", len(got))
	}
}

func loadsLongRun(t *testing.T, j saga.Journal) {
	const n = 600 // several batches of any driver
	var last saga.Seq
	for i := range n {
		last = mustAppend(t, j, runSubject, last, paused(t, run, uint64(i+1)))
	}
	seen := 0
	for e, err := range j.Load(t.Context(), saga.RunID{Tenant: tenant, Run: run}) {
		if err != nil {
			t.Fatal(err)
		}
		seen++
		if want := fmt.Sprintf("%s/%d", run, seen); e.Event.ID() != want {
			t.Fatalf("got event %s, want %s", e.Event.ID(), want)
		}
		if seen > n {
			t.Fatal("loading chases the end of the journal")
		}
		last = mustAppend(t, j, runSubject, last, paused(t, run, uint64(n+seen)))
	}
	if seen != n {
		t.Fatalf("got %d entries, want %d", seen, n)
	}
}

func loadStops(t *testing.T, j saga.Journal) {
	first := mustAppend(t, j, runSubject, 0, paused(t, run, 1))
	mustAppend(t, j, runSubject, first, paused(t, run, 2))
	seen := 0
	for range j.Load(t.Context(), saga.RunID{Tenant: tenant, Run: run}) { //nolint:errcheck // the error comes as a value of the sequence
		seen++
		break
	}
	if seen != 1 {
		t.Fatalf("got %d entries after a break", seen)
	}
}

func canceled(t *testing.T, j saga.Journal) {
	mustAppend(t, j, runSubject, 0, paused(t, run, 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := j.Append(ctx, taskSubject, 0, claimed(t, run, 1, "a")); !errors.Is(err, context.Canceled) {
		t.Errorf("append: got %v", err)
	}
	if _, _, err := j.Last(ctx, runSubject); !errors.Is(err, context.Canceled) {
		t.Errorf("last: got %v", err)
	}
	var got error
	for _, err := range j.Load(ctx, saga.RunID{Tenant: tenant, Run: run}) {
		got = err
	}
	if !errors.Is(got, context.Canceled) {
		t.Errorf("load: got %v", got)
	}
}

func mustAppend(t *testing.T, j saga.Journal, subject string, after saga.Seq, evs ...event.Event) saga.Seq {
	t.Helper()
	seq, err := j.Append(t.Context(), subject, after, evs...)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func wantLast(t *testing.T, j saga.Journal, subject string, want saga.Seq, claim string) {
	t.Helper()
	seq, evs, err := j.Last(t.Context(), subject)
	if err != nil || seq != want || len(evs) != 1 {
		t.Fatalf("last: got sequence %d with %d events, %v; want %d with one", seq, len(evs), err, want)
	}
	got, err := events.Data[events.TaskClaimed](evs[0])
	if err != nil || got.Claim != claim {
		t.Fatalf("last: got claim %q, %v; want %q", got.Claim, err, claim)
	}
}

func load(t *testing.T, j saga.Journal, run string) []saga.Entry {
	t.Helper()
	var out []saga.Entry
	for e, err := range j.Load(t.Context(), saga.RunID{Tenant: tenant, Run: run}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func claimed(t *testing.T, run string, n uint64, claim string) event.Event {
	t.Helper()
	at := events.Address{Tenant: tenant, Service: "capturer", Run: run, Step: "capture", Task: "1"}
	return must(t, at, n, events.TaskClaimed{Attempt: 1, Claim: claim, Worker: "capturer@test"})
}

func paused(t *testing.T, run string, n uint64) event.Event {
	t.Helper()
	return must(t, events.Address{Tenant: tenant, Service: "scheduler", Run: run}, n, events.RunPaused{Reason: "test"})
}

func must[P events.Payload](t *testing.T, at events.Address, n uint64, p P) event.Event {
	t.Helper()
	e, err := events.New(at, n, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), p)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
