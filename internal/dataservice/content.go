package dataservice

import (
	"encoding/json"
	"fmt"

	"github.com/tranship/tranship/internal/artifact"
)

// Content is what the sealed part of a manifest says: everything about a capture that is not for those who merely hold the
// store.
type Content struct {
	Application string      `json:"application"`
	MeasureKey  MeasureKey  `json:"measureKey"`
	Components  []Component `json:"components"`
	// Masking says how a masked capture came to be; nil for a raw one.
	Masking json.RawMessage `json:"masking,omitempty"`
}

// DecodeContent reads the sealed part of a manifest.
func DecodeContent(data []byte) (Content, error) {
	var c Content
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("decode the content of a capture: %w", err)
	}
	return c, nil
}

// Component returns the component of that name, or nil.
func (c *Content) Component(name string) *Component {
	for i := range c.Components {
		if c.Components[i].Name == name {
			return &c.Components[i]
		}
	}
	return nil
}

// Labelled lists all artifacts under labels that depend on the content alone, so that equal content gives equal roots.
func (c *Content) Labelled() []artifact.Labelled {
	var all []artifact.Labelled
	for _, component := range c.Components {
		for _, u := range component.Units {
			all = append(all, artifact.Labelled{Label: component.Name + "/" + u.Unit.ID, Artifact: u.Artifact})
		}
	}
	return all
}
