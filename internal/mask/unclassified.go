package mask

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tranship/tranship/internal/dataservice"
)

// Unclassified is a place that no rule of a policy covers. It holds no values.
type Unclassified struct {
	Component string `json:"component"`
	Object    string `json:"object"`           // table, or path of a file
	Column    string `json:"column,omitempty"` // empty for files
	Path      string `json:"path,omitempty"`   // within a document
	Type      string `json:"type"`
	Suggested string `json:"suggested,omitempty"` // a mask; empty when neither name nor type says enough
}

// UnclassifiedError lists everything that a policy does not cover. Nothing was written for the component.
type UnclassifiedError struct {
	Policy string
	Items  []Unclassified
}

// Error names the first places and how many there are.
func (e *UnclassifiedError) Error() string {
	const most = 5
	var b strings.Builder
	for i, item := range e.Items {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(e.Items)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(place(item.Component, item.Object, item.Column))
		if item.Path != "" {
			b.WriteString(" " + item.Path)
		}
		b.WriteString(" (" + item.Type + ")")
	}
	return "no rule covers " + b.String()
}

// JSON returns the report for unclassified.json.
func (e *UnclassifiedError) JSON() ([]byte, error) {
	out, err := json.MarshalIndent(struct {
		Policy       string         `json:"policy"`
		Unclassified []Unclassified `json:"unclassified"`
	}{e.Policy, e.Items}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the report of unclassified places: %w", err)
	}
	return append(out, '\n'), nil
}

// UnclassifiedIn returns all unclassified places that an error's chain knows of.
func UnclassifiedIn(err error) []Unclassified {
	var u *UnclassifiedError
	if errors.As(err, &u) {
		return u.Items
	}
	return nil
}

func newUnclassifiedColumn(component string, o *dataservice.Object, c *dataservice.Column) Unclassified {
	return Unclassified{Component: component, Object: o.ID, Column: c.Name, Type: c.Type, Suggested: suggest(o, c).mask}
}
