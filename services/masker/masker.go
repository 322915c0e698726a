package masker

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/keyfile"
	"github.com/tranship/tranship/internal/location"
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/registry"
	"github.com/tranship/tranship/internal/secret"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/pkg/events"
)

// Config is how much a masker does at once.
type Config struct {
	// Workers is how many goroutines mask at the same time.
	Workers int
	// Version of the program, for the manifest.
	Version string
}

// Deps are the parts that a masker uses.
type Deps struct {
	Locations *location.Opener
	Masks     *registry.Registry[mask.Spec]
	Secrets   *secret.Resolver
	Signer    *artifact.Signer
	Clock     clock.Clock
	Log       *zap.Logger
}

// Masker handles the masker's tasks of mask steps. It is safe for concurrent use.
type Masker struct {
	config Config
	deps   Deps
}

// New returns a masker.
func New(c Config, d Deps) *Masker {
	c.Workers = max(1, c.Workers)
	return &Masker{config: c, deps: d}
}

// Handle does one task.
func (m *Masker) Handle(ctx context.Context, job stage.Job[events.MaskRequested]) (events.Outcome, error) {
	t := &task{Masker: m, job: job}
	if err := t.open(ctx); err != nil {
		return events.Outcome{}, err
	}
	defer t.close()
	switch job.Address.Task {
	case events.TaskPlan:
		return t.plan(ctx)
	case events.TaskDraft:
		return t.draft(ctx)
	case events.TaskCommit:
		return t.commit(ctx)
	default:
		return t.bundle(ctx)
	}
}

// Compensate voids the masked capture, so that it can never come to exist.
func (m *Masker) Compensate(ctx context.Context, job stage.Job[events.MaskCompensate]) error {
	work := job.Command.Work.Mask
	if work == nil || job.Command.Output == "" || job.Command.Input == nil {
		return nil
	}
	loc, err := m.deps.Locations.Open(ctx, work.To, job.Address.Tenant, job.Command.Input.Application, location.Write)
	if err != nil {
		return err
	}
	defer loc.Close()
	return loc.Void(ctx, job.Address.Run, job.Command.Assignment)
}

// task is one task in hand: between the raw capture and the masked one.
type task struct {
	*Masker
	job    stage.Job[events.MaskRequested]
	input  *events.CaptureRef
	output artifact.MaskedID
	raw    *location.Location
	masked *location.Location
}

func (t *task) open(ctx context.Context) (err error) {
	if t.input = t.job.Command.Input; t.input == nil {
		return fault.New(fault.Permanent, "input.missing", "a mask step needs a capture to mask")
	}
	if t.output, err = artifact.ParseMaskedID(t.job.Command.Output); err != nil {
		return err
	}
	t.raw, err = t.deps.Locations.Open(ctx, t.job.Command.Work.From, t.job.Address.Tenant, t.input.Application, location.Read)
	if err != nil {
		return err
	}
	t.masked, err = t.deps.Locations.Open(ctx, t.job.Command.Work.To, t.job.Address.Tenant, t.input.Application, location.Write)
	if err != nil {
		_ = t.raw.Close()
		return err
	}
	if t.raw.Trust != artifact.Raw || t.masked.Trust != artifact.Masked {
		t.close()
		return fault.New(fault.Denied, "trust.mismatch", "masking goes from a raw location to a masked one, not from %s (%s) to %s (%s)",
			t.raw.Name, t.raw.Trust, t.masked.Name, t.masked.Trust)
	}
	return nil
}

func (t *task) close() {
	_ = t.raw.Close()
	_ = t.masked.Close()
}

// compile proves the policy against the content of the raw capture.
func (t *task) compile(ctx context.Context, content dataservice.Content) (*mask.Program, error) {
	policy, err := location.DecodeResource[*api.MaskingPolicy](t.job.Command.Work.Policy)
	if err != nil {
		return nil, fmt.Errorf("decode the masking policy: %w", err)
	}
	epoch, err := t.epoch(ctx, policy)
	if err != nil {
		return nil, err
	}
	return mask.Compile(policy, schemas(content), mask.CompileDeps{Masks: t.deps.Masks, Epoch: epoch, Now: t.deps.Clock.Now()})
}

// epoch resolves the key of the policy's newest epoch.
func (t *task) epoch(ctx context.Context, policy *api.MaskingPolicy) (*mask.Epoch, error) {
	newest := policy.Spec.Keys[0]
	for _, k := range policy.Spec.Keys {
		if k.Epoch > newest.Epoch {
			newest = k
		}
	}
	text, err := t.deps.Secrets.Resolve(ctx, "masking policy "+policy.Name, newest.SecretRef)
	if err != nil {
		return nil, err
	}
	key, err := keyfile.ParseMasking([]byte(text.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("key of epoch %d of masking policy %s: %w", newest.Epoch, policy.Name, err)
	}
	return mask.NewEpoch(t.job.Address.Tenant, newest.Epoch, key.Bytes())
}

func schemas(content dataservice.Content) []mask.ComponentSchema {
	out := make([]mask.ComponentSchema, 0, len(content.Components))
	for _, c := range content.Components {
		out = append(out, mask.ComponentSchema{Name: c.Name, Driver: c.Driver, Catalogue: c.Catalogue})
	}
	return out
}
