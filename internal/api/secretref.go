package api

// SecretRef names a secret without holding it. Exactly one field is set. The worker that needs the secret resolves it,
// never the one that wrote the resource.
type SecretRef struct {
	FromFile   string     `json:"fromFile,omitempty" jsonschema_description:"File below the worker's secrets directory."`
	FromEnv    string     `json:"fromEnv,omitempty" jsonschema_description:"Environment variable of the worker; its name starts with TRANSHIP_SECRET_."`
	FromSecret *SecretKey `json:"fromSecret,omitempty" jsonschema_description:"Key of a Kubernetes Secret in the worker's own namespace."`
}

// SecretKey names one key of a Kubernetes Secret.
type SecretKey struct {
	Name string `json:"name" jsonschema_description:"Name of the Secret."`
	Key  string `json:"key" jsonschema_description:"Key within the Secret."`
}

// SecretEnvPrefix starts the name of every environment variable that a SecretRef may name.
const SecretEnvPrefix = "TRANSHIP_SECRET_"

// IsZero reports whether the reference names nothing.
func (r SecretRef) IsZero() bool { return r == SecretRef{} }

// String names the reference for messages, for example `fromEnv TRANSHIP_SECRET_SHOP_DSN`. It holds no secret.
func (r SecretRef) String() string {
	switch {
	case r.FromFile != "":
		return "fromFile " + r.FromFile
	case r.FromEnv != "":
		return "fromEnv " + r.FromEnv
	case r.FromSecret != nil:
		return "fromSecret " + r.FromSecret.Name + "/" + r.FromSecret.Key
	}
	return "an empty reference"
}

// Validate reports what is wrong with the reference alone, with paths that start at it. The messages do not repeat what the
// reference holds: somebody may have put the secret itself there.
func (r SecretRef) Validate() FieldErrors {
	var errs FieldErrors
	r.validate(&errs, "")
	return errs
}
