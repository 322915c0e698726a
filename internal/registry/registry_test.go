package registry_test

import (
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/registry"
)

func named(s string) string { return s }

func TestGetSuggestsTheNearestName(t *testing.T) {
	r := registry.New("mask", named, "email", "phone", "name.full")
	if got, err := r.Get("phone"); err != nil || got != "phone" {
		t.Fatalf("Get(phone) = %q, %v", got, err)
	}
	_, err := r.Get("emial")
	if err == nil || !strings.Contains(err.Error(), `did you mean "email"`) {
		t.Fatalf("Get(emial) = %v, want a suggestion", err)
	}
	_, err = r.Get("zzzzzzzzz")
	if err == nil || !strings.Contains(err.Error(), "known are email, name.full, phone") {
		t.Fatalf("Get(zzzzzzzzz) = %v, want the list", err)
	}
}

func TestTwoSpecsOfOneNamePanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	registry.New("mask", named, "email", "email")
}
