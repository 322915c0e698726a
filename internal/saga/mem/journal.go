// Package mem keeps journals in memory: for tests, and for nothing that must survive its process.
package mem

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// Journal is a saga.Journal and a saga.Feed. It is safe for concurrent use.
type Journal struct {
	mu       sync.Mutex
	messages []message     // message i has sequence i+1
	changed  chan struct{} // closed by the next append
}

type message struct {
	subject string
	data    []byte // encoded, so that callers share no memory with the journal
}

var (
	_ saga.Journal = (*Journal)(nil)
	_ saga.Feed    = (*Journal)(nil)
)

// New returns an empty journal.
func New() *Journal { return &Journal{changed: make(chan struct{})} }

// Append implements saga.Journal.
func (j *Journal) Append(ctx context.Context, subject string, after saga.Seq, evs ...event.Event) (saga.Seq, error) {
	_, data, err := events.Encode(evs...)
	if err != nil {
		return 0, fault.Wrap(fault.Permanent, fmt.Errorf("append to %s: %w", subject, err))
	}
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("append to %s: %w", subject, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if last, _ := j.last(subject); last != after {
		return 0, fault.Wrap(fault.Conflict, fmt.Errorf("append to %s after %d: %w", subject, after, saga.ErrConflict))
	}
	j.messages = append(j.messages, message{subject, data})
	close(j.changed)
	j.changed = make(chan struct{})
	return saga.Seq(len(j.messages)), nil
}

// Last implements saga.Journal.
func (j *Journal) Last(ctx context.Context, subject string) (saga.Seq, []event.Event, error) {
	if err := ctx.Err(); err != nil {
		return 0, nil, fmt.Errorf("read the last message of %s: %w", subject, err)
	}
	j.mu.Lock()
	seq, m := j.last(subject)
	j.mu.Unlock()
	if seq == 0 {
		return 0, nil, nil
	}
	evs, err := events.Decode(m.data)
	return seq, evs, err
}

// Load implements saga.Journal. It ends at the message that was the last one when it began.
func (j *Journal) Load(ctx context.Context, run saga.RunID) iter.Seq2[saga.Entry, error] {
	return func(yield func(saga.Entry, error) bool) {
		msgs, _ := j.since(0)
		deliver(ctx, run, 0, msgs, yield)
	}
}

// Follow implements saga.Feed.
func (j *Journal) Follow(ctx context.Context, run saga.RunID, after saga.Seq) iter.Seq2[saga.Entry, error] {
	return func(yield func(saga.Entry, error) bool) {
		for {
			msgs, changed := j.since(after)
			if !deliver(ctx, run, after, msgs, yield) {
				return
			}
			after += saga.Seq(len(msgs))
			select {
			case <-ctx.Done():
				yield(saga.Entry{}, ctx.Err())
				return
			case <-changed:
			}
		}
	}
}

// Runs implements saga.Feed.
func (j *Journal) Runs(ctx context.Context, tenant string, before saga.Seq, limit int) ([]saga.Head, error) {
	if limit < 1 || limit > saga.MaxRuns {
		return nil, fault.New(fault.Permanent, "runs.limit", "limit: %d is not within 1 to %d", limit, saga.MaxRuns)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	msgs, _ := j.since(0)
	var heads []saga.Head
	met := map[string]bool{}
	for i, m := range slices.Backward(msgs) {
		t := strings.Split(m.subject, ".")
		if len(t) != 4 || t[3] != "run" || tenant != "" && t[1] != tenant || met[m.subject] {
			continue
		}
		met[m.subject] = true
		seq := saga.Seq(i + 1)
		if before != 0 && seq >= before {
			continue
		}
		h := saga.Head{Run: saga.RunID{Tenant: t[1], Run: t[2]}, Seq: seq}
		evs, err := events.Decode(m.data)
		if err != nil {
			return nil, fmt.Errorf("list runs: %w", err)
		}
		for _, e := range evs {
			h.Entries = append(h.Entries, saga.Entry{Subject: m.subject, Seq: seq, Event: e})
		}
		if heads = append(heads, h); len(heads) == limit {
			break
		}
	}
	return heads, nil
}

func (j *Journal) last(subject string) (saga.Seq, message) {
	for i, m := range slices.Backward(j.messages) {
		if m.subject == subject {
			return saga.Seq(i + 1), m
		}
	}
	return 0, message{}
}

// since returns the messages after a sequence, and a channel that is closed when there are more.
func (j *Journal) since(after saga.Seq) ([]message, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	from := min(int(after), len(j.messages))
	return j.messages[from:len(j.messages):len(j.messages)], j.changed
}

// deliver yields the entries of a run among messages that follow a sequence, and reports whether to go on.
func deliver(ctx context.Context, run saga.RunID, after saga.Seq, msgs []message, yield func(saga.Entry, error) bool) bool {
	prefix := "saga."
	if run.Tenant != "" {
		prefix += run.Tenant + "."
		if run.Run != "" {
			prefix += run.Run + "."
		}
	}
	for i, m := range msgs {
		if !strings.HasPrefix(m.subject, prefix) {
			continue
		}
		if err := ctx.Err(); err != nil {
			yield(saga.Entry{}, err)
			return false
		}
		evs, err := events.Decode(m.data)
		if err != nil {
			yield(saga.Entry{}, err)
			return false
		}
		for _, e := range evs {
			if !yield(saga.Entry{Subject: m.subject, Seq: after + saga.Seq(i+1), Event: e}, nil) {
				return false
			}
		}
	}
	return true
}
