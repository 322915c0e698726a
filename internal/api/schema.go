package api

import "embed"

//go:generate go run ./schemagen

//go:embed schema/*.json
var schemas embed.FS

// Schema returns the JSON Schema (draft 2020-12) of a kind that a user writes, for editors and for other languages. It
// describes the shape; Validate and Set.Check know more.
func Schema(kind string) ([]byte, bool) {
	data, err := schemas.ReadFile("schema/" + kind + ".json")
	return data, err == nil
}
