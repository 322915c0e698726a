package api

// MaskingPolicy says what happens to each column, path, key and file.
type MaskingPolicy struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata"`
	Spec       MaskingPolicySpec `json:"spec"`
}

// MaskingPolicySpec holds the keys, the identities and the rules of a masking policy.
type MaskingPolicySpec struct {
	Keys       []EpochKey          `json:"keys" jsonschema:"minItems=1" jsonschema_description:"Masking keys. The highest epoch is used; destroying a key makes its masks unlinkable."`
	Identities map[string]Identity `json:"identities,omitempty" jsonschema_description:"Meanings that values share across columns: one identity, one mask."`
	Rules      []Rule              `json:"rules" jsonschema:"minItems=1" jsonschema_description:"What happens where. What no rule names stops the run."`
}

// EpochKey refers to the independent random key of one epoch.
type EpochKey struct {
	Epoch     int `json:"epoch" jsonschema:"minimum=1" jsonschema_description:"Number of the epoch, from 1."`
	SecretRef `json:",inline"`
}

// Identity binds a meaning to a mask.
type Identity struct {
	Mask   string         `json:"mask" jsonschema_description:"Name of the mask."`
	Params map[string]any `json:"-" api:"inline"` // parameters of the mask: string, bool, int64, float64, []any or map[string]any
}

// Rule says what happens to the part of an application that Match names: a table with its columns, or files.
type Rule struct {
	Match     Match                 `json:"match" jsonschema_description:"What the rule is about."`
	Subject   *Subject              `json:"subject,omitempty" jsonschema_description:"Whose row it is: dates shift per subject."`
	Columns   map[string]ColumnRule `json:"columns,omitempty" jsonschema_description:"Rule of each column."`
	OnUnknown OnUnknown             `json:"on_unknown,omitempty" jsonschema_description:"What happens to a column that columns does not name; fail when absent."`
	Keep      *Keep                 `json:"keep,omitempty" jsonschema_description:"Leave everything that matches as it is."`
	Drop      *Empty                `json:"drop,omitempty" jsonschema_description:"Leave everything that matches out."`
}

// Match names tables or files of a component. Patterns are globs; an exact name beats one.
type Match struct {
	Component string `json:"component,omitempty" jsonschema_description:"Component; any when absent."`
	Table     string `json:"table,omitempty" jsonschema_description:"Table as schema.table; * and ? match within a name."`
	Path      string `json:"path,omitempty" jsonschema_description:"Pattern of file paths; ** matches any number of directories."`
}

// Subject names the column that tells whose row it is.
type Subject struct {
	Column   string `json:"column" jsonschema_description:"Column of the subject's value."`
	Identity string `json:"identity" jsonschema_description:"Identity of that value."`
}

// ColumnRule says what happens to one column or to one path within it. Exactly one of Identity, Mask, Keep, Null, Drop and
// Const is set. Keys that are not fields are parameters of the mask.
type ColumnRule struct {
	Identity  string                `json:"identity,omitempty" jsonschema_description:"Identity of the value; its mask is used."`
	Mask      string                `json:"mask,omitempty" jsonschema_description:"Mask of a value that is its own identity."`
	Keep      *Keep                 `json:"keep,omitempty" jsonschema_description:"Leave the value as it is, with a reason."`
	Null      *Empty                `json:"null,omitempty" jsonschema_description:"Replace the value by NULL."`
	Drop      *Empty                `json:"drop,omitempty" jsonschema_description:"Leave the value out."`
	Const     any                   `json:"const,omitempty" jsonschema:"oneof_type=string;number;boolean" jsonschema_description:"Replace the value by this one."`
	Paths     map[string]ColumnRule `json:"paths,omitempty" jsonschema_description:"Rules of the paths within a document, for masks that read one."`
	OnInvalid OnInvalid             `json:"on_invalid,omitempty" jsonschema_description:"What happens to a value that the mask cannot read; redact when absent."`
	OnUnknown OnUnknown             `json:"on_unknown,omitempty" jsonschema_description:"What happens to a path that paths does not name; fail when absent."`
	Params    map[string]any        `json:"-" api:"inline"` // parameters of the mask: string, bool, int64, float64, []any or map[string]any
}

// Keep is a reviewed decision to leave a value as it is.
type Keep struct {
	Reason     string `json:"reason" jsonschema_description:"Why the value may stay."`
	ReviewedBy string `json:"reviewedBy" jsonschema_description:"Who decided."`
	Expires    Date   `json:"expires,omitzero" jsonschema_description:"Last day that the decision holds; it does not end when absent."`
}

// OnInvalid says what happens to a value that a mask cannot read. Nothing passes through.
type OnInvalid string

// The answers to an invalid value.
const (
	OnInvalidRedact OnInvalid = "redact"
	OnInvalidNull   OnInvalid = "null"
	OnInvalidFail   OnInvalid = "fail"
)

// OnUnknown says what happens to something that no rule names. Nothing passes through.
type OnUnknown string

// The answers to something unknown.
const (
	OnUnknownFail   OnUnknown = "fail"
	OnUnknownDrop   OnUnknown = "drop"
	OnUnknownNull   OnUnknown = "null"
	OnUnknownRedact OnUnknown = "redact"
)
