package natscheckpoint_test

import (
	"context"
	"testing"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/bus/bustest"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/internal/stage/natscheckpoint"
	"github.com/tranship/tranship/internal/stage/stagetest"
)

func TestCheckpoints(t *testing.T) {
	b := bustest.Start(t, bustest.Options{})
	admin, worker := b.JetStream(bus.ServiceScheduler), b.JetStream(bus.ServiceCapturer)
	stagetest.Checkpoints(t, func(t *testing.T) stage.Checkpoints {
		s, err := admin.Stream(context.Background(), "KV_"+bus.BucketCheckpoint)
		if err == nil {
			err = s.Purge(context.Background())
		}
		if err != nil {
			t.Fatal(err)
		}
		return natscheckpoint.New(natscheckpoint.Deps{JetStream: worker})
	})
}

func TestBucketThatIsNotThereYetIsTransient(t *testing.T) {
	b := bustest.Start(t, bustest.Options{Bare: true})
	c := natscheckpoint.New(natscheckpoint.Deps{JetStream: b.JetStream(bus.ServiceCapturer)})
	if _, _, err := c.Get(t.Context(), "capture.local.default.run-1.capture.1"); !fault.Is(err, fault.Transient) {
		t.Fatalf("got %v, want a transient error", err)
	}
}
