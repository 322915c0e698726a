package all_test

import (
	"testing"

	"github.com/tranship/tranship/internal/dataservice/all"
)

func TestEveryDriverDoesAllThree(t *testing.T) {
	drivers := all.Drivers()
	for _, name := range drivers.Names() {
		spec, err := drivers.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		if spec.Summary == "" || spec.Source == nil || spec.Target == nil || spec.Sandbox == nil {
			t.Errorf("driver %s is not complete", name)
		}
	}
	if _, err := drivers.Get("postgres"); err != nil {
		t.Error(err)
	}
}
