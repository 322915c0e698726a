package api

import "slices"

// The names of the kinds.
const (
	KindLocation      = "Location"
	KindCluster       = "Cluster"
	KindApplication   = "Application"
	KindMaskingPolicy = "MaskingPolicy"
	KindPolicy        = "Policy"
	KindSubscription  = "Subscription"
	KindRun           = "Run"
	KindCapture       = "Capture"
	KindEnvironment   = "Environment"
)

// Kinds returns the names of the kinds that a user writes, in the order in which they build on each other.
func Kinds() []string {
	return []string{KindLocation, KindCluster, KindApplication, KindMaskingPolicy, KindPolicy, KindSubscription}
}

// ReadOnlyKinds returns the names of the kinds that the services report.
func ReadOnlyKinds() []string { return []string{KindRun, KindCapture, KindEnvironment} }

// New returns an empty resource of a kind, its type metadata set, or nil when there is no such kind.
func New(kind string) Resource {
	is := TypeMeta{APIVersion: Version, Kind: kind}
	switch kind {
	case KindLocation:
		return &Location{TypeMeta: is}
	case KindCluster:
		return &Cluster{TypeMeta: is}
	case KindApplication:
		return &Application{TypeMeta: is}
	case KindMaskingPolicy:
		return &MaskingPolicy{TypeMeta: is}
	case KindPolicy:
		return &Policy{TypeMeta: is}
	case KindSubscription:
		return &Subscription{TypeMeta: is}
	case KindRun:
		return &Run{TypeMeta: is}
	case KindCapture:
		return &Capture{TypeMeta: is}
	case KindEnvironment:
		return &Environment{TypeMeta: is}
	}
	return nil
}

// readOnly reports whether the services, not users, write resources of the kind.
func readOnly(kind string) bool { return slices.Contains(ReadOnlyKinds(), kind) }

// Meta returns the metadata.
func (r *Location) Meta() *ObjectMeta { return &r.ObjectMeta }

// Kind returns KindLocation.
func (*Location) Kind() string { return KindLocation }

// Meta returns the metadata.
func (r *Cluster) Meta() *ObjectMeta { return &r.ObjectMeta }

// Kind returns KindCluster.
func (*Cluster) Kind() string { return KindCluster }

// Meta returns the metadata.
func (r *Application) Meta() *ObjectMeta { return &r.ObjectMeta }

// Kind returns KindApplication.
func (*Application) Kind() string { return KindApplication }

// Meta returns the metadata.
func (r *MaskingPolicy) Meta() *ObjectMeta { return &r.ObjectMeta }

// Kind returns KindMaskingPolicy.
func (*MaskingPolicy) Kind() string { return KindMaskingPolicy }

// Meta returns the metadata.
func (r *Policy) Meta() *ObjectMeta { return &r.ObjectMeta }

// Kind returns KindPolicy.
func (*Policy) Kind() string { return KindPolicy }

// Meta returns the metadata.
func (r *Subscription) Meta() *ObjectMeta { return &r.ObjectMeta }

// Kind returns KindSubscription.
func (*Subscription) Kind() string { return KindSubscription }

// Meta returns the metadata.
func (r *Run) Meta() *ObjectMeta { return &r.ObjectMeta }

// Kind returns KindRun.
func (*Run) Kind() string { return KindRun }

// Default sets the tenant.
func (r *Run) Default() { defaultMeta(&r.TypeMeta, KindRun, &r.ObjectMeta) }

// Validate checks the metadata.
func (r *Run) Validate() FieldErrors { return validateMeta(&r.ObjectMeta) }

// Meta returns the metadata.
func (r *Capture) Meta() *ObjectMeta { return &r.ObjectMeta }

// Kind returns KindCapture.
func (*Capture) Kind() string { return KindCapture }

// Default sets the tenant.
func (r *Capture) Default() { defaultMeta(&r.TypeMeta, KindCapture, &r.ObjectMeta) }

// Validate checks the metadata.
func (r *Capture) Validate() FieldErrors { return validateMeta(&r.ObjectMeta) }

// Meta returns the metadata.
func (r *Environment) Meta() *ObjectMeta { return &r.ObjectMeta }

// Kind returns KindEnvironment.
func (*Environment) Kind() string { return KindEnvironment }

// Default sets the tenant.
func (r *Environment) Default() { defaultMeta(&r.TypeMeta, KindEnvironment, &r.ObjectMeta) }

// Validate checks the metadata.
func (r *Environment) Validate() FieldErrors { return validateMeta(&r.ObjectMeta) }
