package gateway_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/bus/bustest"
	"github.com/tranship/tranship/internal/bus/jetstream"
	"github.com/tranship/tranship/internal/bus/router"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/internal/saga/natsjournal"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/internal/stage/natscheckpoint"
	"github.com/tranship/tranship/pkg/events"
	"github.com/tranship/tranship/services/gateway"
	"github.com/tranship/tranship/services/scheduler"
)

// cluster is a gateway on a real bus, with a scheduler and workers, each with the permissions of its own service.
type cluster struct {
	*desk
	bus *bustest.Bus

	mu sync.Mutex
	do map[events.Stage]work // what workers do; nil: succeed
}

// work is what a worker does with a task, and after that succeeds.
type work func(ctx context.Context, at events.Address, report func(stage.Progress)) error

func newCluster(t *testing.T, change ...func(*gateway.Config, *gateway.Deps)) *cluster {
	t.Helper()
	c := &cluster{bus: bustest.Start(t, bustest.Options{}), do: map[events.Stage]work{}}
	js := c.bus.JetStream(bus.ServiceGateway)
	resources, err := jetstream.NewResources(t.Context(), js)
	check(t, err)
	onBus := func(_ *gateway.Config, d *gateway.Deps) {
		d.Journal = natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: js})
		d.Requests, d.Resources = jetstream.NewCommands(js), resources
		d.Checkpoints = natscheckpoint.New(natscheckpoint.Deps{JetStream: js})
	}
	c.desk = newDesk(t, append([]func(*gateway.Config, *gateway.Deps){onBus}, change...)...)
	return c
}

// scheduler starts a scheduler that looks resources up where the gateway puts them.
func (c *cluster) scheduler() {
	c.t.Helper()
	js := c.bus.JetStream(bus.ServiceScheduler)
	resources, err := jetstream.NewResources(c.t.Context(), js)
	check(c.t, err)
	j := natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: js})
	onSaga := jetstream.NewSubscriber(jetstream.SubscriberConfig{Stream: bus.StreamSaga}, jetstream.SubscriberDeps{JetStream: js, Log: zap.NewNop()})
	onWork := jetstream.NewSubscriber(jetstream.SubscriberConfig{}, jetstream.SubscriberDeps{JetStream: js, Log: zap.NewNop()})
	s := scheduler.New(scheduler.Config{}, scheduler.Deps{
		Journal: j, Feed: j, Commands: jetstream.NewCommands(js), Checkpoints: natscheckpoint.New(natscheckpoint.Deps{JetStream: js}),
		Resources: scheduler.BusResources{Bus: resources, Log: zap.NewNop()}, Saga: onSaga, Work: onWork, Clock: clock.Real{}, Log: zap.NewNop(),
	})
	c.run(s.Register, onSaga, onWork)
}

// workers starts a worker for every stage.
func (c *cluster) workers() {
	c.t.Helper()
	for _, service := range bus.Services() {
		for _, st := range bus.StagesOf(service) {
			js := c.bus.JetStream(service)
			w := stage.New(stage.Config{Service: service, Name: service, Stage: st}, stage.Deps{
				Journal:     natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: js}),
				Checkpoints: natscheckpoint.New(natscheckpoint.Deps{JetStream: js}),
				Clock:       clock.Real{}, Log: watermill.NopLogger{},
			}, c.routes(st)...)
			sub := jetstream.NewSubscriber(jetstream.SubscriberConfig{Slots: 2}, jetstream.SubscriberDeps{JetStream: js, Log: zap.NewNop()})
			c.run(func(r *message.Router) { w.Register(r, sub) }, sub)
		}
	}
}

func (c *cluster) run(register func(*message.Router), subs ...message.Subscriber) {
	c.t.Helper()
	r, err := router.New(router.Config{CloseTimeout: 5 * time.Second}, router.Deps{Log: zap.NewNop()})
	check(c.t, err)
	register(r)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	<-r.Running()
	c.t.Cleanup(func() {
		for _, s := range subs {
			_ = s.Close()
		}
		cancel()
		<-done
	})
}

// on sets what the workers of a stage do.
func (c *cluster) on(st events.Stage, do work) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.do[st] = do
}

func (c *cluster) routes(st events.Stage) []stage.Route {
	switch st {
	case events.StageCapture:
		return []stage.Route{handle[events.CaptureRequested](c, st), undo[events.CaptureCompensate]()}
	case events.StageMask:
		return []stage.Route{handle[events.MaskRequested](c, st), undo[events.MaskCompensate]()}
	case events.StageScan:
		return []stage.Route{handle[events.ScanRequested](c, st)}
	case events.StageTransfer:
		return []stage.Route{handle[events.TransferRequested](c, st), undo[events.TransferCompensate]()}
	case events.StageRestore:
		return []stage.Route{handle[events.RestoreRequested](c, st), undo[events.RestoreCompensate]()}
	}
	return []stage.Route{handle[events.VerifyRequested](c, st)}
}

func handle[In events.Command](c *cluster, st events.Stage) stage.Route {
	return stage.On(stage.HandlerFunc[In](func(ctx context.Context, job stage.Job[In]) (events.Outcome, error) {
		c.mu.Lock()
		do := c.do[st]
		c.mu.Unlock()
		if do != nil {
			if err := do(ctx, job.Address, job.Report); err != nil {
				return events.Outcome{}, err
			}
		}
		return outcome(st, job.Address.Task, job.Command.Assigned()), nil
	}))
}

// outcome is the least that a task has to tell.
func outcome(st events.Stage, task string, a events.Assignment) events.Outcome {
	o := events.Outcome{Stats: events.Stats{Bytes: 100, Rows: 10}}
	switch task {
	case events.TaskPlan:
		o.Plan = &events.PlanRef{Count: 2, Ref: "plan", Digest: "blake3:0000000000000000000000000000000000000000000000000000000000000000"}
	case events.TaskScan:
		o.Verdict = saga.VerdictPassed
	case events.TaskCommit:
		o.Verdict = saga.VerdictPassed
		if a.Output != "" {
			o.Capture = &events.CaptureRef{ID: a.Output, Application: "shop", Location: "somewhere", Trust: "masked"}
			if st == events.StageCapture {
				o.Capture.Trust = "raw"
			}
		}
	}
	return o
}

func undo[In events.Command]() stage.Route {
	return stage.OnCompensate(stage.CompensatorFunc[In](func(context.Context, stage.Job[In]) error { return nil }))
}

// until waits until the journal of a run has a state.
func (c *cluster) until(run string, is func(saga.State) bool) saga.State {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	j := natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: c.bus.JetStream(bus.ServiceGateway)})
	s := saga.State{Tenant: "default", Run: run}
	for e, err := range j.Follow(ctx, s.ID(), 0) {
		if err != nil {
			c.t.Fatalf("the run is %s: %v", s.Status, err)
		}
		s, err = saga.Fold(s, e)
		check(c.t, err)
		if is(s) {
			break
		}
	}
	return s
}
