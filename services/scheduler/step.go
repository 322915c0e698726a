package scheduler

import (
	"encoding/json"
	"fmt"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

// builder turns the steps of a policy into those of a definition, in order.
type builder struct {
	*plan
	app     *api.Application
	outputs map[string]output
}

// output is what a later step can take from a step: where its capture is, and for a restore where it went.
type output struct {
	location string
	restore  *events.RestoreWork
}

func (b *builder) step(s api.Step) (events.StepDefinition, error) {
	d := events.StepDefinition{
		Name: s.Name, Kind: events.StepKind(s.Kind()), Cluster: events.LocalCluster, Input: s.Input, Timeout: events.Duration(b.cfg.StepTimeout),
	}
	override(&d.Timeout, events.Duration(s.Timeout))
	in := b.outputs[s.Input]
	out := output{location: s.Location()}
	var err error
	switch s.Kind() {
	case api.StepCapture:
		if b.app.Spec.Cluster != "" {
			d.Cluster = b.app.Spec.Cluster
		}
		d.Work.Capture, err = b.capture(s.Capture)
	case api.StepMask:
		d.Work.Mask, err = b.mask(s.Mask, in)
	case api.StepTransfer:
		d.Work.Transfer, err = b.transfer(s.Transfer, in)
	case api.StepRestore:
		d.Work.Restore, err = b.restore(s.Restore, in)
		out.restore = d.Work.Restore
	case api.StepVerify:
		d.Work.Verify, err = b.verify(s.Verify, in)
	default:
		err = fault.New(fault.Permanent, "policy.invalid", "exactly one kind of step is needed")
	}
	b.outputs[s.Name] = out
	return d, err
}

func (b *builder) capture(s *api.CaptureStep) (*events.CaptureWork, error) {
	app, err := pin(b.app)
	if err != nil {
		return nil, err
	}
	to, err := b.location("capture.to", s.To)
	return &events.CaptureWork{Application: app, To: to}, err
}

func (b *builder) mask(s *api.MaskStep, in output) (*events.MaskWork, error) {
	from, err := b.location("mask.input", in.location)
	if err != nil {
		return nil, err
	}
	policy, ok := api.Get[*api.MaskingPolicy](b.set, b.tenant, s.Policy)
	if !ok {
		return nil, fmt.Errorf("mask.policy: %w", missing(b.plan, api.KindMaskingPolicy, s.Policy))
	}
	pinned, err := pin(policy)
	if err != nil {
		return nil, err
	}
	to, err := b.location("mask.to", s.To)
	return &events.MaskWork{From: from, Policy: pinned, To: to}, err
}

func (b *builder) transfer(s *api.TransferStep, in output) (*events.TransferWork, error) {
	from, err := b.location("transfer.input", in.location)
	if err != nil {
		return nil, err
	}
	to, err := b.location("transfer.to", s.To)
	return &events.TransferWork{From: from, To: to}, err
}

func (b *builder) restore(s *api.RestoreStep, in output) (*events.RestoreWork, error) {
	w := &events.RestoreWork{Only: s.Only}
	location := in.location
	if f := s.From; f != nil {
		if f.Capture == "" {
			return nil, fault.New(fault.Permanent, "restore.pick", "restore.from.capture: the id of a capture is needed").
				WithHint("a capture cannot be picked by policy yet: take an id from tranship captures ls")
		}
		w.Capture, location = f.Capture, f.Location
	}
	var err error
	if w.From, err = b.location("restore.from", location); err != nil {
		return nil, err
	}
	w.Target, err = b.target(s)
	return w, err
}

// target pins where a restore goes, its templates filled in.
func (b *builder) target(s *api.RestoreStep) (events.Target, error) {
	t := events.Target{Accepts: string(s.To.Accepts), Profile: string(s.Profile)}
	if len(s.To.Components) == 0 {
		return t, fault.New(fault.Permanent, "target.unsupported", "restore.to.components: the places of the components are needed").
			WithHint("restoring into a namespace of a cluster is not possible yet")
	}
	for i, c := range s.To.Components {
		if c.Files != nil {
			path, err := api.Expand(c.Files.Path, api.Vars{Application: b.app.Name, Params: b.params})
			if err != nil {
				return t, fault.New(fault.Permanent, "policy.invalid", "restore.to.components[%d].files.path: %w", i, err)
			}
			files := *c.Files
			files.Path = path
			c.Files = &files
		}
		data, err := json.Marshal(c)
		if err != nil {
			return t, fmt.Errorf("restore.to.components[%d]: %w", i, err)
		}
		t.Components = append(t.Components, data)
	}
	return t, nil
}

func (b *builder) verify(s *api.VerifyStep, in output) (*events.VerifyWork, error) {
	if in.restore == nil {
		return nil, fault.New(fault.Permanent, "policy.invalid", "input: a verify needs the output of a restore")
	}
	w := &events.VerifyWork{From: in.restore.From, Capture: in.restore.Capture, Target: in.restore.Target, Only: in.restore.Only}
	for _, c := range s.Checks {
		w.Checks = append(w.Checks, string(c))
	}
	return w, nil
}

func (b *builder) location(field, name string) (events.Resource, error) {
	l, ok := api.Get[*api.Location](b.set, b.tenant, name)
	if !ok {
		return nil, fmt.Errorf("%s: %w", field, missing(b.plan, api.KindLocation, name))
	}
	return pin(l)
}

// pin returns the text of a resource as a run keeps it.
func pin(r api.Resource) (events.Resource, error) { return api.Canonical(r) }
