package masker

import (
	"context"
	"fmt"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/failpoint"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/location"
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/pkg/events"
)

// bundleResult is what a work item writes: its units in the order of the bundle.
type bundleResult struct {
	Units   []dataservice.Captured `json:"units"`
	Reports []mask.UnitReport      `json:"reports"`
}

// bundle masks the units of one work item. What is durable when: packs while it runs, recipes at the end of each unit, the
// description last. A successor masks again, to the same bytes, and sends only what is missing.
func (t *task) bundle(ctx context.Context) (events.Outcome, error) {
	p, err := t.loadPlan(ctx)
	if err != nil {
		return events.Outcome{}, err
	}
	index := t.job.Command.Index
	if index < 1 || index > len(p.Bundles) {
		return events.Outcome{}, fault.New(fault.Permanent, "plan.index", "there is no work item %d in a plan of %d", index, len(p.Bundles))
	}
	bundle := p.Bundles[index-1]
	manifest, content, err := t.raw.Read(ctx, t.input)
	if err != nil {
		return events.Outcome{}, err
	}
	program, err := t.compile(ctx, content)
	if err != nil {
		return events.Outcome{}, refusal(err)
	}
	session, err := t.begin(ctx)
	if err != nil {
		return events.Outcome{}, err
	}
	defer session.Close()
	result := bundleResult{Units: make([]dataservice.Captured, len(bundle)), Reports: make([]mask.UnitReport, len(bundle))}
	tally := stage.NewTally(t.job.Report, size(content, bundle), func() (int64, int64) {
		stats := session.Stats()
		return stats.Stored, stats.Skipped
	})
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(t.config.Workers)
	for i, ref := range bundle {
		g.Go(func() error {
			component := content.Components[ref.Component]
			captured := component.Units[ref.Unit]
			var err error
			result.Units[i], result.Reports[i], err = t.unit(gctx, unitWork{
				component: component.Name, captured: captured, manifest: manifest, program: program, session: session,
				stream: location.StreamName(t.job.Address, t.job.Fence, i), key: p.MeasureKey, tally: tally,
			})
			if err != nil {
				return fmt.Errorf("component %s, unit %s: %w", component.Name, captured.Unit.ID, err)
			}
			failpoint.Hit(failpoint.UnitDone)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		if len(mask.UnclassifiedIn(err)) > 0 { // a path within documents: only reading finds it
			return events.Outcome{}, refusal(err)
		}
		return events.Outcome{}, err
	}
	if err := session.Close(); err != nil {
		return events.Outcome{}, err
	}
	failpoint.Hit(failpoint.StreamsDurable)
	ref, digest, err := t.masked.Save(ctx, t.job.Address, t.job.Fence, result)
	if err != nil {
		return events.Outcome{}, err
	}
	stats := session.Stats()
	out := events.Outcome{Ref: ref, Digest: digest, Stats: events.Stats{Stored: stats.Stored, Skipped: stats.Skipped, Items: int64(len(bundle))}}
	for _, u := range result.Units {
		out.Stats.Rows += u.Measure.Rows
		out.Stats.Bytes += u.Artifact.Bytes
	}
	t.deps.Log.Info("bundle masked", zap.Int("bundle", index), zap.Int64("units", out.Stats.Items),
		zap.Int64("rows", out.Stats.Rows), zap.Int64("bytes", out.Stats.Bytes), zap.Int64("stored", out.Stats.Stored))
	return out, nil
}

// begin opens the session of this claim. It deduplicates against the newest masked capture of the application.
func (t *task) begin(ctx context.Context) (*artifact.Session, error) {
	parents, err := t.masked.Newest(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for an earlier capture: %w", err)
	}
	return t.masked.Repo.Begin(ctx, artifact.SessionConfig{
		Run: t.job.Address.Run, Task: location.TaskName(t.job.Address), Fence: t.job.Fence, Capture: t.output, Parents: parents,
	})
}

// unitWork is everything that masking one unit takes.
type unitWork struct {
	component string
	captured  dataservice.Captured
	manifest  *artifact.Manifest
	program   *mask.Program
	session   *artifact.Session
	stream    string
	key       dataservice.MeasureKey
	tally     *stage.Tally
}

func (t *task) unit(ctx context.Context, u unitWork) (dataservice.Captured, mask.UnitReport, error) {
	program, err := u.program.Unit(u.component, u.captured.Unit)
	if err != nil {
		return dataservice.Captured{}, mask.UnitReport{}, err
	}
	r, err := t.raw.Repo.OpenStream(ctx, u.manifest.ID(), u.captured.Artifact)
	if err != nil {
		return dataservice.Captured{}, mask.UnitReport{}, err
	}
	defer r.Close()
	w, err := u.session.Stream(ctx, artifact.StreamConfig{Name: u.stream, Chunking: u.captured.Unit.Format.Chunking()})
	if err != nil {
		return dataservice.Captured{}, mask.UnitReport{}, err
	}
	defer w.Abort()
	m := dataservice.NewMeasuringWriter(w, u.captured.Unit.Format, u.key, u.tally.Add)
	var options mask.RunOptions
	if u.captured.Unit.Format != dataservice.SQL { // statements are no rows
		options.Progress = m.AddRows
	}
	report, err := program.Run(ctx, r, m, options)
	if err != nil {
		return dataservice.Captured{}, mask.UnitReport{}, err
	}
	measure, err := m.Measure()
	if err != nil {
		return dataservice.Captured{}, mask.UnitReport{}, err
	}
	a, err := w.Close()
	if err != nil {
		return dataservice.Captured{}, mask.UnitReport{}, err
	}
	return dataservice.Captured{Unit: u.captured.Unit, Artifact: a, Measure: measure}, report, nil
}

// size returns how much there is in a bundle.
func size(content dataservice.Content, bundle []unitRef) stage.Progress {
	var p stage.Progress
	for _, ref := range bundle {
		u := content.Components[ref.Component].Units[ref.Unit]
		p.BytesTotal += u.Artifact.Bytes
		p.RowsTotal += u.Measure.Rows
	}
	return p
}
