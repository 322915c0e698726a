package restorer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/failpoint"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/proof"
	"github.com/tranship/tranship/pkg/events"
)

// CodeDiffers is the code of the fault when a restored component is not what was captured.
const CodeDiffers = "verify.differs"

// compare reads one component back and compares it with the manifest. What differs keeps the target sealed.
func (p *place) compare(ctx context.Context) (events.Outcome, error) {
	c, err := p.component(ctx)
	if err != nil {
		return events.Outcome{}, err
	}
	t, err := p.target(c)
	if err != nil {
		return events.Outcome{}, err
	}
	sandbox, err := p.sandbox(ctx, t, p.at.Run, p.fence)
	if err != nil {
		return events.Outcome{}, fmt.Errorf("component %s: %w", c.Name, err)
	}
	defer sandbox.Close()
	findings, err := sandbox.Inspect(ctx, c, p.content.MeasureKey)
	if err != nil {
		return events.Outcome{}, fmt.Errorf("component %s: read back: %w", c.Name, err)
	}
	differences := dataservice.Compare(c, findings)
	if len(differences) > 0 {
		return events.Outcome{}, differs(c.Name, differences)
	}
	compared := proof.Compared(c, nil)
	ref, digest, err := p.loc.Save(ctx, p.at, p.fence, compared)
	if err != nil {
		return events.Outcome{}, err
	}
	p.deps.Log.Info("component equals its capture", zap.String("component", c.Name), zap.Int64("rows", compared.Rows))
	return events.Outcome{Ref: ref, Digest: digest, Verdict: "passed", Stats: events.Stats{Items: int64(compared.Objects), Rows: compared.Rows, Bytes: compared.Bytes}}, nil
}

// checkLeaks answers the check "leaks": what was restored equals a masked capture, row by row, and that capture carries the
// verdict of a trusted verifier, or reading its manifest would have failed. A raw capture cannot pass.
func (p *place) checkLeaks(checks []string) error {
	if slices.Contains(checks, string(api.CheckLeaks)) && p.manifest.Payload.Masking == nil {
		return fault.New(fault.Permanent, "verify.leaks", "capture %s is raw: it holds what the check %q looks for", p.manifest.ID(), api.CheckLeaks).
			WithHint("leave the check out, or mask the capture first")
	}
	return nil
}

func differs(component string, differences []dataservice.Difference) error {
	const shown = 5
	var lines []string
	for _, d := range differences[:min(shown, len(differences))] {
		lines = append(lines, d.String())
	}
	if n := len(differences) - shown; n > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", n))
	}
	return fault.New(fault.Permanent, CodeDiffers, "component %s is not what was captured: %s", component, strings.Join(lines, "; ")).
		WithHint("the target stays sealed; cancel the run (tranship runs cancel), which removes it, and start another")
}

// unseal signs and stores the report, then publishes every component. Publishing comes last, and doing it again is
// harmless, so a crash anywhere leaves the target sealed or the run able to go on.
func (p *place) unseal(ctx context.Context) (events.Outcome, error) {
	list, err := p.loadPlan(ctx)
	if err != nil {
		return events.Outcome{}, err
	}
	if len(p.assigned.Outcomes) != len(list.Components) {
		return events.Outcome{}, fault.New(fault.Permanent, "event.invalid", "%d outcomes for %d components", len(p.assigned.Outcomes), len(list.Components))
	}
	out := events.Outcome{Capture: p.loc.Ref(p.manifest), Verdict: "passed"}
	var components []proof.Component
	for i, item := range p.assigned.Outcomes {
		var compared proof.Component
		if item.Verdict != "passed" {
			return events.Outcome{}, fault.New(fault.Permanent, CodeDiffers, "component %s was not found equal", list.Components[i])
		}
		if err := p.loc.Load(ctx, item.Ref, item.Digest, &compared); err != nil {
			return events.Outcome{}, fmt.Errorf("work item %d: %w", i+1, err)
		}
		components = append(components, compared)
		out.Stats = out.Stats.Add(item.Stats)
	}
	report, err := proof.New(p.at.Run, p.deps.Clock.Now(), *out.Capture, p.manifest, p.content, components)
	if err != nil {
		return events.Outcome{}, err
	}
	if err := p.store(ctx, report); err != nil {
		return events.Outcome{}, err
	}
	if out.Detail, err = report.Within(events.MaxDetail); err != nil {
		return events.Outcome{}, err
	}
	failpoint.Hit(failpoint.PublishBefore)
	for _, name := range list.Components {
		if err := p.publish(ctx, name); err != nil {
			return events.Outcome{}, fmt.Errorf("component %s: publish: %w", name, err)
		}
	}
	failpoint.Hit(failpoint.PublishAfter)
	return out, nil
}

func (p *place) store(ctx context.Context, report proof.Report) error {
	details, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	return p.loc.Repo.MarkVerified(ctx, p.manifest.ID(), artifact.Report{
		Capture: p.manifest.ID().String(), Manifest: p.manifest.Digest, Root: p.manifest.Payload.Root, Run: p.at.Run, Details: details,
	}, p.deps.Signer)
}

func (p *place) publish(ctx context.Context, name string) error {
	c := p.content.Component(name)
	if c == nil {
		return fault.New(fault.Permanent, "plan.component", "the capture holds no component %q", name)
	}
	t, err := p.target(*c)
	if err != nil {
		return err
	}
	sandbox, err := p.sandbox(ctx, t, p.at.Run, p.fence)
	if err != nil {
		return err
	}
	defer sandbox.Close()
	return sandbox.Publish(ctx, *c)
}
