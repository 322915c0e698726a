package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/cloudevents/sdk-go/v2/event"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/failpoint"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// Scheduler is one replica. It is safe for concurrent use.
type Scheduler struct {
	cfg  Config
	deps Deps
	runs *runs
}

// New returns a Scheduler.
func New(cfg Config, deps Deps) *Scheduler {
	cfg = cfg.withDefaults()
	return &Scheduler{cfg: cfg, deps: deps, runs: newRuns(cfg.CachedRuns, deps)}
}

// Register adds the scheduler's consumers to a router.
func (s *Scheduler) Register(r *message.Router) {
	r.AddConsumerHandler(bus.ConsumerReactor, bus.ConsumerReactor, s.deps.Saga, s.react)
	r.AddConsumerHandler(bus.ConsumerTimer, bus.ConsumerTimer, s.deps.Work, s.wake)
	r.AddConsumerHandler(bus.ConsumerTrigger, bus.ConsumerTrigger, s.deps.Work, s.request)
}

// Run looks at all open runs now and then every Reconcile, until ctx ends. It returns nil.
func (s *Scheduler) Run(ctx context.Context) error {
	r := &reconciler{cfg: s.cfg, deps: s.deps, runs: s.runs}
	tick := time.NewTicker(s.cfg.Reconcile)
	defer tick.Stop()
	for {
		if err := r.pass(ctx); err != nil && ctx.Err() == nil {
			s.deps.Log.Warn("not all open runs could be looked at, trying again later", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// react takes a message of the journal: whatever it says, the run's journal is the truth.
func (s *Scheduler) react(msg *message.Message) error {
	evs, err := events.Decode(msg.Payload)
	if err != nil {
		return s.discard(msg, err)
	}
	at, err := events.AddressOf(evs[0])
	if err != nil {
		return s.discard(msg, err)
	}
	err = s.runs.follow(msg.Context(), saga.RunID{Tenant: at.Tenant, Run: at.Run}, sequence(msg), saga.Advance{})
	if err == nil {
		failpoint.Hit(failpoint.ReactorBeforeAck)
	}
	return err
}

// wake takes a timer that has fired. One of an attempt that is over is ignored.
func (s *Scheduler) wake(msg *message.Message) error {
	e, at, err := one(msg)
	if err != nil {
		return s.discard(msg, err)
	}
	p, err := events.Data[events.TimerFired](e)
	if err != nil {
		return s.discard(msg, err)
	}
	if p.Kind != saga.TimerDeadline {
		return s.discard(msg, fmt.Errorf("%w: a timer of kind %q", events.ErrInvalid, p.Kind))
	}
	run := saga.RunID{Tenant: at.Tenant, Run: at.Run}
	return s.runs.follow(msg.Context(), run, 0, saga.Timer{Step: p.Step, Task: p.Task, Attempt: p.Attempt})
}

// request takes a request to start or control a run.
func (s *Scheduler) request(msg *message.Message) error {
	e, at, err := one(msg)
	if err != nil {
		return s.discard(msg, err)
	}
	if subject := msg.Metadata.Get(bus.MetaSubject); subject != "" && subject != events.TriggerSubject(at.Tenant, at.Run) {
		return s.discard(msg, fmt.Errorf("%w: the request came on the subject of another run", events.ErrInvalid))
	}
	p, err := events.Decoded(e)
	if err != nil {
		return s.discard(msg, err)
	}
	run := saga.RunID{Tenant: at.Tenant, Run: at.Run}
	switch p := p.(type) {
	case events.TriggerFired:
		err = s.trigger(msg.Context(), run, p)
	case events.ControlRequested:
		err = s.runs.follow(msg.Context(), run, 0, saga.Control{ID: e.ID(), Request: p})
	default:
		err = fmt.Errorf("%w: %q", events.ErrType, e.Type())
	}
	switch {
	case errors.Is(err, saga.ErrControl):
		s.deps.Log.Info("a run was asked for what it cannot do", zap.String("run", at.Run), zap.Error(err))
		return nil
	case errors.Is(err, events.ErrInvalid), errors.Is(err, events.ErrType): // however often it comes again
		return s.discard(msg, err)
	}
	return err
}

// discard removes a message that nobody can act on.
func (s *Scheduler) discard(msg *message.Message, reason error) error {
	s.deps.Log.Error("a message that nobody can act on is removed", zap.String("subject", msg.Metadata.Get(bus.MetaSubject)), zap.Error(reason))
	msg.Metadata.Set(bus.MetaTerminate, "the message cannot be acted on")
	return nil
}

func one(msg *message.Message) (e event.Event, at events.Address, err error) {
	evs, err := events.Decode(msg.Payload)
	if err != nil {
		return e, at, err
	}
	if len(evs) != 1 {
		return e, at, fmt.Errorf("%w: %d events where one is expected", events.ErrInvalid, len(evs))
	}
	at, err = events.AddressOf(evs[0])
	return evs[0], at, err
}
