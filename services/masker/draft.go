package masker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/zeebo/blake3"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
)

// sameStatement reports whether two parties state the same masking. What depends on the key, of which the verifier has
// none, and warnings, which depend on the day, do not count.
func sameStatement(a, b mask.Statement) bool {
	for _, s := range []*mask.Statement{&a, &b} {
		s.Warnings = nil
		s.Identities = slices.Clone(s.Identities)
		for i := range s.Identities {
			s.Identities[i].Check = ""
		}
	}
	return sameJSON(a, b)
}

// sameStructure refuses a masked content that holds anything which the scan of rows does not see: other components or
// units, or a catalogue other than the policy gives. Without it a masker alone could carry raw values past the verifier.
func sameStructure(raw, masked dataservice.Content, program *mask.Program) error {
	if masked.Application != raw.Application || len(masked.Components) != len(raw.Components) {
		return fault.New(fault.Denied, "draft.components", "it has other components than the raw capture")
	}
	for i, want := range raw.Components {
		got := masked.Components[i]
		if got.Name != want.Name || got.Driver != want.Driver {
			return fault.New(fault.Denied, "draft.components", "it has component %.100q where component %s should be", got.Name, want.Name)
		}
		if !sameJSON(got.Catalogue, program.Catalogue(want.Name)) || !sameJSON(got.Point, want.Point) || !sameJSON(got.Gaps, want.Gaps) {
			return fault.New(fault.Denied, "draft.catalogue", "component %s is described otherwise than policy and raw capture give", want.Name)
		}
		if len(got.Units) != len(want.Units) {
			return fault.New(fault.Denied, "draft.units", "it does not have the units of component %s", want.Name)
		}
		for j, u := range want.Units {
			if !sameJSON(got.Units[j].Unit, u.Unit) {
				return fault.New(fault.Denied, "draft.units", "it has another unit where unit %s of component %s should be", u.Unit.ID, want.Name)
			}
		}
	}
	return nil
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// definitions makes the scripts of the draft again: they hold no rows, so nothing else would see what a masker put there.
func (s *scan) definitions(ctx context.Context, program *mask.Program) error {
	for i, c := range s.rawContent.Components {
		for j, u := range c.Units {
			if u.Unit.Format != dataservice.SQL {
				continue
			}
			same, err := s.sameScript(ctx, program, c.Name, u, s.maskedContent.Components[i].Units[j].Artifact)
			if err != nil {
				return fmt.Errorf("component %s, unit %s: %w", c.Name, u.Unit.ID, err)
			}
			if !same {
				return fault.New(fault.Denied, "draft.definitions", "the draft of capture %s has other definitions than the raw capture in unit %s of component %s", s.output, u.Unit.ID, c.Name)
			}
		}
	}
	return nil
}

func (s *scan) sameScript(ctx context.Context, program *mask.Program, component string, raw dataservice.Captured, masked artifact.Artifact) (bool, error) {
	unit, err := program.Unit(component, raw.Unit)
	if err != nil {
		return false, err
	}
	from, err := opening(s.raw, s.manifest.ID(), raw.Artifact)(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = from.Close() }() // it was only read
	want := blake3.New()
	if _, err := unit.Run(ctx, from, want, mask.RunOptions{}); err != nil {
		return false, err
	}
	there, err := opening(s.masked, s.output, masked)(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = there.Close() }() // it was only read
	got := blake3.New()
	if _, err := io.Copy(got, there); err != nil {
		return false, fmt.Errorf("read the masked script: %w", err)
	}
	return bytes.Equal(got.Sum(nil), want.Sum(nil)), nil
}
