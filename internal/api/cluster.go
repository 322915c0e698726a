package api

// Cluster is a Kubernetes cluster that workers can reach.
type Cluster struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata"`
	Spec       ClusterSpec `json:"spec"`
}

// LocalCluster is the cluster that the workers run in. It can be named without being declared; it then accepts only masked data.
const LocalCluster = "local"

// ClusterSpec says how to reach a cluster and what may be restored there.
type ClusterSpec struct {
	Connection Connection `json:"connection" jsonschema_description:"How workers reach the cluster."`
	Accepts    Trust      `json:"accepts,omitempty" jsonschema:"enum=raw,enum=masked" jsonschema_description:"What may be restored here; masked when absent."`
	Discover   *Discovery `json:"discover,omitempty" jsonschema_description:"Creates Applications from what is found on the cluster."`
}

// Connection is a way to a cluster. Exactly one field is set.
type Connection struct {
	InCluster  bool        `json:"inCluster,omitempty" jsonschema_description:"The cluster that the worker runs in."`
	Kubeconfig *Kubeconfig `json:"kubeconfig,omitempty" jsonschema_description:"A kubeconfig file."`
}

// Kubeconfig refers to a kubeconfig and one of its contexts.
type Kubeconfig struct {
	SecretRef `json:",inline"`
	Context   string `json:"context,omitempty" jsonschema_description:"Context to use; the current one when absent."`
}

// Discovery says which groups of objects become Applications.
type Discovery struct {
	By  DiscoverBy `json:"by" jsonschema:"enum=namespace,enum=label" jsonschema_description:"One Application per namespace, or per value of a label."`
	Key string     `json:"key,omitempty" jsonschema_description:"The label, when by is label."`
}

// DiscoverBy is what makes objects one application.
type DiscoverBy string

// The ways to discover.
const (
	DiscoverByNamespace DiscoverBy = "namespace"
	DiscoverByLabel     DiscoverBy = "label"
)

// Default sets tenant, type and what the cluster accepts.
func (r *Cluster) Default() {
	defaultMeta(&r.TypeMeta, KindCluster, &r.ObjectMeta)
	if r.Spec.Accepts == "" {
		r.Spec.Accepts = TrustMasked
	}
}

// Validate checks the connection and the discovery.
func (r *Cluster) Validate() FieldErrors {
	errs := validateMeta(&r.ObjectMeta)
	s := &r.Spec
	c := s.Connection
	if requireExactlyOne(&errs, "spec.connection", choice{"inCluster", c.InCluster}, choice{"kubeconfig", c.Kubeconfig != nil}) && c.Kubeconfig != nil {
		c.Kubeconfig.validate(&errs, "spec.connection.kubeconfig")
	}
	requireOneOf(&errs, "spec.accepts", s.Accepts, TrustRaw, TrustMasked)
	if d := s.Discover; d != nil {
		requireOneOf(&errs, "spec.discover.by", d.By, DiscoverByNamespace, DiscoverByLabel)
		switch {
		case d.By == DiscoverByLabel && !labelKey.MatchString(d.Key):
			errs.add("spec.discover.key", "must be a label key, such as app.kubernetes.io/part-of")
		case d.By == DiscoverByNamespace && d.Key != "":
			errs.add("spec.discover.key", "goes with by: label only")
		}
	}
	return errs
}
