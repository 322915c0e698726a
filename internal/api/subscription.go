package api

// Subscription sends events to a webhook.
type Subscription struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata"`
	Spec       SubscriptionSpec `json:"spec"`
}

// SubscriptionSpec says which events go where.
type SubscriptionSpec struct {
	Types  []string `json:"types" jsonschema:"minItems=1" jsonschema_description:"Event types; a * at the end matches the rest."`
	Filter string   `json:"filter,omitempty" jsonschema_description:"CEL expression over event that must be true."`
	Sink   Sink     `json:"sink" jsonschema_description:"Who is told."`
}

// Sink receives events. Exactly one field is set.
type Sink struct {
	HTTP *HTTPSink `json:"http,omitempty" jsonschema_description:"A webhook."`
}

// HTTPSink is a webhook. Its deliveries are signed with the secret.
type HTTPSink struct {
	URL    string    `json:"url" jsonschema_description:"Address; credentials do not belong in it."`
	Secret SecretRef `json:"secret" jsonschema_description:"Reference to the key that signs deliveries."`
}

// Default sets tenant and type.
func (r *Subscription) Default() { defaultMeta(&r.TypeMeta, KindSubscription, &r.ObjectMeta) }

// Validate checks event types and sink. The filter is compiled by the service that runs it.
func (r *Subscription) Validate() FieldErrors {
	errs := validateMeta(&r.ObjectMeta)
	if len(r.Spec.Types) == 0 {
		errs.add("spec.types", "is missing: name at least one event type, or * for all")
	}
	for i, t := range r.Spec.Types {
		requireEventType(&errs, element("spec.types", i), t)
	}
	if requireExactlyOne(&errs, "spec.sink", choice{"http", r.Spec.Sink.HTTP != nil}) {
		requireURL(&errs, "spec.sink.http.url", r.Spec.Sink.HTTP.URL)
		r.Spec.Sink.HTTP.Secret.validate(&errs, "spec.sink.http.secret")
	}
	return errs
}

func requireEventType(errs *FieldErrors, at, value string) {
	switch {
	case value == "":
		errs.add(at, "is missing")
	case !typePattern.MatchString(value):
		errs.add(at, "must be an event type such as io.tranship.run.completed; a * may stand for its last words")
	}
}
