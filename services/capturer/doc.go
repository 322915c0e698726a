// Package capturer does the step "capture": it copies an application, component by component, into a raw location.
//
// It consumes io.tranship.capture.requested.v1 and io.tranship.capture.compensate.v1, and emits the facts of the tasks that
// it takes.
//
//	task 0       lists the application's components                  → plan
//	task 1 … n   captures one component at one consistent point      → a description of what was captured
//	task commit  signs and writes the manifest: now the capture exists
//
// It holds the location's public key and writer key: it can write, resume and deduplicate, and cannot read what it wrote.
//
// A worker that dies in the middle of a component loses the component's snapshot with its session. What it had captured is
// never joined with a later view: the step starts again under a new capture id, and the bytes that are already in the store
// are found there and not sent again. Components without a snapshot, such as directories, are read again under the same id.
package capturer
