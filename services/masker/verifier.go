package masker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/zeebo/blake3"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/location"
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/leak"
	"github.com/tranship/tranship/internal/registry"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/pkg/events"
)

// CodeLeak is the code of the fault that stops a run whose masked capture holds what it must not.
const CodeLeak = "leak.found"

// VerifierConfig is how much a verifier does at once.
type VerifierConfig struct {
	// Workers is how many units are read at the same time.
	Workers int
}

// VerifierDeps are the parts that a verifier uses. It has keys to read with, a key to sign with, and none to write with.
type VerifierDeps struct {
	Locations *location.Opener
	Masks     *registry.Registry[mask.Spec]
	Signer    *artifact.Signer
	Clock     clock.Clock
	Log       *zap.Logger
}

// Verifier handles the scans of mask steps. It is safe for concurrent use.
type Verifier struct {
	config VerifierConfig
	deps   VerifierDeps
}

// NewVerifier returns a verifier.
func NewVerifier(c VerifierConfig, d VerifierDeps) *Verifier {
	c.Workers = max(1, c.Workers)
	return &Verifier{config: c, deps: d}
}

// Handle scans a draft. It changes nothing: its outcome is a verdict and a signature.
func (v *Verifier) Handle(ctx context.Context, job stage.Job[events.ScanRequested]) (events.Outcome, error) {
	input := job.Command.Input
	if input == nil {
		return events.Outcome{}, fault.New(fault.Permanent, "input.missing", "a scan needs the raw capture that was masked")
	}
	raw, err := v.deps.Locations.Open(ctx, job.Command.Work.From, job.Address.Tenant, input.Application, location.Read)
	if err != nil {
		return events.Outcome{}, err
	}
	defer raw.Close()
	masked, err := v.deps.Locations.Open(ctx, job.Command.Work.To, job.Address.Tenant, input.Application, location.Read)
	if err != nil {
		return events.Outcome{}, err
	}
	defer masked.Close()
	s := scan{Verifier: v, job: job, raw: raw, masked: masked}
	if err := s.read(ctx, input); err != nil {
		return events.Outcome{}, err
	}
	return s.run(ctx)
}

// scan is one draft in hand, beside the raw capture that it was made from.
type scan struct {
	*Verifier
	job           stage.Job[events.ScanRequested]
	raw, masked   *location.Location
	manifest      *artifact.Manifest
	rawContent    dataservice.Content
	output        artifact.MaskedID
	draft         artifact.Statement
	payload       artifact.Payload
	maskedContent dataservice.Content
}

// read opens both sides and checks that the draft is about this raw capture.
func (s *scan) read(ctx context.Context, input *events.CaptureRef) (err error) {
	if s.manifest, s.rawContent, err = s.raw.Read(ctx, input); err != nil {
		return err
	}
	if s.output, err = artifact.ParseMaskedID(s.job.Command.Output); err != nil {
		return err
	}
	if s.draft, _, err = s.masked.Repo.ReadDraft(ctx, s.output, s.masked.Trusted); err != nil {
		return err
	}
	if s.payload, err = s.draft.Payload(); err != nil {
		return err
	}
	body, err := s.masked.Repo.OpenPayload(s.payload)
	if err != nil {
		return err
	}
	if s.maskedContent, err = location.Content(body); err != nil {
		return fmt.Errorf("the draft of capture %s: %w", s.output, err)
	}
	if p := s.payload.Parents; len(p) != 1 || p[0].Relation != artifact.MaskedFrom || p[0].Manifest != s.manifest.Digest {
		return fault.New(fault.Denied, "draft.parent", "the draft of capture %s was not made from capture %s", s.output, s.manifest.ID())
	}
	return nil
}

func (s *scan) run(ctx context.Context) (events.Outcome, error) {
	program, err := s.program()
	if err != nil {
		return events.Outcome{}, err
	}
	if err := sameStructure(s.rawContent, s.maskedContent, program); err != nil {
		return events.Outcome{}, fmt.Errorf("the draft of capture %s: %w", s.output, err)
	}
	if err := s.definitions(ctx, program); err != nil {
		return events.Outcome{}, err
	}
	statement := program.Statement()
	units := s.units(statement)
	verdict, err := leak.Scan(ctx, leak.Config{
		Columns: columns(statement), Units: units, RawRoot: s.manifest.Payload.Root, MaskedRoot: s.payload.Root, Workers: s.config.Workers,
		Stop: sentinels(statement), KeptDomains: keptDomains(statement),
	})
	if err != nil {
		return events.Outcome{}, fmt.Errorf("scan capture %s: %w", s.output, err)
	}
	full, err := json.Marshal(verdict)
	if err != nil {
		return events.Outcome{}, fmt.Errorf("encode the verdict: %w", err)
	}
	s.deps.Log.Info("draft scanned", zap.Bool("passed", verdict.Passed), zap.Int64("rows", verdict.Rows), zap.Int("units", verdict.Units), zap.Int("findings", len(verdict.Findings)))
	if !verdict.Passed {
		return events.Outcome{}, leaks(s.output, verdict)
	}
	digest := blake3.Sum256(full)
	text := fmt.Sprintf("passed: %d rows in %d units read beside the raw ones by scanner %d (verdict %x)", verdict.Rows, verdict.Units, verdict.Version, digest[:8])
	final, err := withVerdict(s.draft, text)
	if err != nil {
		return events.Outcome{}, err
	}
	detail, err := json.Marshal(Scan{Verdict: text, Signature: artifact.Sign(final, s.deps.Signer)})
	if err != nil {
		return events.Outcome{}, fmt.Errorf("encode the outcome: %w", err)
	}
	return events.Outcome{Verdict: "passed", Detail: detail, Stats: events.Stats{Items: int64(verdict.Units), Rows: verdict.Rows}}, nil
}

// leaks is the error of a verdict that did not pass. It names places and counts.
func leaks(id artifact.MaskedID, v leak.Verdict) error {
	var lines []string
	for _, f := range v.Findings {
		if f.Fails && len(lines) < 8 {
			lines = append(lines, fmt.Sprintf("%s/%s.%s%s: %s (%d)", f.Component, f.Object, f.Column, f.Path, f.Kind, f.Count))
		}
	}
	return fault.New(fault.Permanent, CodeLeak, "the masked capture %s holds what it must not, and is not published: %s", id, strings.Join(lines, "; ")).
		WithHint("give these places another mask; what a mask cannot cover, drop")
}

// program derives from the policy itself what must have happened to every column, and refuses a draft whose masker states
// anything else. No key is needed for that, so one is made up.
func (s *scan) program() (*mask.Program, error) {
	policy, err := location.DecodeResource[*api.MaskingPolicy](s.job.Command.Work.Policy)
	if err != nil {
		return nil, fmt.Errorf("decode the masking policy: %w", err)
	}
	made, err := mask.DecodeMade(s.maskedContent.Masking)
	if err != nil {
		return nil, err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	epoch, err := mask.NewEpoch(s.job.Address.Tenant, made.Statement.Epoch, key)
	if err != nil {
		return nil, err
	}
	program, err := mask.Compile(policy, schemas(s.rawContent), mask.CompileDeps{Masks: s.deps.Masks, Epoch: epoch, Now: s.deps.Clock.Now()})
	if err != nil {
		return nil, refusal(err)
	}
	own, stated := program.Statement(), s.payload.Masking
	if !sameStatement(own, made.Statement) || own.PolicyDigest != stated.Policy || own.Epoch != stated.Epoch {
		return nil, fault.New(fault.Denied, "draft.statement", "the draft of capture %s states another masking than policy %s gives", s.output, policy.Name)
	}
	return program, nil
}

// units pairs the streams of both captures, which have the same structure.
func (s *scan) units(statement mask.Statement) []leak.Unit {
	dropped := map[string]bool{}
	for _, c := range statement.Components {
		for _, t := range c.Tables {
			dropped[c.Name+"/"+t.Object] = t.Dropped
		}
	}
	var units []leak.Unit
	for ci, rc := range s.rawContent.Components {
		for i, ru := range rc.Units {
			mu := s.maskedContent.Components[ci].Units[i]
			table := ru.Unit.Object
			if o := rc.Catalogue.Object(table); o != nil && o.Parent != "" {
				table = root(rc.Catalogue, o)
			}
			unit := mu.Unit
			unit.Rows = ru.Measure.Rows // counted, where the plan had estimated
			units = append(units, leak.Unit{
				Component: rc.Name, Unit: unit, Table: table, Dropped: dropped[rc.Name+"/"+table],
				Raw: opening(s.raw, s.manifest.ID(), ru.Artifact), Masked: opening(s.masked, s.output, mu.Artifact),
			})
		}
	}
	return units
}

// root follows the parents of a partition to the table that rules name.
func root(c dataservice.Catalogue, o *dataservice.Object) string {
	for range len(c.Objects) {
		parent := c.Object(o.Parent)
		if o.Parent == "" || parent == nil {
			break
		}
		o = parent
	}
	return o.ID
}

func opening(l *location.Location, id artifact.ID, a artifact.Artifact) leak.Open {
	return func(ctx context.Context) (io.ReadCloser, error) { return l.Repo.OpenStream(ctx, id, a) }
}

// columns tells the scanner how each column is to be judged.
func columns(statement mask.Statement) []leak.Column {
	var list []leak.Column
	for _, c := range statement.Components {
		for _, t := range c.Tables {
			for _, column := range t.Columns {
				list = append(list, leak.Column{
					Component: c.Name, Object: t.Object, Column: column.Column, Class: leak.ClassOf(column.Action, column.Mask),
					Domain: float64(column.Domain), KeptPaths: column.KeptPaths,
				})
			}
		}
	}
	return list
}

// sentinels returns the values that mean nothing and are kept everywhere.
func sentinels(statement mask.Statement) []string {
	var values []string
	for _, id := range statement.Identities {
		values = append(values, id.Sentinels...)
	}
	return values
}

// keptDomains returns the domains of addresses that the policy keeps.
func keptDomains(statement mask.Statement) []string {
	var domains []string
	for _, id := range statement.Identities {
		list, _ := id.Params["keepDomains"].([]any)
		for _, d := range list {
			if text, ok := d.(string); ok {
				domains = append(domains, text)
			}
		}
	}
	return domains
}
