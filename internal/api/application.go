package api

// Application is what is captured as one unit.
type Application struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata"`
	Spec       ApplicationSpec `json:"spec"`
}

// ApplicationSpec selects objects on a cluster and lists components, which may live elsewhere. One of the two is there.
type ApplicationSpec struct {
	Cluster    string         `json:"cluster,omitempty" jsonschema_description:"Cluster that the namespaces are on; local when only namespaces are given."`
	Namespaces []string       `json:"namespaces,omitempty" jsonschema_description:"Kubernetes namespaces of the application."`
	Selector   *LabelSelector `json:"selector,omitempty" jsonschema_description:"Objects of the namespaces that belong to it; all when absent."`
	Components []Component    `json:"components,omitempty" jsonschema_description:"Things with state: to override what was found on the cluster, or where they live elsewhere."`
}

// LabelSelector selects objects that carry all of the labels.
type LabelSelector struct {
	MatchLabels map[string]string `json:"matchLabels" jsonschema_description:"Labels that an object must carry."`
}

// Component is one thing with state. Exactly one engine is set.
type Component struct {
	Name     string    `json:"name" jsonschema_description:"Name within the application: a DNS label."`
	Postgres *Postgres `json:"postgres,omitempty" jsonschema_description:"A PostgreSQL database."`
	Files    *Files    `json:"files,omitempty" jsonschema_description:"A directory."`
}

// Engine names the set engine as it is spelled in YAML, or returns "".
func (c Component) Engine() string {
	switch {
	case c.Postgres != nil:
		return EnginePostgres
	case c.Files != nil:
		return EngineFiles
	}
	return ""
}

// The engines of components.
const (
	EnginePostgres = "postgres"
	EngineFiles    = "files"
)

// Postgres is a PostgreSQL database as a source.
type Postgres struct {
	DSN           SecretRef `json:"dsn" jsonschema_description:"Reference to the connection string."`
	Schemas       []string  `json:"schemas,omitempty" jsonschema_description:"Schemas to take; all of the user's when absent."`
	ExcludeTables []string  `json:"excludeTables,omitempty" jsonschema_description:"Tables whose rows are left out, as schema.table; * and ? match within a name."`
}

// Files is a directory as a source.
type Files struct {
	Path    string   `json:"path" jsonschema_description:"Directory, relative to the worker's working directory or absolute."`
	Include []string `json:"include,omitempty" jsonschema_description:"Patterns of paths to take, relative to path; all when absent. ** matches any number of directories."`
	Exclude []string `json:"exclude,omitempty" jsonschema_description:"Patterns of paths to leave out, even where include names them."`
}

// Default sets tenant and type, and the local cluster for namespaces that name none.
func (r *Application) Default() {
	defaultMeta(&r.TypeMeta, KindApplication, &r.ObjectMeta)
	if r.Spec.Cluster == "" && len(r.Spec.Namespaces) > 0 {
		r.Spec.Cluster = LocalCluster
	}
}

// Validate checks namespaces and components.
func (r *Application) Validate() FieldErrors {
	errs := validateMeta(&r.ObjectMeta)
	s := &r.Spec
	optionalLabel(&errs, "spec.cluster", s.Cluster)
	for i, namespace := range s.Namespaces {
		requireLabel(&errs, element("spec.namespaces", i), namespace)
	}
	duplicates(s.Namespaces, func(n string) string { return n }, func(i, first int) {
		errs.add(element("spec.namespaces", i), "is the same as %s", element("spec.namespaces", first))
	})
	switch {
	case len(s.Namespaces) == 0 && len(s.Components) == 0:
		errs.add("spec", "needs namespaces or components: there is nothing to capture")
	case len(s.Namespaces) == 0 && s.Cluster != "":
		errs.add("spec.namespaces", "is missing: say which namespaces of the cluster belong to the application")
	case len(s.Namespaces) == 0 && s.Selector != nil:
		errs.add("spec.selector", "selects objects of namespaces, and none are given")
	}
	if s.Selector != nil {
		validateLabels(&errs, "spec.selector.matchLabels", s.Selector.MatchLabels)
		if len(s.Selector.MatchLabels) == 0 {
			errs.add("spec.selector.matchLabels", "is missing: leave the selector out to take everything")
		}
	}
	validateComponents(&errs, "spec.components", s.Components)
	return errs
}

func validateComponents(errs *FieldErrors, at string, components []Component) {
	for i := range components {
		c, at := &components[i], element(at, i)
		requireLabel(errs, child(at, "name"), c.Name)
		if !requireExactlyOne(errs, at, choice{EnginePostgres, c.Postgres != nil}, choice{EngineFiles, c.Files != nil}) {
			continue
		}
		if p := c.Postgres; p != nil {
			at := child(at, EnginePostgres)
			p.DSN.validate(errs, child(at, "dsn"))
			for j, schema := range p.Schemas {
				requireText(errs, element(child(at, "schemas"), j), schema)
			}
			validateGlobs(errs, child(at, "excludeTables"), p.ExcludeTables, SeparatorTable)
		}
		if f := c.Files; f != nil {
			at := child(at, EngineFiles)
			requireText(errs, child(at, "path"), f.Path)
			validateGlobs(errs, child(at, "include"), f.Include, SeparatorPath)
			validateGlobs(errs, child(at, "exclude"), f.Exclude, SeparatorPath)
		}
	}
	duplicates(components, func(c Component) string { return c.Name }, func(i, first int) {
		if components[i].Name != "" {
			errs.add(child(element(at, i), "name"), "is the name of %s already", element(at, first))
		}
	})
}
