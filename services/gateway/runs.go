package gateway

import (
	"context"
	"errors"
	"math"
	"net/http"
	"regexp"

	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
)

const defaultRuns = 20

func (s *Server) listRuns(w http.ResponseWriter, r *http.Request) error {
	limit, err := number(r, "limit", defaultRuns, 1, client.MaxRuns)
	if err != nil {
		return err
	}
	before, err := number(r, "before", 0, 0, math.MaxUint64)
	if err != nil {
		return err
	}
	heads, err := s.deps.Journal.Runs(r.Context(), tenant(r.Context()), saga.Seq(before), int(limit))
	if err != nil {
		return err
	}
	list := client.RunList{Items: []client.RunSummary{}}
	for _, h := range heads {
		state, err := s.load(r.Context(), h.Run)
		if err != nil {
			if fault.Is(err, fault.NotFound) {
				continue // purged meanwhile
			}
			return err
		}
		list.Items = append(list.Items, summary(state))
	}
	if len(heads) == int(limit) {
		list.Next = heads[len(heads)-1].Seq
	}
	return answer(w, http.StatusOK, list)
}

func summary(s saga.State) client.RunSummary {
	out := client.RunSummary{
		Run: s.Run, Tenant: s.Tenant, Status: s.Status, StepsTotal: len(s.Steps), Stats: s.Stats, Failure: s.Failure,
		RequestedAt: s.RequestedAt, FinishedAt: s.FinishedAt,
	}
	if q := s.Request; q != nil {
		out.Policy, out.Application, out.Cause = q.Policy, q.Application, q.Cause
	}
	for _, st := range s.Steps {
		switch st.Status {
		case saga.StepCompleted, saga.StepSkipped:
			out.StepsDone++
		case saga.StepRunning, saga.StepDead:
			out.Step = st.Name
		}
	}
	return out
}

func (s *Server) getRun(w http.ResponseWriter, r *http.Request) error {
	id, err := runOf(r)
	if err != nil {
		return err
	}
	state, err := s.load(r.Context(), id)
	if err != nil {
		return err
	}
	return s.answerRun(r.Context(), w, state)
}

func (s *Server) answerRun(ctx context.Context, w http.ResponseWriter, state saga.State) error {
	steps, err := s.progress(ctx, state)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, client.Run{State: state, Progress: steps})
}

var runID = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// runOf returns the run that the path names. What is no id would be a pattern of subjects.
func runOf(r *http.Request) (saga.RunID, error) {
	id := saga.RunID{Tenant: tenant(r.Context()), Run: r.PathValue("run")}
	if !runID.MatchString(id.Run) {
		return id, refuse(http.StatusBadRequest, fault.Permanent, "run.invalid", "the path names no run: an id has lower-case letters, digits and hyphens")
	}
	return id, nil
}

// load folds a run's journal. A run without one is an error of class not-found.
func (s *Server) load(ctx context.Context, id saga.RunID) (saga.State, error) {
	state, err := s.fold(ctx, id, nil)
	if err == nil && state.Status == "" {
		err = noRun(id)
	}
	return state, err
}

func noRun(id saga.RunID) error {
	return fault.New(fault.NotFound, "run.missing", "there is no run %s in tenant %s", id.Run, id.Tenant).
		WithHint("tranship runs ls shows the runs of the tenant")
}

// fold folds a run's journal and hands each entry to see, if that is not nil.
func (s *Server) fold(ctx context.Context, id saga.RunID, see func(saga.Entry)) (saga.State, error) {
	state := saga.State{Tenant: id.Tenant, Run: id.Run}
	for e, err := range s.deps.Journal.Load(ctx, id) {
		if err != nil {
			return state, err
		}
		state = s.next(state, e)
		if see != nil {
			see(e)
		}
	}
	return state, nil
}

// next folds one entry. One that means nothing is passed over, as the scheduler does.
func (s *Server) next(state saga.State, e saga.Entry) saga.State {
	next, err := saga.Fold(state, e)
	if err != nil && !errors.Is(err, saga.ErrIgnored) {
		s.deps.Log.Warn("an event was not folded", zap.String("run", state.Run), zap.Error(err))
	}
	return next
}

// await follows a run from a state on until done says so, for at most Config.Wait. When the time is over it returns the
// last state and errWait.
func (s *Server) await(ctx context.Context, state saga.State, done func(saga.State) bool) (saga.State, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.Wait, errWait)
	defer cancel()
	for e, err := range s.deps.Journal.Follow(ctx, state.ID(), state.Seq) {
		if err != nil {
			if errors.Is(context.Cause(ctx), errWait) {
				return state, errWait
			}
			return state, err
		}
		if state = s.next(state, e); done(state) {
			return state, nil
		}
	}
	return state, errWait
}

var errWait = errors.New("nothing stands in the journal yet")
