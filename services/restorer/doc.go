// Package restorer does the steps "restore" and "verify": it makes an application from a capture, sealed, proves that it
// equals the capture, and only then opens it.
//
// It consumes io.tranship.restore.requested.v1, io.tranship.verify.requested.v1 and io.tranship.restore.compensate.v1.
//
//	restore  task 0       checks that the target may have the capture                      → plan: the components
//	         task 1 … n   restores one component beside its final place, sealed
//	         task commit  sums up
//	verify   task 0       lists the components again                                       → plan
//	         task 1 … n   reads one restored component back and compares it with the manifest
//	         task commit  signs and stores the report, then opens every component: the last effect of the run
//
// The restorer in a test environment holds no key that opens a raw capture, and refuses one by the location's trust, by the
// target's and by its own.
package restorer
