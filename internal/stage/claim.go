package stage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// holding is a task in the hands of this worker.
type holding struct {
	delivery
	claim  string
	fence  saga.Seq // sequence of the accepted claim
	number uint64   // of the claim among the task's facts
	record *record
	log    watermill.LoggerAdapter
}

// errDropped: the task is over, or a newer attempt of it exists.
var errDropped = errors.New("the command is out of date")

// errBehind: the journal as it was read is older than the command. Somebody else may see more.
var errBehind = fault.New(fault.Transient, "journal.behind", "the journal does not know the command's attempt yet")

// claimTries bounds how often a worker starts over because others append to the same task.
const claimTries = 8

// claim makes the task this worker's, or returns errDropped. A worker that lost the answer to its append finds its claim
// in the journal.
func (w *Worker) claim(ctx context.Context, d delivery) (*holding, error) {
	k := &holding{delivery: d, claim: rand.Text(), log: w.deps.Log}
	for range claimTries {
		seq, evs, err := w.deps.Journal.Last(ctx, d.assigned.ReplySubject)
		if err != nil {
			return nil, err
		}
		if err := d.takes(evs, k.claim); err != nil && !errors.Is(err, errMine) {
			return nil, err
		} else if err == nil {
			k.number = number(evs) + 1
			e, err := fact(w, k, k.number, events.TaskClaimed{Attempt: d.assigned.Attempt, Claim: k.claim, Worker: w.cfg.Name})
			if err != nil {
				return nil, err
			}
			if seq, err = w.deps.Journal.Append(ctx, d.assigned.ReplySubject, seq, e); err != nil {
				if ctx.Err() != nil {
					return nil, err
				}
				continue // refused, or nobody knows: the journal tells
			}
		}
		k.fence = seq
		k.record = newRecord(w, k)
		return k, nil
	}
	return nil, fault.New(fault.Transient, "task.contended", "claim task %s of step %s: too many others append", d.at.Task, d.at.Step)
}

var errMine = errors.New("the claim is this worker's")

// takes reports by nil whether the task may be claimed after its last message.
func (d delivery) takes(last []event.Event, claim string) error {
	if len(last) == 0 {
		if d.assigned.Attempt > 1 {
			return errBehind
		}
		return nil
	}
	p, err := events.Decoded(last[len(last)-1])
	if err != nil {
		return fault.Wrap(fault.Permanent, fmt.Errorf("read the last fact of task %s of step %s: %w", d.at.Task, d.at.Step, err))
	}
	attempt, open := 0, false
	switch p := p.(type) {
	case events.TaskScheduled:
		attempt, open = p.Attempt, true
	case events.TaskClaimed:
		if p.Claim == claim {
			return errMine
		}
		attempt, open = p.Attempt, true
	case events.TaskCompleted:
		attempt = p.Attempt
	case events.TaskFailed:
		attempt = p.Attempt
	case events.TaskTimedOut:
		attempt = p.Attempt
	case events.TaskCanceled:
		attempt = p.Attempt
	}
	switch {
	case attempt < d.assigned.Attempt:
		return errBehind
	case attempt > d.assigned.Attempt || !open:
		return errDropped
	}
	return nil
}

// number returns the place of a task's last fact among its facts, which its id ends with.
func number(last []event.Event) uint64 {
	if len(last) == 0 {
		return 0
	}
	id := last[len(last)-1].ID()
	n, err := strconv.ParseUint(id[strings.LastIndexByte(id, '/')+1:], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func fact[P events.Payload](w *Worker, k *holding, n uint64, p P) (event.Event, error) {
	e, err := events.New(k.at, n, w.deps.Clock.Now(), p)
	if err != nil {
		return e, err
	}
	e.SetExtension(events.ExtCausationID, k.event.ID())
	e.SetExtension(events.ExtAttempt, strconv.Itoa(k.assigned.Attempt))
	for _, name := range []string{events.ExtTraceParent, events.ExtTraceState} {
		if v, ok := k.event.Extensions()[name].(string); ok {
			e.SetExtension(name, v)
		}
	}
	return e, nil
}

const (
	settleTimeout = 10 * time.Second // of one try
	settlePause   = 500 * time.Millisecond
)

// settle writes the last fact of the claim, and goes on trying while nobody else has written and the journal cannot be
// reached. It returns ErrFenced when the task belongs to somebody else.
func settle[P events.Payload](ctx context.Context, w *Worker, k *holding, p P) error {
	e, err := fact(w, k, k.number+1, p)
	if err != nil {
		return err
	}
	if _, _, err := events.Encode(e); err != nil {
		return err
	}
	pause := settlePause
	for end := w.deps.Clock.Now().Add(w.cfg.Patience); ; pause = min(2*pause, settleTimeout) {
		err := w.try(ctx, k, e)
		if err == nil || errors.Is(err, ErrFenced) || errors.Is(err, events.ErrInvalid) {
			return err
		}
		if ctx.Err() != nil || w.deps.Clock.Now().After(end) {
			return fmt.Errorf("write the result of task %s of step %s: %w", k.at.Task, k.at.Step, err)
		}
		k.log.Info("the result cannot be written yet, trying again", watermill.LogFields{"reason": err.Error()})
		wait(ctx, pause)
	}
}

// try writes a fact once. A worker that drains still writes what it has done.
func (w *Worker) try(ctx context.Context, k *holding, e event.Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	_, err := w.deps.Journal.Append(ctx, k.assigned.ReplySubject, k.fence, e)
	if err == nil {
		return nil
	}
	seq, last, lastErr := w.deps.Journal.Last(ctx, k.assigned.ReplySubject)
	switch {
	case lastErr != nil:
		return err
	case seq > k.fence && len(last) > 0 && last[len(last)-1].ID() == e.ID() && last[len(last)-1].Source() == e.Source() && claimOf(last) == k.claim:
		return nil // the answer was lost
	case seq > k.fence || errors.Is(err, saga.ErrConflict):
		return fmt.Errorf("task %s of step %s: %w", k.at.Task, k.at.Step, ErrFenced)
	}
	return err
}

// claimOf returns the claim that a result belongs to, or "".
func claimOf(last []event.Event) string {
	p, err := events.Decoded(last[len(last)-1])
	if err != nil {
		return ""
	}
	switch p := p.(type) {
	case events.TaskCompleted:
		return p.Claim
	case events.TaskFailed:
		return p.Claim
	}
	return ""
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
