// Package gateway is the HTTP API: the only door through which people and programs outside come in.
//
// It decides nothing about runs. A request to start or control one is checked, goes to the scheduler as a CloudEvent, and is
// answered when its effect stands in the journal; what is shown of a run is the fold of the journal, and progress comes
// from the checkpoints of its tasks. Resources are judged beside all others of the tenant before the first one is stored.
// Of captures it sees the clear part of manifests, and holds no key of any location.
//
// Requests carry a bearer token and name a tenant; docs/api.md lists them.
package gateway
