// Package masker does the step "mask": it makes a masked capture from a raw one. It holds the two services that this takes,
// the Masker and the Verifier, which run as processes of their own with keys of their own: neither can make a masked
// capture alone.
//
// The Masker consumes io.tranship.mask.requested.v1 and io.tranship.mask.compensate.v1, the Verifier
// io.tranship.scan.requested.v1.
//
//	task 0       (masker)    proves the policy against the capture's catalogue, divides the units into bundles → plan
//	task 1 … n   (masker)    masks one bundle of units                                    → a description of what was made
//	task draft   (masker)    writes the masked manifest, without signatures
//	task scan    (verifier)  looks for raw values in what was made; signs draft and verdict
//	task commit  (masker)    adds its own signature and writes the manifest: now the masked capture exists
//
// What the policy does not classify stops the run in task 0, before the first masked byte is written.
//
// Masking is a pure function of row, policy and key. A bundle that is masked again after a crash gives the same bytes, which
// are found in the store and not sent again.
package masker
