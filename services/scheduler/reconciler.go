package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/pkg/events"
)

// reconciler revives what was lost outside the journal: facts that no reactor saw, commands and timers that vanished with
// the work queue, commands that a zombie acknowledged.
type reconciler struct {
	cfg  Config
	deps Deps
	runs *runs

	suspects map[suspect]bool // attempts that looked lost in the pass before
}

// suspect is an attempt on which nobody seems to work.
type suspect struct {
	run        saga.RunID
	step, task string
	attempt    int
}

// overtime is how long after its timeout a claimed attempt ends although its timer did not ring.
const overtime = time.Minute

// pass looks at every run that is neither terminal nor paused. A run that cannot be looked at does not keep it from the
// others.
func (r *reconciler) pass(ctx context.Context) error {
	found := map[suspect]bool{}
	var errs []error
	var before saga.Seq
	for {
		heads, err := r.deps.Feed.Runs(ctx, "", before, saga.MaxRuns)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("list runs: %w", err))...)
		}
		for _, h := range heads {
			before = h.Seq
			if !open(h) {
				continue
			}
			if err := r.run(ctx, h.Run, found); err != nil {
				errs = append(errs, fmt.Errorf("run %s: %w", h.Run.Run, err))
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		if len(heads) < saga.MaxRuns {
			r.suspects = found
			return errors.Join(errs...)
		}
	}
}

// open reports whether a run still has to move. A failed or canceled one has, while its tasks are being ended: the reactor
// sees to that, and nothing waits for it.
func open(h saga.Head) bool {
	if len(h.Entries) == 0 {
		return false
	}
	state, _ := h.Entries[len(h.Entries)-1].Event.Extensions()[events.ExtRunState].(string)
	return !saga.RunStatus(state).Terminal() && saga.RunStatus(state) != saga.RunPaused
}

func (r *reconciler) run(ctx context.Context, id saga.RunID, found map[suspect]bool) error {
	if err := r.runs.follow(ctx, id, 0, saga.Advance{}); err != nil {
		return err
	}
	s, err := r.runs.catchUp(ctx, id, saga.State{})
	if err != nil {
		return err
	}
	for i, st := range s.Steps {
		for _, t := range st.Tasks {
			if !t.InFlight() || !s.Status.Active() {
				continue
			}
			if err := r.task(ctx, s, s.Definition.Steps[i], t, found); err != nil {
				return err
			}
		}
	}
	return nil
}

// task revives an attempt that two passes found without a command, a timer and a sign of life: one pass may see a command
// on its way.
func (r *reconciler) task(ctx context.Context, s saga.State, def events.StepDefinition, t saga.Task, found map[suspect]bool) error {
	now := r.deps.Clock.Now()
	if t.Status == saga.TaskClaimed && now.After(t.ClaimedAt.Add(time.Duration(def.Timeout)+overtime)) {
		return r.runs.follow(ctx, s.ID(), 0, saga.Timer{Step: def.Name, Task: t.ID, Attempt: t.Attempt})
	}
	lost, err := r.lost(ctx, s, def, t, now)
	if err != nil || !lost {
		return err
	}
	key := suspect{s.ID(), def.Name, t.ID, t.Attempt}
	if !r.suspects[key] {
		found[key] = true
		return nil
	}
	r.deps.Log.Warn("the command of a task is lost, handing it out again", zap.String("run", s.Run), zap.String("step", def.Name),
		zap.String("task", t.ID), zap.Int("attempt", t.Attempt))
	return r.runs.follow(ctx, s.ID(), 0, saga.Redrive{Step: def.Name, Task: t.ID, Attempt: t.Attempt})
}

func (r *reconciler) lost(ctx context.Context, s saga.State, def events.StepDefinition, t saga.Task, now time.Time) (bool, error) {
	at := saga.StageOf(def.Kind, t.ID)
	work := events.WorkSubject(at, def.Cluster, s.Tenant, s.Run, def.Name, t.ID)
	waits, err := r.deps.Commands.Pending(ctx, work, saga.RetryName(s.ID(), def.Name, t.ID))
	if err != nil || waits {
		return false, err
	}
	var c stage.Checkpoint
	c, _, err = r.deps.Checkpoints.Get(ctx, events.CheckpointKey(at, def.Cluster, s.Tenant, s.Run, def.Name, t.ID))
	if err != nil {
		return false, err
	}
	alive := c.Attempt == t.Attempt && now.Sub(c.Beat) < r.cfg.Silence
	return !alive, nil
}
