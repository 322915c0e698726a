// Package proof is the statement at the end of a run: what was captured, how it was masked, which columns were kept and why,
// where it moved, where it was restored, and how that was proven. It holds names, counts and digests, and never a value of
// the data.
package proof

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/pkg/events"
)

// Report is the statement. It is signed by the restorer that verified, and stored beside the capture.
type Report struct {
	Version     int               `json:"version"`
	Run         string            `json:"run"`
	Application string            `json:"application"`
	Verdict     string            `json:"verdict"` // passed
	At          time.Time         `json:"at"`
	Capture     events.CaptureRef `json:"capture"`
	CapturedAt  time.Time         `json:"capturedAt"`
	Masked      *Masked           `json:"masked,omitempty"` // nil: the capture is raw
	Moved       []Move            `json:"moved,omitempty"`  // newest first
	Components  []Component       `json:"components"`
	// Truncated: details were left out to fit where the report is shown; the stored report has them.
	Truncated bool `json:"truncated,omitempty"`
}

// Masked says how values were pseudonymized, and who vouches for it.
type Masked struct {
	Policy       string               `json:"policy"`
	PolicyDigest artifact.Digest      `json:"policyDigest"`
	Epoch        int                  `json:"epoch"`
	Engine       int                  `json:"engine"`
	Scan         string               `json:"scan"` // the verifier's verdict
	RawManifest  artifact.Digest      `json:"rawManifest"`
	Masks        map[string]int       `json:"masks"` // columns by mask or action
	Keeps        []mask.KeepStatement `json:"keeps,omitempty"`
	Tables       []mask.UnitReport    `json:"tables,omitempty"`
}

// Move is a copy between locations.
type Move struct {
	From     string          `json:"from"` // capture
	Manifest artifact.Digest `json:"manifest"`
}

// Component is one component as it was restored and compared.
type Component struct {
	Name        string                   `json:"name"`
	Driver      string                   `json:"driver"`
	Point       dataservice.Point        `json:"point"`
	Objects     int                      `json:"objects"`
	Rows        int64                    `json:"rows"` // rows, or files
	Bytes       int64                    `json:"bytes"`
	Sequences   int                      `json:"sequences"`
	Constraints int                      `json:"constraints"`
	Indexes     int                      `json:"indexes"`
	Gaps        []dataservice.Gap        `json:"gaps,omitempty"`
	Differences []dataservice.Difference `json:"differences,omitempty"` // none in a report that passed
}

// Compared describes a component and what differs in its restored form.
func Compared(c dataservice.Component, differences []dataservice.Difference) Component {
	out := Component{Name: c.Name, Driver: c.Driver, Point: c.Point, Gaps: c.Gaps, Differences: differences, Sequences: len(c.Catalogue.Sequences)}
	for _, o := range c.Catalogue.Objects {
		out.Objects++
		out.Constraints += len(o.Constraints)
		out.Indexes += len(o.Indexes)
	}
	for _, u := range c.Units {
		out.Rows += u.Measure.Rows
		out.Bytes += u.Artifact.Bytes
	}
	return out
}

// New returns the report on a capture and its restored components.
func New(run string, at time.Time, ref events.CaptureRef, m *artifact.Manifest, content dataservice.Content, components []Component) (Report, error) {
	r := Report{
		Version: 1, Run: run, Application: content.Application, Verdict: "passed", At: at.UTC(), Capture: ref,
		CapturedAt: m.Payload.Created, Components: components,
	}
	for _, p := range m.Payload.Parents {
		if p.Relation == artifact.TransferredFrom {
			r.Moved = append(r.Moved, Move{From: p.Capture, Manifest: p.Manifest})
		}
	}
	if m.Payload.Masking == nil {
		return r, nil
	}
	made, err := mask.DecodeMade(content.Masking)
	if err != nil {
		return r, err
	}
	r.Masked = &Masked{
		Policy: made.Statement.Policy, PolicyDigest: m.Payload.Masking.Policy, Epoch: m.Payload.Masking.Epoch, Engine: made.Statement.Engine,
		Scan: m.Payload.Masking.Verdict, Masks: map[string]int{}, Keeps: made.Statement.Keeps, Tables: made.Units,
	}
	r.Masked.RawManifest, err = rawManifest(m)
	if err != nil {
		return r, err
	}
	for _, c := range made.Statement.Components {
		for _, t := range c.Tables {
			for _, column := range t.Columns {
				name := column.Action
				if column.Mask != "" {
					name = column.Mask
				}
				r.Masked.Masks[name]++
			}
		}
	}
	return r, nil
}

// rawManifest returns the digest of the raw capture's manifest, which the first manifest of the masked capture names.
func rawManifest(m *artifact.Manifest) (artifact.Digest, error) {
	first := m.Payload
	if len(first.Origin) > 0 {
		p, err := artifact.OriginOf(first)
		if err != nil {
			return artifact.Digest{}, fmt.Errorf("read the first manifest of capture %s: %w", first.Capture, err)
		}
		first = p
	}
	for _, p := range first.Parents {
		if p.Relation == artifact.MaskedFrom {
			return p.Manifest, nil
		}
	}
	return artifact.Digest{}, nil
}

// Within returns the report as JSON of at most limit bytes, with the longest lists left out where it must be.
func (r Report) Within(limit int) (json.RawMessage, error) {
	for _, shorten := range []func(){
		func() {},
		func() {
			if r.Masked != nil {
				masked := *r.Masked
				masked.Tables = nil
				r.Masked, r.Truncated = &masked, true
			}
		},
		func() {
			if r.Masked != nil {
				masked := *r.Masked
				masked.Keeps = masked.Keeps[:min(len(masked.Keeps), 50)]
				r.Masked = &masked
			}
			components := make([]Component, len(r.Components))
			copy(components, r.Components)
			for i := range components {
				components[i].Gaps = components[i].Gaps[:min(len(components[i].Gaps), 20)]
			}
			r.Components, r.Truncated = components, true
		},
	} {
		shorten()
		data, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("encode the report: %w", err)
		}
		if len(data) <= limit {
			return data, nil
		}
	}
	return nil, fmt.Errorf("the report does not fit into %d bytes", limit)
}
