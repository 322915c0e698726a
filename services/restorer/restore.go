package restorer

import (
	"context"
	"fmt"
	"io"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/failpoint"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/pkg/events"
)

// restore puts one component in place, sealed. Progress is kept in the target itself, with the fence: a successor finds
// what is done and does the rest.
func (p *place) restore(ctx context.Context, report func(stage.Progress)) (events.Outcome, error) {
	c, err := p.component(ctx)
	if err != nil {
		return events.Outcome{}, err
	}
	t, err := p.target(c)
	if err != nil {
		return events.Outcome{}, err
	}
	driver, config, err := p.driver(t)
	if err != nil {
		return events.Outcome{}, err
	}
	target, err := driver.Target(ctx, config, p.restoring(p.at.Run, p.fence), p.deps.Targets)
	if err != nil {
		return events.Outcome{}, fmt.Errorf("component %s: %w", c.Name, err)
	}
	defer target.Close()
	tally := stage.NewTally(report, size(c), nil)
	open := p.opener(tally)
	if err := target.Prepare(ctx, c, open); err != nil {
		return events.Outcome{}, fmt.Errorf("component %s: prepare the target: %w", c.Name, err)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.config.Workers)
	for _, u := range c.Units {
		g.Go(func() error {
			done, err := target.Restore(gctx, u, open)
			if err != nil {
				return fmt.Errorf("component %s: restore unit %s of %s: %w", c.Name, u.Unit.ID, u.Unit.Object, err)
			}
			count(tally, u, done)
			if done {
				failpoint.Hit(failpoint.UnitDone)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return events.Outcome{}, err
	}
	tally.Note("building indexes and constraints")
	if err := target.Finish(ctx, c, open); err != nil {
		return events.Outcome{}, fmt.Errorf("component %s: finish: %w", c.Name, err)
	}
	out := events.Outcome{Stats: events.Stats{Items: int64(len(c.Units))}}
	for _, u := range c.Units {
		out.Stats.Rows += u.Measure.Rows
		out.Stats.Bytes += u.Artifact.Bytes
	}
	p.deps.Log.Info("component restored", zap.String("component", c.Name), zap.Int64("units", out.Stats.Items),
		zap.Int64("rows", out.Stats.Rows), zap.Int64("bytes", out.Stats.Bytes))
	return out, nil
}

// opener opens the streams of the capture; what is read counts as progress.
func (p *place) opener(tally *stage.Tally) dataservice.OpenUnit {
	return func(ctx context.Context, c dataservice.Captured) (io.ReadCloser, error) {
		r, err := p.loc.Repo.OpenStream(ctx, p.manifest.ID(), c.Artifact)
		if err != nil {
			return nil, err
		}
		return &counted{ReadCloser: r, tally: tally}, nil
	}
}

// sum is the commit of a restore step: nothing is published before it is verified.
func (p *place) sum() events.Outcome {
	out := events.Outcome{Capture: p.loc.Ref(p.manifest)} // with the digest, which a capture picked by hand came without
	for _, item := range p.assigned.Outcomes {
		out.Stats = out.Stats.Add(item.Stats)
	}
	return out
}

// counted counts what is read.
type counted struct {
	io.ReadCloser
	tally *stage.Tally
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.tally.Add(int64(n), 0)
	return n, err
}

// size returns how much there is to restore.
func size(c dataservice.Component) stage.Progress {
	var p stage.Progress
	for _, u := range c.Units {
		p.BytesTotal += u.Artifact.Bytes
		p.RowsTotal += u.Measure.Rows
	}
	return p
}

// count adds the rows of a unit that is in place; the bytes of one that was there already were not read.
func count(tally *stage.Tally, u dataservice.Captured, done bool) {
	if done || u.Unit.Format == dataservice.SQL {
		tally.Add(0, u.Measure.Rows)
		return
	}
	tally.Add(u.Artifact.Bytes, u.Measure.Rows)
}
