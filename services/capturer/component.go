package capturer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/failpoint"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/location"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/pkg/events"
)

// token is what a successor must know: whether the view that its predecessor read from died with it.
type token struct {
	Snapshot bool `json:"snapshot"`
}

// component captures one component. What is durable when:
//
//   - before the first byte: the token;
//   - during: packs, each with its index; a successor deduplicates against them;
//   - at the end: the recipes, then the description of the component, then the fact.
func (t *task) component(ctx context.Context) (out events.Outcome, err error) {
	p, err := t.loadPlan(ctx)
	if err != nil {
		return events.Outcome{}, err
	}
	index := t.job.Command.Index
	if index < 1 || index > len(p.Components) {
		return events.Outcome{}, fault.New(fault.Permanent, "plan.index", "there is no work item %d in a plan of %d", index, len(p.Components))
	}
	component, err := t.find(p.Components[index-1])
	if err != nil {
		return events.Outcome{}, err
	}
	var tok token
	if _, err := t.job.Checkpoint.Load(ctx, &tok); err != nil {
		return events.Outcome{}, err
	}
	if tok.Snapshot {
		return events.Outcome{}, fault.New(fault.Transient, events.CodeSnapshotLost, "component %s: %w with the worker that held it", component.Name, dataservice.ErrSnapshotLost)
	}
	source, err := t.open(ctx, component)
	if err != nil {
		return events.Outcome{}, fmt.Errorf("component %s: %w", component.Name, err)
	}
	defer source.Close()
	view, err := source.Plan(ctx)
	if err != nil {
		return events.Outcome{}, fmt.Errorf("component %s: %w", component.Name, err)
	}
	session, err := t.begin(ctx)
	if err != nil {
		return events.Outcome{}, err
	}
	defer session.Close()
	tok = token{Snapshot: view.Point.Kind == dataservice.PointSnapshot}
	if err := t.job.Checkpoint.Save(ctx, tok); err != nil {
		return events.Outcome{}, err
	}
	defer func() { err = t.giveUp(ctx, err) }()
	result := dataservice.Component{
		Name: component.Name, Driver: component.Engine(), Point: view.Point, Catalogue: view.Catalogue, Gaps: view.Gaps,
	}
	if result.Units, err = t.units(ctx, source, session, view, p.MeasureKey, &result.Gaps); err != nil {
		if errors.Is(err, dataservice.ErrSnapshotLost) {
			err = &fault.Error{Class: fault.Transient, Code: events.CodeSnapshotLost, Err: err}
		}
		return events.Outcome{}, fmt.Errorf("component %s: %w", component.Name, err)
	}
	if err := session.Close(); err != nil {
		return events.Outcome{}, fmt.Errorf("component %s: %w", component.Name, err)
	}
	stats := session.Stats()
	failpoint.Hit(failpoint.StreamsDurable)
	ref, digest, err := t.loc.Save(ctx, t.job.Address, t.job.Fence, result)
	if err != nil {
		return events.Outcome{}, err
	}
	out = events.Outcome{Ref: ref, Digest: digest, Stats: events.Stats{Stored: stats.Stored, Skipped: stats.Skipped}}
	for _, u := range result.Units {
		out.Stats.Items++
		out.Stats.Rows += u.Measure.Rows
		out.Stats.Bytes += u.Artifact.Bytes
	}
	t.deps.Log.Info("component captured", zap.String("component", component.Name), zap.Int64("units", out.Stats.Items),
		zap.Int64("rows", out.Stats.Rows), zap.Int64("bytes", out.Stats.Bytes), zap.Int64("stored", out.Stats.Stored))
	return out, nil
}

// giveUp lets the next attempt begin with a view of its own after this one failed, for the reason that it failed for: an
// outage of the store is to be waited for, and not to look like a lost snapshot. What this attempt described is nobody's.
func (t *task) giveUp(ctx context.Context, failed error) error {
	if failed == nil || ctx.Err() != nil || errors.Is(failed, dataservice.ErrSnapshotLost) {
		return failed
	}
	if err := t.job.Checkpoint.Save(ctx, token{}); err != nil {
		t.deps.Log.Info("the next attempt will find the snapshot lost", zap.Error(err))
	}
	return failed
}

func (t *task) find(name string) (api.Component, error) {
	i := slices.IndexFunc(t.app.Spec.Components, func(c api.Component) bool { return c.Name == name })
	if i < 0 {
		return api.Component{}, fault.New(fault.Permanent, "plan.component", "the plan names component %q, and application %s has none", name, t.app.Name)
	}
	return t.app.Spec.Components[i], nil
}

func (t *task) open(ctx context.Context, c api.Component) (dataservice.Source, error) {
	driver, err := t.deps.Drivers.Get(c.Engine())
	if err != nil {
		return nil, fault.Wrap(fault.Permanent, err)
	}
	config, err := configOf(c)
	if err != nil {
		return nil, err
	}
	return driver.Source(ctx, config, t.config.Workers, t.deps.Sources)
}

// begin opens the session of this claim. It deduplicates against the newest capture of the application and against
// whatever died before: earlier claims of this task, and earlier generations of this step.
func (t *task) begin(ctx context.Context) (*artifact.Session, error) {
	id, err := artifact.ParseRawID(t.job.Command.Output)
	if err != nil {
		return nil, err
	}
	config := artifact.SessionConfig{
		Run: t.job.Address.Run, Task: location.TaskName(t.job.Address), Fence: t.job.Fence, Capture: id,
	}
	for _, name := range t.job.Command.Abandoned {
		abandoned, err := artifact.ParseRawID(name)
		if err != nil {
			return nil, err
		}
		config.Abandoned = append(config.Abandoned, abandoned)
	}
	if config.Parents, err = t.loc.Newest(ctx); err != nil {
		return nil, fmt.Errorf("look for an earlier capture: %w", err)
	}
	return t.loc.Repo.Begin(ctx, config)
}

// units captures all units, several at once, and returns them in the order of the plan.
func (t *task) units(ctx context.Context, source dataservice.Source, session *artifact.Session, view dataservice.Plan, key dataservice.MeasureKey, gaps *[]dataservice.Gap) ([]dataservice.Captured, error) {
	captured := make([]dataservice.Captured, len(view.Units))
	left := make([][]dataservice.Gap, len(view.Units))
	var total stage.Progress
	for _, u := range view.Units {
		total.BytesTotal += u.Bytes
		total.RowsTotal += u.Rows
	}
	tally := stage.NewTally(t.job.Report, total, sent(session))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(t.config.Workers)
	for i, u := range view.Units {
		g.Go(func() error {
			var err error
			captured[i], left[i], err = t.unit(gctx, source, session, u, location.StreamName(t.job.Address, t.job.Fence, i), key, tally)
			if err != nil {
				return fmt.Errorf("unit %s of %s: %w", u.ID, u.Object, err)
			}
			failpoint.Hit(failpoint.UnitDone)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	*gaps = append(*gaps, slices.Concat(left...)...)
	return captured, nil
}

// unit captures one unit into a stream of its own.
func (t *task) unit(ctx context.Context, source dataservice.Source, session *artifact.Session, u dataservice.Unit, name string, key dataservice.MeasureKey, tally *stage.Tally) (dataservice.Captured, []dataservice.Gap, error) {
	w, err := session.Stream(ctx, artifact.StreamConfig{Name: name, Chunking: u.Format.Chunking()})
	if err != nil {
		return dataservice.Captured{}, nil, err
	}
	defer w.Abort()
	m := dataservice.NewMeasuringWriter(w, u.Format, key, tally.Add)
	gaps, err := source.Capture(ctx, u, m)
	if err != nil {
		return dataservice.Captured{}, nil, err
	}
	measure, err := m.Measure()
	if err != nil {
		return dataservice.Captured{}, nil, err
	}
	a, err := w.Close()
	if err != nil {
		return dataservice.Captured{}, nil, err
	}
	return dataservice.Captured{Unit: u, Artifact: a, Measure: measure}, gaps, nil
}

// sent tells what a session sent and what it found there.
func sent(s *artifact.Session) func() (stored, skipped int64) {
	return func() (int64, int64) {
		stats := s.Stats()
		return stats.Stored, stats.Skipped
	}
}
