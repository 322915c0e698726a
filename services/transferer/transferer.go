package transferer

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/failpoint"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/location"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/pkg/events"
)

// Config identifies the program.
type Config struct {
	Version string // for the manifest
}

// Deps are the parts that a transferer uses.
type Deps struct {
	Locations *location.Opener
	Signer    *artifact.Signer
	Clock     clock.Clock
	Log       *zap.Logger
}

// Transferer handles the tasks of transfer steps. It is safe for concurrent use.
type Transferer struct {
	config Config
	deps   Deps
}

// New returns a transferer.
func New(c Config, d Deps) *Transferer { return &Transferer{config: c, deps: d} }

// Handle does one task.
func (x *Transferer) Handle(ctx context.Context, job stage.Job[events.TransferRequested]) (events.Outcome, error) {
	t := &task{Transferer: x, job: job}
	if err := t.open(ctx); err != nil {
		return events.Outcome{}, err
	}
	defer t.close()
	switch job.Address.Task {
	case events.TaskPlan:
		return t.plan(ctx)
	case events.TaskCommit:
		return t.commit(ctx)
	default:
		return t.bundle(ctx)
	}
}

// Compensate voids the copy, so that it can never come to exist.
func (x *Transferer) Compensate(ctx context.Context, job stage.Job[events.TransferCompensate]) error {
	work := job.Command.Work.Transfer
	if work == nil || job.Command.Output == "" || job.Command.Input == nil {
		return nil
	}
	loc, err := x.deps.Locations.Open(ctx, work.To, job.Address.Tenant, job.Command.Input.Application, location.Write)
	if err != nil {
		return err
	}
	defer loc.Close()
	return loc.Void(ctx, job.Address.Run, job.Command.Assignment)
}

// task is one task in hand: between the original and the copy.
type task struct {
	*Transferer
	job    stage.Job[events.TransferRequested]
	input  *events.CaptureRef
	output artifact.ID
	from   *location.Location
	to     *location.Location
}

func (t *task) open(ctx context.Context) (err error) {
	if t.input = t.job.Command.Input; t.input == nil {
		return fault.New(fault.Permanent, "input.missing", "a transfer step needs a capture to copy")
	}
	t.from, err = t.deps.Locations.Open(ctx, t.job.Command.Work.From, t.job.Address.Tenant, t.input.Application, location.Read)
	if err != nil {
		return err
	}
	t.to, err = t.deps.Locations.Open(ctx, t.job.Command.Work.To, t.job.Address.Tenant, t.input.Application, location.Write)
	if err != nil {
		_ = t.from.Close()
		return err
	}
	if t.from.Trust != t.to.Trust {
		t.close()
		return fault.New(fault.Denied, "trust.mismatch", "location %s holds %s captures and %s holds %s ones: a copy stays what it is", t.from.Name, t.from.Trust, t.to.Name, t.to.Trust)
	}
	if t.output, err = artifact.ParseID(t.to.Trust, t.job.Command.Output); err != nil {
		t.close()
		return err
	}
	return nil
}

func (t *task) close() {
	_ = t.from.Close()
	_ = t.to.Close()
}

// plan is what task 0 writes: for each work item the first unit after it, of all units in the order of the capture.
type plan struct {
	Ends []int `json:"ends"`
}

// bundleBytes is how much one task copies, unless that would make too many tasks.
const bundleBytes = 256 << 20

func (t *task) plan(ctx context.Context) (events.Outcome, error) {
	_, content, err := t.from.Read(ctx, t.input)
	if err != nil {
		return events.Outcome{}, err
	}
	tasks, err := events.TasksBeside(t.job.Command.Work)
	if err != nil {
		return events.Outcome{}, fault.Wrap(fault.Permanent, err)
	}
	p := plan{Ends: divide(content.Labelled(), bundleBytes, tasks)}
	ref, digest, err := t.to.Save(ctx, t.job.Address, t.job.Fence, p)
	if err != nil {
		return events.Outcome{}, err
	}
	return events.Outcome{Plan: &events.PlanRef{Count: len(p.Ends), Ref: ref, Digest: digest}}, nil
}

// divide makes runs of streams of about size bytes, at most limit of them, and returns where each ends.
func divide(all []artifact.Labelled, size int64, limit int) []int {
	var total int64
	for _, s := range all {
		total += s.Artifact.Bytes
	}
	size = max(size, total/int64(limit)+1)
	var ends []int
	var bytes int64
	for i, s := range all {
		if i > 0 && bytes > 0 && bytes+s.Artifact.Bytes > size && len(ends) < limit-1 {
			ends = append(ends, i)
			bytes = 0
		}
		bytes += s.Artifact.Bytes
	}
	if len(all) > 0 {
		ends = append(ends, len(all))
	}
	return ends
}

// copied is what a work item writes: its streams in order, as they stand in the destination.
type copied struct {
	Artifacts []artifact.Artifact `json:"artifacts"`
}

func (t *task) bundle(ctx context.Context) (events.Outcome, error) {
	var p plan
	if err := t.loadPlan(ctx, &p); err != nil {
		return events.Outcome{}, err
	}
	index := t.job.Command.Index
	if index < 1 || index > len(p.Ends) {
		return events.Outcome{}, fault.New(fault.Permanent, "plan.index", "there is no work item %d in a plan of %d", index, len(p.Ends))
	}
	first := 0
	if index > 1 {
		first = p.Ends[index-2]
	}
	manifest, content, err := t.from.Read(ctx, t.input)
	if err != nil {
		return events.Outcome{}, err
	}
	streams := content.Labelled()[first:p.Ends[index-1]]
	parents, err := t.to.Newest(ctx)
	if err != nil {
		return events.Outcome{}, err
	}
	session, err := t.to.Repo.Begin(ctx, artifact.SessionConfig{
		Run: t.job.Address.Run, Task: location.TaskName(t.job.Address), Fence: t.job.Fence, Capture: t.output, Parents: parents,
	})
	if err != nil {
		return events.Outcome{}, err
	}
	defer session.Close()
	var progress stage.Progress
	for _, s := range streams {
		progress.BytesTotal += s.Artifact.Bytes
	}
	var result copied
	for _, s := range streams {
		a, err := t.copyStream(ctx, manifest, s.Artifact, session)
		if err != nil {
			return events.Outcome{}, fmt.Errorf("copy %s: %w", s.Artifact.Stream, err)
		}
		result.Artifacts = append(result.Artifacts, a)
		progress.Bytes += a.Bytes
		stats := session.Stats()
		progress.Stored, progress.Skipped = stats.Stored, stats.Skipped
		t.job.Report(progress)
		failpoint.Hit(failpoint.UnitDone)
	}
	if err := session.Close(); err != nil {
		return events.Outcome{}, err
	}
	failpoint.Hit(failpoint.StreamsDurable)
	ref, digest, err := t.to.Save(ctx, t.job.Address, t.job.Fence, result)
	if err != nil {
		return events.Outcome{}, err
	}
	stats := session.Stats()
	t.deps.Log.Info("bundle copied", zap.Int("bundle", index), zap.Int("streams", len(streams)), zap.Int64("bytes", progress.Bytes),
		zap.Int64("stored", stats.Stored), zap.Int64("skipped", stats.Skipped))
	return events.Outcome{Ref: ref, Digest: digest, Stats: events.Stats{
		Items: int64(len(streams)), Bytes: progress.Bytes, Stored: stats.Stored, Skipped: stats.Skipped,
	}}, nil
}

// copyStream copies a stream. There is one function for raw captures and one for masked ones, and none between them.
func (t *task) copyStream(ctx context.Context, m *artifact.Manifest, a artifact.Artifact, session *artifact.Session) (artifact.Artifact, error) {
	switch id := m.ID().(type) {
	case artifact.RawID:
		copied, _, err := artifact.CopyRaw(ctx, t.from.Repo, id, a, session)
		return copied, err
	case artifact.MaskedID:
		copied, _, err := artifact.CopyMasked(ctx, t.from.Repo, id, a, session)
		return copied, err
	}
	return artifact.Artifact{}, fault.New(fault.Denied, "trust.mismatch", "capture %s is neither raw nor masked", m.ID())
}

func (t *task) loadPlan(ctx context.Context, p *plan) error {
	if t.job.Command.Plan == nil {
		return fault.New(fault.Permanent, "event.invalid", "the command names no plan")
	}
	return t.to.Load(ctx, t.job.Command.Plan.Ref, t.job.Command.Plan.Digest, p)
}

// replace puts the copied streams in the place of the original ones.
func replace(content *dataservice.Content, copies []artifact.Artifact) error {
	next := 0
	for ci := range content.Components {
		units := content.Components[ci].Units
		for ui := range units {
			if next == len(copies) {
				return fault.New(fault.Permanent, "event.invalid", "the work items copied %d streams, and the capture has more", len(copies))
			}
			if units[ui].Artifact.Plain != copies[next].Plain {
				return fault.New(fault.Permanent, "copy.differs", "stream %s was copied with another content", units[ui].Artifact.Stream)
			}
			units[ui].Artifact = copies[next]
			next++
		}
	}
	if next != len(copies) {
		return fault.New(fault.Permanent, "event.invalid", "the work items copied %d streams, and the capture has %d", len(copies), next)
	}
	return nil
}
