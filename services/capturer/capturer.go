package capturer

import (
	"context"
	"encoding/json"
	"fmt"

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

// Config is how much a capturer does at once.
type Config struct {
	// Workers is how many units of a component are read at the same time. Each holds a connection to the source.
	Workers int
	// Version of the program, for the manifest.
	Version string
}

// Deps are the parts that a capturer uses.
type Deps struct {
	Locations *location.Opener
	Drivers   *registry.Registry[dataservice.Spec]
	Sources   dataservice.Deps
	Signer    *artifact.Signer
	Clock     clock.Clock
	Log       *zap.Logger
}

// Capturer handles the tasks of capture steps. It is safe for concurrent use.
type Capturer struct {
	config Config
	deps   Deps
}

// New returns a capturer.
func New(c Config, d Deps) *Capturer {
	c.Workers = max(1, c.Workers)
	return &Capturer{config: c, deps: d}
}

// Handle does one task.
func (c *Capturer) Handle(ctx context.Context, job stage.Job[events.CaptureRequested]) (events.Outcome, error) {
	app, err := location.DecodeResource[*api.Application](job.Command.Work.Application)
	if err != nil {
		return events.Outcome{}, fmt.Errorf("decode the application: %w", err)
	}
	loc, err := c.deps.Locations.Open(ctx, job.Command.Work.To, job.Address.Tenant, app.Name, location.Write)
	if err != nil {
		return events.Outcome{}, err
	}
	defer loc.Close()
	if loc.Trust != artifact.Raw {
		return events.Outcome{}, fault.New(fault.Denied, "trust.mismatch", "location %s holds masked captures: what is captured is raw", loc.Name)
	}
	t := task{Capturer: c, job: job, app: app, loc: loc}
	switch job.Address.Task {
	case events.TaskPlan:
		return t.plan(ctx)
	case events.TaskCommit:
		return t.commit(ctx)
	default:
		return t.component(ctx)
	}
}

// Compensate voids the capture, so that it can never come to exist.
func (c *Capturer) Compensate(ctx context.Context, job stage.Job[events.CaptureCompensate]) error {
	work := job.Command.Work.Capture
	if work == nil || job.Command.Output == "" {
		return nil
	}
	app, err := location.DecodeResource[*api.Application](work.Application)
	if err != nil {
		return fmt.Errorf("decode the application: %w", err)
	}
	loc, err := c.deps.Locations.Open(ctx, work.To, job.Address.Tenant, app.Name, location.Write)
	if err != nil {
		return err
	}
	defer loc.Close()
	return loc.Void(ctx, job.Address.Run, job.Command.Assignment)
}

// task is one task in hand.
type task struct {
	*Capturer
	job stage.Job[events.CaptureRequested]
	app *api.Application
	loc *location.Location
}

// plan is what task 0 writes: the components in order, and what all of them share.
type plan struct {
	MeasureKey dataservice.MeasureKey `json:"measureKey"`
	Components []string               `json:"components"`
}

func (t *task) plan(ctx context.Context) (events.Outcome, error) {
	p := plan{MeasureKey: dataservice.NewMeasureKey()}
	for _, component := range t.app.Spec.Components {
		if component.Engine() == "" {
			return events.Outcome{}, fault.New(fault.Permanent, "component.engine", "component %s: no data service is set", component.Name)
		}
		p.Components = append(p.Components, component.Name)
	}
	if len(p.Components) == 0 {
		return events.Outcome{}, fault.New(fault.Permanent, "application.empty", "application %s lists no components", t.app.Name).
			WithHint("list components in spec.components")
	}
	tasks, err := events.TasksBeside(t.job.Command.Work)
	if err != nil {
		return events.Outcome{}, fault.Wrap(fault.Permanent, err)
	}
	if len(p.Components) > tasks {
		return events.Outcome{}, fault.New(fault.Permanent, "application.large", "application %s has %d components, at most %d can be captured as one", t.app.Name, len(p.Components), tasks)
	}
	ref, digest, err := t.loc.Save(ctx, t.job.Address, t.job.Fence, p)
	if err != nil {
		return events.Outcome{}, err
	}
	return events.Outcome{Plan: &events.PlanRef{Count: len(p.Components), Ref: ref, Digest: digest}}, nil
}

// loadPlan reads what task 0 of this generation wrote.
func (t *task) loadPlan(ctx context.Context) (plan, error) {
	var p plan
	if t.job.Command.Plan == nil {
		return p, fault.New(fault.Permanent, "event.invalid", "the command names no plan")
	}
	return p, t.loc.Load(ctx, t.job.Command.Plan.Ref, t.job.Command.Plan.Digest, &p)
}

// configOf returns the driver's part of a component, as JSON.
func configOf(c api.Component) (json.RawMessage, error) {
	switch {
	case c.Postgres != nil:
		return json.Marshal(c.Postgres)
	case c.Files != nil:
		return json.Marshal(c.Files)
	}
	return nil, fault.New(fault.Permanent, "component.engine", "component %s: no data service is set", c.Name)
}
