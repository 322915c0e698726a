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
