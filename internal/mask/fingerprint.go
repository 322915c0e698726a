package mask

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/zeebo/blake3"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/dataservice"
)

// Fingerprint is the digest of everything in a catalogue that masking depends on: objects, columns, types, keys and
// constraints, but no estimates and no positions of sequences. Equal structures have equal fingerprints.
func Fingerprint(c dataservice.Catalogue) (artifact.Digest, error) {
	objects := make([]dataservice.Object, len(c.Objects))
	for i, o := range c.Objects {
		o.Rows, o.Bytes = 0, 0
		objects[i] = o
	}
	sequences := make([]dataservice.Sequence, len(c.Sequences))
	for i, s := range c.Sequences {
		s.Last, s.Called = 0, false
		sequences[i] = s
	}
	return digestOf(dataservice.Catalogue{Engine: c.Engine, Objects: objects, Sequences: sequences, Settings: c.Settings})
}

// digestOf is the digest of a value's JSON, which has one spelling: fields in the order of the types, maps by key.
func digestOf(v any) (artifact.Digest, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return artifact.Digest{}, fmt.Errorf("taking a digest: %w", err)
	}
	return artifact.Digest(blake3.Sum256(buf.Bytes())), nil
}
