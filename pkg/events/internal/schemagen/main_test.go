package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/tranship/tranship/pkg/events"
)

func TestCommittedSchemasAreCurrent(t *testing.T) {
	committed, err := filepath.Glob("../../schema/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(committed) != len(events.Catalogue()) {
		t.Errorf("%d schemas are committed for %d types", len(committed), len(events.Catalogue()))
	}
	g, err := newGenerator(pkg+"/internal/schemagen", "../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range events.Catalogue() {
		want, err := g.generate(p)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := events.Schema(p.EventType()); !ok || !bytes.Equal(got, want) {
			t.Errorf("the schema of %s is not what the types say: run go generate ./pkg/events", p.EventType())
		}
	}
}
