package failpoint

import "testing"

// trap replaces death by a count.
func trap(t *testing.T) *int {
	t.Helper()
	deaths, real := 0, die
	die = func() { deaths++ }
	t.Cleanup(func() { die = real; _ = Arm("") })
	return &deaths
}

func TestPlaceKillsAtItsCount(t *testing.T) {
	for _, tc := range []struct {
		spec string
		at   int
	}{{string(StageBeforeClaim), 1}, {string(StageBeforeClaim) + ":3", 3}} {
		deaths := trap(t)
		if err := Arm(tc.spec); err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= 5; n++ {
			Hit(StageAfterClaim)
			Hit(StageBeforeClaim)
			if want := n >= tc.at; (*deaths == 1) != want {
				t.Errorf("%s: %d deaths after %d visits", tc.spec, *deaths, n)
			}
		}
	}
}

func TestUnarmedPlacesDoNothing(t *testing.T) {
	deaths := trap(t)
	if err := Arm(""); err != nil {
		t.Fatal(err)
	}
	for _, n := range Names() {
		Hit(n)
	}
	if *deaths != 0 {
		t.Errorf("%d deaths", *deaths)
	}
}

func TestSpecificationsThatNameNothingAreRefused(t *testing.T) {
	for _, spec := range []string{"stage.nowhere", "stage.before-claim:0", "stage.before-claim:x", "stage.before-claim:"} {
		if err := Arm(spec); err == nil {
			t.Errorf("%q was taken", spec)
		}
	}
}
