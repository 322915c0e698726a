package natsjournal_test

import (
	"context"
	"testing"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/bus/bustest"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/internal/saga/natsjournal"
	"github.com/tranship/tranship/internal/saga/sagatest"
	"github.com/tranship/tranship/pkg/events"
)

func TestJournal(t *testing.T) {
	b := bustest.Start(t, bustest.Options{})
	js := b.JetStream(bus.ServiceScheduler)
	sagatest.Journal(t, func(t *testing.T) saga.Journal {
		purge(t, js)
		return natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: js})
	})
}

// The gateway sees the journal with its own permissions, which are less than the scheduler's.
func TestFeed(t *testing.T) {
	b := bustest.Start(t, bustest.Options{})
	writer, reader := b.JetStream(bus.ServiceScheduler), b.JetStream(bus.ServiceGateway)
	sagatest.Feed(t, func(t *testing.T) (saga.Journal, saga.Feed) {
		purge(t, writer)
		return natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: writer}),
			natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: reader})
	})
}

func TestWorkerAppendsAndReadsItsOwnTask(t *testing.T) {
	b := bustest.Start(t, bustest.Options{})
	j := natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: b.JetStream(bus.ServiceCapturer)})
	subject := events.TaskSubject("default", "run-1", events.StageCapture, events.LocalCluster, "capture", "1")
	e, err := events.New(events.Address{Tenant: "default", Service: "capturer", Run: "run-1", Step: "capture", Task: "1"},
		1, time.Now(), events.TaskClaimed{Attempt: 1, Claim: "a", Worker: "w"})
	if err != nil {
		t.Fatal(err)
	}
	seq, err := j.Append(t.Context(), subject, 0, e)
	if err != nil {
		t.Fatal(err)
	}
	if last, evs, err := j.Last(t.Context(), subject); err != nil || last != seq || len(evs) != 1 {
		t.Fatalf("got %d, %d events, %v", last, len(evs), err)
	}
	if last, _, err := j.Last(t.Context(), events.RunSubject("default", "run-1")); err != nil || last != 0 {
		t.Fatalf("the run's own subject: got %d, %v", last, err)
	}
}

func TestNonsenseOnATasksSubjectDoesNotHoldUpTheRun(t *testing.T) {
	for name, nonsense := range map[string]string{"nothing": "", "no JSON": "x", "no events": "[]", "another thing": `{"a":1}`} {
		t.Run(name, func(t *testing.T) {
			b := bustest.Start(t, bustest.Options{})
			j := natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: b.JetStream(bus.ServiceScheduler)})
			id := saga.RunID{Tenant: "default", Run: "run-1"}
			resource := events.Resource(`{}`)
			appends, err := saga.Decide(saga.State{Tenant: id.Tenant, Run: id.Run}, saga.Start{
				Request: events.RunRequested{Application: "shop", Cause: events.Cause{Kind: "cli"}},
				Definition: events.Definition{
					Application: "shop", Window: 1, Retry: events.RetryPolicy{MaxAttempts: 1, Base: 1, Cap: 1},
					Steps: []events.StepDefinition{{
						Name: "capture", Kind: events.StepCapture, Cluster: events.LocalCluster, Timeout: events.Duration(time.Hour),
						Work: events.Work{Capture: &events.CaptureWork{Application: resource, To: resource}},
					}},
				},
			}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := j.Append(t.Context(), appends[0].Subject, 0, appends[0].Events...); err != nil {
				t.Fatal(err)
			}
			subject := events.TaskSubject(id.Tenant, id.Run, events.StageCapture, events.LocalCluster, "capture", events.TaskPlan)
			ack, err := b.JetStream(bus.ServiceCapturer).Publish(t.Context(), subject, []byte(nonsense))
			if err != nil {
				t.Fatal(err)
			}
			var s saga.State
			for e, err := range j.Load(t.Context(), id) {
				if err != nil {
					t.Fatal(err)
				}
				s, _ = saga.Fold(s, e)
			}
			appends, err = saga.Decide(s, saga.Timer{Step: "capture", Task: events.TaskPlan, Attempt: 1}, time.Now())
			if err != nil || len(appends) != 1 || uint64(appends[0].After) != ack.Sequence {
				t.Fatalf("the deadline is %+v, %v", appends, err)
			}
			if _, err := j.Append(t.Context(), subject, appends[0].After, appends[0].Events...); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestUnreachableServerIsTransient(t *testing.T) {
	b := bustest.Start(t, bustest.Options{})
	j := natsjournal.New(natsjournal.Config{Timeout: 100 * time.Millisecond}, natsjournal.Deps{JetStream: b.JetStream(bus.ServiceScheduler)})
	b.Server.Close()
	if _, _, err := j.Last(t.Context(), events.RunSubject("default", "run-1")); !fault.Is(err, fault.Transient) {
		t.Errorf("last: got %v", err)
	}
	for _, err := range j.Load(t.Context(), saga.RunID{Tenant: "default", Run: "run-1"}) {
		if !fault.Is(err, fault.Transient) {
			t.Errorf("load: got %v", err)
		}
	}
}

func purge(t *testing.T, js natsjs.JetStream) {
	t.Helper()
	s, err := js.Stream(context.Background(), bus.StreamSaga)
	if err == nil {
		err = s.Purge(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
}
