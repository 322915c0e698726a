// Package blobtest is the conformance suite of object stores: every driver and every wrapper passes it.
//
//	func TestConformance(t *testing.T) {
//		blobtest.Run(t, func(t *testing.T) blob.Store { return mem.New(clock.Real{}) }, check.Features{})
//	}
//
// What a store must promise at run time is in package check, so that an operator can ask it of a real bucket; the suite
// adds what only a test can ask.
package blobtest
