package stage

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// delivery is a command as it arrived, checked: it is for this worker's stage, and its facts go where its envelope says.
type delivery struct {
	event    event.Event
	at       events.Address
	stage    events.Stage
	cluster  string
	subject  string // of the task's facts; empty when the message does not say whose it is
	assigned events.Assignment
	route    Route
}

// accept decodes and checks a message. With an error, the delivery holds as much as could be read.
func (w *Worker) accept(msg *message.Message) (delivery, error) {
	d := delivery{stage: w.cfg.Stage, cluster: w.cfg.Cluster}
	evs, err := events.Decode(msg.Payload)
	if err != nil {
		return d, err
	}
	if len(evs) != 1 {
		return d, fmt.Errorf("%w: a command of %d events", events.ErrInvalid, len(evs))
	}
	d.event = evs[0]
	at, err := events.AddressOf(d.event)
	if err != nil {
		return d, err
	}
	if at.Task == "" {
		return d, fmt.Errorf("%w: a command for no task", events.ErrInvalid)
	}
	if got := msg.Metadata.Get(bus.MetaSubject); got != "" && got != events.WorkSubject(d.stage, d.cluster, at.Tenant, at.Run, at.Step, at.Task) {
		return d, fmt.Errorf("%w: the command came on the subject of another task", events.ErrInvalid)
	}
	d.at = at
	d.at.Service = w.cfg.Service
	d.subject = events.TaskSubject(at.Tenant, at.Run, d.stage, d.cluster, at.Step, at.Task)

	r, ok := w.routes[d.event.Type()]
	if !ok {
		return d, fmt.Errorf("%w: %q, which this worker does not take", events.ErrType, d.event.Type())
	}
	if r.compensates != (at.Task == events.TaskCompensate) {
		return d, fmt.Errorf("%w: %q for task %q", events.ErrInvalid, d.event.Type(), at.Task)
	}
	a, err := r.parse(d)
	if err != nil {
		return d, err
	}
	if a.ReplySubject != d.subject {
		return d, fmt.Errorf("%w: the reply subject is not that of the task", events.ErrInvalid)
	}
	d.assigned, d.route = a, r
	return d, nil
}

// reject removes a poison command. Where it names a task of this worker, the task fails for good, so that the run does not
// wait for its deadline.
func (w *Worker) reject(ctx context.Context, msg *message.Message, d delivery, reason error) error {
	w.deps.Log.Error("a command that nobody can carry out is removed", reason, watermill.LogFields{"subject": msg.Metadata.Get(bus.MetaSubject)})
	if d.subject != "" {
		d.assigned.ReplySubject = d.subject
		d.assigned.Attempt = 1
		if text, ok := d.event.Extensions()[events.ExtAttempt].(string); ok {
			if n, err := strconv.Atoi(text); err == nil && n > 0 {
				d.assigned.Attempt = n
			}
		}
		k, err := w.claim(ctx, d)
		switch {
		case errors.Is(err, errDropped):
		case err != nil:
			return err
		default:
			f := events.Fault{Class: string(fault.Permanent), Code: saga.CodeCommandInvalid, Message: bounded(reason.Error())}
			if err := w.fail(ctx, k, f); err != nil && !errors.Is(err, ErrFenced) {
				return err
			}
		}
	}
	msg.Metadata.Set(bus.MetaTerminate, "the command cannot be carried out")
	return nil
}

// wanted reports whether the run's state asks for the task: a pause or a cancellation takes effect here.
func (w *Worker) wanted(ctx context.Context, d delivery) (bool, error) {
	_, evs, err := w.deps.Journal.Last(ctx, events.RunSubject(d.at.Tenant, d.at.Run))
	if err != nil {
		return false, err
	}
	if len(evs) == 0 {
		return false, nil
	}
	state, _ := evs[len(evs)-1].Extensions()[events.ExtRunState].(string)
	if d.route.compensates {
		return saga.RunStatus(state) == saga.RunCompensating, nil
	}
	return saga.RunStatus(state) == saga.RunRunning, nil
}
