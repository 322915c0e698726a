package scheduler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/registry"
	"github.com/tranship/tranship/pkg/events"
)

// plan is a policy with everything that it names, checked: what its runs are made from.
type plan struct {
	cfg          Config
	set          *api.Set
	tenant       string
	policy       *api.Policy
	inline       bool
	params       map[string]string
	applications []*api.Application // selected, by name
}

// inlineName is the name of a policy that came with the request.
const inlineName = "inline"

// newPlan looks up and checks what a request asks for. Its errors are for whoever asked.
func newPlan(cfg Config, all *api.Set, tenant string, p events.TriggerFired, now time.Time) (*plan, error) {
	pl := &plan{cfg: cfg, set: all, tenant: tenant, inline: p.Policy == ""}
	var err error
	if pl.policy, err = pl.findPolicy(p); err != nil {
		return nil, err
	}
	if pl.params, err = parameters(pl.policy.Spec.Params, p.Params); err != nil {
		return nil, err
	}
	if pl.applications, err = pl.selected(p.Application); err != nil {
		return nil, err
	}
	if err := pl.check(now); err != nil {
		return nil, fault.New(fault.Permanent, "policy.invalid", "%w", err)
	}
	return pl, nil
}

func (p *plan) policyName() string {
	if p.inline {
		return ""
	}
	return p.policy.Name
}

func (p *plan) findPolicy(t events.TriggerFired) (*api.Policy, error) {
	if !p.inline {
		policy, ok := api.Get[*api.Policy](p.set, p.tenant, t.Policy)
		if !ok {
			return nil, missing(p, api.KindPolicy, t.Policy)
		}
		return policy, nil
	}
	var doc map[string]any
	if err := json.Unmarshal(t.Inline, &doc); err != nil {
		return nil, fault.New(fault.Permanent, "policy.invalid", "inline: it is not a JSON object")
	}
	doc["apiVersion"], doc["kind"] = api.Version, api.KindPolicy
	doc["metadata"] = map[string]any{"name": inlineName, "namespace": p.tenant}
	data, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("read the inline policy: %w", err)
	}
	resources, err := api.Decode(bytes.NewReader(data), "")
	if err != nil {
		return nil, fault.New(fault.Permanent, "policy.invalid", "inline: %w", err)
	}
	for _, r := range resources {
		if policy, ok := r.(*api.Policy); ok {
			return policy, nil
		}
	}
	return nil, fault.New(fault.Permanent, "policy.invalid", "inline: it holds no policy")
}

// missing says that a resource does not exist, and what was probably meant.
func missing(p *plan, kind, name string) error {
	var names []string
	for _, r := range p.set.Resources() {
		if r.Kind() == kind && r.Meta().Tenant() == p.tenant {
			names = append(names, r.Meta().Name)
		}
	}
	e := fault.New(fault.NotFound, strings.ToLower(kind)+".missing", "there is no %s %q in tenant %s", kind, name, p.tenant)
	if near := registry.Nearest(name, names); near != "" {
		return e.WithHint("did you mean %q?", near)
	}
	return e
}

// selected returns the policy's applications, or the one of them that the request names.
func (p *plan) selected(only string) ([]*api.Application, error) {
	sel := p.policy.Spec.Applications
	var apps []*api.Application
	for _, r := range p.set.Resources() {
		app, ok := r.(*api.Application)
		if ok && app.Tenant() == p.tenant && selects(sel, app) && (only == "" || app.Name == only) {
			apps = append(apps, app)
		}
	}
	slices.SortFunc(apps, func(a, b *api.Application) int { return strings.Compare(a.Name, b.Name) })
	if len(apps) > 0 {
		return apps, nil
	}
	if only != "" {
		return nil, missing(p, api.KindApplication, only)
	}
	if len(sel.Names) == 1 {
		return nil, missing(p, api.KindApplication, sel.Names[0])
	}
	return nil, fault.New(fault.NotFound, "application.missing", "the policy selects no application")
}

func selects(sel api.ApplicationSelector, app *api.Application) bool {
	if len(sel.Names) > 0 {
		return slices.Contains(sel.Names, app.Name)
	}
	for key, value := range sel.MatchLabels {
		if app.Labels[key] != value {
			return false
		}
	}
	if len(sel.Clusters) > 0 && !slices.Contains(sel.Clusters, app.Spec.Cluster) {
		return false
	}
	return sel.WithComponent == "" || slices.ContainsFunc(app.Spec.Components, func(c api.Component) bool { return c.Engine() == sel.WithComponent })
}

// check judges the policy beside everything of the tenant, and reports what concerns this run: a mistake elsewhere is no
// reason to refuse it.
func (p *plan) check(now time.Time) error {
	resources := []api.Resource{p.policy}
	for _, r := range p.set.Resources() {
		if r.Meta().Tenant() == p.tenant && api.KeyOf(r) != api.KeyOf(p.policy) {
			resources = append(resources, r)
		}
	}
	var problems api.FieldErrors
	if err := api.NewSet(resources...).Check(now); err != nil && !errors.As(err, &problems) {
		return err
	}
	concerned := p.concerned()
	var found api.FieldErrors
	for _, e := range problems {
		if concerned[e.Resource] {
			found = append(found, e)
		}
	}
	return found.Err()
}

// concerned names, as a FieldError does, the resources that the run is made from.
func (p *plan) concerned() map[string]bool {
	names := map[string]bool{api.KindPolicy + "/" + p.policy.Name: true}
	for _, app := range p.applications {
		names[api.KindApplication+"/"+app.Name] = true
	}
	for _, s := range p.policy.Spec.Steps {
		if l := s.Location(); l != "" {
			names[api.KindLocation+"/"+l] = true
		}
		if s.Mask != nil {
			names[api.KindMaskingPolicy+"/"+s.Mask.Policy] = true
		}
		if s.Restore != nil && s.Restore.From != nil {
			names[api.KindLocation+"/"+s.Restore.From.Location] = true
		}
	}
	return names
}

// definition pins the resources as they are now: a run keeps to its end what it began with.
func (p *plan) definition(app *api.Application) (events.Definition, error) {
	spec := p.policy.Spec
	def := events.Definition{
		Policy: p.policyName(), Application: app.Name, Params: p.params, Window: p.cfg.Window, Retry: p.cfg.Retry,
	}
	if r := spec.Retry; r != nil {
		override(&def.Retry.MaxAttempts, r.MaxAttempts)
		override(&def.Retry.Base, events.Duration(r.Base))
		override(&def.Retry.Cap, events.Duration(r.Cap))
	}
	def.Retry.Cap = max(def.Retry.Cap, def.Retry.Base)

	b := builder{plan: p, app: app, outputs: map[string]output{}}
	for i, s := range spec.Steps {
		sd, err := b.step(s)
		if err != nil {
			return def, fmt.Errorf("spec.steps[%d]: %w", i, err)
		}
		def.Steps = append(def.Steps, sd)
	}
	if err := def.Validate(); err != nil {
		return def, fault.New(fault.Permanent, "policy.invalid", "%w", err)
	}
	if err := p.reachable(def); err != nil {
		return def, err
	}
	return def, fits(def)
}

// reachable refuses a run whose commands nobody could ever take.
func (p *plan) reachable(def events.Definition) error {
	for i, s := range def.Steps {
		if len(p.cfg.Clusters) > 0 && !slices.Contains(p.cfg.Clusters, s.Cluster) {
			return fault.New(fault.Permanent, "cluster.unreachable", "spec.steps[%d]: no worker can be near cluster %s: the scheduler knows %s", i, s.Cluster, strings.Join(p.cfg.Clusters, ", ")).
				WithHint("start the scheduler with --cluster %s, and a worker near it", s.Cluster)
		}
	}
	return nil
}

// startBytes is what stands beside the definition in the first message of a run.
const startBytes = 8 << 10

// fits refuses, before anything is done, a run that would later ask for messages larger than the bus takes.
func fits(def events.Definition) error {
	const hint = "shorten what the policy names: let one masking rule cover many columns with patterns, or capture fewer components as one application"
	for i, s := range def.Steps {
		if _, err := events.TasksBeside(s.Work); err != nil {
			return fault.New(fault.Permanent, "run.large", "spec.steps[%d]: what the step names does not fit into a command: %w", i, err).WithHint(hint)
		}
	}
	data, err := json.Marshal(def)
	if err != nil {
		return fmt.Errorf("encode the definition: %w", err)
	}
	if most := events.MaxSize - startBytes; len(data) > most {
		return fault.New(fault.Permanent, "run.large", "the policy and all that it names have %d bytes, and a run keeps at most %d", len(data), most).WithHint(hint)
	}
	return nil
}

func override[T int | events.Duration](field *T, value T) {
	if value > 0 {
		*field = value
	}
}
