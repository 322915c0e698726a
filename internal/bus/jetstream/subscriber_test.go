package jetstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats-server/v2/server/ats"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/pkg/events"
)

// TestMain starts the server's package-level clock outside any bubble of virtual time, as it must be.
func TestMain(m *testing.M) {
	ats.Register()
	os.Exit(m.Run())
}

// serve runs a server without users: what may connect is checked elsewhere.
func serve(t *testing.T, dir string) natsjs.JetStream {
	t.Helper()
	s, err := server.NewServer(&server.Options{DontListen: true, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	check(t, err)
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start")
	}
	nc, err := nats.Connect("", nats.InProcessServer(s))
	check(t, err)
	t.Cleanup(func() { nc.Close(); s.Shutdown(); s.WaitForShutdown() })
	js, err := natsjs.New(nc)
	check(t, err)
	return js
}

var captures = bus.WorkConsumer(events.StageCapture, events.LocalCluster)

func workSubject(n int) string {
	return events.WorkSubject(events.StageCapture, events.LocalCluster, "default", "run-1", "capture", fmt.Sprint(n))
}

func subscribe(t *testing.T, js natsjs.JetStream, cfg SubscriberConfig) (*Subscriber, <-chan *message.Message) {
	t.Helper()
	s := NewSubscriber(cfg, SubscriberDeps{JetStream: js, Log: zap.NewNop()})
	t.Cleanup(func() { _ = s.Close() })
	out, err := s.Subscribe(context.Background(), captures)
	check(t, err)
	return s, out
}

func publish(t *testing.T, js natsjs.JetStream, n int) {
	t.Helper()
	w := message.NewMessage("", []byte(fmt.Sprint(n)))
	w.Metadata.Set(bus.MetaTraceParent, "00-trace")
	check(t, NewPublisher(js).Publish(workSubject(n), w))
}

// left counts the messages of the stream WORK: in a work queue, those that nobody has acknowledged.
func left(t *testing.T, js natsjs.JetStream) uint64 {
	t.Helper()
	s, err := js.Stream(context.Background(), bus.StreamWork)
	check(t, err)
	return s.CachedInfo().State.Msgs
}

func TestMessageCarriesItsPlaceAndTheBytesAsTheyAre(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		publish(t, js, 7)
		s, out := subscribe(t, js, SubscriberConfig{})
		w := <-out
		want := message.Metadata{
			bus.MetaSubject: workSubject(7), bus.MetaSequence: "1", bus.MetaDelivered: "1",
			bus.MetaTraceParent: "00-trace", bus.MetaContentType: events.ContentType,
		}
		if string(w.Payload) != "7" || fmt.Sprint(w.Metadata) != fmt.Sprint(want) {
			t.Errorf("got %q with %v, want 7 with %v", w.Payload, w.Metadata, want)
		}
		w.Ack()
		check(t, s.Close())
		if n := left(t, js); n != 0 {
			t.Errorf("%d messages are left after the acknowledgement", n)
		}
	})
}

func TestHandlerLongerThanAckWaitRunsOnce(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		publish(t, js, 1)
		s, out := subscribe(t, js, SubscriberConfig{Slots: 2})
		w := <-out
		select {
		case again := <-out:
			t.Errorf("delivered again: %v", again.Metadata)
		case <-time.After(time.Hour):
		}
		w.Ack()
		check(t, s.Close())
		if n := left(t, js); n != 0 {
			t.Errorf("%d messages are left", n)
		}
	})
}

func TestMessageOfACrashedWorkerGoesToAnother(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		publish(t, js, 1)
		c, err := js.Consumer(t.Context(), bus.StreamWork, captures)
		check(t, err)
		_, err = c.Next() // and never a sign of life
		check(t, err)
		start := time.Now()
		s, out := subscribe(t, js, SubscriberConfig{})
		w := <-out
		if d := time.Since(start); d > bus.AckWait+time.Second {
			t.Errorf("after %s", d)
		}
		if got := w.Metadata.Get(bus.MetaDelivered); got != "2" {
			t.Errorf("delivery %s, want 2", got)
		}
		w.Ack()
		check(t, s.Close())
	})
}

func TestRefusedMessageWaitsForAckWait(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		publish(t, js, 1)
		s, out := subscribe(t, js, SubscriberConfig{})
		const deliveries = 5
		start := time.Now()
		for range deliveries {
			(<-out).Nack()
		}
		if d := time.Since(start); d < (deliveries-1)*bus.AckWait-time.Second {
			t.Errorf("%d deliveries within %s", deliveries, d)
		}
		check(t, s.Close())
		if n := left(t, js); n != 1 {
			t.Errorf("%d messages are left, want 1", n)
		}
	})
}

func TestRefusedMessageDoesNotHoldUpTheSlot(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		publish(t, js, 1)
		publish(t, js, 2)
		s, out := subscribe(t, js, SubscriberConfig{})
		start := time.Now()
		(<-out).Nack()
		w := <-out
		if string(w.Payload) != "2" || time.Since(start) > time.Second {
			t.Errorf("got %q after %s", w.Payload, time.Since(start))
		}
		w.Ack()
		check(t, s.Close())
	})
}

func TestPoisonIsRemoved(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		publish(t, js, 1)
		s, out := subscribe(t, js, SubscriberConfig{})
		w := <-out
		w.Metadata.Set(bus.MetaTerminate, "cannot be decoded")
		w.Ack()
		check(t, s.Close())
		synctest.Wait()
		if n := left(t, js); n != 0 {
			t.Errorf("%d messages are left", n)
		}
	})
}

// A schedule may stand on any subject of the stream, so whoever may write requests could make the server emit commands.
func TestCommandOfAForeignScheduleIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		for _, by := range []string{"work.trigger.default.run-1", events.ScheduleSubject("retry", "run-1")} {
			_, err := js.Publish(t.Context(), by, []byte(by), natsjs.WithScheduleAt(time.Now().Add(time.Second)), natsjs.WithScheduleTarget(workSubject(1)))
			check(t, err)
		}
		s, out := subscribe(t, js, SubscriberConfig{})
		for range 2 {
			select {
			case w := <-out:
				if by := string(w.Payload); !strings.HasPrefix(by, "at.") {
					t.Errorf("a command by %s", by)
				}
				w.Ack()
			case <-time.After(time.Minute):
			}
		}
		check(t, s.Close())
		if n := left(t, js); n != 0 {
			t.Errorf("%d messages are left", n)
		}
	})
}

func TestSubscriberWaitsForItsConsumer(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		js := serve(t, dir)
		s, out := subscribe(t, js, SubscriberConfig{})
		time.Sleep(time.Minute)
		check(t, Ensure(t.Context(), js, Topology{}))
		publish(t, js, 1)
		(<-out).Ack()
		check(t, js.DeleteConsumer(t.Context(), bus.StreamWork, captures))
		time.Sleep(time.Minute)
		check(t, Ensure(t.Context(), js, Topology{}))
		publish(t, js, 2)
		(<-out).Ack()
		check(t, s.Close())
	})
}

func TestSixteenSubscribersShareTheWork(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		const workers, messages = 16, 200
		for i := range messages {
			publish(t, js, i)
		}
		var mu sync.Mutex
		times := map[string]int{}
		var workers16 [workers]atomic.Int64
		var all sync.WaitGroup
		all.Add(messages)
		var subs []*Subscriber
		for i := range workers {
			s, out := subscribe(t, js, SubscriberConfig{})
			subs = append(subs, s)
			go func() {
				for w := range out {
					time.Sleep(time.Second)
					mu.Lock()
					times[string(w.Payload)]++
					mu.Unlock()
					workers16[i].Add(1)
					w.Ack()
					all.Done()
				}
			}()
		}
		all.Wait()
		for _, s := range subs {
			check(t, s.Close())
		}
		for payload, n := range times {
			if n != 1 {
				t.Errorf("message %s was handled %d times", payload, n)
			}
		}
		for i := range workers16 {
			if n := workers16[i].Load(); n < messages/workers/2 || n > messages/workers*2 {
				t.Errorf("worker %d handled %d of %d messages", i, n, messages)
			}
		}
		if n := left(t, js); n != 0 {
			t.Errorf("%d messages are left", n)
		}
	})
}

func TestSlotsBoundWhatIsTaken(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		for i := range 5 {
			publish(t, js, i)
		}
		s, out := subscribe(t, js, SubscriberConfig{Slots: 3})
		held := []*message.Message{<-out, <-out, <-out}
		synctest.Wait()
		c, err := js.Consumer(t.Context(), bus.StreamWork, captures)
		check(t, err)
		if info := c.CachedInfo(); info.NumAckPending != 3 || info.NumPending != 2 {
			t.Errorf("%d in work and %d waiting, want 3 and 2", info.NumAckPending, info.NumPending)
		}
		for _, w := range held {
			w.Ack()
		}
		(<-out).Ack()
		(<-out).Ack()
		check(t, s.Close())
	})
}

func TestCloseLetsHandlersFinishAndHandsTheRestBack(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		for i := range 4 {
			publish(t, js, i)
		}
		s, out := subscribe(t, js, SubscriberConfig{Slots: 3})
		finishes, gives := <-out, <-out // the third slot holds a message that no handler takes
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		<-finishes.Context().Done()
		<-gives.Context().Done()
		time.Sleep(time.Minute) // longer than AckWait: the heart still beats
		select {
		case err := <-closed:
			t.Fatalf("closed under a running handler: %v", err)
		default:
		}
		finishes.Ack()
		gives.Nack()
		check(t, <-closed)
		if _, open := <-out; open {
			t.Error("the channel is open after Close")
		}
		synctest.Wait()
		if n := left(t, js); n != 3 {
			t.Errorf("%d messages are left, want 3", n)
		}
		c, err := js.Consumer(t.Context(), bus.StreamWork, captures)
		check(t, err)
		batch, err := c.FetchNoWait(10) // at once, not after AckWait
		check(t, err)
		n := 0
		for m := range batch.Messages() {
			n++
			check(t, m.Ack())
		}
		if n != 3 {
			t.Errorf("%d messages can be taken at once, want 3", n)
		}
	})
}

func TestCloseGivesUpAfterItsGrace(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		publish(t, js, 1)
		s, out := subscribe(t, js, SubscriberConfig{Grace: time.Minute})
		w := <-out
		start := time.Now()
		if err := s.Close(); err == nil || time.Since(start) != time.Minute {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
		if _, open := <-out; open {
			t.Error("the channel is open")
		}
		w.Nack()
		_, out = subscribe(t, js, SubscriberConfig{})
		(<-out).Ack() // another worker has it
	})
}

func TestEndOfTheContextEndsTheSubscription(t *testing.T) {
	bubble(t, func(t *testing.T, js natsjs.JetStream) {
		publish(t, js, 1)
		s := NewSubscriber(SubscriberConfig{}, SubscriberDeps{JetStream: js, Log: zap.NewNop()})
		ctx, cancel := context.WithCancel(t.Context())
		out, err := s.Subscribe(ctx, captures)
		check(t, err)
		w := <-out
		cancel()
		if <-w.Context().Done(); !errors.Is(w.Context().Err(), context.Canceled) {
			t.Errorf("the context of the message: %v", w.Context().Err())
		}
		w.Ack()
		if _, open := <-out; open {
			t.Error("the channel is open")
		}
		check(t, s.Close())
		if n := left(t, js); n != 0 {
			t.Errorf("%d messages are left: an acknowledgement while draining was lost", n)
		}
		if _, err := s.Subscribe(t.Context(), captures); err == nil {
			t.Error("a closed subscriber subscribes")
		}
	})
}

func TestCloseLeavesNoGoroutines(t *testing.T) {
	js := serve(t, t.TempDir())
	check(t, Ensure(t.Context(), js, Topology{}))
	round := func() {
		s, out := subscribe(t, js, SubscriberConfig{Slots: 16})
		for i := range 32 {
			publish(t, js, i)
		}
		for range 32 {
			(<-out).Ack()
		}
		check(t, s.Close())
		for waiting := 1; waiting > 0; { // the server forgets pull requests a moment later
			c, err := js.Consumer(t.Context(), bus.StreamWork, captures)
			check(t, err)
			waiting = c.CachedInfo().NumWaiting
		}
	}
	round() // starts what stays for the life of a connection
	before := runtime.NumGoroutine()
	for range 5 {
		round()
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before+3 {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
		runtime.Gosched()
	}
}

// bubble runs a test against a real server under virtual time.
func bubble(t *testing.T, run func(*testing.T, natsjs.JetStream)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		js := serve(t, dir)
		check(t, Ensure(t.Context(), js, Topology{}))
		run(t, js)
	})
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
