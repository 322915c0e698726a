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
