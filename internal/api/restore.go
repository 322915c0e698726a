package api

import (
	"maps"
	"slices"
)

// RestoreStep makes an application from a capture. The target stays sealed until a verify step passes.
type RestoreStep struct {
	From    *RestoreFrom      `json:"from,omitempty" jsonschema_description:"Capture to restore; the output of the step's input when absent."`
	To      RestoreTarget     `json:"to" jsonschema_description:"Where the application is restored."`
	Profile Profile           `json:"profile,omitempty" jsonschema:"enum=clone,enum=recover,enum=migrate" jsonschema_description:"What the result is for; clone when absent."`
	Images  map[string]string `json:"images,omitempty" jsonschema_description:"Image of a container by the container's name, instead of the captured one."`
	Size    *Size             `json:"size,omitempty" jsonschema_description:"How large the result is."`
	TTL     Duration          `json:"ttl,omitempty" jsonschema_description:"Time after which the result is deleted; never when absent."`
	Only    []string          `json:"only,omitempty" jsonschema_description:"Parts to restore, such as a component's name or Service/web; all when absent."`
}

// RestoreFrom picks a capture: one by its id, or one of those that a policy made.
type RestoreFrom struct {
	Capture  string `json:"capture,omitempty" jsonschema_description:"Id of the capture."`
	Policy   string `json:"policy,omitempty" jsonschema_description:"Policy whose captures are considered."`
	Location string `json:"location" jsonschema_description:"Location that the capture is in."`
	Pick     Pick   `json:"pick,omitempty" jsonschema:"enum=latest,enum=latestVerified" jsonschema_description:"Which one of the policy's; latestVerified when absent."`
}

// Pick says which one of several captures is taken.
type Pick string

// The ways to pick a capture.
const (
	PickLatest         Pick = "latest"
	PickLatestVerified Pick = "latestVerified"
)

// Profile is what a restored application is for.
type Profile string

// The profiles. Only a clone gets new names, no cron jobs and none of production's secrets.
const (
	ProfileClone   Profile = "clone"
	ProfileRecover Profile = "recover"
	ProfileMigrate Profile = "migrate"
)

// RestoreTarget is a namespace of a cluster, or a list of components that live outside of one.
type RestoreTarget struct {
	Cluster    string            `json:"cluster,omitempty" jsonschema_description:"Cluster; local when only a namespace is given."`
	Namespace  string            `json:"namespace,omitempty" jsonschema_description:"Namespace on the cluster. May use {{ .application }} and {{ .params.NAME }}."`
	Components []TargetComponent `json:"components,omitempty" jsonschema_description:"Where each component goes, outside of Kubernetes."`
	Accepts    Trust             `json:"accepts,omitempty" jsonschema:"enum=raw,enum=masked" jsonschema_description:"What the components accept; masked when absent. A cluster says so itself."`
}

// TargetComponent says where one component goes. Exactly one engine is set.
type TargetComponent struct {
	Name     string          `json:"name" jsonschema_description:"Name of the captured component."`
	Postgres *TargetPostgres `json:"postgres,omitempty" jsonschema_description:"A PostgreSQL database, which is created."`
	Files    *TargetFiles    `json:"files,omitempty" jsonschema_description:"A directory, which is created or exchanged."`
}

// TargetPostgres is a database to restore into.
type TargetPostgres struct {
	DSN SecretRef `json:"dsn" jsonschema_description:"Reference to the connection string."`
}

// TargetFiles is a directory to restore into.
type TargetFiles struct {
	Path string `json:"path" jsonschema_description:"Directory. May use {{ .application }} and {{ .params.NAME }}."`
}

// Size scales a restored application.
type Size struct {
	Replicas     float64 `json:"replicas,omitempty" jsonschema:"minimum=0" jsonschema_description:"Factor for replicas, rounded up; 1 when absent."`
	StorageClass string  `json:"storageClass,omitempty" jsonschema_description:"Storage class of volumes."`
}

func (r *RestoreStep) validate(errs *FieldErrors, at string, params map[string]Param) {
	if r.From != nil {
		r.From.validate(errs, child(at, "from"))
	}
	r.To.validate(errs, child(at, "to"), params)
	requireOneOf(errs, child(at, "profile"), r.Profile, ProfileClone, ProfileRecover, ProfileMigrate)
	for _, container := range slices.Sorted(maps.Keys(r.Images)) {
		at := child(child(at, "images"), container)
		if text, ok := checkTemplate(errs, at, r.Images[container], params); ok {
			requireText(errs, at, text)
		}
	}
	if r.Size != nil {
		requireNatural(errs, below(at, "size.replicas"), r.Size.Replicas)
	}
	requireNatural(errs, child(at, "ttl"), r.TTL)
	if r.TTL > 0 && r.Profile != ProfileClone {
		errs.add(child(at, "ttl"), "goes with profile clone only: what is recovered or migrated is not deleted again")
	}
	for i, part := range r.Only {
		requireText(errs, element(child(at, "only"), i), part)
	}
}

func (f *RestoreFrom) validate(errs *FieldErrors, at string) {
	requireExactlyOne(errs, at, choice{"capture", f.Capture != ""}, choice{"policy", f.Policy != ""})
	optionalLabel(errs, child(at, "policy"), f.Policy)
	requireLabel(errs, child(at, "location"), f.Location)
	switch {
	case f.Policy != "":
		requireOneOf(errs, child(at, "pick"), f.Pick, PickLatest, PickLatestVerified)
	case f.Pick != "":
		errs.add(child(at, "pick"), "goes with policy only")
	}
}

func (t *RestoreTarget) validate(errs *FieldErrors, at string, params map[string]Param) {
	onCluster := t.Cluster != "" || t.Namespace != ""
	if !requireExactlyOne(errs, at, choice{"cluster with namespace", onCluster}, choice{"components", len(t.Components) > 0}) {
		return
	}
	if onCluster {
		requireLabel(errs, child(at, "cluster"), t.Cluster)
		if text, ok := checkTemplate(errs, child(at, "namespace"), t.Namespace, params); ok {
			requireLabel(errs, child(at, "namespace"), text)
		}
		if t.Accepts != "" {
			errs.add(child(at, "accepts"), "goes with components only: what a cluster accepts is said by the Cluster")
		}
		return
	}
	requireOneOf(errs, child(at, "accepts"), t.Accepts, TrustRaw, TrustMasked)
	at = child(at, "components")
	for i := range t.Components {
		t.Components[i].validate(errs, element(at, i), params)
	}
	duplicates(t.Components, func(c TargetComponent) string { return c.Name }, func(i, first int) {
		errs.add(child(element(at, i), "name"), "is the name of %s already", element(at, first))
	})
}

// validateApart wants targets that differ between applications: two restored to one place would overwrite each other.
func (t *RestoreTarget) validateApart(errs *FieldErrors, at string) {
	const hint = "the policy is about several applications, and they would overwrite each other: use {{ .application }}"
	if t.Namespace != "" && !usesApplication(t.Namespace) {
		errs.add(child(at, "namespace"), hint)
	}
	for i, c := range t.Components {
		at := element(child(at, "components"), i)
		switch {
		case c.Postgres != nil:
			errs.add(at, "the policy is about several applications, and a database can be the target of one only")
		case c.Files != nil && !usesApplication(c.Files.Path):
			errs.add(below(at, "files.path"), hint)
		}
	}
}

func (c *TargetComponent) validate(errs *FieldErrors, at string, params map[string]Param) {
	requireLabel(errs, child(at, "name"), c.Name)
	if !requireExactlyOne(errs, at, choice{EnginePostgres, c.Postgres != nil}, choice{EngineFiles, c.Files != nil}) {
		return
	}
	if c.Postgres != nil {
		c.Postgres.DSN.validate(errs, below(at, "postgres.dsn"))
		return
	}
	at = below(at, "files.path")
	if text, ok := checkTemplate(errs, at, c.Files.Path, params); ok {
		requireText(errs, at, text)
	}
}

// Engine names the set engine as it is spelled in YAML, or returns "".
func (c TargetComponent) Engine() string {
	switch {
	case c.Postgres != nil:
		return EnginePostgres
	case c.Files != nil:
		return EngineFiles
	}
	return ""
}
