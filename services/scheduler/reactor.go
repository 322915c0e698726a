package scheduler

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/failpoint"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// runs folds, decides, appends and emits, for one run at a time. It remembers folded states, bounded in number: losing one
// costs time and nothing else.
type runs struct {
	deps Deps
	max  int

	mu    sync.Mutex
	cache map[saga.RunID]*list.Element
	order *list.List // of *run, the last used first
}

// run is a run in memory. state is the last one whose effects are done: the zero State when nobody knows.
type run struct {
	mu    sync.Mutex
	id    saga.RunID
	state saga.State
}

func newRuns(max int, deps Deps) *runs {
	return &runs{deps: deps, max: max, cache: map[saga.RunID]*list.Element{}, order: list.New()}
}

func (r *runs) get(id saga.RunID) *run {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.cache[id]; ok {
		r.order.MoveToFront(e)
		return e.Value.(*run)
	}
	u := &run{id: id}
	r.cache[id] = r.order.PushFront(u)
	if r.order.Len() > r.max {
		oldest := r.order.Back()
		r.order.Remove(oldest)
		delete(r.cache, oldest.Value.(*run).id)
	}
	return u
}

// errRounds: others appended again and again before us, or deciding does not come to an end.
var errRounds = fault.New(fault.Transient, "run.contended", "the run does not come to rest")

const maxRounds = 100

// follow lets a run follow a command and all that comes of it. seq is the place of the message that led here, 0 when there
// is none: nothing is to be done for a message whose effects this replica has done.
func (r *runs) follow(ctx context.Context, id saga.RunID, seq saga.Seq, c saga.Command) error {
	u := r.get(id)
	u.mu.Lock()
	defer u.mu.Unlock()
	if seq > 0 && seq <= u.state.Seq {
		return nil
	}
	failpoint.Hit(failpoint.ReactorBeforeAppend)
	s, err := r.settle(ctx, u, c)
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.ReactorBeforeEmit)
	abandoned, err := r.emit(ctx, u.state, s)
	if err != nil {
		u.state = saga.State{}
		return fmt.Errorf("hand out the work of run %s: %w", id.Run, err)
	}
	u.state = s
	if abandoned == nil {
		return nil
	}
	r.deps.Log.Error("a task is given up", zap.String("run", id.Run), zap.Error(abandoned))
	reason := events.Fault{Class: string(fault.Permanent), Code: saga.CodeCommandInvalid, Message: abandoned.Error()}
	if s, err = r.settle(ctx, u, saga.Abandon{Step: abandoned.Step, Task: abandoned.Task, Reason: reason}); err != nil {
		return err
	}
	u.state = s // a run that has failed hands out nothing
	return nil
}

// settle decides and appends until nothing is left to write, and returns the state then.
func (r *runs) settle(ctx context.Context, u *run, c saga.Command) (saga.State, error) {
	s, err := r.catchUp(ctx, u.id, u.state)
	if err != nil {
		return s, err
	}
	for range maxRounds {
		appends, err := saga.Decide(s, c, r.deps.Clock.Now())
		if err != nil {
			return s, fmt.Errorf("decide about run %s: %w", u.id.Run, err)
		}
		if _, resting := c.(saga.Advance); resting && len(appends) == 0 {
			return s, nil
		}
		written, err := r.write(ctx, appends)
		if err != nil {
			return s, err
		}
		if written {
			c = saga.Advance{}
		}
		if s, err = r.catchUp(ctx, u.id, s); err != nil {
			return s, err
		}
	}
	return s, errRounds
}

// write appends what was decided, and reports whether all of it was accepted.
func (r *runs) write(ctx context.Context, appends []saga.Append) (bool, error) {
	for _, a := range appends {
		_, err := r.deps.Journal.Append(ctx, a.Subject, a.After, a.Events...)
		if errors.Is(err, saga.ErrConflict) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// catchUp folds what the journal holds after a state.
func (r *runs) catchUp(ctx context.Context, id saga.RunID, s saga.State) (saga.State, error) {
	if s.Run == "" {
		s.Tenant, s.Run = id.Tenant, id.Run
	}
	known := s.Seq
	for e, err := range r.deps.Journal.Load(ctx, id) {
		if err != nil {
			return s, err
		}
		if e.Seq <= known {
			continue
		}
		next, err := saga.Fold(s, e)
		if err != nil {
			r.deps.Log.Warn("an event is ignored", zap.String("run", id.Run), zap.Error(err))
		}
		s = next
	}
	return s, nil
}

// emit does the effects that lie between two states. It returns the first task for which no command can be written.
//
// Without a state before, somebody may have done them already: commands that still wait are not published again.
func (r *runs) emit(ctx context.Context, before, after saga.State) (*saga.CommandError, error) {
	effects, err := saga.Effects(before, after, r.deps.Clock.Now())
	var abandoned *saga.CommandError
	if err != nil && !errors.As(err, &abandoned) {
		return nil, err
	}
	for _, e := range effects {
		if err := r.do(ctx, e, before.Seq == 0); err != nil {
			return nil, err
		}
	}
	return abandoned, nil
}

func (r *runs) do(ctx context.Context, e saga.Effect, repeated bool) error {
	switch e.Kind {
	case saga.Publish:
		if repeated {
			if waits, err := r.deps.Commands.Pending(ctx, e.Subject, ""); err != nil || waits {
				return err
			}
		}
		return r.deps.Commands.Publish(ctx, e.Subject, e.ID, e.Event)
	case saga.Schedule:
		return r.deps.Commands.PublishAt(ctx, e.Name, e.At, e.Subject, e.Event)
	case saga.Unschedule:
		if err := r.deps.Commands.Unschedule(ctx, e.Name); err != nil { // a timer too many is ignored when it fires
			r.deps.Log.Debug("a timer could not be removed", zap.String("name", e.Name), zap.Error(err))
		}
	}
	return nil
}

// sequence returns the message's place in its stream, or 0.
func sequence(msg *message.Message) saga.Seq {
	n, err := strconv.ParseUint(msg.Metadata.Get(bus.MetaSequence), 10, 64)
	if err != nil {
		return 0
	}
	return saga.Seq(n)
}
