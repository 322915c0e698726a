package api

import (
	"maps"
	"slices"

	"github.com/tranship/tranship/internal/registry"
)

// Policy says which applications go through which steps, when, and what is kept.
type Policy struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata"`
	Spec       PolicySpec `json:"spec"`
}

// PolicySpec is the content of a policy.
type PolicySpec struct {
	Applications ApplicationSelector `json:"applications" jsonschema_description:"Applications that the policy is about; each has runs of its own."`
	Schedule     *Schedule           `json:"schedule,omitempty" jsonschema_description:"Starts runs by the clock."`
	Triggers     []Trigger           `json:"triggers,omitempty" jsonschema_description:"Start runs from outside."`
	Params       map[string]Param    `json:"params,omitempty" jsonschema_description:"Parameters that a run may be given, which templates can use."`
	Steps        []Step              `json:"steps" jsonschema:"minItems=1" jsonschema_description:"Stages of a run, in order."`
	Retention    *Retention          `json:"retention,omitempty" jsonschema_description:"Captures that are kept; all when absent."`
	Retry        *Retry              `json:"retry,omitempty" jsonschema_description:"How often a task is tried again."`
}

// ApplicationSelector selects applications: those of Names, or all that meet every other condition.
type ApplicationSelector struct {
	Names         []string          `json:"names,omitempty" jsonschema_description:"Names of applications."`
	MatchLabels   map[string]string `json:"matchLabels,omitempty" jsonschema_description:"Labels that an application must carry."`
	Clusters      []string          `json:"clusters,omitempty" jsonschema_description:"Clusters that an application must be on one of."`
	WithComponent string            `json:"withComponent,omitempty" jsonschema_description:"Kind of component that an application must have."`
}

// Schedule is a cron line in a time zone.
type Schedule struct {
	Cron     string `json:"cron" jsonschema_description:"Five fields (minute hour day month weekday) or @hourly, @daily, @weekly, @monthly."`
	TimeZone string `json:"timeZone,omitempty" jsonschema_description:"Name from the IANA database; UTC when absent."`
}

// Trigger starts a run when something happens.
type Trigger struct {
	Event  *EventTrigger     `json:"event,omitempty" jsonschema_description:"A CloudEvent."`
	Params map[string]string `json:"params,omitempty" jsonschema_description:"CEL expression of each parameter's value."`
}

// EventTrigger selects CloudEvents.
type EventTrigger struct {
	Type   string `json:"type" jsonschema_description:"Type of the event; a * at its end matches the rest."`
	Filter string `json:"filter,omitempty" jsonschema_description:"CEL expression over event that must be true."`
}

// Param is a parameter of a policy's runs.
type Param struct {
	Pattern string `json:"pattern" jsonschema_description:"Regular expression (RE2) that the whole value must match."`
	Default string `json:"default,omitempty" jsonschema_description:"Value when a run names none; the run must name one when absent."`
}

// Retention says how many captures stay, each count on its own: a capture stays when any of them wants it.
type Retention struct {
	KeepLast         int `json:"keepLast,omitempty" jsonschema:"minimum=0" jsonschema_description:"Newest captures."`
	KeepLastVerified int `json:"keepLastVerified,omitempty" jsonschema:"minimum=0" jsonschema_description:"Newest captures that were proven to restore."`
	Hourly           int `json:"hourly,omitempty" jsonschema:"minimum=0" jsonschema_description:"Newest capture of each hour, for so many hours."`
	Daily            int `json:"daily,omitempty" jsonschema:"minimum=0" jsonschema_description:"Newest capture of each day, for so many days."`
	Weekly           int `json:"weekly,omitempty" jsonschema:"minimum=0" jsonschema_description:"Newest capture of each ISO week, for so many weeks."`
	Monthly          int `json:"monthly,omitempty" jsonschema:"minimum=0" jsonschema_description:"Newest capture of each month, for so many months."`
	Yearly           int `json:"yearly,omitempty" jsonschema:"minimum=0" jsonschema_description:"Newest capture of each year, for so many years."`
}

// Retry says how a task is tried again: after base, doubled each time up to cap.
type Retry struct {
	MaxAttempts int      `json:"maxAttempts,omitempty" jsonschema:"minimum=1" jsonschema_description:"Attempts before the run fails."`
	Base        Duration `json:"base,omitempty" jsonschema_description:"Pause after the first failure."`
	Cap         Duration `json:"cap,omitempty" jsonschema_description:"Longest pause."`
}

// Default sets tenant and type, names the steps, connects them, and adds a verify for each restore that has none.
func (r *Policy) Default() {
	defaultMeta(&r.TypeMeta, KindPolicy, &r.ObjectMeta)
	r.Spec.Steps = defaultSteps(r.Spec.Steps)
}

// Validate checks everything that can be said without knowing the resources that the policy names.
func (r *Policy) Validate() FieldErrors {
	errs := validateMeta(&r.ObjectMeta)
	s := &r.Spec
	s.Applications.validate(&errs, "spec.applications")
	if s.Schedule != nil {
		s.Schedule.validate(&errs, "spec.schedule")
	}
	validateParams(&errs, s)
	validateSteps(&errs, "spec.steps", s.Steps, s.Params)
	if len(s.Applications.Names) != 1 {
		for i, step := range s.Steps {
			if step.Restore != nil {
				step.Restore.To.validateApart(&errs, below(element("spec.steps", i), "restore.to"))
			}
		}
	}
	if s.Retention != nil {
		s.Retention.validate(&errs, "spec.retention")
	}
	if t := s.Retry; t != nil {
		requireNatural(&errs, "spec.retry.maxAttempts", t.MaxAttempts)
		requireNatural(&errs, "spec.retry.base", t.Base)
		requireNatural(&errs, "spec.retry.cap", t.Cap)
		if t.Base > 0 && t.Cap > 0 && t.Cap < t.Base {
			errs.add("spec.retry.cap", "must not be shorter than base")
		}
	}
	return errs
}

// componentKinds are what an application can be made of.
var componentKinds = []string{"resources", "volume", EnginePostgres, "mysql", "mongodb", "redis", "etcd", "bucket", EngineFiles}

func (a *ApplicationSelector) validate(errs *FieldErrors, at string) {
	selects := len(a.MatchLabels) > 0 || len(a.Clusters) > 0 || a.WithComponent != ""
	switch {
	case len(a.Names) == 0 && !selects:
		errs.add(at, "needs names, matchLabels, clusters or withComponent")
	case len(a.Names) > 0 && selects:
		errs.add(at, "has names and conditions: only one of them can be meant")
	}
	for i, name := range a.Names {
		requireLabel(errs, element(child(at, "names"), i), name)
	}
	duplicates(a.Names, func(n string) string { return n }, func(i, first int) {
		errs.add(element(child(at, "names"), i), "is the same as %s", element(child(at, "names"), first))
	})
	for i, name := range a.Clusters {
		requireLabel(errs, element(child(at, "clusters"), i), name)
	}
	validateLabels(errs, child(at, "matchLabels"), a.MatchLabels)
	if a.WithComponent != "" {
		requireOneOf(errs, child(at, "withComponent"), a.WithComponent, componentKinds...)
	}
}

// validateParams checks the parameters, and that everything that starts runs gives a value to those without a default.
func validateParams(errs *FieldErrors, s *PolicySpec) {
	names := slices.Sorted(maps.Keys(s.Params))
	var required []string
	for _, name := range names {
		p, at := s.Params[name], child("spec.params", name)
		if !paramPattern.MatchString(name) {
			errs.add(at, "must be named by a letter from a to z and up to 31 letters, digits and _")
		}
		if p.Default == "" {
			required = append(required, name)
		}
		if p.Pattern == "" {
			errs.add(child(at, "pattern"), "is missing: a value from outside is never taken unchecked")
			continue
		}
		if _, err := p.compile(); err != nil {
			errs.add(child(at, "pattern"), "%v", err)
			continue
		}
		if p.Default != "" && p.Check(p.Default) != nil {
			errs.add(child(at, "default"), "does not match the pattern")
		}
	}
	if s.Schedule != nil && len(required) > 0 {
		errs.add("spec.schedule", "cannot give a value to %s: give it a default", child("params", required[0]))
	}
	for i, t := range s.Triggers {
		t.validate(errs, element("spec.triggers", i), names, required)
	}
}

func (t *Trigger) validate(errs *FieldErrors, at string, params, required []string) {
	if requireExactlyOne(errs, at, choice{"event", t.Event != nil}) {
		requireEventType(errs, below(at, "event.type"), t.Event.Type)
	}
	at = child(at, "params")
	for _, name := range slices.Sorted(maps.Keys(t.Params)) {
		if !slices.Contains(params, name) {
			errs.suggest(child(at, name), registry.Nearest(name, params), "is not declared in spec.params")
		}
		requireText(errs, child(at, name), t.Params[name])
	}
	for _, name := range required {
		if _, given := t.Params[name]; !given {
			errs.add(child(at, name), "is missing: the parameter has no default")
		}
	}
}

func (r *Retention) validate(errs *FieldErrors, at string) {
	total := 0
	for _, f := range []struct {
		name  string
		count int
	}{
		{"keepLast", r.KeepLast}, {"keepLastVerified", r.KeepLastVerified}, {"hourly", r.Hourly}, {"daily", r.Daily},
		{"weekly", r.Weekly}, {"monthly", r.Monthly}, {"yearly", r.Yearly},
	} {
		requireNatural(errs, child(at, f.name), f.count)
		total += max(0, f.count)
	}
	if total == 0 {
		errs.add(at, "keeps nothing: give at least one count, or leave retention out to keep everything")
	}
}
