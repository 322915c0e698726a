package stage_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/internal/saga/mem"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/internal/stage/memcheckpoint"
	"github.com/tranship/tranship/pkg/events"
)

var (
	runSubject  = events.RunSubject("default", "r1")
	taskSubject = events.TaskSubject("default", "r1", events.StageCapture, events.LocalCluster, "capture", "1")
	workSubject = events.WorkSubject(events.StageCapture, events.LocalCluster, "default", "r1", "capture", "1")
	scheduler   = events.Address{Tenant: "default", Service: "scheduler", Run: "r1", Step: "capture", Task: "1"}
)

// bench is one worker with a journal and checkpoints, and a run in the state running.
type bench struct {
	t           *testing.T
	journal     *flaky
	checkpoints *memcheckpoint.Checkpoints
	handle      stage.HandlerFunc[events.CaptureRequested]
	calls       int
	mu          sync.Mutex
}

// flaky is a journal that can lose its answers, or not be there.
type flaky struct {
	saga.Journal
	mu      sync.Mutex
	lose    string // type of the events whose append is accepted and not answered, once
	away    int    // appends that are refused as unreachable
	appends int
}

var errAway = fault.New(fault.Transient, "", "the journal is away")

func (f *flaky) Append(ctx context.Context, subject string, after saga.Seq, evs ...event.Event) (saga.Seq, error) {
	f.mu.Lock()
	lose, away := f.lose == evs[0].Type(), f.away > 0 && subject == taskSubject
	if lose {
		f.lose = ""
	}
	if away {
		f.away--
	}
	f.appends++
	f.mu.Unlock()
	if away {
		return 0, errAway
	}
	seq, err := f.Journal.Append(ctx, subject, after, evs...)
	if err == nil && lose {
		return 0, errAway
	}
	return seq, err
}

func newBench(t *testing.T, handle stage.HandlerFunc[events.CaptureRequested]) *bench {
	b := &bench{t: t, journal: &flaky{Journal: mem.New()}, checkpoints: memcheckpoint.New(), handle: handle}
	b.state(saga.RunRunning)
	return b
}

// state writes an event that leaves the run in a state.
func (b *bench) state(s saga.RunStatus) {
	b.t.Helper()
	at := scheduler
	at.Step, at.Task = "", ""
	e, err := events.New(at, 1, time.Now(), events.RunPaused{})
	check(b.t, err)
	e.SetExtension(events.ExtRunState, string(s))
	b.append(runSubject, e)
}

func (b *bench) append(subject string, e event.Event) saga.Seq {
	b.t.Helper()
	after, _, err := b.journal.Last(context.Background(), subject)
	check(b.t, err)
	seq, err := b.journal.Journal.Append(context.Background(), subject, after, e)
	check(b.t, err)
	return seq
}

// scheduled opens an attempt as the scheduler does.
func (b *bench) scheduled(attempt int) {
	b.t.Helper()
	_, last, err := b.journal.Last(context.Background(), taskSubject)
	check(b.t, err)
	e, err := events.New(scheduler, uint64(len(last)+1), time.Now(), events.TaskScheduled{Attempt: attempt, At: time.Now()})
	check(b.t, err)
	b.append(taskSubject, e)
}

func (b *bench) worker(name string) *stage.Worker {
	return stage.New(stage.Config{Service: bus.ServiceCapturer, Name: name, Stage: events.StageCapture, Grace: time.Minute},
		stage.Deps{Journal: b.journal, Checkpoints: b.checkpoints, Clock: clock.Real{}, Log: watermill.NopLogger{}},
		stage.On(stage.HandlerFunc[events.CaptureRequested](func(ctx context.Context, job stage.Job[events.CaptureRequested]) (events.Outcome, error) {
			b.mu.Lock()
			b.calls++
			b.mu.Unlock()
			return b.handle(ctx, job)
		})))
}

func command(attempt, generation int) events.CaptureRequested {
	return events.CaptureRequested{
		Assignment: events.Assignment{
			Attempt: attempt, Generation: generation, ReplySubject: taskSubject, Deadline: time.Now().Add(time.Hour), Output: "c1",
			Index: 1, Plan: &events.PlanRef{Count: 1, Ref: "plan", Digest: "blake3:0000000000000000000000000000000000000000000000000000000000000000"},
		},
		Work: events.CaptureWork{Application: events.Resource(`{}`), To: events.Resource(`{}`)},
	}
}

func delivered(t *testing.T, p events.CaptureRequested) *message.Message {
	t.Helper()
	e, err := events.New(scheduler, uint64(p.Attempt), time.Now(), p)
	check(t, err)
	_, data, err := events.Encode(e)
	check(t, err)
	m := message.NewMessage("m", data)
	m.Metadata.Set(bus.MetaSubject, workSubject)
	return m
}

// facts lists the types of the task's events in short, with the class of a failure.
func (b *bench) facts() string {
	b.t.Helper()
	var out []string
	for e, err := range b.journal.Load(context.Background(), saga.RunID{Tenant: "default", Run: "r1"}) {
		check(b.t, err)
		if e.Subject != taskSubject {
			continue
		}
		short := strings.TrimSuffix(strings.TrimPrefix(e.Event.Type(), "io.tranship.task."), ".v1")
		if f, err := events.Data[events.TaskFailed](e.Event); err == nil {
			short += ":" + f.Error.Class
		}
		out = append(out, short)
	}
	return strings.Join(out, " ")
}

func (b *bench) want(facts string, calls int) {
	b.t.Helper()
	if got := b.facts(); got != facts {
		b.t.Errorf("the task's facts are %q, want %q", got, facts)
	}
	if b.calls != calls {
		b.t.Errorf("the handler was called %d times, want %d", b.calls, calls)
	}
}

func done(context.Context, stage.Job[events.CaptureRequested]) (events.Outcome, error) {
	return events.Outcome{Ref: "report"}, nil
}

func untilEnd(ctx context.Context, _ stage.Job[events.CaptureRequested]) (events.Outcome, error) {
	<-ctx.Done()
	return events.Outcome{}, ctx.Err()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCommandIsClaimedAndCompletedOnce(t *testing.T) {
	b := newBench(t, done)
	w := b.worker("w")
	for range 2 { // the second is a redelivery after a lost acknowledgement
		check(t, w.Handle(delivered(t, command(1, 1))))
	}
	b.want("claimed completed", 1)
}

func TestCommandOfAnOldAttemptIsDropped(t *testing.T) {
	b := newBench(t, done)
	b.scheduled(2)
	check(t, b.worker("w").Handle(delivered(t, command(1, 1))))
	b.want("scheduled", 0)
	check(t, b.worker("w").Handle(delivered(t, command(2, 1))))
	b.want("scheduled claimed completed", 1)
}

func TestCommandThatIsAheadOfTheJournalIsLeft(t *testing.T) {
	b := newBench(t, done)
	if err := b.worker("w").Handle(delivered(t, command(2, 1))); err == nil {
		t.Error("it was acknowledged")
	}
	b.want("", 0)
}

func TestLostAnswersAreFoundInTheJournal(t *testing.T) {
	for _, lost := range []string{events.TypeTaskClaimed, events.TypeTaskCompleted} {
		b := newBench(t, done)
		b.journal.lose = lost
		check(t, b.worker("w").Handle(delivered(t, command(1, 1))))
		b.want("claimed completed", 1)
	}
}

func TestResultIsKeptWhileTheJournalIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.handle = func(ctx context.Context, job stage.Job[events.CaptureRequested]) (events.Outcome, error) {
			b.journal.mu.Lock()
			b.journal.away = 4
			b.journal.mu.Unlock()
			return done(ctx, job)
		}
		check(t, b.worker("w").Handle(delivered(t, command(1, 1))))
		b.want("claimed completed", 1)
	})
}

func TestErrorsBecomeFactsWithTheirClass(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{errors.New("odd"), "transient"}, {stage.Permanent(errors.New("no")), "permanent"},
		{fault.New(fault.Throttled, "", "slow down"), "throttled"}, {fault.New(fault.Denied, "secret.missing", "no key"), "denied"},
	} {
		b := newBench(t, func(context.Context, stage.Job[events.CaptureRequested]) (events.Outcome, error) {
			return events.Outcome{}, tc.err
		})
		check(t, b.worker("w").Handle(delivered(t, command(1, 1))))
		b.want("claimed failed:"+tc.want, 1)
	}
}

func TestPanicFailsTheAttemptWithoutItsValue(t *testing.T) {
	b := newBench(t, func(context.Context, stage.Job[events.CaptureRequested]) (events.Outcome, error) {
		panic("alice@example.org")
	})
	check(t, b.worker("w").Handle(delivered(t, command(1, 1))))
	b.want("claimed failed:transient", 1)
	for e, err := range b.journal.Load(t.Context(), saga.RunID{Tenant: "default", Run: "r1"}) {
		check(t, err)
		if strings.Contains(string(e.Event.Data()), "alice") {
			t.Errorf("the journal quotes the panic: %s", e.Event.Data())
		}
	}
}

func TestWorkerStopsWhenTheRunIsPausedOrCanceled(t *testing.T) {
	for _, state := range []saga.RunStatus{saga.RunPaused, saga.RunCanceling, saga.RunFailed} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, untilEnd)
			result := make(chan error, 1)
			go func() { result <- b.worker("w").Handle(delivered(t, command(1, 1))) }()
			time.Sleep(10 * time.Second)
			b.state(state)
			start := time.Now()
			check(t, <-result)
			if took := time.Since(start); took > bus.Heartbeat {
				t.Errorf("%s took effect after %s", state, took)
			}
			b.want("claimed", 1)
			check(t, b.worker("w").Handle(delivered(t, command(1, 1)))) // nor does it begin
			b.want("claimed", 1)
		})
	}
}

func TestAttemptFailsAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, untilEnd)
		start := time.Now()
		check(t, b.worker("w").Handle(delivered(t, command(1, 1))))
		if took := time.Since(start); took != time.Hour {
			t.Errorf("it ended after %s, the deadline is after an hour", took)
		}
		b.want("claimed failed:transient", 1)
	})
}

func TestDrainingWorkerLeavesTheTaskToItsSuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(ctx context.Context, job stage.Job[events.CaptureRequested]) (events.Outcome, error) {
			var token int
			if there, err := job.Checkpoint.Load(ctx, &token); err != nil || there {
				return events.Outcome{Stats: events.Stats{Items: int64(token)}}, err
			}
			check(t, job.Checkpoint.Save(ctx, 7))
			return untilEnd(ctx, job)
		})
		msg := delivered(t, command(1, 1))
		ctx, terminate := context.WithCancel(t.Context())
		msg.SetContext(ctx)
		go func() { time.Sleep(time.Second); terminate() }()
		if err := b.worker("w").Handle(msg); err == nil {
			t.Error("the command was acknowledged")
		}
		b.want("claimed", 1)
		check(t, b.worker("x").Handle(delivered(t, command(1, 1))))
		b.want("claimed claimed completed", 2)
		_, last, err := b.journal.Last(t.Context(), taskSubject)
		check(t, err)
		if p, err := events.Data[events.TaskCompleted](last[0]); err != nil || p.Outcome.Stats.Items != 7 {
			t.Errorf("the successor did not go on from the token: %+v, %v", p, err)
		}
	})
}

func TestZombieIsFencedFromJournalAndCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wake, woken := make(chan struct{}), make(chan error, 1)
		b := newBench(t, nil)
		b.handle = func(ctx context.Context, job stage.Job[events.CaptureRequested]) (events.Outcome, error) {
			if b.calls > 1 {
				return done(ctx, job)
			}
			<-wake // without looking at ctx
			woken <- job.Checkpoint.Save(context.WithoutCancel(ctx), "stale")
			return done(ctx, job)
		}
		result := make(chan error, 1)
		go func() { result <- b.worker("zombie").Handle(delivered(t, command(1, 1))) }()
		synctest.Wait()
		check(t, b.worker("successor").Handle(delivered(t, command(1, 1))))
		close(wake)
		if err := <-woken; !errors.Is(err, stage.ErrFenced) {
			t.Errorf("the zombie saved: %v", err)
		}
		if err := <-result; !errors.Is(err, stage.ErrFenced) {
			t.Errorf("the zombie's end is %v, want ErrFenced and no acknowledgement", err)
		}
		b.want("claimed claimed completed", 2)
	})
}

func TestTokenOfAnOldGenerationIsForgotten(t *testing.T) {
	var found bool
	b := newBench(t, func(ctx context.Context, job stage.Job[events.CaptureRequested]) (events.Outcome, error) {
		var token string
		var err error
		if found, err = job.Checkpoint.Load(ctx, &token); err != nil {
			return events.Outcome{}, err
		}
		return events.Outcome{}, errors.Join(job.Checkpoint.Save(ctx, "of an output that is abandoned"), errors.New("again"))
	})
	check(t, b.worker("w").Handle(delivered(t, command(1, 1))))
	b.scheduled(2)
	check(t, b.worker("w").Handle(delivered(t, command(2, 1))))
	if !found {
		t.Error("a second attempt did not find the token of the first")
	}
	b.scheduled(3)
	check(t, b.worker("w").Handle(delivered(t, command(3, 2))))
	if found {
		t.Error("a new generation found the token of the old one")
	}
}

func TestPoisonIsRemovedAndItsTaskFailed(t *testing.T) {
	elsewhere := command(1, 1)
	elsewhere.ReplySubject = events.TaskSubject("default", "r2", events.StageCapture, events.LocalCluster, "capture", "1")
	for name, tc := range map[string]struct {
		msg   *message.Message
		facts string
	}{
		"a reply subject of another run": {delivered(t, elsewhere), "claimed failed:permanent"},
		"no event at all":                {message.NewMessage("m", []byte("{")), ""},
	} {
		b := newBench(t, done)
		check(t, b.worker("w").Handle(tc.msg))
		if tc.msg.Metadata.Get(bus.MetaTerminate) == "" {
			t.Errorf("%s: the message was not removed", name)
		}
		b.want(tc.facts, 0)
	}
	b := newBench(t, done)
	foreign := delivered(t, command(1, 1))
	foreign.Metadata.Set(bus.MetaSubject, strings.Replace(workSubject, "r1", "r2", 1))
	check(t, b.worker("w").Handle(foreign))
	b.want("", 0)
}

func TestTooLargeTokenIsRefused(t *testing.T) {
	b := newBench(t, func(ctx context.Context, job stage.Job[events.CaptureRequested]) (events.Outcome, error) {
		return events.Outcome{}, job.Checkpoint.Save(ctx, strings.Repeat("x", stage.MaxToken))
	})
	check(t, b.worker("w").Handle(delivered(t, command(1, 1))))
	b.want("claimed failed:permanent", 1)
}
