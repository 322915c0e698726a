package jetstream

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

func timer(t *testing.T, attempt int) event.Event {
	t.Helper()
	e, err := events.New(events.Address{Tenant: "default", Service: "scheduler", Run: "run-1"}, uint64(attempt), time.Now(),
		events.TimerFired{Kind: "deadline", Step: "capture", Task: "1", Attempt: attempt})
	check(t, err)
	return e
}

var (
	retry   = events.ScheduleSubject("retry", "default", "run-1", "capture", "1")
	command = workSubject(1)
)

// next takes the next command, acknowledges it and returns the attempt in it; 0 when there is none.
func next(t *testing.T, js natsjs.JetStream) int {
	t.Helper()
	c, err := js.Consumer(t.Context(), bus.StreamWork, captures)
	check(t, err)
	batch, err := c.FetchNoWait(1)
	check(t, err)
	if m, ok := <-batch.Messages(); ok {
		if got := m.Headers().Get(bus.MetaContentType); got != events.ContentType {
			t.Errorf("content type %q", got)
		}
		evs, err := events.Decode(m.Data())
		check(t, err)
		v, err := events.Data[events.TimerFired](evs[0])
		check(t, err)
		check(t, m.DoubleAck(t.Context()))
		return v.Attempt
	}
	check(t, batch.Error())
	return 0
}

func wantPending(t *testing.T, c *Commands, want bool) {
	t.Helper()
	if got, err := c.Pending(t.Context(), command, retry); err != nil || got != want {
		t.Errorf("pending: got %t, %v; want %t", got, err, want)
	}
}

func TestScheduleFiresOnceAtItsTime(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		c := NewCommands(js)
		wantPending(t, c, false)
		check(t, c.PublishAt(t.Context(), retry, time.Now().Add(6*time.Hour), command, timer(t, 2)))
		wantPending(t, c, true)
		time.Sleep(6*time.Hour - 2*time.Second)
		if got := next(t, js); got != 0 {
			t.Fatal("fired more than a second early")
		}
		time.Sleep(3 * time.Second)
		wantPending(t, c, true) // the command now, no longer the schedule
		if got := next(t, js); got != 2 {
			t.Fatalf("got attempt %d, want 2", got)
		}
		wantPending(t, c, false)
		time.Sleep(72 * time.Hour)
		if got := next(t, js); got != 0 {
			t.Fatal("fired twice")
		}
	})
}

func TestScheduleInThePastFiresAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		check(t, NewCommands(js).PublishAt(t.Context(), retry, time.Now().Add(-time.Hour), command, timer(t, 2)))
		time.Sleep(2 * time.Second)
		if got := next(t, js); got != 2 {
			t.Fatalf("got attempt %d, want 2", got)
		}
	})
}

func TestScheduleIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		c := NewCommands(js)
		check(t, c.PublishAt(t.Context(), retry, time.Now().Add(time.Minute), command, timer(t, 2)))
		check(t, c.PublishAt(t.Context(), retry, time.Now().Add(time.Hour), command, timer(t, 3)))
		time.Sleep(30 * time.Minute)
		if got := next(t, js); got != 0 {
			t.Fatalf("the replaced schedule fired attempt %d", got)
		}
		time.Sleep(31 * time.Minute)
		if got := next(t, js); got != 3 {
			t.Fatalf("got attempt %d, want 3", got)
		}
	})
}

func TestScheduleIsRemoved(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		c := NewCommands(js)
		check(t, c.PublishAt(t.Context(), retry, time.Now().Add(time.Minute), command, timer(t, 2)))
		check(t, c.Unschedule(t.Context(), retry))
		check(t, c.Unschedule(t.Context(), retry)) // one that does not stand
		wantPending(t, c, false)
		time.Sleep(time.Hour)
		if got := next(t, js); got != 0 {
			t.Fatal("fired")
		}
	})
}

func TestScheduleSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	start := func(run func(*testing.T, natsjs.JetStream)) {
		t.Run("", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				js := serve(t, dir)
				check(t, Ensure(t.Context(), js, Topology{}))
				run(t, js)
			})
		})
	}
	// Both bubbles begin at the same virtual time: the second server starts before the first one's schedule is due.
	start(func(t *testing.T, js natsjs.JetStream) {
		check(t, NewCommands(js).PublishAt(t.Context(), retry, time.Now().Add(time.Hour), command, timer(t, 2)))
	})
	start(func(t *testing.T, js natsjs.JetStream) {
		wantPending(t, NewCommands(js), true)
		time.Sleep(time.Hour + 2*time.Second)
		if got := next(t, js); got != 2 {
			t.Fatalf("got attempt %d, want 2", got)
		}
	})
}

func TestCommandOfOneIDIsPublishedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		c := NewCommands(js)
		for range 3 {
			check(t, c.Publish(t.Context(), command, "run-1/capture/1/1", timer(t, 1)))
		}
		check(t, c.Publish(t.Context(), command, "run-1/capture/1/2", timer(t, 2)))
		for _, want := range []int{1, 2, 0} {
			if got := next(t, js); got != want {
				t.Errorf("got attempt %d, want %d", got, want)
			}
		}
	})
}

func TestMessageInWorkIsPending(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		c := NewCommands(js)
		check(t, c.Publish(t.Context(), command, "id", timer(t, 1)))
		s, out := subscribe(t, js, SubscriberConfig{})
		w := <-out
		wantPending(t, c, true)
		w.Ack()
		check(t, s.Close())
		wantPending(t, c, false)
	})
}

func TestScheduleNameOutsideItsSpaceIsRefused(t *testing.T) {
	c := NewCommands(nil)
	for _, name := range []string{"", "at.", "work.capture", "at.*", "at.x.>"} {
		if err := c.PublishAt(t.Context(), name, time.Now(), command, timer(t, 1)); !fault.Is(err, fault.Permanent) {
			t.Errorf("schedule %q: got %v", name, err)
		}
		if err := c.Unschedule(t.Context(), name); !fault.Is(err, fault.Permanent) {
			t.Errorf("unschedule %q: got %v", name, err)
		}
	}
}

// The tests above lean on the server's inner workings: that all of it follows the bubble's time. If a new version starts
// a goroutine outside, time stands still or runs ahead of the server, and this test says so first.
func TestCanaryServerFollowsVirtualTime(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		real := js.Conn().Opts.Timeout // of the wire: must not matter
		start := time.Now()
		_, err := js.Publish(t.Context(), command, []byte("x"))
		check(t, err)
		c, err := js.Consumer(t.Context(), bus.StreamWork, captures)
		check(t, err)
		first, err := c.Next()
		check(t, err)
		second, err := c.Next()
		check(t, err)
		meta, err := second.Metadata()
		check(t, err)
		if d := time.Since(start); meta.NumDelivered != 2 || d < bus.AckWait || d > bus.AckWait+real {
			t.Fatalf("delivery %d after %s of virtual time, want the second after %s", meta.NumDelivered, d, bus.AckWait)
		}
		check(t, first.DoubleAck(t.Context())) // a late acknowledgement is accepted: an ack is not a commit
		if n := left(t, js); n != 0 {
			t.Fatalf("%d messages are left", n)
		}
	})
}
