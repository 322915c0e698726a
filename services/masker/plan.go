package masker

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/pkg/events"
)

// bundleBytes is how much one task masks, unless that would make too many tasks: enough to outweigh the cost of a task, and
// little enough to share the work and to lose little of it.
const bundleBytes = 96 << 20

// plan is what task 0 writes.
type plan struct {
	MeasureKey dataservice.MeasureKey `json:"measureKey"`
	Bundles    [][]unitRef            `json:"bundles"`
}

// unitRef names a unit of the raw capture by its place.
type unitRef struct {
	Component int `json:"component"`
	Unit      int `json:"unit"`
}

func (t *task) plan(ctx context.Context) (events.Outcome, error) {
	_, content, err := t.raw.Read(ctx, t.input)
	if err != nil {
		return events.Outcome{}, err
	}
	if _, err := t.compile(ctx, content); err != nil {
		return events.Outcome{}, refusal(err)
	}
	tasks, err := events.TasksBeside(t.job.Command.Work)
	if err != nil {
		return events.Outcome{}, fault.Wrap(fault.Permanent, err)
	}
	p := plan{MeasureKey: dataservice.NewMeasureKey(), Bundles: divide(content, bundleBytes, tasks)}
	ref, digest, err := t.masked.Save(ctx, t.job.Address, t.job.Fence, p)
	if err != nil {
		return events.Outcome{}, err
	}
	return events.Outcome{Plan: &events.PlanRef{Count: len(p.Bundles), Ref: ref, Digest: digest}}, nil
}

// refusal gives an error of the policy its code. What is not classified is listed in the fault's details.
func refusal(err error) error {
	unclassified := mask.UnclassifiedIn(err)
	if len(unclassified) == 0 {
		return fault.New(fault.Permanent, "mask.policy", "the masking policy does not fit the capture: %w", err)
	}
	f := fault.New(fault.Permanent, CodeUnclassified, "the masking policy does not say what happens to %s of the capture, so nothing is published: %w", places(len(unclassified)), err).
		WithHint("add a rule for each to the masking policy, apply it and start a new run: this one keeps the policy that it started with")
	return &unclassifiedError{error: f, details: unclassifiedDetails(unclassified)}
}

func places(n int) string {
	if n == 1 {
		return "1 place"
	}
	return fmt.Sprintf("%d places", n)
}

// unclassifiedError carries the places into the fact: see stage.Detailer.
type unclassifiedError struct {
	error
	details json.RawMessage
}

func (e *unclassifiedError) Unwrap() error            { return e.error }
func (e *unclassifiedError) Details() json.RawMessage { return e.details }

// CodeUnclassified is the code of the fault that stops a run whose policy does not say what happens to everything.
const CodeUnclassified = "mask.unclassified"

// unclassifiedDetails lists as many places as fit into an event.
func unclassifiedDetails(all []mask.Unclassified) json.RawMessage {
	for n := len(all); n > 0; n /= 2 {
		data, err := json.Marshal(struct {
			Total        int                 `json:"total"`
			Unclassified []mask.Unclassified `json:"unclassified"`
		}{len(all), all[:n]})
		if err == nil && len(data) <= events.MaxDetail {
			return data
		}
	}
	return nil
}

// divide makes bundles of about size bytes, in the order of the capture, and at most limit.
func divide(content dataservice.Content, size int64, limit int) [][]unitRef {
	var total int64
	for _, c := range content.Components {
		for _, u := range c.Units {
			total += u.Artifact.Bytes
		}
	}
	size = max(size, total/int64(limit)+1)
	var bundles [][]unitRef
	var current []unitRef
	var bytes int64
	for ci, c := range content.Components {
		for ui, u := range c.Units {
			if len(current) > 0 && bytes+u.Artifact.Bytes > size && len(bundles) < limit-1 {
				bundles = append(bundles, current)
				current, bytes = nil, 0
			}
			current = append(current, unitRef{ci, ui})
			bytes += u.Artifact.Bytes
		}
	}
	if len(current) > 0 {
		bundles = append(bundles, current)
	}
	return bundles
}

// loadPlan reads what task 0 of this generation wrote.
func (t *task) loadPlan(ctx context.Context) (plan, error) {
	var p plan
	if t.job.Command.Plan == nil {
		return p, fault.New(fault.Permanent, "event.invalid", "the command names no plan")
	}
	return p, t.masked.Load(ctx, t.job.Command.Plan.Ref, t.job.Command.Plan.Digest, &p)
}
