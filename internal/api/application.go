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
