package gateway

import (
	"context"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/pkg/events"
)

// progress sums up the steps that were begun: what is completed from the journal, what is under way from the checkpoints of
// the tasks.
func (s *Server) progress(ctx context.Context, state saga.State) ([]client.StepProgress, error) {
	var out []client.StepProgress
	for i := range state.Steps {
		st := &state.Steps[i]
		if st.Generation == 0 || state.Definition == nil {
			continue
		}
		p, err := s.stepProgress(ctx, state, st, state.Definition.Steps[i].Cluster)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func (s *Server) stepProgress(ctx context.Context, state saga.State, st *saga.Step, cluster string) (client.StepProgress, error) {
	sum := progressSum{StepProgress: client.StepProgress{Step: st.Name, Kind: st.Kind}, step: st}
	sum.count()
	if st.Status == saga.StepCompleted {
		sum.add(stage.Progress{
			Bytes: st.Stats.Bytes, BytesTotal: st.Stats.Bytes, Rows: st.Stats.Rows, RowsTotal: st.Stats.Rows,
			Stored: st.Stats.Stored, Skipped: st.Stats.Skipped,
		})
		return sum.StepProgress, nil
	}
	for i := range st.Tasks {
		t := &st.Tasks[i]
		switch {
		case t.ID == events.TaskCompensate && state.Status != saga.RunCompensating:
		case t.Status == saga.TaskCompleted:
			if o := t.Outcome; o != nil && isWork(t.ID) {
				sum.add(stage.Progress{
					Bytes: o.Stats.Bytes, BytesTotal: o.Stats.Bytes, Rows: o.Stats.Rows, RowsTotal: o.Stats.Rows,
					Stored: o.Stats.Stored, Skipped: o.Stats.Skipped,
				})
			}
		case underWay(t.Status):
			key := events.CheckpointKey(saga.StageOf(st.Kind, t.ID), cluster, state.Tenant, state.Run, st.Name, t.ID)
			c, revision, err := s.deps.Checkpoints.Get(ctx, key)
			if err != nil {
				return sum.StepProgress, err
			}
			if revision == 0 || c.Generation != st.Generation {
				continue
			}
			if isWork(t.ID) {
				sum.add(c.Progress)
			}
			if sum.Note == "" {
				sum.Note = c.Progress.Note
			}
		}
	}
	sum.total()
	return sum.StepProgress, nil
}

// isWork reports whether a task is a work item: what plans, scans and commits counts the same bytes again.
func isWork(task string) bool {
	switch task {
	case events.TaskPlan, events.TaskDraft, events.TaskScan, events.TaskCommit, events.TaskCompensate:
		return false
	}
	return true
}

// underWay reports whether an attempt of a task has been made and another one may follow.
func underWay(status saga.TaskStatus) bool {
	switch status {
	case saga.TaskOpen, saga.TaskClaimed, saga.TaskReopening, saga.TaskFailed, saga.TaskTimedOut:
		return true
	}
	return false
}

// progressSum adds up the tasks of a step. A total is known when every work item knows its own.
type progressSum struct {
	client.StepProgress
	step        *saga.Step
	items       int // work items by plan; -1: not planned yet
	sizedBytes  int
	countedRows int
}

// count counts the tasks by their state, and those to come by the plan.
func (p *progressSum) count() {
	p.items = -1
	for _, t := range p.step.Tasks {
		if t.ID == events.TaskCompensate {
			continue
		}
		switch t.Status {
		case saga.TaskCompleted:
			p.Tasks.Completed++
			if t.ID == events.TaskPlan && t.Generation == p.step.Generation && t.Outcome != nil && t.Outcome.Plan != nil {
				p.items = t.Outcome.Plan.Count
			}
		case saga.TaskClaimed:
			p.Tasks.Running++
		case saga.TaskOpen, saga.TaskReopening, saga.TaskFailed, saga.TaskTimedOut:
			p.Tasks.Open++
		case saga.TaskDead:
			p.Tasks.Failed++
		}
	}
	if p.items < 0 {
		return
	}
	p.Tasks.Total = p.items + 2 // plan and commit
	if p.step.Kind == events.StepMask {
		p.Tasks.Total += 2 // draft and scan
	}
}

func (p *progressSum) add(t stage.Progress) {
	p.Bytes += t.Bytes
	p.Rows += t.Rows
	p.Stored += t.Stored
	p.Skipped += t.Skipped
	if t.BytesTotal > 0 || t.Bytes == 0 && t.Rows > 0 {
		p.sizedBytes++
	}
	if t.RowsTotal > 0 {
		p.countedRows++
	}
	p.BytesTotal += max(t.BytesTotal, 0)
	p.RowsTotal += max(t.RowsTotal, 0)
}

// total forgets totals that not all work items know.
func (p *progressSum) total() {
	if p.items < 0 || p.sizedBytes < p.items {
		p.BytesTotal = 0
	}
	if p.items < 0 || p.countedRows < p.items {
		p.RowsTotal = 0
	}
}
