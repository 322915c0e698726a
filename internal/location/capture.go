package location

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

// Read reads a capture that an event refers to: its manifest with signatures verified, and its content. The manifest must
// be the one that the reference names by digest. It needs access Read.
func (l *Location) Read(ctx context.Context, ref *events.CaptureRef) (*artifact.Manifest, dataservice.Content, error) {
	var content dataservice.Content
	if ref == nil {
		return nil, content, fault.New(fault.Permanent, "input.missing", "no capture is given")
	}
	id, err := artifact.ParseID(l.Trust, ref.ID)
	if err != nil {
		return nil, content, err
	}
	if ref.Trust != "" && ref.Trust != string(l.Trust) {
		return nil, content, fault.New(fault.Denied, "trust.mismatch", "capture %s is %s, and location %s holds %s captures", ref.ID, ref.Trust, l.Name, l.Trust)
	}
	m, err := l.Repo.Manifest(ctx, id, l.Trusted)
	if err != nil {
		return nil, content, fmt.Errorf("location %s: %w", l.Name, err)
	}
	if ref.Digest != "" && ref.Digest != m.Digest.String() {
		return nil, content, fault.New(fault.Denied, "manifest.changed", "capture %s in location %s is not the one that this run made: its manifest has another digest", ref.ID, l.Name)
	}
	body, err := m.Open()
	if err != nil {
		return nil, content, fmt.Errorf("location %s: %w", l.Name, err)
	}
	if content, err = Content(body); err != nil {
		return nil, content, fmt.Errorf("capture %s in location %s: %w", ref.ID, l.Name, err)
	}
	return m, content, nil
}

// Content reads what the sealed part of a manifest says, and checks that it speaks of the streams that the root covers: a
// root is what ties a copy to the signatures of those who made the original.
func Content(body artifact.Body) (dataservice.Content, error) {
	content, err := dataservice.DecodeContent(body.Details)
	if err != nil {
		return content, err
	}
	if !slices.Equal(content.Labelled(), body.Streams) {
		return dataservice.Content{}, fault.New(fault.Denied, "manifest.content", "its content refers to other streams than the manifest lists")
	}
	return content, nil
}

// Ref returns a reference to a capture of this location.
func (l *Location) Ref(m *artifact.Manifest) *events.CaptureRef {
	return &events.CaptureRef{
		ID: m.ID().String(), Application: m.Payload.Application, Location: l.Name, Trust: string(l.Trust),
		Digest: m.Digest.String(), Root: m.Payload.Root.String(),
	}
}

// Newest returns the id of the newest capture, to deduplicate against; none when there is none.
func (l *Location) Newest(ctx context.Context) ([]artifact.ID, error) {
	var newest artifact.ID
	var at time.Time
	for s, err := range l.Repo.List(ctx) {
		if err != nil {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("location %s: list captures: %w", l.Name, err)
			}
			continue // what cannot be read serves no deduplication, and is verify's business
		}
		if s.Retired || !s.Payload.Created.After(at) {
			continue
		}
		id, err := artifact.ParseID(l.Trust, s.Payload.Capture)
		if err != nil {
			return nil, err
		}
		newest, at = id, s.Payload.Created
	}
	if newest == nil {
		return nil, nil
	}
	return []artifact.ID{newest}, nil
}

// Void gives up every capture that a step was making, those of its earlier generations included: none can come to exist from
// then on. Captures that exist already stay.
func (l *Location) Void(ctx context.Context, run string, a events.Assignment) error {
	for _, name := range append(slices.Clone(a.Abandoned), a.Output) {
		id, err := artifact.ParseID(l.Trust, name)
		if err != nil {
			return err
		}
		if _, err := l.Repo.Void(ctx, id, run); err != nil {
			return fmt.Errorf("location %s: %w", l.Name, err)
		}
	}
	return nil
}

// TaskName names a task within its run.
func TaskName(a events.Address) string { return a.Step + "-" + a.Task }

// StreamName names the n-th stream of a claim. It tells nothing of the content. Every claim writes streams of its own, so
// that a slow predecessor cannot be mistaken for its successor.
func StreamName(a events.Address, fence uint64, n int) string {
	return TaskName(a) + "-" + strconv.FormatUint(fence, 10) + "-" + strconv.Itoa(n)
}

// Save writes what a task found, for later tasks of the step: every holder of the writer key can read it. Every claim
// writes an object of its own. It returns the reference and the digest for the task's outcome.
func (l *Location) Save(ctx context.Context, a events.Address, fence uint64, v any) (ref, digest string, err error) {
	key := artifact.TaskKey(a.Run, a.Step, a.Task+"-"+strconv.FormatUint(fence, 10))
	d, err := l.Repo.PutSealed(ctx, key, v)
	if errors.Is(err, artifact.ErrExists) {
		return "", "", fault.New(fault.Transient, "step.exists", "write %s: %w", key, err)
	}
	if err != nil {
		return "", "", fmt.Errorf("write %s: %w", key, err)
	}
	return string(key), d.String(), nil
}

// Load reads what Save wrote.
func (l *Location) Load(ctx context.Context, ref, digest string, into any) error {
	var d artifact.Digest
	if err := d.UnmarshalText([]byte(digest)); err != nil {
		return fault.New(fault.Permanent, "event.invalid", "the reference %q has no digest: %w", ref, err)
	}
	if err := l.Repo.GetSealed(ctx, blob.Key(ref), d, into); err != nil {
		return fmt.Errorf("read %s: %w", ref, err)
	}
	return nil
}
