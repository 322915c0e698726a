package gateway

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// Every endpoint has a heading in the reference, and every heading an endpoint.
func TestReferenceNamesEveryEndpoint(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var written, served []string
	for _, m := range regexp.MustCompile("(?m)^### `([A-Z]+ /[^`?]*)").FindAllSubmatch(text, -1) {
		written = append(written, string(m[1]))
	}
	for _, r := range new(Server).routes() {
		for method := range r.methods {
			served = append(served, method+" "+r.path)
		}
	}
	slices.Sort(written)
	slices.Sort(served)
	if !slices.Equal(written, served) {
		t.Errorf("the reference names %q, the server serves %q", written, served)
	}
}
