package client

import "encoding/json"

// Applied says what became of a resource.
type Applied struct {
	Kind   string      `json:"kind"`
	Name   string      `json:"name"`
	Action ApplyAction `json:"action"`
}

// ApplyAction is what applying a resource did, or with a dry run would do.
type ApplyAction string

// The outcomes of applying a resource.
const (
	Created    ApplyAction = "created"
	Configured ApplyAction = "configured"
	Unchanged  ApplyAction = "unchanged"
)

// ApplyResult lists what became of each resource, in the order of the request.
type ApplyResult struct {
	DryRun    bool      `json:"dryRun,omitempty"`
	Resources []Applied `json:"resources"`
}

// ResourceList is all resources of a kind, by name.
type ResourceList struct {
	Items []json.RawMessage `json:"items"`
}
