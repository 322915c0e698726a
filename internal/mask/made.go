package mask

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Made says how a masked capture came to be: what the masker states, and what it counted. It is part of the content of the
// capture, so it travels with it.
type Made struct {
	Statement Statement    `json:"statement"`
	Units     []UnitReport `json:"units"` // added up per object
}

// Add merges the report of a unit into that of its object.
func (m *Made) Add(r UnitReport) {
	i := slices.IndexFunc(m.Units, func(u UnitReport) bool { return r.Object != "" && u.Component == r.Component && u.Object == r.Object })
	if i < 0 {
		m.Units = append(m.Units, r)
		return
	}
	m.Units[i].Merge(r)
}

// DecodeMade reads what the JSON form of Made says, or returns the zero value for none.
func DecodeMade(data json.RawMessage) (Made, error) {
	var m Made
	if len(data) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("decode how the capture was masked: %w", err)
	}
	return m, nil
}
