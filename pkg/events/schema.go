package events

import "embed"

//go:generate go run ./internal/schemagen

//go:embed schema/*.json
var schemas embed.FS

// SchemaID is the identifier of the JSON Schema of an event type's payload, which is the event's dataschema.
func SchemaID(eventType string) string { return "https://tranship.io/schemas/" + eventType + ".json" }

// Schema returns the JSON Schema (draft 2020-12) of an event type's payload, for other languages and for editors. It
// describes the shape; Validate knows more. Fields that a schema does not know are allowed: later versions of a type add
// some, and readers ignore them.
func Schema(eventType string) ([]byte, bool) {
	data, err := schemas.ReadFile("schema/" + eventType + ".json")
	return data, err == nil
}
