package scheduler_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/pkg/events"
)

func resources(t testing.TB) *api.Set {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "shop.yaml"))
	check(t, err)
	defer func() { _ = f.Close() }()
	rs, err := api.Decode(f, "shop.yaml")
	check(t, err)
	return api.NewSet(rs...)
}

func TestPolicyRunsFromTriggerToReadyEnvironment(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.scheduler()
		c.workers()
		c.trigger("r1")
		s := c.until("r1", time.Minute, is(saga.RunCompleted))
		if s.Request.Params["env"] != "test" {
			t.Errorf("the parameters are %v, want the default of env", s.Request.Params)
		}
		if s.Output == nil || s.Output.ID != s.Step("transfer").Output {
			t.Errorf("the output is %v, want the transferred capture", s.Output)
		}
		for _, st := range s.Steps {
			for _, task := range st.Tasks {
				if task.Attempt != 1 {
					t.Errorf("task %s of step %s took %d attempts", task.ID, st.Name, task.Attempt)
				}
			}
		}
		if h := c.history("r1"); !strings.Contains(h, events.TypeEnvironmentReady) {
			t.Errorf("nobody is told that the environment is ready:\n%s", h)
		}
	})
}

func TestRequestForAnUnknownPolicyFailsItsRunWithTheReason(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.scheduler()
		send(c, "r1", events.TriggerFired{Policy: "nightlies", Cause: events.Cause{Kind: "cli"}})
		s := c.until("r1", time.Minute, is(saga.RunFailed))
		if f := s.Failure.Error; f.Code != "policy.missing" || !strings.Contains(f.Hint, "nightly") {
			t.Errorf("the reason is %+v, want policy.missing with a suggestion", f)
		}
	})
}

func TestRefusalThatSaysMuchIsShortened(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.scheduler()
		send(c, "r1", events.TriggerFired{Policy: strings.Repeat("n", 150<<10), Cause: events.Cause{Kind: "cli"}})
		c.until("r1", time.Minute, is(saga.RunFailed))
	})
}

func TestDeadWorkerIsReplacedAndItsSuccessorGoesOn(t *testing.T) {
	inCluster(t, func(c *cluster) {
		var resumed string
		c.do[events.StageCapture] = func(ctx context.Context, _, task string, call int, cp stage.Checkpointer) error {
			if task != "1" {
				return nil
			}
			if call == 1 {
				if err := cp.Save(ctx, "half way"); err != nil {
					return err
				}
				<-ctx.Done()
				return ctx.Err()
			}
			_, err := cp.Load(ctx, &resumed)
			return err
		}
		c.scheduler()
		stop := c.worker(bus.ServiceCapturer, events.StageCapture)
		c.trigger("r1")
		c.until("r1", time.Minute, func(s saga.State) bool {
			t := s.Task("capture", "1")
			return t != nil && t.Status == saga.TaskClaimed
		})
		time.Sleep(2 * time.Second)
		stop()
		c.workers()
		s := c.until("r1", time.Minute, is(saga.RunCompleted))
		if resumed != "half way" {
			t.Errorf("the successor found %q, want what its predecessor saved", resumed)
		}
		if a := s.Task("capture", "1").Attempt; a != 1 {
			t.Errorf("a takeover is within the attempt, got attempt %d", a)
		}
	})
}

func TestHungHandlerEndsAtItsDeadlineAndIsTriedAgain(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.do[events.StageMask] = func(ctx context.Context, _, task string, call int, _ stage.Checkpointer) error {
			if task == "2" && call == 1 {
				<-ctx.Done()
				time.Sleep(time.Minute) // and does not notice
				return ctx.Err()
			}
			return nil
		}
		c.scheduler()
		c.workers()
		c.trigger("r1")
		s := c.until("r1", 3*time.Hour, is(saga.RunCompleted))
		if task := s.Task("mask", "2"); task.Attempt != 2 || task.Failures != 1 {
			t.Errorf("the task took %d attempts after %d failures, want 2 after 1", task.Attempt, task.Failures)
		}
		time.Sleep(2 * time.Minute) // the handler that hung comes to its end
	})
}

func TestFailingTaskIsRetriedWithBackoffAndThenFailsTheRun(t *testing.T) {
	inCluster(t, func(c *cluster) {
		broken := true
		c.do[events.StageTransfer] = func(_ context.Context, _, task string, _ int, _ stage.Checkpointer) error {
			if task == events.TaskPlan && broken {
				return errors.New("the store is away")
			}
			return nil
		}
		c.scheduler()
		c.workers()
		c.trigger("r1")
		s := c.until("r1", time.Hour, is(saga.RunFailed))
		if n := c.called("transfer/0"); n != 3 {
			t.Errorf("it was tried %d times, want 3", n)
		}
		if s.Failure.Step != "transfer" || s.Failure.Error.Message != "the store is away" {
			t.Errorf("the failure is %+v", s.Failure)
		}
		broken = false
		send(c, "r1", events.ControlRequested{Action: "retry"})
		c.until("r1", time.Hour, is(saga.RunCompleted))
		if n := c.called("mask/commit"); n != 1 {
			t.Errorf("a retry repeated a step that was through: %d times", n)
		}
	})
}

func TestLostSnapshotStartsTheStepAgainUnderANewID(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.do[events.StageCapture] = func(_ context.Context, _, task string, call int, _ stage.Checkpointer) error {
			if task == "2" && call == 1 {
				return fault.New(fault.Transient, events.CodeSnapshotLost, "the snapshot is gone")
			}
			return nil
		}
		c.scheduler()
		c.workers()
		c.trigger("r1")
		s := c.until("r1", time.Hour, is(saga.RunCompleted))
		st := s.Step("capture")
		if st.Generation != 2 || len(st.Abandoned) != 1 || st.Capture.ID == st.Abandoned[0] {
			t.Errorf("the step is %+v, want a second generation with a capture of its own", st)
		}
	})
}

func TestPausedRunRestsAndGoesOn(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.do[events.StageRestore] = func(ctx context.Context, _, task string, call int, _ stage.Checkpointer) error {
			if task == "1" && call == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		c.scheduler()
		c.workers()
		c.trigger("r1")
		c.until("r1", time.Minute, func(s saga.State) bool { return c.called("restore/1") == 1 })
		send(c, "r1", events.ControlRequested{Action: "pause"})
		c.until("r1", time.Minute, is(saga.RunPaused))
		before := c.called("restore/1")
		time.Sleep(24 * time.Hour)
		if s := c.state("r1"); s.Status != saga.RunPaused || c.called("restore/1") != before {
			t.Fatalf("a paused run moved: %s, %d calls", s.Status, c.called("restore/1"))
		}
		send(c, "r1", events.ControlRequested{Action: "resume"})
		c.until("r1", time.Minute, is(saga.RunCompleted))
	})
}

func TestCanceledRunUndoesItsStepsInReverse(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.do[events.StageRestore] = func(ctx context.Context, _, task string, _ int, _ stage.Checkpointer) error {
			if task == events.TaskPlan {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		c.scheduler()
		c.workers()
		c.trigger("r1")
		c.until("r1", time.Minute, func(s saga.State) bool { return c.called("restore/0") == 1 })
		send(c, "r1", events.ControlRequested{Action: "cancel", Reason: "not needed"})
		c.until("r1", time.Minute, is(saga.RunCanceled))
		var order []string
		for line := range strings.Lines(c.history("r1")) {
			if f := strings.Fields(line); f[2] == events.TypeStepCompensated {
				order = append(order, strings.TrimPrefix(f[1], "r1/"))
			}
		}
		if got := strings.Join(order, " "); got != "restore transfer mask capture" {
			t.Errorf("undone were %q, want every step that was begun, in reverse", got)
		}
	})
}

func TestRunSurvivesTheLossOfTheWorkQueue(t *testing.T) {
	inCluster(t, func(c *cluster) {
		stop := c.scheduler()
		c.trigger("r1")
		c.until("r1", time.Minute, func(s saga.State) bool { return s.Status == saga.RunRunning })
		time.Sleep(5 * time.Second) // its first command is out, and nobody takes it
		stop()
		work, err := c.js.Stream(context.Background(), bus.StreamWork)
		check(t, err)
		check(t, work.Purge(context.Background()))
		c.workers()
		c.scheduler()
		c.until("r1", 10*time.Minute, is(saga.RunCompleted))
	})
}

func TestSchedulersShareTheWorkWithoutALeader(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.do[events.StageCapture] = func(context.Context, string, string, int, stage.Checkpointer) error {
			time.Sleep(10 * time.Second)
			return nil
		}
		c.scheduler()
		stop := c.scheduler()
		c.workers()
		for _, run := range []string{"r1", "r2", "r3"} {
			c.trigger(run)
		}
		c.until("r2", time.Minute, func(s saga.State) bool { return s.Status == saga.RunRunning })
		stop()
		for _, run := range []string{"r1", "r2", "r3"} {
			s := c.until(run, 10*time.Minute, is(saga.RunCompleted))
			for _, st := range s.Steps {
				if st.Generation != 1 {
					t.Errorf("step %s of %s was started %d times", st.Name, run, st.Generation)
				}
			}
		}
	})
}
