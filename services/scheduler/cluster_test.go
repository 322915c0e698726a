package scheduler_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server/ats"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/tranship/tranship/internal/api"
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
	"github.com/tranship/tranship/services/scheduler"
)

// TestMain starts the server's package-level clock outside any bubble of virtual time, as it must be.
func TestMain(m *testing.M) {
	ats.Register()
	os.Exit(m.Run())
}

// cluster is a real server with a scheduler and workers on it, each with the permissions of its own service, under virtual
// time.
type cluster struct {
	t       testing.TB
	bus     *bustest.Bus
	js      natsjs.JetStream // as the scheduler
	journal *natsjournal.Journal
	set     *api.Set

	mu    sync.Mutex
	do    map[events.Stage]work // what workers do; nil: succeed
	calls map[string]int        // by step and task
}

// work is what a worker does with a task, and after that succeeds.
type work func(ctx context.Context, step, task string, call int, save stage.Checkpointer) error

func inCluster(t *testing.T, test func(c *cluster)) {
	dir, keys := t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, bus: bustest.Start(t, bustest.Options{Dir: dir, Keys: keys}), do: map[events.Stage]work{}, calls: map[string]int{}}
		c.js = c.bus.JetStream(bus.ServiceScheduler)
		c.journal = natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: c.js})
		c.set = resources(t)
		test(c)
	})
}

func (c *cluster) log() *zap.Logger {
	return zaptest.NewLogger(c.t, zaptest.Level(zap.ErrorLevel), zaptest.WrapOptions(zap.AddStacktrace(zap.DPanicLevel)))
}

// Tenant implements scheduler.Resources.
func (c *cluster) Tenant(context.Context, string) (*api.Set, error) { return c.set, nil }

// run starts a router with handlers, and returns what stops it as SIGTERM would.
func (c *cluster) run(register func(*message.Router), subs ...message.Subscriber) (stop func()) {
	c.t.Helper()
	r, err := router.New(router.Config{}, router.Deps{Log: zap.NewNop()})
	check(c.t, err)
	register(r)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	<-r.Running()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			for _, s := range subs {
				_ = s.Close()
			}
			cancel()
			<-done
		})
	}
	c.t.Cleanup(stop)
	return stop
}

func (c *cluster) scheduler() (stop func()) {
	c.t.Helper()
	js := c.bus.JetStream(bus.ServiceScheduler)
	j := natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: js})
	onSaga := jetstream.NewSubscriber(jetstream.SubscriberConfig{Stream: bus.StreamSaga}, jetstream.SubscriberDeps{JetStream: js, Log: zap.NewNop()})
	onWork := jetstream.NewSubscriber(jetstream.SubscriberConfig{}, jetstream.SubscriberDeps{JetStream: js, Log: zap.NewNop()})
	s := scheduler.New(scheduler.Config{StepTimeout: time.Hour}, scheduler.Deps{
		Journal: j, Feed: j, Commands: jetstream.NewCommands(js), Checkpoints: natscheckpoint.New(natscheckpoint.Deps{JetStream: js}),
		Resources: c, Saga: onSaga, Work: onWork, Clock: clock.Real{}, Log: c.log(),
	})
	stopRouter := c.run(s.Register, onSaga, onWork)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	stop = func() { cancel(); <-done; stopRouter() }
	c.t.Cleanup(stop)
	return stop
}

// workers starts a worker for every stage.
func (c *cluster) workers() {
	c.t.Helper()
	for _, service := range bus.Services() {
		for _, st := range bus.StagesOf(service) {
			c.worker(service, st)
		}
	}
}

func (c *cluster) worker(service string, st events.Stage) (stop func()) {
	c.t.Helper()
	js := c.bus.JetStream(service)
	w := stage.New(stage.Config{Service: service, Name: service, Stage: st}, stage.Deps{
		Journal:     natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: js}),
		Checkpoints: natscheckpoint.New(natscheckpoint.Deps{JetStream: js}),
		Clock:       clock.Real{}, Log: watermill.NopLogger{},
	}, c.routes(st)...)
	sub := jetstream.NewSubscriber(jetstream.SubscriberConfig{Slots: 2}, jetstream.SubscriberDeps{JetStream: js, Log: zap.NewNop()})
	return c.run(func(r *message.Router) { w.Register(r, sub) }, sub)
}

func (c *cluster) routes(st events.Stage) []stage.Route {
	switch st {
	case events.StageCapture:
		return []stage.Route{on[events.CaptureRequested](c, st), undo[events.CaptureCompensate](c, st)}
	case events.StageMask:
		return []stage.Route{on[events.MaskRequested](c, st), undo[events.MaskCompensate](c, st)}
	case events.StageScan:
		return []stage.Route{on[events.ScanRequested](c, st)}
	case events.StageTransfer:
		return []stage.Route{on[events.TransferRequested](c, st), undo[events.TransferCompensate](c, st)}
	case events.StageRestore:
		return []stage.Route{on[events.RestoreRequested](c, st), undo[events.RestoreCompensate](c, st)}
	}
	return []stage.Route{on[events.VerifyRequested](c, st)}
}

func (c *cluster) call(ctx context.Context, st events.Stage, at events.Address, save stage.Checkpointer) error {
	c.mu.Lock()
	key := at.Step + "/" + at.Task
	c.calls[key]++
	n, do := c.calls[key], c.do[st]
	c.mu.Unlock()
	if do == nil {
		return nil
	}
	return do(ctx, at.Step, at.Task, n, save)
}

func on[In events.Command](c *cluster, st events.Stage) stage.Route {
	return stage.On(stage.HandlerFunc[In](func(ctx context.Context, job stage.Job[In]) (events.Outcome, error) {
		if err := c.call(ctx, st, job.Address, job.Checkpoint); err != nil {
			return events.Outcome{}, err
		}
		a := job.Command.Assigned()
		var o events.Outcome
		switch job.Address.Task {
		case events.TaskPlan:
			o.Plan = &events.PlanRef{Count: 2, Ref: "plan", Digest: "blake3:0000000000000000000000000000000000000000000000000000000000000000"}
		case events.TaskScan:
			o.Verdict = saga.VerdictPassed
		case events.TaskCommit:
			o.Verdict = saga.VerdictPassed
			if a.Output != "" {
				trust := "raw"
				if st != events.StageCapture {
					trust = "masked"
				}
				o.Capture = &events.CaptureRef{ID: a.Output, Application: "shop", Location: "somewhere", Trust: trust}
			}
		}
		return o, nil
	}))
}

func undo[In events.Command](c *cluster, st events.Stage) stage.Route {
	return stage.OnCompensate(stage.CompensatorFunc[In](func(ctx context.Context, job stage.Job[In]) error {
		return c.call(ctx, st, job.Address, job.Checkpoint)
	}))
}

func (c *cluster) called(key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[key]
}

// send puts a request on the trigger subject as the gateway does.
func send[P events.Payload](c *cluster, run string, p P) {
	c.t.Helper()
	js := c.bus.JetStream(bus.ServiceGateway)
	e, err := events.New(events.Address{Tenant: "default", Service: bus.ServiceGateway, Run: run}, 1, time.Now(), p)
	check(c.t, err)
	e.SetID(uuid.NewString())
	_, data, err := events.Encode(e)
	check(c.t, err)
	check(c.t, jetstream.NewPublisher(js).Publish(events.TriggerSubject("default", run), message.NewMessage("x", data)))
}

func (c *cluster) trigger(run string) {
	c.t.Helper()
	send(c, run, events.TriggerFired{Policy: "nightly", Cause: events.Cause{Kind: "cli"}})
}

func (c *cluster) state(run string) saga.State {
	c.t.Helper()
	s := saga.State{Tenant: "default", Run: run}
	for e, err := range c.journal.Load(context.Background(), saga.RunID{Tenant: "default", Run: run}) {
		check(c.t, err)
		s, err = saga.Fold(s, e)
		check(c.t, err)
	}
	return s
}

func (c *cluster) history(run string) string {
	var b strings.Builder
	for e, err := range c.journal.Load(context.Background(), saga.RunID{Tenant: "default", Run: run}) {
		check(c.t, err)
		fmt.Fprintf(&b, "%s %s %s\n", e.Event.Time().Format(time.TimeOnly), e.Event.Subject(), e.Event.Type())
	}
	return b.String()
}

// until lets time pass until the run is in a state.
func (c *cluster) until(run string, patience time.Duration, is func(saga.State) bool) saga.State {
	c.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(max(time.Second, patience/100)) {
		s := c.state(run)
		if is(s) {
			return s
		}
		if time.Now().After(end) {
			c.t.Fatalf("after %s the run is %s (%+v)\n%s", patience, s.Status, s.Failure, c.history(run))
		}
	}
}

func is(status saga.RunStatus) func(saga.State) bool {
	return func(s saga.State) bool { return s.Status == status }
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
