package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tranship/tranship/pkg/events"
)

var rewrite = flag.Bool("rewrite", false, "write the golden samples anew")

func TestEveryTypeHasOneSample(t *testing.T) {
	seen := map[string]int{}
	for _, s := range samples() {
		seen[s.event.Type()]++
	}
	for _, p := range events.Catalogue() {
		if seen[p.EventType()] != 1 {
			t.Errorf("%s has %d samples", p.EventType(), seen[p.EventType()])
		}
	}
	files, err := filepath.Glob("testdata/golden/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(events.Catalogue()) && !*rewrite {
		t.Errorf("%d golden files for %d types", len(files), len(events.Catalogue()))
	}
}

// TestGoldenSamples holds the wire format: each file is a message of a running system, but for white space.
func TestGoldenSamples(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.event.Type(), func(t *testing.T) {
			check(t, s.err)
			contentType, want, err := events.Encode(s.event)
			check(t, err)
			if contentType != events.ContentType {
				t.Errorf("content type %q", contentType)
			}
			file := filepath.Join("testdata", "golden", s.event.Type()+".json")
			if *rewrite {
				var b bytes.Buffer
				check(t, json.Indent(&b, want, "", "  "))
				b.WriteByte('\n')
				check(t, os.WriteFile(file, b.Bytes(), 0o600))
			}
			text, err := os.ReadFile(file)
			check(t, err)
			var wire bytes.Buffer
			check(t, json.Compact(&wire, text))
			if !bytes.Equal(wire.Bytes(), want) {
				t.Errorf("what is written has changed:\n%s\nwas\n%s", want, wire.Bytes())
			}

			evs, err := events.Decode(text)
			check(t, err)
			p, err := events.Decoded(evs[0])
			check(t, err)
			if p.EventType() != s.event.Type() {
				t.Errorf("it decodes as %s", p.EventType())
			}
			check(t, validate(t, evs[0].Type(), evs[0].Data()))
			check(t, evs[0].SetData(event.ApplicationJSON, p))
			if _, again, err := events.Encode(evs[0]); err != nil || !bytes.Equal(again, want) {
				t.Errorf("it does not survive decoding and encoding: %v\n%s", err, again)
			}
		})
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	for _, s := range samples() {
		data := object(t, s.event.Data())
		data["addedLater"] = map[string]any{"x": 1}
		for name, v := range data { // nested objects, too
			if m, ok := v.(map[string]any); ok && name != "params" {
				m["addedLater"] = []any{"x"}
			}
		}
		if err := errors.Join(validate(t, s.event.Type(), encode(t, data)), decode(t, s.event, data)); err != nil {
			t.Errorf("%s: %v", s.event.Type(), err)
		}
	}
}

// TestSchemaAndValidateAgreeOnWhatIsRequired takes every field away from every sample, one at a time.
func TestSchemaAndValidateAgreeOnWhatIsRequired(t *testing.T) {
	// Whether a plan is needed, and of how many items, hangs on the index, which a schema cannot say.
	onlyValidate := map[string]bool{"plan": true, "plan.count": true}
	refused := 0
	for _, s := range samples() {
		for _, path := range paths(object(t, s.event.Data()), "") {
			data := object(t, s.event.Data())
			remove(data, path)
			bySchema, byType := validate(t, s.event.Type(), encode(t, data)), decode(t, s.event, data)
			if (bySchema == nil) != (byType == nil) && !(onlyValidate[path] && bySchema == nil) {
				t.Errorf("%s without %s: the schema says %v, Validate says %v", s.event.Type(), path, bySchema, byType)
			}
			if byType != nil {
				refused++
				if !errors.Is(byType, events.ErrInvalid) {
					t.Errorf("%s without %s: %v is no ErrInvalid", s.event.Type(), path, byType)
				}
			}
		}
	}
	if refused < 100 {
		t.Errorf("only %d fields are required", refused)
	}
}

// paths returns the path of every field of an object, those in lists by the list's first element. What resources and
// details hold is nobody's business here.
func paths(v any, at string) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			p := k
			if at != "" {
				p = at + "." + k
			}
			out = append(out, p)
			if _, resource := v["metadata"]; !resource && k != "detail" && k != "details" && k != "params" && k != "components" {
				out = append(out, paths(v[k], p)...)
			}
		}
	case []any:
		for i := range v {
			out = append(out, paths(v[i], fmt.Sprintf("%s[%d]", at, i))...)
		}
	}
	return out
}

var compiled = map[string]*jsonschema.Schema{}

// validate checks data against the published schema of a type.
func validate(t *testing.T, eventType string, data []byte) error {
	t.Helper()
	s := compiled[eventType]
	if s == nil {
		text, ok := events.Schema(eventType)
		if !ok {
			t.Fatalf("%s has no schema", eventType)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		check(t, err)
		if got := doc.(map[string]any)["$id"]; got != events.SchemaID(eventType) {
			t.Errorf("the schema of %s is called %v", eventType, got)
		}
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		check(t, c.AddResource(events.SchemaID(eventType), doc))
		s, err = c.Compile(events.SchemaID(eventType))
		check(t, err)
		compiled[eventType] = s
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	check(t, err)
	return s.Validate(v)
}

// decode reads an event with other data as a program would.
func decode(t *testing.T, e event.Event, data map[string]any) error {
	t.Helper()
	e = e.Clone()
	check(t, e.SetData(event.ApplicationJSON, json.RawMessage(encode(t, data))))
	_, err := events.Decoded(e)
	return err
}

func object(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var m map[string]any
	check(t, json.Unmarshal(data, &m))
	return m
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	check(t, err)
	return data
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
