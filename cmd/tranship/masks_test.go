package main

import (
	"encoding/json"
	"slices"
	"testing"

	maskall "github.com/tranship/tranship/internal/mask/all"
)

func TestMasksAreListedWithWhatTheyTake(t *testing.T) {
	r := tranship(t, "mask", "ls")
	if r.code != exitCompleted {
		t.Fatal(r.text())
	}
	contains(t, r.stdout, maskall.Masks().Names()...)

	var entries []maskEntry
	if err := json.Unmarshal([]byte(tranship(t, "mask", "ls", "-o", "json").stdout), &entries); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(entries, func(e maskEntry) bool { return e.Name == "email" })
	if i < 0 || !slices.ContainsFunc(entries[i].Params, func(p maskParam) bool { return p.Name == "domain" }) || !slices.Contains(entries[i].Kinds, "text") {
		t.Errorf("got %+v", entries)
	}
}
