package api

import "time"

// Version is the apiVersion of every kind in this package.
const Version = "tranship.io/v1alpha1"

// DefaultTenant owns the resources whose metadata names no namespace.
const DefaultTenant = "default"

// Resource is one resource of any kind. Its methods are not safe for concurrent use with changes of it.
type Resource interface {
	// Meta returns the metadata for reading and changing.
	Meta() *ObjectMeta
	// Kind returns the name of the kind, whatever the type metadata says.
	Kind() string
	// Default fills in what was left out. Doing it twice changes nothing more.
	Default()
	// Validate reports everything that is wrong with the resource alone; it expects a defaulted one.
	Validate() FieldErrors
}

// TypeMeta says what a document is.
type TypeMeta struct {
	APIVersion string `json:"apiVersion" jsonschema_description:"Version of the resource kinds."`
	Kind       string `json:"kind" jsonschema_description:"Kind of the resource."`
}

// ObjectMeta is the metadata of a resource. UID, ResourceVersion and CreatedAt are the server's.
type ObjectMeta struct {
	Name            string            `json:"name" jsonschema_description:"Name within tenant and kind: a DNS label."`
	Namespace       string            `json:"namespace,omitempty" jsonschema_description:"Tenant that owns the resource; default when absent."`
	Labels          map[string]string `json:"labels,omitempty" jsonschema_description:"Labels, which policies select by."`
	Annotations     map[string]string `json:"annotations,omitempty" jsonschema_description:"Free notes; they change nothing."`
	UID             string            `json:"uid,omitempty" jsonschema_description:"Set by the server."`
	ResourceVersion string            `json:"resourceVersion,omitempty" jsonschema_description:"Set by the server; sent back, an update of an older version is refused."`
	CreatedAt       time.Time         `json:"createdAt,omitzero" jsonschema_description:"Set by the server."`
}

// Tenant returns the namespace, or DefaultTenant.
func (m *ObjectMeta) Tenant() string {
	if m.Namespace == "" {
		return DefaultTenant
	}
	return m.Namespace
}

// Key names a resource among all others.
type Key struct {
	Kind   string
	Tenant string
	Name   string
}

// String returns kind/tenant/name.
func (k Key) String() string { return k.Kind + "/" + k.Tenant + "/" + k.Name }

// KeyOf returns the key of r.
func KeyOf(r Resource) Key {
	return Key{Kind: r.Kind(), Tenant: r.Meta().Tenant(), Name: r.Meta().Name}
}

// Trust says whether data still holds the values of production.
type Trust string

// The two trusts. There is nothing between them.
const (
	TrustRaw    Trust = "raw"
	TrustMasked Trust = "masked"
)

// Admits reports whether a place that accepts t may hold data of trust data: a raw place may hold both, a masked one only
// masked data.
func (t Trust) Admits(data Trust) bool {
	switch t {
	case TrustRaw:
		return data == TrustRaw || data == TrustMasked
	case TrustMasked:
		return data == TrustMasked
	}
	return false
}

// Empty is an object without fields, such as the one of `drop: {}`.
type Empty struct{}
