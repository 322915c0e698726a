package gateway

import (
	"errors"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// controlRun asks the scheduler to change the course of a run, and answers when the change stands in the journal.
func (s *Server) controlRun(w http.ResponseWriter, r *http.Request) error {
	id, err := runOf(r)
	if err != nil {
		return err
	}
	action := r.PathValue("action")
	switch client.Action(action) {
	case client.ActionCancel, client.ActionPause, client.ActionResume, client.ActionRetry:
	default:
		return refuse(http.StatusNotFound, fault.NotFound, "action.unknown", "a run knows no %.40q", action).WithHint("known are cancel, pause, resume and retry")
	}
	var how client.Control
	if err := decode(w, r, &how); err != nil {
		return err
	}
	if how.From != "" && client.Action(action) != client.ActionRetry {
		return refuse(http.StatusBadRequest, fault.Permanent, "control.invalid", "from: goes with retry only")
	}
	ctl, err := controlOf(r, id, events.ControlRequested{Action: action, From: how.From, Reason: how.Reason})
	if err != nil {
		return err
	}
	ctx := r.Context()
	state, err := s.load(ctx, id)
	if err != nil {
		return err
	}
	settled, err := s.settled(state, ctl)
	if err != nil {
		return err
	}
	if settled {
		return s.answerRun(ctx, w, state)
	}
	if err := publish(ctx, s, id, ctl.ID, ctl.Request); err != nil {
		return err
	}
	var refusedNow error
	state, err = s.await(ctx, state, func(st saga.State) bool {
		settled, refusedNow = s.settled(st, ctl)
		return settled || refusedNow != nil
	})
	switch {
	case errors.Is(err, errWait):
		return refuse(http.StatusServiceUnavailable, fault.Transient, "run.waiting", "the scheduler has not taken the request yet").
			WithHint("the request is kept and will be followed; look at the run")
	case err != nil:
		return err
	case refusedNow != nil:
		return refusedNow
	}
	return s.answerRun(ctx, w, state)
}

// controlOf names a request, by its idempotency key if it has one.
func controlOf(r *http.Request, id saga.RunID, req events.ControlRequested) (saga.Control, error) {
	key, err := idempotencyKey(r)
	if err != nil {
		return saga.Control{}, err
	}
	name := uuid.NewString()
	if key != "" {
		name = saga.DerivedID("control", id.Tenant, id.Run, req.Action, key)
	}
	return saga.Control{ID: name, Request: req}, nil
}

// settled reports whether nothing is left to do for a request: it was followed, or the run is as it asks already. What the
// run cannot do in its state is an error. It is the scheduler's own decision, asked beforehand.
func (s *Server) settled(state saga.State, c saga.Control) (bool, error) {
	if slices.Contains(state.Causes, c.ID) {
		return true, nil
	}
	appends, err := saga.Decide(state, c, s.deps.Clock.Now())
	if errors.Is(err, saga.ErrControl) {
		return false, refuse(http.StatusConflict, fault.Conflict, "run.state", "run %s: %v", state.Run, err)
	}
	return err == nil && len(appends) == 0, err
}
