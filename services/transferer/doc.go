// Package transferer does the step "transfer": it copies a capture from one location to another of the same trust, under
// the keys of the destination.
//
// It consumes io.tranship.transfer.requested.v1 and io.tranship.transfer.compensate.v1.
//
//	task 0       divides the capture's streams into bundles                        → plan
//	task 1 … n   copies one bundle: what the destination has is not read, the rest is sealed anew without being decompressed
//	task commit  checks that the copy is the original, signs and writes its manifest, which carries the original one
//
// The destination's index is the checkpoint: a bundle that is copied again after a crash skips what is there.
package transferer
