package capturer

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/failpoint"
	"github.com/tranship/tranship/pkg/events"
)

// commit gathers what the components became and writes the manifest. It may run again at any point: a manifest that is
// there already, of this run and capture, is its own.
func (t *task) commit(ctx context.Context) (events.Outcome, error) {
	p, err := t.loadPlan(ctx)
	if err != nil {
		return events.Outcome{}, err
	}
	content := dataservice.Content{Application: t.app.Name, MeasureKey: p.MeasureKey}
	var out events.Outcome
	for i, item := range t.job.Command.Outcomes {
		var component dataservice.Component
		if err := t.loc.Load(ctx, item.Ref, item.Digest, &component); err != nil {
			return events.Outcome{}, fmt.Errorf("work item %d: %w", i+1, err)
		}
		content.Components = append(content.Components, component)
		out.Stats = out.Stats.Add(item.Stats)
	}
	details, err := json.Marshal(content)
	if err != nil {
		return events.Outcome{}, fmt.Errorf("encode the content: %w", err)
	}
	payload := artifact.Payload{
		Capture: t.job.Command.Output, Run: t.job.Address.Run, Created: t.deps.Clock.Now(), Builder: "tranship capturer " + t.config.Version,
	}
	if err := t.loc.Repo.Fill(ctx, &payload, artifact.Body{Streams: content.Labelled(), Details: details}); err != nil {
		return events.Outcome{}, err
	}
	statement, err := payload.Statement()
	if err != nil {
		return events.Outcome{}, err
	}
	failpoint.Hit(failpoint.ManifestBefore)
	manifest, err := t.loc.Repo.Commit(ctx, statement, t.loc.Trusted, artifact.Sign(statement, t.deps.Signer))
	if err != nil {
		return events.Outcome{}, err
	}
	failpoint.Hit(failpoint.ManifestAfter)
	out.Capture = t.loc.Ref(manifest)
	return out, nil
}
