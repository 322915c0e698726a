package natsjournal

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
)

// A follower looks again when it hears of an append, which may be a moment before the message can be read (or never, if
// the append is refused): shortly after, then ever more seldom.
const (
	firstLook  = 5 * time.Millisecond
	seldomLook = 2 * time.Second
)

// Follow implements saga.Feed. It leaves nothing on the server: what stands it reads in batches, and what comes it hears
// of on the journal's own subjects.
func (j *Journal) Follow(ctx context.Context, run saga.RunID, after saga.Seq) iter.Seq2[saga.Entry, error] {
	filter := filterOf(run)
	return func(yield func(saga.Entry, error) bool) {
		heard := make(chan struct{}, 1)
		sub, err := j.nc.Subscribe(filter, func(*nats.Msg) {
			select {
			case heard <- struct{}{}:
			default:
			}
		})
		if err != nil {
			yield(saga.Entry{}, fmt.Errorf("follow %s: %w", filter, classify(err)))
			return
		}
		defer func() { _ = sub.Unsubscribe() }()

		look := time.NewTimer(seldomLook)
		defer look.Stop()
		wait := firstLook
		for {
			b, err := j.batch(ctx, filter, after+1)
			if ctx.Err() != nil {
				yield(saga.Entry{}, ctx.Err())
				return
			}
			if err != nil {
				yield(saga.Entry{}, fmt.Errorf("follow %s: %w", filter, err))
				return
			}
			for _, r := range b.records {
				if !r.yield(yield) {
					return
				}
				after, wait = r.seq, firstLook
			}
			if len(b.records) > 0 {
				continue
			}
			look.Reset(wait)
			select {
			case <-ctx.Done():
				yield(saga.Entry{}, ctx.Err())
				return
			case <-heard:
				wait = firstLook
			case <-look.C:
				wait = min(2*wait, seldomLook)
			}
		}
	}
}

// Runs implements saga.Feed. It asks the server for the names of the runs' subjects and then, in bounded batches, for the
// last message of each; it keeps the names and one page of messages.
func (j *Journal) Runs(ctx context.Context, tenant string, before saga.Seq, limit int) ([]saga.Head, error) {
	if limit < 1 || limit > saga.MaxRuns {
		return nil, fault.New(fault.Permanent, "runs.limit", "limit: %d is not within 1 to %d", limit, saga.MaxRuns)
	}
	names, err := j.runSubjects(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var page []saga.Head
	for part := range slices.Chunk(names, batchMessages) {
		records, err := j.lastOf(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("list runs: %w", err)
		}
		for _, r := range records {
			if before != 0 && r.seq >= before || len(r.events) == 0 {
				continue
			}
			h := saga.Head{Seq: r.seq}
			if h.Run, err = runOf(r.subject); err != nil {
				return nil, fmt.Errorf("list runs: %w", err)
			}
			r.yield(func(e saga.Entry, _ error) bool { h.Entries = append(h.Entries, e); return true })
			page = append(page, h)
		}
		slices.SortFunc(page, func(a, b saga.Head) int { return cmp.Compare(b.Seq, a.Seq) })
		page = page[:min(limit, len(page))]
	}
	return page, nil
}

func (j *Journal) runSubjects(ctx context.Context, tenant string) ([]string, error) {
	if tenant == "" {
		tenant = "*"
	}
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	stream, err := j.js.Stream(ctx, bus.StreamSaga)
	if err != nil {
		return nil, classify(err)
	}
	info, err := stream.Info(ctx, natsjs.WithSubjectFilter("saga."+tenant+".*.run"))
	if err != nil {
		return nil, classify(err)
	}
	return slices.Sorted(maps.Keys(info.State.Subjects)), nil
}

func filterOf(run saga.RunID) string {
	switch {
	case run.Tenant == "":
		return "saga.>"
	case run.Run == "":
		return "saga." + run.Tenant + ".>"
	}
	return "saga." + run.Tenant + "." + run.Run + ".>"
}

func runOf(subject string) (saga.RunID, error) {
	t := strings.Split(subject, ".")
	if len(t) != 4 || t[0] != "saga" || t[3] != "run" {
		return saga.RunID{}, fault.New(fault.Permanent, "nats.protocol", "%q is not the subject of a run", subject)
	}
	return saga.RunID{Tenant: t[1], Run: t[2]}, nil
}
