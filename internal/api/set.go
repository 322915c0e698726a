package api

import (
	"io"
	"maps"
	"slices"
	"time"

	"github.com/tranship/tranship/internal/registry"
)

// Set is a group of resources that name each other. It is not safe for concurrent use.
type Set struct {
	resources []Resource // in the order they came
	byKey     map[Key]Resource
	origins   map[Key]origin
}

// NewSet returns a set of resources. A resource replaces an earlier one with its key.
func NewSet(resources ...Resource) *Set {
	s := &Set{byKey: map[Key]Resource{}, origins: map[Key]origin{}}
	for _, r := range resources {
		s.put(r, origin{})
	}
	return s
}

// Load adds the resources of a file. Everything that is wrong with them, a second resource of one name among it, is
// returned as FieldErrors; the rest is added nevertheless.
func (s *Set) Load(r io.Reader, filename string) error {
	docs, errs := decodeDocuments(r, filename)
	for _, d := range docs {
		key := KeyOf(d.resource)
		if at, known := s.origins[key]; known && isLabel(key.Name) {
			e := FieldErrors{{Path: "metadata.name", Message: "is the name of another " + key.Kind + " of the tenant" + at.place()}}
			errs = append(errs, d.origin.locate(d.resource, e)...)
			continue
		}
		s.put(d.resource, d.origin)
	}
	return errs.Err()
}

// place names the file of an origin for a message, or returns "".
func (o origin) place() string {
	if o.file == "" {
		return ""
	}
	return ", in " + o.file
}

func (s *Set) put(r Resource, at origin) {
	key := KeyOf(r)
	if old, known := s.byKey[key]; known {
		s.resources[slices.Index(s.resources, old)] = r
	} else {
		s.resources = append(s.resources, r)
	}
	s.byKey[key], s.origins[key] = r, at
}

// Resources returns the resources in the order in which they came.
func (s *Set) Resources() []Resource { return slices.Clone(s.resources) }

// Get returns the resource of type T with that name in a tenant.
func Get[T Resource](s *Set, tenant, name string) (T, bool) {
	var zero T
	r, ok := s.byKey[Key{Kind: zero.Kind(), Tenant: tenant, Name: name}].(T)
	return r, ok
}

// Check judges the resources beside each other: references, the chain of trust through every policy, and at the given
// moment expired decisions. It expects resources that are valid by themselves. The error is a FieldErrors.
func (s *Set) Check(now time.Time) error {
	var all FieldErrors
	for _, r := range s.resources {
		c := checker{set: s, tenant: r.Meta().Tenant(), now: now}
		switch r := r.(type) {
		case *Location:
			c.location(r)
		case *Application:
			c.reference("spec.cluster", KindCluster, r.Spec.Cluster)
		case *MaskingPolicy:
			c.maskingPolicy(r)
		case *Policy:
			c.policy(r)
		}
		all = append(all, s.origins[KeyOf(r)].locate(r, c.errs)...)
	}
	return all.Err()
}

// checker collects the problems of one resource.
type checker struct {
	set    *Set
	tenant string
	now    time.Time
	errs   FieldErrors
}

// reference wants a resource of that kind and name in the tenant, or no name; it reports whether there is one.
func (c *checker) reference(at, kind, name string) bool {
	if name == "" {
		return false
	}
	if _, known := c.set.byKey[Key{Kind: kind, Tenant: c.tenant, Name: name}]; known {
		return true
	}
	if kind == KindCluster && name == LocalCluster {
		return true
	}
	var names []string
	for key := range c.set.byKey {
		if key.Kind == kind && key.Tenant == c.tenant {
			names = append(names, key.Name)
		}
	}
	slices.Sort(names)
	c.errs.suggest(at, registry.Nearest(name, names), "there is no such %s in the tenant", kind)
	return false
}

// lookup returns the resource of type T with that name in the tenant, reporting it when there is none.
func lookup[T Resource](c *checker, at, name string) (T, bool) {
	var zero T
	if !c.reference(at, zero.Kind(), name) {
		return zero, false
	}
	return Get[T](c.set, c.tenant, name)
}

func (c *checker) location(l *Location) {
	c.ownKey(l)
	source, ok := lookup[*Location](c, "spec.replicaOf", l.Spec.ReplicaOf)
	if !ok {
		return
	}
	switch {
	case source.Spec.Trust != l.Spec.Trust:
		c.errs.add("spec.replicaOf", "is a %s location and this one is %s: a replica has the trust of its original", source.Spec.Trust, l.Spec.Trust)
	case source.Spec.Encryption.PublicKey != l.Spec.Encryption.PublicKey:
		c.errs.add("spec.encryption.publicKey", "must be the one of the original: captures are copied without being opened")
	case source.Spec.ReplicaOf != "":
		c.errs.add("spec.replicaOf", "is a replica itself: name its original")
	}
}

// ownKey refuses a key pair that another location has: who may read the one could read the other. Replicas are meant to.
func (c *checker) ownKey(l *Location) {
	for _, r := range c.set.resources {
		other, ok := r.(*Location)
		if !ok || other == l || other.Spec.Encryption.PublicKey != l.Spec.Encryption.PublicKey {
			continue
		}
		sameTenant := other.Tenant() == l.Tenant()
		if sameTenant && (original(l) == original(other)) {
			continue
		}
		name := "of another tenant"
		if sameTenant {
			name = other.Name
		}
		c.errs.add("spec.encryption.publicKey", "is the key of location %s too: every location but a replica has a key pair of its own", name)
		return
	}
}

// original names the location that l shares its keys with: itself, unless it is a replica.
func original(l *Location) string {
	if l.Spec.ReplicaOf != "" {
		return l.Spec.ReplicaOf
	}
	return l.Name
}

func (c *checker) maskingPolicy(p *MaskingPolicy) {
	for i := range p.Spec.Rules {
		r, at := &p.Spec.Rules[i], element("spec.rules", i)
		c.keep(child(at, "keep"), r.Keep)
		c.columns(child(at, "columns"), r.Columns)
	}
}

func (c *checker) columns(at string, columns map[string]ColumnRule) {
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		at, rule := child(at, name), columns[name]
		c.keep(child(at, "keep"), rule.Keep)
		c.columns(child(at, "paths"), rule.Paths)
	}
}

func (c *checker) keep(at string, k *Keep) {
	if k != nil && k.Expired(c.now) {
		c.errs.add(child(at, "expires"), "the decision expired on %s: review it again", k.Expires)
	}
}
