// Command schemagen writes the JSON Schema of every kind that a user writes into the schema directory of package api.
package main

import (
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"reflect"

	"github.com/invopop/jsonschema"

	"github.com/tranship/tranship/internal/api"
)

func main() {
	for _, kind := range api.Kinds() {
		data, err := generate(kind)
		if err == nil {
			err = os.WriteFile(filepath.Join("schema", kind+".json"), data, 0o644)
		}
		if err != nil {
			log.Fatalf("schemagen: %s: %v", kind, err)
		}
	}
}

// generate returns the schema of a kind as it is committed.
func generate(kind string) ([]byte, error) {
	r := jsonschema.Reflector{ExpandedStruct: true, Mapper: scalars}
	s := r.ReflectFromType(reflect.TypeOf(api.New(kind)).Elem())
	s.ID = jsonschema.ID("https://tranship.io/schema/v1alpha1/" + kind + ".json")
	s.Title = kind
	constant(s, "apiVersion", api.Version)
	constant(s, "kind", kind)
	delete(s.Definitions, kind)
	for name, d := range s.Definitions {
		if inline[name] {
			d.AdditionalProperties = jsonschema.TrueSchema
		}
		for _, field := range unions[name] {
			d.OneOf = append(d.OneOf, &jsonschema.Schema{Required: []string{field}})
		}
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// inline are the types that take parameters of masks beside their fields.
var inline = map[string]bool{"Identity": true, "ColumnRule": true}

// unions are the types of which exactly one of some fields is set.
var unions = map[string][]string{
	"SecretRef":       {"fromFile", "fromEnv", "fromSecret"},
	"EpochKey":        {"fromFile", "fromEnv", "fromSecret"},
	"Kubeconfig":      {"fromFile", "fromEnv", "fromSecret"},
	"LocationSpec":    {"s3", "file"},
	"Connection":      {"inCluster", "kubeconfig"},
	"Component":       {api.EnginePostgres, api.EngineFiles},
	"TargetComponent": {api.EnginePostgres, api.EngineFiles},
	"Step":            {"capture", "mask", "transfer", "restore", "verify"},
	"RestoreFrom":     {"capture", "policy"},
	"Sink":            {"http"},
	"ColumnRule":      {"identity", "mask", "keep", "null", "drop", "const"},
}

// scalars describes the types that are written as text, and those answers that may be a bare null.
func scalars(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[api.Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`}
	case reflect.TypeFor[api.Date]():
		return &jsonschema.Schema{Type: "string", Format: "date"}
	case reflect.TypeFor[api.OnInvalid]():
		return &jsonschema.Schema{Enum: []any{string(api.OnInvalidRedact), string(api.OnInvalidNull), nil, string(api.OnInvalidFail)}}
	case reflect.TypeFor[api.OnUnknown]():
		return &jsonschema.Schema{Enum: []any{string(api.OnUnknownFail), string(api.OnUnknownDrop), string(api.OnUnknownNull), nil, string(api.OnUnknownRedact)}}
	}
	return nil
}

// constant pins a property to one value.
func constant(s *jsonschema.Schema, property, value string) {
	if p, ok := s.Properties.Get(property); ok {
		p.Const = value
	}
}
