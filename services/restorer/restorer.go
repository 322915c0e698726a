package restorer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/location"
	"github.com/tranship/tranship/internal/registry"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/pkg/events"
)

// Config is how much a restorer does at once.
type Config struct {
	// Workers is how many units of a component are restored, or read back, at the same time.
	Workers int
}

// Deps are the parts that a restorer uses.
type Deps struct {
	Locations *location.Opener
	Drivers   *registry.Registry[dataservice.Spec]
	Targets   dataservice.Deps
	Signer    *artifact.Signer
	Clock     clock.Clock
	Log       *zap.Logger
}

// Restorer handles the tasks of restore and verify steps. It is safe for concurrent use.
type Restorer struct {
	config Config
	deps   Deps
}

// New returns a restorer.
func New(c Config, d Deps) *Restorer {
	c.Workers = max(1, c.Workers)
	return &Restorer{config: c, deps: d}
}

// Restore does one task of a restore step.
func (r *Restorer) Restore(ctx context.Context, job stage.Job[events.RestoreRequested]) (events.Outcome, error) {
	work := job.Command.Work
	p, err := r.place(ctx, job.Address, job.Fence, job.Command.Assignment, work.From, work.Target, work.Only)
	if err != nil {
		return events.Outcome{}, err
	}
	defer p.close()
	switch job.Address.Task {
	case events.TaskPlan:
		if job.Command.Generation > 1 {
			// What stands there may be of another capture: the record in the target speaks of units, not of what was in them.
			if err := r.discard(ctx, p.targets, job.Address.Run, job.Fence); err != nil {
				return events.Outcome{}, err
			}
		}
		return p.plan(ctx)
	case events.TaskCommit:
		return p.sum(), nil
	default:
		return p.restore(ctx, job.Report)
	}
}

// Verify does one task of a verify step.
func (r *Restorer) Verify(ctx context.Context, job stage.Job[events.VerifyRequested]) (events.Outcome, error) {
	work := job.Command.Work
	p, err := r.place(ctx, job.Address, job.Fence, job.Command.Assignment, work.From, work.Target, work.Only)
	if err != nil {
		return events.Outcome{}, err
	}
	defer p.close()
	if err := p.checkLeaks(work.Checks); err != nil {
		return events.Outcome{}, err
	}
	switch job.Address.Task {
	case events.TaskPlan:
		return p.plan(ctx)
	case events.TaskCommit:
		return p.unseal(ctx)
	default:
		return p.compare(ctx)
	}
}

// Compensate removes what a restore made and did not publish.
func (r *Restorer) Compensate(ctx context.Context, job stage.Job[events.RestoreCompensate]) error {
	work := job.Command.Work.Restore
	if work == nil {
		return nil
	}
	targets, err := decodeTargets(work.Target)
	if err != nil {
		return err
	}
	return r.discard(ctx, targets, job.Address.Run, job.Fence)
}

// discard removes what the run made and did not publish.
func (r *Restorer) discard(ctx context.Context, targets []api.TargetComponent, run string, fence uint64) error {
	for _, t := range targets {
		sandbox, err := r.sandbox(ctx, t, run, fence)
		if err != nil {
			return fmt.Errorf("component %s: %w", t.Name, err)
		}
		err = sandbox.Discard(ctx)
		_ = sandbox.Close()
		if err != nil {
			return fmt.Errorf("component %s: %w", t.Name, err)
		}
	}
	return nil
}

// place is where a capture is restored to, with the capture at hand.
type place struct {
	*Restorer
	at       events.Address
	fence    uint64
	assigned events.Assignment
	loc      *location.Location
	manifest *artifact.Manifest
	content  dataservice.Content
	targets  []api.TargetComponent
	only     []string
}

// place opens the capture and checks that the target may have it.
func (r *Restorer) place(ctx context.Context, at events.Address, fence uint64, a events.Assignment, from events.Resource, target events.Target, only []string) (*place, error) {
	if a.Input == nil {
		return nil, fault.New(fault.Permanent, "input.missing", "step %s needs a capture", at.Step)
	}
	targets, err := decodeTargets(target)
	if err != nil {
		return nil, err
	}
	loc, err := r.deps.Locations.Open(ctx, from, at.Tenant, a.Input.Application, location.Read)
	if err != nil {
		return nil, err
	}
	p := &place{Restorer: r, at: at, fence: fence, assigned: a, loc: loc, targets: targets, only: only}
	if !api.Trust(target.Accepts).Admits(api.Trust(loc.Trust)) {
		_ = loc.Close()
		return nil, fault.New(fault.Denied, "trust.refused", "the target accepts %q captures, and location %s holds %s ones", target.Accepts, loc.Name, loc.Trust).
			WithHint("mask the capture first, or declare a target that accepts %s", loc.Trust)
	}
	if p.manifest, p.content, err = loc.Read(ctx, a.Input); err != nil {
		_ = loc.Close()
		return nil, err
	}
	return p, nil
}

func (p *place) close() { _ = p.loc.Close() }

func decodeTargets(t events.Target) ([]api.TargetComponent, error) {
	out := make([]api.TargetComponent, 0, len(t.Components))
	for i, raw := range t.Components {
		var c api.TargetComponent
		if err := json.Unmarshal(raw, &c); err != nil {
			return nil, fault.New(fault.Permanent, "event.invalid", "target.components[%d]: %w", i, err)
		}
		out = append(out, c)
	}
	return out, nil
}

// plan is what task 0 writes: the components in order.
type plan struct {
	Components []string `json:"components"`
}

func (p *place) plan(ctx context.Context) (events.Outcome, error) {
	var list plan
	for _, name := range p.only {
		if p.content.Component(name) == nil {
			return events.Outcome{}, fault.New(fault.Permanent, "component.missing", "capture %s holds no component %q", p.manifest.ID(), name)
		}
	}
	for _, c := range p.content.Components {
		if len(p.only) > 0 && !slices.Contains(p.only, c.Name) {
			continue
		}
		if _, err := p.target(c); err != nil {
			return events.Outcome{}, err
		}
		list.Components = append(list.Components, c.Name)
	}
	ref, digest, err := p.loc.Save(ctx, p.at, p.fence, list)
	if err != nil {
		return events.Outcome{}, err
	}
	return events.Outcome{Plan: &events.PlanRef{Count: len(list.Components), Ref: ref, Digest: digest}}, nil
}

func (p *place) loadPlan(ctx context.Context) (plan, error) {
	var list plan
	if p.assigned.Plan == nil {
		return list, fault.New(fault.Permanent, "event.invalid", "the command names no plan")
	}
	return list, p.loc.Load(ctx, p.assigned.Plan.Ref, p.assigned.Plan.Digest, &list)
}

// component returns the component that the work item is about.
func (p *place) component(ctx context.Context) (dataservice.Component, error) {
	list, err := p.loadPlan(ctx)
	if err != nil {
		return dataservice.Component{}, err
	}
	i := p.assigned.Index
	if i < 1 || i > len(list.Components) {
		return dataservice.Component{}, fault.New(fault.Permanent, "plan.index", "there is no work item %d in a plan of %d", i, len(list.Components))
	}
	c := p.content.Component(list.Components[i-1])
	if c == nil {
		return dataservice.Component{}, fault.New(fault.Permanent, "plan.component", "the plan names component %q, and capture %s holds none", list.Components[i-1], p.manifest.ID())
	}
	return *c, nil
}

// target returns where a component goes.
func (p *place) target(c dataservice.Component) (api.TargetComponent, error) {
	i := slices.IndexFunc(p.targets, func(t api.TargetComponent) bool { return t.Name == c.Name })
	if i < 0 {
		return api.TargetComponent{}, fault.New(fault.Permanent, "target.missing", "component %s has no place in the target", c.Name).
			WithHint("add it to the restore step's to.components, or leave it out with only")
	}
	if engine := p.targets[i].Engine(); engine != c.Driver {
		return api.TargetComponent{}, fault.New(fault.Permanent, "target.engine", "component %s is %s, and its place in the target is %s", c.Name, c.Driver, engine)
	}
	return p.targets[i], nil
}

func (r *Restorer) restoring(run string, fence uint64) dataservice.Restoring {
	return dataservice.Restoring{Run: run, Fence: fence, Workers: r.config.Workers}
}

func (r *Restorer) sandbox(ctx context.Context, t api.TargetComponent, run string, fence uint64) (dataservice.Sandbox, error) {
	driver, config, err := r.driver(t)
	if err != nil {
		return nil, err
	}
	return driver.Sandbox(ctx, config, r.restoring(run, fence), r.deps.Targets)
}

func (r *Restorer) driver(t api.TargetComponent) (dataservice.Spec, json.RawMessage, error) {
	var config any
	switch {
	case t.Postgres != nil:
		config = t.Postgres
	case t.Files != nil:
		config = t.Files
	default:
		return dataservice.Spec{}, nil, fault.New(fault.Permanent, "target.engine", "component %s: no data service is set", t.Name)
	}
	driver, err := r.deps.Drivers.Get(t.Engine())
	if err != nil {
		return dataservice.Spec{}, nil, fault.Wrap(fault.Permanent, err)
	}
	raw, err := json.Marshal(config)
	return driver, raw, err
}
