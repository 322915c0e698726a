package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/tranship/tranship/internal/api"
)

func TestCommittedSchemasAreCurrent(t *testing.T) {
	committed, err := filepath.Glob("../schema/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(committed) != len(api.Kinds()) {
		t.Errorf("%d schemas are committed for %d kinds", len(committed), len(api.Kinds()))
	}
	for _, kind := range api.Kinds() {
		want, err := generate(kind)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := api.Schema(kind)
		if !ok || !bytes.Equal(got, want) {
			t.Errorf("the schema of %s is not what the types say: run go generate ./internal/api", kind)
		}
	}
}

func compile(t *testing.T, kind string) *jsonschema.Schema {
	t.Helper()
	data, _ := api.Schema(kind)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(kind, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(kind)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// documents returns the documents of a file as JSON values.
func documents(t *testing.T, file string) []map[string]any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var docs []map[string]any
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
			return docs
		} else if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, value(t, doc.Content[0]).(map[string]any))
	}
}

// value returns the JSON value of a node. Unlike the YAML library it takes every key for text, null among them.
func value(t *testing.T, n *yaml.Node) any {
	t.Helper()
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = value(t, n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		s := []any{}
		for _, item := range n.Content {
			s = append(s, value(t, item))
		}
		return s
	}
	var v any
	if err := n.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if day, ok := v.(time.Time); ok {
		return day.Format(time.DateOnly)
	}
	return v
}

func TestExamplesFitTheSchemas(t *testing.T) {
	seen := map[string]bool{}
	for _, doc := range documents(t, "../testdata/example.yaml") {
		kind := doc["kind"].(string)
		seen[kind] = true
		if err := compile(t, kind).Validate(doc); err != nil {
			t.Errorf("%s %v: %v", kind, doc["metadata"], err)
		}
	}
	for _, kind := range api.Kinds() {
		if !seen[kind] {
			t.Errorf("there is no example of a %s", kind)
		}
	}
}

func TestSchemasRefuseWhatIsMisspelledOrAmbiguous(t *testing.T) {
	for file, i := range map[string]int{"unknown_fields": 0, "types": 0, "application": 1, "cluster": 0, "maskingpolicy": 1} {
		doc := documents(t, "../testdata/bad/"+file+".yaml")[i]
		if compile(t, doc["kind"].(string)).Validate(doc) == nil {
			t.Errorf("%s: the schema accepts it", file)
		}
	}
}
