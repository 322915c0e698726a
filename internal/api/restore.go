package api

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
	Namespace  string            `json:"namespace,omitempty" jsonschema_description:"Namespace on the cluster. May use {{ .params.NAME }}."`
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
	Path string `json:"path" jsonschema_description:"Directory. May use {{ .params.NAME }}."`
}

// Size scales a restored application.
type Size struct {
	Replicas     float64 `json:"replicas,omitempty" jsonschema:"minimum=0" jsonschema_description:"Factor for replicas, rounded up; 1 when absent."`
	StorageClass string  `json:"storageClass,omitempty" jsonschema_description:"Storage class of volumes."`
}
