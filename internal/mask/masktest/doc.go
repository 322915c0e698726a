// Package masktest is the test suite of masks. The whole test of a mask is one call:
//
//	func TestMask(t *testing.T) {
//		masktest.Run(t, email.Spec, "testdata", masktest.Property{Values: ..., Identifier: true})
//	}
//
// Files testdata/<mask name>*.golden pin what the current version of the mask maps values to. Run the tests with -rewrite
// to write them anew, and raise Spec.Version whenever that changes a line that was there before.
package masktest
