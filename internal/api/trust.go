package api

import (
	"path"
	"slices"
	"strings"

	"github.com/tranship/tranship/internal/registry"
)

// policy follows the trust of the data from step to step and refuses every way by which raw data could reach a place that
// accepts masked data only.
func (c *checker) policy(p *Policy) {
	for i, name := range p.Spec.Applications.Names {
		c.reference(element("spec.applications.names", i), KindApplication, name)
	}
	for i, name := range p.Spec.Applications.Clusters {
		c.reference(element("spec.applications.clusters", i), KindCluster, name)
	}
	outputs := map[string]flow{}
	for i, s := range p.Spec.Steps {
		in := outputs[s.Input]
		outputs[s.Name] = c.step(element("spec.steps", i), s, in)
	}
	c.targetComponents(p)
}

// flow is what is known of a step's output.
type flow struct {
	trust Trust  // "" when unknown, because something before it was wrong already
	from  string // where the capture comes from, as "of step …"
	in    string // the location of the capture
}

func (c *checker) step(at string, s Step, in flow) flow {
	switch s.Kind() {
	case StepCapture:
		return c.capture(child(at, "capture"), s)
	case StepMask:
		return c.mask(child(at, "mask"), s, in)
	case StepTransfer:
		return c.transfer(child(at, "transfer"), s, in)
	case StepRestore:
		c.restore(child(at, "restore"), s.Restore, in)
	}
	return flow{}
}

func (c *checker) capture(at string, s Step) flow {
	to, ok := lookup[*Location](c, child(at, "to"), s.Capture.To)
	if ok && to.Spec.Trust != TrustRaw {
		c.errs.add(child(at, "to"), "is a %s location: a capture is raw, and a mask step makes a masked one from it", to.Spec.Trust)
	}
	return flow{trust: TrustRaw, from: "of " + s.describe(), in: s.Capture.To}
}

func (c *checker) mask(at string, s Step, in flow) flow {
	c.reference(child(at, "policy"), KindMaskingPolicy, s.Mask.Policy)
	to, ok := lookup[*Location](c, child(at, "to"), s.Mask.To)
	if ok && to.Spec.Trust != TrustMasked {
		c.errs.add(child(at, "to"), "is a %s location: a mask step writes to a masked one", to.Spec.Trust)
	}
	if in.trust == TrustMasked {
		c.errs.add(at, "its input is the masked capture %s: masking twice would not be masking", in.from)
	}
	return flow{trust: TrustMasked, from: "of " + s.describe(), in: s.Mask.To}
}

func (c *checker) transfer(at string, s Step, in flow) flow {
	out := flow{trust: in.trust, from: in.from, in: s.Transfer.To}
	at = child(at, "to")
	to, ok := lookup[*Location](c, at, s.Transfer.To)
	if !ok || in.trust == "" {
		return out
	}
	switch {
	case s.Transfer.To == in.in:
		c.errs.add(at, "is the location that the capture is in already")
	case to.Spec.Trust == TrustMasked && in.trust == TrustRaw:
		c.errs.add(at, "is a masked location, and the capture %s is raw: a mask step must come before", in.from)
	case to.Spec.Trust != in.trust:
		c.errs.add(at, "is a %s location, and the capture %s is %s: a location holds captures of its own trust only", to.Spec.Trust, in.from, in.trust)
	}
	return out
}

func (c *checker) restore(at string, r *RestoreStep, in flow) {
	if r.From != nil {
		in = c.source(child(at, "from"), r.From)
	}
	accepts, what := r.To.Accepts, "the target accepts"
	at = child(at, "to")
	if r.To.Cluster != "" {
		at = child(at, "cluster")
		what = "the cluster accepts"
		if !c.reference(at, KindCluster, r.To.Cluster) {
			return
		}
		accepts = TrustMasked // what the local cluster accepts when nobody declares it
		if cluster, declared := Get[*Cluster](c.set, c.tenant, r.To.Cluster); declared {
			accepts = cluster.Spec.Accepts
		}
	}
	if in.trust != "" && !accepts.Admits(in.trust) {
		c.errs.add(at, "%s %s data only, and the capture %s is %s", what, accepts, in.from, in.trust)
	}
}

// source checks where a restore takes its capture from.
func (c *checker) source(at string, f *RestoreFrom) flow {
	location, ok := lookup[*Location](c, child(at, "location"), f.Location)
	if p, known := lookup[*Policy](c, child(at, "policy"), f.Policy); known && ok {
		var written []string
		for _, s := range p.Spec.Steps {
			if to := s.Location(); to != "" {
				written = append(written, to)
			}
		}
		if !slices.Contains(written, f.Location) {
			c.errs.add(child(at, "location"), "the policy never writes there: it writes to %s", describeLocations(written))
		}
	}
	if !ok {
		return flow{}
	}
	return flow{trust: location.Spec.Trust, from: "from there", in: f.Location}
}

func describeLocations(names []string) string {
	if len(names) == 0 {
		return "no location"
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// targetComponents checks where the components of applications outside of Kubernetes are restored to. On a cluster,
// components are found and need not be listed.
func (c *checker) targetComponents(p *Policy) {
	for _, name := range p.Spec.Applications.Names {
		app, ok := Get[*Application](c.set, c.tenant, name)
		if !ok || len(app.Spec.Namespaces) > 0 {
			continue
		}
		for i, s := range p.Spec.Steps {
			if s.Restore != nil {
				c.targets(below(element("spec.steps", i), "restore.to"), s.Restore, app)
			}
		}
	}
}

// targets wants a target for every component of app, or for those that the restore is limited to.
func (c *checker) targets(at string, r *RestoreStep, app *Application) {
	if len(r.To.Components) == 0 {
		c.errs.add(at, "application %s is not on a cluster: say in components where each of its components goes", app.Name)
		return
	}
	at = child(at, "components")
	for i, target := range r.To.Components {
		c.target(element(at, i), target, r.Profile, app)
	}
	for _, source := range app.Spec.Components {
		listed := slices.ContainsFunc(r.To.Components, func(t TargetComponent) bool { return t.Name == source.Name })
		if !listed && (len(r.Only) == 0 || slices.Contains(r.Only, source.Name)) {
			c.errs.add(at, "component %s of application %s has no target: add it, or leave it out with only", source.Name, app.Name)
		}
	}
}

// target wants a component of app under the target's name, of the same engine, and unless it is recovered, another place.
func (c *checker) target(at string, target TargetComponent, profile Profile, app *Application) {
	var names []string
	for _, source := range app.Spec.Components {
		switch {
		case source.Name != target.Name:
			names = append(names, source.Name)
			continue
		case source.Engine() != target.Engine():
			c.errs.add(at, "is %s, and component %s of application %s is %s", target.Engine(), source.Name, app.Name, source.Engine())
		case profile != ProfileRecover && target.isPlaceOf(source):
			c.errs.add(at, "is the source itself: only the profile recover may replace it")
		}
		return
	}
	c.errs.suggest(child(at, "name"), registry.Nearest(target.Name, names), "application %s has no such component", app.Name)
}

// isPlaceOf reports whether the target is visibly the place where the component lives.
func (t TargetComponent) isPlaceOf(source Component) bool {
	if t.Postgres != nil {
		dsn, sourceDSN := t.Postgres.DSN, source.Postgres.DSN
		if dsn.FromSecret != nil && sourceDSN.FromSecret != nil {
			return *dsn.FromSecret == *sourceDSN.FromSecret
		}
		return dsn == sourceDSN
	}
	return path.Clean(t.Files.Path) == path.Clean(source.Files.Path)
}
