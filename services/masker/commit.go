package masker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/failpoint"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/pkg/events"
)

// draft writes the masked manifest without a verdict and without the verifier's signature. It may run again: a draft that
// is there already is this run's own.
func (t *task) draft(ctx context.Context) (events.Outcome, error) {
	p, err := t.loadPlan(ctx)
	if err != nil {
		return events.Outcome{}, err
	}
	manifest, raw, err := t.raw.Read(ctx, t.input)
	if err != nil {
		return events.Outcome{}, err
	}
	program, err := t.compile(ctx, raw)
	if err != nil {
		return events.Outcome{}, refusal(err)
	}
	content, stats, err := t.gather(ctx, p, raw, program)
	if err != nil {
		return events.Outcome{}, err
	}
	details, err := json.Marshal(content)
	if err != nil {
		return events.Outcome{}, fmt.Errorf("encode the content: %w", err)
	}
	statement := program.Statement()
	payload := artifact.Payload{
		Capture: t.output.String(), Run: t.job.Address.Run, Created: manifest.Payload.Created, Builder: "tranship masker " + t.config.Version,
		Parents: []artifact.Parent{{Relation: artifact.MaskedFrom, Manifest: manifest.Digest}},
		Masking: &artifact.Masking{Policy: statement.PolicyDigest, Epoch: statement.Epoch, Engine: strconv.Itoa(statement.Engine)},
	}
	if err := t.masked.Repo.Fill(ctx, &payload, artifact.Body{Streams: content.Labelled(), Details: details}); err != nil {
		return events.Outcome{}, err
	}
	draft, err := payload.Statement()
	if err != nil {
		return events.Outcome{}, err
	}
	// A claim that died after it wrote the draft left one that differs in nothing but the randomness of its seal.
	err = t.masked.Repo.Draft(ctx, t.output, draft, artifact.Sign(draft, t.deps.Signer))
	if err != nil && !errors.Is(err, artifact.ErrExists) {
		return events.Outcome{}, err
	}
	return events.Outcome{Stats: stats}, nil
}

// gather puts the units that the work items made back into the order of the raw capture.
func (t *task) gather(ctx context.Context, p plan, raw dataservice.Content, program *mask.Program) (dataservice.Content, events.Stats, error) {
	var stats events.Stats
	if len(t.job.Command.Outcomes) != len(p.Bundles) {
		return dataservice.Content{}, stats, fault.New(fault.Permanent, "event.invalid", "%d outcomes for %d work items", len(t.job.Command.Outcomes), len(p.Bundles))
	}
	content := dataservice.Content{Application: raw.Application, MeasureKey: p.MeasureKey}
	for _, c := range raw.Components {
		masked := c
		masked.Catalogue = program.Catalogue(c.Name)
		masked.Units = make([]dataservice.Captured, len(c.Units))
		content.Components = append(content.Components, masked)
	}
	masking := mask.Made{Statement: program.Statement()}
	for i, item := range t.job.Command.Outcomes {
		var result bundleResult
		if err := t.masked.Load(ctx, item.Ref, item.Digest, &result); err != nil {
			return dataservice.Content{}, stats, fmt.Errorf("work item %d: %w", i+1, err)
		}
		if len(result.Units) != len(p.Bundles[i]) {
			return dataservice.Content{}, stats, fault.New(fault.Permanent, "event.invalid", "work item %d: %d units for %d", i+1, len(result.Units), len(p.Bundles[i]))
		}
		for j, ref := range p.Bundles[i] {
			content.Components[ref.Component].Units[ref.Unit] = result.Units[j]
		}
		for _, r := range result.Reports {
			masking.Add(r)
		}
		stats = stats.Add(item.Stats)
	}
	encoded, err := json.Marshal(masking)
	if err != nil {
		return dataservice.Content{}, stats, fmt.Errorf("encode the masking statement: %w", err)
	}
	content.Masking = encoded
	return content, stats, nil
}

// Scan is what the verifier found, as the scan's outcome carries it.
type Scan struct {
	Verdict   string             `json:"verdict"`
	Signature artifact.Signature `json:"signature"` // over the draft with the verdict in it
}

// commit puts the verifier's verdict into the draft, checks that the verifier signed just that, signs it too and writes the
// manifest.
func (t *task) commit(ctx context.Context) (events.Outcome, error) {
	outcomes := t.job.Command.Outcomes
	if len(outcomes) < 2 {
		return events.Outcome{}, fault.New(fault.Permanent, "event.invalid", "a commit without the outcome of the scan")
	}
	var scan Scan
	if err := json.Unmarshal(outcomes[len(outcomes)-1].Detail, &scan); err != nil {
		return events.Outcome{}, fault.New(fault.Permanent, "event.invalid", "the outcome of the scan cannot be read: %w", err)
	}
	draft, _, err := t.masked.Repo.ReadDraft(ctx, t.output, t.masked.Trusted)
	if err != nil {
		return events.Outcome{}, err
	}
	final, err := withVerdict(draft, scan.Verdict)
	if err != nil {
		return events.Outcome{}, err
	}
	failpoint.Hit(failpoint.ManifestBefore)
	// Commit refuses a masked manifest without a trusted verifier's signature over these very bytes.
	manifest, err := t.masked.Repo.Commit(ctx, final, t.masked.Trusted, artifact.Sign(final, t.deps.Signer), scan.Signature)
	if err != nil {
		return events.Outcome{}, err
	}
	failpoint.Hit(failpoint.ManifestAfter)
	out := events.Outcome{Capture: t.masked.Ref(manifest), Verdict: "passed"}
	for _, o := range outcomes[:len(outcomes)-2] {
		out.Stats = out.Stats.Add(o.Stats)
	}
	return out, nil
}

// withVerdict returns the draft with the verdict in it, and nothing else changed.
func withVerdict(draft artifact.Statement, verdict string) (artifact.Statement, error) {
	payload, err := draft.Payload()
	if err != nil {
		return nil, err
	}
	if payload.Masking == nil || payload.Masking.Verdict != "" || verdict == "" {
		return nil, fault.New(fault.Denied, "draft.verdict", "the draft of capture %s must have no verdict, and the scan must give one", payload.Capture)
	}
	masking := *payload.Masking
	masking.Verdict = verdict
	payload.Masking = &masking
	return payload.Statement()
}
