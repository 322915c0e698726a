package scheduler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/failpoint"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// unselected stands for the application of a request that selects none.
const unselected = "none"

// trigger starts a run for each application that is asked for: the first one (by name) gets the run of the request, the
// others get ids that follow from it, so that the same request starts the same runs. A request that cannot be met opens and
// fails the run, so that whoever asked learns why.
func (s *Scheduler) trigger(ctx context.Context, id saga.RunID, p events.TriggerFired) error {
	if p.Cause.Kind == "" {
		p.Cause.Kind = "api"
	}
	set, err := s.deps.Resources.Tenant(ctx, id.Tenant)
	if err != nil {
		return fmt.Errorf("look up the resources of tenant %s: %w", id.Tenant, err)
	}
	plan, err := newPlan(s.cfg, set, id.Tenant, p, s.deps.Clock.Now())
	if err != nil {
		return s.refuse(ctx, id, p, p.Application, err)
	}
	failpoint.Hit(failpoint.TriggerBeforeAppend)
	for i, app := range plan.applications {
		run := id
		if i > 0 {
			run.Run = saga.DerivedID(id.Run, app.Name)
		}
		def, err := plan.definition(app)
		if err != nil {
			if err = s.refuse(ctx, run, p, app.Name, err); err != nil {
				return err
			}
			continue
		}
		start := saga.Start{Request: requested(plan.policyName(), app.Name, plan.params, p.Cause), Definition: def}
		err = s.runs.follow(ctx, run, 0, start)
		if errors.Is(err, events.ErrInvalid) {
			err = s.refuse(ctx, run, p, app.Name, fault.New(fault.Permanent, "run.invalid", "write the definition of the run: %w", err))
		}
		if err != nil {
			return err
		}
		s.deps.Log.Info("a run is started", zap.String("tenant", run.Tenant), zap.String("run", run.Run), zap.String("policy", plan.policyName()),
			zap.String("application", app.Name), zap.String("cause", p.Cause.Kind))
	}
	return nil
}

func requested(policy, application string, params map[string]string, cause events.Cause) events.RunRequested {
	return events.RunRequested{Policy: policy, Application: application, Params: params, Cause: cause}
}

func (s *Scheduler) refuse(ctx context.Context, id saga.RunID, p events.TriggerFired, application string, reason error) error {
	if application == "" {
		application = unselected
	}
	s.deps.Log.Warn("a run is refused", zap.String("tenant", id.Tenant), zap.String("run", id.Run), zap.String("policy", p.Policy), zap.Error(reason))
	f := events.Fault{
		Class: string(fault.Permanent), Code: fault.CodeOf(reason), Message: shortened(reason.Error()), Hint: shortened(fault.HintOf(reason)),
	}
	return s.runs.follow(ctx, id, 0, saga.Refuse{Request: requested(p.Policy, application, nil, p.Cause), Reason: f})
}

// shortened bounds what a refusal says: it may list every mistake of a long policy, and has to fit into an event.
func shortened(text string) string {
	const most = 16 << 10
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// parameters checks the values that a run is given against what its policy declares, and fills in defaults.
func parameters(declared map[string]api.Param, given map[string]string) (map[string]string, error) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, known := declared[name]; !known {
			return nil, fault.New(fault.Permanent, "param.unknown", "params.%s: the policy declares no such parameter", name)
		}
	}
	values := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		value, ok := given[name]
		if !ok {
			if value = declared[name].Default; value == "" {
				return nil, fault.New(fault.Permanent, "param.missing", "params.%s: a value is needed", name)
			}
		}
		if err := declared[name].Check(value); err != nil {
			return nil, fault.New(fault.Permanent, "param.invalid", "params.%s: %w", name, err)
		}
		values[name] = value
	}
	return values, nil
}
