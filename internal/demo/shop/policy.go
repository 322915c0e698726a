package shop

import _ "embed"

//go:embed policy.yaml
var policy string

// Names of the shop's components, as its masking policy uses them.
const (
	Database = "db"
	Files    = "invoices"
)

// Policy returns the MaskingPolicy of the shop as a YAML document. It classifies every column, path and file, and refers
// to its key as the file mask-1.key.
func Policy() string { return policy }
