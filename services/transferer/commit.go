package transferer

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/failpoint"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

// commit writes the manifest of the copy. It carries the original manifest with its signatures, and the same root.
func (t *task) commit(ctx context.Context) (events.Outcome, error) {
	manifest, content, err := t.from.Read(ctx, t.input)
	if err != nil {
		return events.Outcome{}, err
	}
	body, err := manifest.Open()
	if err != nil {
		return events.Outcome{}, err
	}
	var copies []artifact.Artifact
	var out events.Outcome
	for i, item := range t.job.Command.Outcomes {
		var result copied
		if err := t.to.Load(ctx, item.Ref, item.Digest, &result); err != nil {
			return events.Outcome{}, fmt.Errorf("work item %d: %w", i+1, err)
		}
		copies = append(copies, result.Artifacts...)
		out.Stats = out.Stats.Add(item.Stats)
	}
	if err := replace(&content, copies); err != nil {
		return events.Outcome{}, err
	}
	details, err := json.Marshal(content)
	if err != nil {
		return events.Outcome{}, fmt.Errorf("encode the content: %w", err)
	}
	original := manifest.Payload
	payload := artifact.Payload{
		Capture: t.output.String(), Run: t.job.Address.Run, Created: original.Created, Builder: "tranship transferer " + t.config.Version,
		Parents: []artifact.Parent{{Relation: artifact.TransferredFrom, Capture: original.Capture, Manifest: manifest.Digest}},
		Masking: original.Masking, Retention: original.Retention, Origin: manifest.Object,
	}
	if len(original.Origin) > 0 { // a copy of a copy carries the first manifest, not the one in between
		payload.Origin = original.Origin
	}
	if err := t.to.Repo.Fill(ctx, &payload, artifact.Body{RootKey: body.RootKey, Streams: content.Labelled(), Details: details}); err != nil {
		return events.Outcome{}, err
	}
	if payload.Root != original.Root {
		return events.Outcome{}, fault.New(fault.Permanent, "copy.differs", "the copy has root %s, and the original %s", payload.Root, original.Root)
	}
	statement, err := payload.Statement()
	if err != nil {
		return events.Outcome{}, err
	}
	failpoint.Hit(failpoint.ManifestBefore)
	copied, err := t.to.Repo.Commit(ctx, statement, t.to.Trusted, artifact.Sign(statement, t.deps.Signer))
	if err != nil {
		return events.Outcome{}, err
	}
	failpoint.Hit(failpoint.ManifestAfter)
	out.Capture = t.to.Ref(copied)
	return out, nil
}
