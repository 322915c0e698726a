package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/failpoint"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// Config says which tasks a Worker takes and how patient it is.
type Config struct {
	Service  string        // as in bus.Services: who speaks
	Name     string        // for people: service and host
	Stage    events.Stage  // whose commands it takes
	Cluster  string        // near which it works; empty: events.LocalCluster
	Beat     time.Duration // between signs of life; 0: bus.Heartbeat
	Grace    time.Duration // how long a handler may take to return after its context ended; 0: 20 s
	Patience time.Duration // how long a result that cannot be written is kept and tried again; 0: one minute
}

// Deps are what a Worker needs.
type Deps struct {
	Journal     saga.Journal
	Checkpoints Checkpoints
	Clock       clock.Clock
	Log         watermill.LoggerAdapter
}

// Worker takes the commands of one stage near one cluster. It is safe for concurrent use: every message in work is a task
// of its own.
type Worker struct {
	cfg    Config
	deps   Deps
	routes map[string]Route
}

// Route binds a type of command to what carries it out. On and OnCompensate make one.
type Route struct {
	eventType   string
	compensates bool
	parse       func(delivery) (events.Assignment, error)
	run         func(context.Context, *holding) (events.Outcome, error)
}

// On routes commands of type In to a handler.
func On[In events.Command](h Handler[In]) Route {
	r := route[In]()
	r.run = func(ctx context.Context, k *holding) (events.Outcome, error) {
		job, err := jobOf[In](k)
		if err != nil {
			return events.Outcome{}, err
		}
		return h.Handle(ctx, job)
	}
	return r
}

// OnCompensate routes commands of type In to a compensator.
func OnCompensate[In events.Command](c Compensator[In]) Route {
	r := route[In]()
	r.compensates = true
	r.run = func(ctx context.Context, k *holding) (events.Outcome, error) {
		job, err := jobOf[In](k)
		if err != nil {
			return events.Outcome{}, err
		}
		return events.Outcome{}, c.Compensate(ctx, job)
	}
	return r
}

func route[In events.Command]() Route {
	var command In
	return Route{eventType: command.EventType(), parse: func(d delivery) (events.Assignment, error) {
		c, err := events.Data[In](d.event)
		if err != nil {
			return events.Assignment{}, err
		}
		return c.Assigned(), nil
	}}
}

func jobOf[In events.Command](k *holding) (Job[In], error) {
	c, err := events.Data[In](k.event)
	return Job[In]{
		Command: c, Address: k.at, Stage: k.stage, Cluster: k.cluster, Attempt: k.assigned.Attempt, Fence: uint64(k.fence), Claim: k.claim,
		Checkpoint: k.record, Report: k.record.report,
	}, err
}

// New returns a Worker for the given routes. Two routes of one type are a programming error and panic.
func New(cfg Config, deps Deps, routes ...Route) *Worker {
	if cfg.Cluster == "" {
		cfg.Cluster = events.LocalCluster
	}
	if cfg.Beat <= 0 {
		cfg.Beat = bus.Heartbeat
	}
	if cfg.Grace <= 0 {
		cfg.Grace = 20 * time.Second
	}
	if cfg.Patience <= 0 {
		cfg.Patience = time.Minute
	}
	w := &Worker{cfg: cfg, deps: deps, routes: map[string]Route{}}
	for _, r := range routes {
		if _, dup := w.routes[r.eventType]; dup {
			panic(fmt.Sprintf("stage: two routes take %s", r.eventType))
		}
		w.routes[r.eventType] = r
	}
	return w
}

// Topic is the name of the durable consumer that the Worker takes its commands from.
func (w *Worker) Topic() string { return bus.WorkConsumer(w.cfg.Stage, w.cfg.Cluster) }

// Register adds the Worker to a router. The subscriber says how many tasks are in work at once, and hands back those in
// work when it closes.
func (w *Worker) Register(r *message.Router, sub message.Subscriber) {
	r.AddConsumerHandler(w.Topic(), w.Topic(), sub, w.Handle)
}

// errStopped: the run does not want the work now. Its tasks come back with a higher attempt, if they come back.
var errStopped = errors.New("the run does not want the task to go on")

// errDeadline: the attempt is over.
var errDeadline = errors.New("the attempt was not done at its deadline")

// Handle takes one message: it claims the task, carries it out and writes what came of it. It returns nil when the command
// is dealt with and may be acknowledged. After an error the subscriber leaves the message alone, so that it comes again.
func (w *Worker) Handle(msg *message.Message) error {
	ctx := msg.Context()
	d, err := w.accept(msg)
	if err != nil {
		return w.reject(ctx, msg, d, err)
	}
	log := w.deps.Log.With(watermill.LogFields{
		"run": d.at.Run, "step": d.at.Step, "task": d.at.Task, "attempt": d.assigned.Attempt, "stage": string(w.cfg.Stage),
	})
	if wanted, err := w.wanted(ctx, d); err != nil || !wanted {
		return err
	}
	failpoint.Hit(failpoint.StageBeforeClaim)
	k, err := w.claim(ctx, d)
	if errors.Is(err, errDropped) {
		log.Debug("the command is out of date", nil)
		failpoint.Hit(failpoint.StageBeforeAck)
		return nil
	}
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.StageAfterClaim)
	k.log = log
	outcome, err := w.work(ctx, k)
	return w.conclude(ctx, k, outcome, err)
}

// work carries a claimed task out and keeps the claim alive meanwhile. The error's chain tells why it ended early.
func (w *Worker) work(ctx context.Context, k *holding) (events.Outcome, error) {
	if err := k.record.takeOver(ctx); err != nil {
		return events.Outcome{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx, stop := context.WithDeadlineCause(ctx, k.assigned.Deadline, errDeadline)
	defer stop()

	alive := make(chan struct{})
	go func() {
		defer close(alive)
		w.keepAlive(ctx, k, cancel)
	}()
	type result struct {
		outcome events.Outcome
		err     error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil { // its value may quote data
				r.err = fault.New(fault.Transient, "stage.panic", "the handler of %s panicked", k.event.Type())
				k.log.Error("the handler panicked", r.err, watermill.LogFields{"kind": fmt.Sprintf("%T", p)})
			}
			done <- r
		}()
		r.outcome, r.err = k.route.run(ctx, k)
	}()

	var r result
	select {
	case r = <-done:
	case <-ctx.Done():
		grace := time.NewTimer(w.cfg.Grace)
		defer grace.Stop()
		select {
		case r = <-done:
		case <-grace.C:
			r.err = fault.New(fault.Transient, "stage.hung", "the handler did not return within %s", w.cfg.Grace)
		}
	}
	if r.err != nil && ctx.Err() != nil {
		r.err = &interrupted{cause: context.Cause(ctx), err: r.err}
	}
	cancel(nil)
	<-alive
	return r.outcome, r.err
}

// interrupted is the error of a handler whose context ended first.
type interrupted struct{ cause, err error }

func (e *interrupted) Error() string   { return e.cause.Error() + ": " + e.err.Error() }
func (e *interrupted) Unwrap() []error { return []error{e.cause, e.err} }

// keepAlive gives a sign of life every Beat, and ends the work when the task is lost or no longer wanted.
func (w *Worker) keepAlive(ctx context.Context, k *holding, cancel context.CancelCauseFunc) {
	beat := time.NewTicker(w.cfg.Beat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
		switch err := w.beat(ctx, k); {
		case errors.Is(err, ErrFenced), errors.Is(err, errStopped):
			cancel(err)
			return
		case err != nil && ctx.Err() == nil:
			k.log.Info("no sign of life could be given, trying again", watermill.LogFields{"reason": err.Error()})
		}
	}
}

func (w *Worker) beat(ctx context.Context, k *holding) error {
	wanted, err := w.wanted(ctx, k.delivery)
	if err != nil {
		return err
	}
	if !wanted {
		return errStopped
	}
	seq, _, err := w.deps.Journal.Last(ctx, k.assigned.ReplySubject)
	if err != nil {
		return err
	}
	if seq > k.fence {
		return fmt.Errorf("task %s of step %s: %w", k.at.Task, k.at.Step, ErrFenced)
	}
	return k.record.beat(ctx)
}

// conclude writes down what came of a task, or leaves it to somebody else.
func (w *Worker) conclude(ctx context.Context, k *holding, outcome events.Outcome, err error) error {
	var in *interrupted
	switch {
	case err == nil:
		failpoint.Hit(failpoint.StageBeforeCompleted)
		err = w.complete(ctx, k, outcome)
	case errors.Is(err, ErrFenced):
		k.log.Info("the task was lost to somebody else", nil)
		return err
	case errors.As(err, &in) && errors.Is(in.cause, errStopped):
		k.log.Info("the run does not want the task now, leaving it", nil)
	case ctx.Err() != nil:
		return fmt.Errorf("leave task %s of step %s: %w", k.at.Task, k.at.Step, err)
	case errors.As(err, &in) && errors.Is(in.cause, errDeadline):
		err = w.fail(ctx, k, events.Fault{Class: string(fault.Transient), Code: saga.CodeTimedOut, Message: errDeadline.Error()})
	default:
		f := faultOf(err)
		k.log.Error("the task failed", err, watermill.LogFields{"class": f.Class, "code": f.Code})
		err = w.fail(ctx, k, f)
	}
	if err == nil || errors.Is(err, errStopped) {
		failpoint.Hit(failpoint.StageBeforeAck)
		return nil
	}
	return err
}

func (w *Worker) complete(ctx context.Context, k *holding, outcome events.Outcome) error {
	err := settle(ctx, w, k, events.TaskCompleted{Attempt: k.assigned.Attempt, Claim: k.claim, Outcome: outcome})
	if errors.Is(err, events.ErrInvalid) {
		k.log.Error("the result cannot be written", err, nil)
		return w.fail(ctx, k, events.Fault{Class: string(fault.Permanent), Code: saga.CodeOutcomeInvalid, Message: bounded(err.Error())})
	}
	return err
}

func (w *Worker) fail(ctx context.Context, k *holding, f events.Fault) error {
	return settle(ctx, w, k, events.TaskFailed{Attempt: k.assigned.Attempt, Claim: k.claim, Error: f})
}

// Detailer is an error that lists what is wrong where there is much. The list goes into the fact; it names things and
// places and holds no value of the data.
type Detailer interface{ Details() json.RawMessage }

// maxMessage bounds the text of a fault, in bytes.
const maxMessage = 2 << 10

func faultOf(err error) events.Fault {
	f := events.Fault{
		Class: string(fault.ClassOf(err)), Code: fault.CodeOf(err), Message: bounded(err.Error()), Hint: bounded(fault.HintOf(err)),
	}
	var d Detailer
	if errors.As(err, &d) {
		if details := d.Details(); len(details) <= events.MaxDetail {
			f.Details = details
		}
	}
	if f.Message == "" {
		f.Message = "the task failed without saying why"
	}
	return f
}

func bounded(s string) string {
	if len(s) > maxMessage {
		return s[:maxMessage] + "…"
	}
	return s
}
