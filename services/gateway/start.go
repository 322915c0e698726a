package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/registry"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

func (s *Server) startRun(w http.ResponseWriter, r *http.Request) error {
	var req client.RunRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	id := saga.RunID{Tenant: tenant(ctx)}
	cause := events.Cause{Kind: req.Cause}
	if cause.Kind == "" {
		cause.Kind = "api"
	}
	if key == "" {
		fresh, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make up a run's id: %w", err)
		}
		id.Run = fresh.String()
	} else {
		id.Run = saga.DerivedID("run", id.Tenant, key)
		if cause.ID, err = mark(req); err != nil {
			return err
		}
	}
	state, err := s.fold(ctx, id, nil)
	if err != nil {
		return err
	}
	if state.Status == "" {
		if err := s.checkRun(ctx, id.Tenant, req); err != nil {
			return err
		}
		if state, err = s.start(ctx, id, req, cause); err != nil {
			return err
		}
	}
	if state.Request != nil && state.Request.Cause.ID != cause.ID {
		return refuse(http.StatusConflict, fault.Conflict, "idempotency.reused", "the %s was used for another request", client.HeaderIdempotencyKey).
			WithHint("use a new key for a new request")
	}
	if state.Status == saga.RunFailed && state.Definition == nil && state.Failure != nil {
		return refused(id.Run, state.Failure.Error)
	}
	out := client.StartedRun{Run: id.Run, Tenant: id.Tenant, Status: state.Status}
	if q := state.Request; q != nil {
		out.Policy, out.Application = q.Policy, q.Application
	}
	w.Header().Set("Location", "/v1/runs/"+id.Run)
	return answer(w, http.StatusAccepted, out)
}

// start hands a request to the scheduler and waits until the run's journal is open. A request that is repeated starts
// nothing twice: the run's id is the same.
func (s *Server) start(ctx context.Context, id saga.RunID, req client.RunRequest, cause events.Cause) (saga.State, error) {
	trigger := events.TriggerFired{
		Policy: req.Policy, Inline: req.Inline, Application: req.Application, Params: req.Params, Cause: cause,
	}
	if err := publish(ctx, s, id, id.Run+"/trigger", trigger); err != nil {
		return saga.State{}, err
	}
	begun := func(st saga.State) bool { return st.Status != "" && st.Status != saga.RunRequested }
	state, err := s.await(ctx, saga.State{Tenant: id.Tenant, Run: id.Run}, begun)
	if errors.Is(err, errWait) {
		late := refuse(http.StatusServiceUnavailable, fault.Transient, "run.waiting", "the scheduler has not taken the request yet").
			WithHint("the request is kept: look for run %s, or repeat it with the same %s", id.Run, client.HeaderIdempotencyKey)
		late.problem.Run = id.Run
		return state, late
	}
	return state, err
}

// publish sends a request about a run to the scheduler. eventID names it: the queue drops a second one for a while, and the
// scheduler follows a control request once.
func publish[P events.Payload](ctx context.Context, s *Server, id saga.RunID, eventID string, p P) error {
	e, err := events.New(events.Address{Tenant: id.Tenant, Service: bus.ServiceGateway, Run: id.Run}, 1, s.deps.Clock.Now(), p)
	if err != nil {
		return fault.Wrap(fault.Permanent, err)
	}
	e.SetID(eventID)
	return s.deps.Requests.Publish(ctx, events.TriggerSubject(id.Tenant, id.Run), eventID, e)
}

const maxIdempotencyKey = 255

func idempotencyKey(r *http.Request) (string, error) {
	key := r.Header.Get(client.HeaderIdempotencyKey)
	if len(key) > maxIdempotencyKey {
		return "", refuse(http.StatusBadRequest, fault.Permanent, "idempotency.invalid", "%s: must have at most %d characters", client.HeaderIdempotencyKey, maxIdempotencyKey)
	}
	return key, nil
}

// mark names what a request with an idempotency key asks for. It stands in the journal as the id of the run's cause: the key
// alone makes the run's id, so the mark tells a repeated request from another one under the same key.
func mark(req client.RunRequest) (string, error) {
	text, err := json.Marshal(req)
	if err != nil {
		return "", refuse(http.StatusBadRequest, fault.Permanent, "body.invalid", "inline: it is not a JSON object")
	}
	digest := sha256.Sum256(text)
	return hex.EncodeToString(digest[:16]), nil
}

// inlineName is what the scheduler calls a policy that comes with the request.
const inlineName = "inline"

// checkRun finds what is wrong with a request before a run is opened for it. The scheduler judges again: this is only for
// better answers and a journal without typing mistakes.
func (s *Server) checkRun(ctx context.Context, tenant string, req client.RunRequest) error {
	switch {
	case (req.Policy == "") == (len(req.Inline) == 0):
		return refuse(http.StatusBadRequest, fault.Permanent, "run.invalid", "exactly one of policy and inline is needed")
	case req.Cause != "" && req.Cause != "api" && req.Cause != "cli":
		return refuse(http.StatusBadRequest, fault.Permanent, "run.invalid", "cause: must be api or cli")
	}
	c, err := s.catalogue(ctx, tenant)
	if err != nil {
		return err
	}
	policy, err := c.policy(req, s.deps.Clock.Now())
	if err != nil {
		return err
	}
	if req.Application != "" && c.find(api.Key{Kind: api.KindApplication, Tenant: tenant, Name: req.Application}) == nil {
		return c.missing(api.KindApplication, req.Application)
	}
	return checkParams(policy.Spec.Params, req.Params)
}

// policy returns the policy that a request names or brings.
func (c *catalogue) policy(req client.RunRequest, now time.Time) (*api.Policy, error) {
	if req.Policy != "" {
		if e := c.find(api.Key{Kind: api.KindPolicy, Tenant: c.tenant, Name: req.Policy}); e != nil {
			return e.resource.(*api.Policy), nil
		}
		return nil, c.missing(api.KindPolicy, req.Policy)
	}
	var doc map[string]any
	if err := json.Unmarshal(req.Inline, &doc); err != nil || doc == nil {
		return nil, refuse(http.StatusBadRequest, fault.Permanent, "run.invalid", "inline: must be a JSON object")
	}
	doc["apiVersion"], doc["kind"] = api.Version, api.KindPolicy
	doc["metadata"] = map[string]any{"name": inlineName, "namespace": c.tenant}
	data, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("read the inline policy: %w", err)
	}
	set := api.NewSet()
	if err := set.Load(bytes.NewReader(data), ""); err != nil {
		return nil, inlineProblems(err)
	}
	policy, ok := api.Get[*api.Policy](set, c.tenant, inlineName)
	if !ok {
		return nil, refuse(http.StatusBadRequest, fault.Permanent, "run.invalid", "inline: it holds no policy")
	}
	if err := c.check(set, nil, now); err != nil {
		return nil, inlineProblems(err)
	}
	return policy, nil
}

// inlineProblems are about a document of one line that the sender never saw.
func inlineProblems(err error) error {
	fields := slices.Clone(problems(err))
	for i := range fields {
		fields[i].Line = 0
	}
	return fields.Err()
}

func checkParams(declared map[string]api.Param, given map[string]string) error {
	var errs api.FieldErrors
	for _, name := range slices.Sorted(maps.Keys(given)) {
		at := "params." + name
		p, known := declared[name]
		if !known {
			near := registry.Nearest(name, slices.Sorted(maps.Keys(declared)))
			errs = append(errs, api.FieldError{Path: at, Message: "the policy declares no such parameter", Suggestion: near})
		} else if err := p.Check(given[name]); err != nil {
			errs = append(errs, api.FieldError{Path: at, Message: err.Error()})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		if _, ok := given[name]; !ok && declared[name].Default == "" {
			errs = append(errs, api.FieldError{Path: "params." + name, Message: "a value is needed: the parameter has no default"})
		}
	}
	return errs.Err()
}
