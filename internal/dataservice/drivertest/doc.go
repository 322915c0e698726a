// Package drivertest is the conformance suite of data services: every driver passes it.
//
//	func TestConformance(t *testing.T) {
//		drivertest.Run(t, postgres.Spec, drivertest.Harness{Source: …, Target: …, …})
//	}
//
// The streams between capture and restore are bytes in memory; a driver needs no artifact repository to be tested. The
// state of the source should be small but have everything that the driver knows how to carry, in at least three units.
package drivertest
