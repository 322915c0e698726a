// Package protocol proves that the event contract is what package events says it is: by a transcript of what goes over the
// wire, and by a stage that knows nothing of this repository.
package protocol
