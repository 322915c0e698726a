// Command schemagen writes the JSON Schema of every event type's payload into the schema directory of package events.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/invopop/jsonschema"

	"github.com/tranship/tranship/pkg/events"
)

const pkg = "github.com/tranship/tranship/pkg/events"

func main() {
	g, err := newGenerator(pkg, ".")
	if err != nil {
		log.Fatalf("schemagen: %v", err)
	}
	for _, p := range events.Catalogue() {
		data, err := g.generate(p)
		if err == nil {
			err = os.WriteFile(filepath.Join("schema", p.EventType()+".json"), data, 0o644)
		}
		if err != nil {
			log.Fatalf("schemagen: %s: %v", p.EventType(), err)
		}
	}
}

// generator turns payload types into schemas, with their doc comments as descriptions.
type generator struct {
	reflector jsonschema.Reflector
}

// newGenerator reads the comments of the package in dir. The import path of dir's parents and dir itself together are the
// import path of the package.
func newGenerator(base, dir string) (*generator, error) {
	g := &generator{jsonschema.Reflector{ExpandedStruct: true, AllowAdditionalProperties: true, Mapper: scalars}}
	if err := g.reflector.AddGoComments(base, dir); err != nil {
		return nil, fmt.Errorf("read comments: %w", err)
	}
	return g, nil
}

// generate returns the schema of a payload type as it is committed.
func (g *generator) generate(p events.Payload) ([]byte, error) {
	t := reflect.TypeOf(p)
	s := g.reflector.ReflectFromType(t)
	s.ID = jsonschema.ID(events.SchemaID(p.EventType()))
	s.Title = p.EventType()
	s.Description = g.reflector.CommentMap[pkg+"."+t.Name()]
	delete(s.Definitions, t.Name())
	refine(t.Name(), s)
	for name, d := range s.Definitions {
		refine(name, d)
	}
	if kind := compensates(p); kind != "" {
		s.Properties.Set("work", &jsonschema.Schema{AllOf: []*jsonschema.Schema{{Ref: "#/$defs/Work"}, {Required: []string{kind}}}})
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// refine adds what struct tags cannot say.
func refine(name string, s *jsonschema.Schema) {
	s.Required = slices.DeleteFunc(s.Required, func(field string) bool { return slices.Contains(zero[name], field) })
	for _, field := range unions[name] {
		s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{field}})
	}
	if name == "Target" {
		components, _ := s.Properties.Get("components")
		components.Items = &jsonschema.Schema{Type: "object"}
	}
}

// zero are the fields that are always written and may be left out by other writers: absent means the zero value.
var zero = map[string][]string{
	"CaptureRequested": {"index"}, "MaskRequested": {"index"}, "ScanRequested": {"index"}, "TransferRequested": {"index"},
	"RestoreRequested": {"index"}, "VerifyRequested": {"index"},
	"CaptureCompensate": {"index"}, "MaskCompensate": {"index"}, "TransferCompensate": {"index"}, "RestoreCompensate": {"index"},
	"MaskWork":      {"capture"},
	"PlanRef":       {"count"},
	"CaptureRef":    {"digest", "root"},
	"Outcome":       {"stats"},
	"RunCompleted":  {"stats"},
	"StepCompleted": {"stats"}, "CaptureCreated": {"stats"},
	"TaskClaimed":   {"worker"},
	"TaskCompleted": {"outcome"},
	"RunFailed":     {"step"},
}

// unions are the types of which exactly one of some fields is set.
var unions = map[string][]string{
	"Work":         {"capture", "mask", "transfer", "restore", "verify"},
	"TriggerFired": {"policy", "inline"},
}

// compensates names the work that a compensation holds; "" for any other payload.
func compensates(p events.Payload) string {
	switch p.(type) {
	case events.CaptureCompensate:
		return "capture"
	case events.MaskCompensate:
		return "mask"
	case events.TransferCompensate:
		return "transfer"
	case events.RestoreCompensate:
		return "restore"
	}
	return ""
}

// scalars describes the types that are written as text.
func scalars(t reflect.Type) *jsonschema.Schema {
	if t == reflect.TypeFor[events.Duration]() {
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`}
	}
	return nil
}
