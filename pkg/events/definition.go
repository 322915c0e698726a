package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Duration is a time.Duration that reads and writes as text ("1m30s") in JSON.
type Duration time.Duration

// MarshalText writes the duration as Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a duration as Go does.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// Resource is the text of a resource (a Location, an Application, a MaskingPolicy …) as JSON, pinned when the run
// started. It holds references to secrets and no secret.
type Resource = json.RawMessage

// StepKind names what a step does.
type StepKind string

// The kinds of step.
const (
	StepCapture  StepKind = "capture"
	StepMask     StepKind = "mask"
	StepTransfer StepKind = "transfer"
	StepRestore  StepKind = "restore"
	StepVerify   StepKind = "verify"
)

// Definition is what a run does. It is written once, with run.started, and a run keeps it to its end.
type Definition struct {
	Policy      string            `json:"policy,omitempty"`                     // name; empty for a step run by hand
	Application string            `json:"application" jsonschema:"minLength=1"` // name
	Params      map[string]string `json:"params,omitempty"`
	Steps       []StepDefinition  `json:"steps" jsonschema:"minItems=1"`
	Retry       RetryPolicy       `json:"retry"`
	// Window is how many tasks of one step may be in flight at once.
	Window int `json:"window" jsonschema:"minimum=1,maximum=256"`
}

// RetryPolicy bounds how often and how soon a failed task is tried again: after failure n (from 1) at a random time up to
// min(Cap, Base·2ⁿ⁻¹).
type RetryPolicy struct {
	MaxAttempts int      `json:"maxAttempts" jsonschema:"minimum=1"`
	Base        Duration `json:"base"`
	Cap         Duration `json:"cap"`
}

// StepDefinition is one step. Work is the part of the command that stays the same for all of its tasks.
type StepDefinition struct {
	Name    string   `json:"name" jsonschema:"pattern=^[a-z0-9-]+$,maxLength=63"`
	Kind    StepKind `json:"kind" jsonschema:"enum=capture,enum=mask,enum=transfer,enum=restore,enum=verify"`
	Cluster string   `json:"cluster" jsonschema:"pattern=^[a-z0-9-]+$,maxLength=63"` // where the workers are that take it
	Input   string   `json:"input,omitempty"`                                        // the step whose output this one takes; empty when Work names a capture
	Timeout Duration `json:"timeout"`                                                // per attempt of a task
	Work    Work     `json:"work"`
}

// Work is the content of a step: exactly one field is set, and it matches the step's kind.
type Work struct {
	Capture  *CaptureWork  `json:"capture,omitempty"`
	Mask     *MaskWork     `json:"mask,omitempty"`
	Transfer *TransferWork `json:"transfer,omitempty"`
	Restore  *RestoreWork  `json:"restore,omitempty"`
	Verify   *VerifyWork   `json:"verify,omitempty"`
}

// CaptureWork captures an application into a location.
type CaptureWork struct {
	Application Resource `json:"application" jsonschema:"type=object"`
	To          Resource `json:"to" jsonschema:"type=object"` // Location with trust raw
}

// MaskWork pseudonymizes a raw capture into a masked location.
type MaskWork struct {
	From    Resource `json:"from" jsonschema:"type=object"`   // Location that holds the raw capture
	Policy  Resource `json:"policy" jsonschema:"type=object"` // MaskingPolicy
	To      Resource `json:"to" jsonschema:"type=object"`     // Location with trust masked
	Capture string   `json:"capture"`                         // the raw capture, when the step has no input
}

// TransferWork copies a capture between two locations of one trust.
type TransferWork struct {
	From    Resource `json:"from" jsonschema:"type=object"`
	To      Resource `json:"to" jsonschema:"type=object"`
	Capture string   `json:"capture,omitempty"`
}

// RestoreWork restores a capture into a target, sealed until it is verified.
type RestoreWork struct {
	From    Resource `json:"from" jsonschema:"type=object"`
	Capture string   `json:"capture,omitempty"`
	Target  Target   `json:"target"`
	Only    []string `json:"only,omitempty"` // components; all when empty
}

// VerifyWork proves that what a restore made equals the capture, then unseals it.
type VerifyWork struct {
	From    Resource `json:"from" jsonschema:"type=object"`
	Capture string   `json:"capture,omitempty"`
	Target  Target   `json:"target"`
	Only    []string `json:"only,omitempty"`
	Checks  []string `json:"checks" jsonschema:"minItems=1"`
}

// Target is where a restore goes.
type Target struct {
	Accepts    string     `json:"accepts" jsonschema:"enum=raw,enum=masked"` // raw or masked: what may be restored there
	Components []Resource `json:"components" jsonschema:"minItems=1"`
	Profile    string     `json:"profile" jsonschema:"enum=clone,enum=recover,enum=migrate"` // clone, recover or migrate
}

// Validate checks the definition as a whole.
func (d Definition) Validate() error {
	if err := needed("application", d.Application); err != nil {
		return err
	}
	if len(d.Steps) == 0 {
		return errors.New("steps: at least one is needed")
	}
	if err := under("retry", d.Retry.validate()); err != nil {
		return err
	}
	if d.Window < 1 || d.Window > MaxTasks {
		return fmt.Errorf("window: %d is not within 1 to %d", d.Window, MaxTasks)
	}
	seen := map[string]bool{}
	for i, s := range d.Steps {
		if err := element("steps", i, s.validate(seen)); err != nil {
			return err
		}
		seen[s.Name] = true
	}
	return nil
}

func (r RetryPolicy) validate() error {
	switch {
	case r.MaxAttempts < 1:
		return errors.New("maxAttempts: must be at least 1")
	case r.Base <= 0:
		return errors.New("base: must be positive")
	case r.Cap < r.Base:
		return errors.New("cap: must not be less than base")
	}
	return nil
}

func (s StepDefinition) validate(earlier map[string]bool) error {
	if err := validStep("name", s.Name); err != nil {
		return err
	}
	switch {
	case earlier[s.Name]:
		return fmt.Errorf("name: %q is taken by an earlier step", s.Name)
	case !dnsLabel.MatchString(s.Cluster):
		return fmt.Errorf("cluster: %q is not a DNS label", s.Cluster)
	case s.Input != "" && !earlier[s.Input]:
		return fmt.Errorf("input: there is no earlier step %q", s.Input)
	case s.Timeout <= 0:
		return errors.New("timeout: must be positive")
	}
	if err := oneOf("kind", string(s.Kind), string(StepCapture), string(StepMask), string(StepTransfer), string(StepRestore), string(StepVerify)); err != nil {
		return err
	}
	return under("work", s.Work.validate(s.Kind))
}

// validate checks that the work is of a kind, and of no other.
func (w Work) validate(kind StepKind) error {
	set := map[StepKind]bool{
		StepCapture: w.Capture != nil, StepMask: w.Mask != nil, StepTransfer: w.Transfer != nil,
		StepRestore: w.Restore != nil, StepVerify: w.Verify != nil,
	}
	if !set[kind] {
		return fmt.Errorf("%s: missing", kind)
	}
	for _, other := range []StepKind{StepCapture, StepMask, StepTransfer, StepRestore, StepVerify} {
		if other != kind && set[other] {
			return fmt.Errorf("%s: not the work of a %s", other, kind)
		}
	}
	switch kind {
	case StepCapture:
		return under("capture", w.Capture.validate())
	case StepMask:
		return under("mask", w.Mask.validate())
	case StepTransfer:
		return under("transfer", w.Transfer.validate())
	case StepRestore:
		return under("restore", w.Restore.validate())
	default:
		return under("verify", w.Verify.validate())
	}
}

func (w CaptureWork) validate() error {
	return first(validResource("application", w.Application), validResource("to", w.To))
}

func (w MaskWork) validate() error {
	return first(validResource("from", w.From), validResource("policy", w.Policy), validResource("to", w.To), validID("capture", w.Capture))
}

func (w TransferWork) validate() error {
	return first(validResource("from", w.From), validResource("to", w.To), validID("capture", w.Capture))
}

func (w RestoreWork) validate() error {
	return first(validResource("from", w.From), validID("capture", w.Capture), under("target", w.Target.validate()))
}

func (w VerifyWork) validate() error {
	if err := first(validResource("from", w.From), validID("capture", w.Capture), under("target", w.Target.validate())); err != nil {
		return err
	}
	if len(w.Checks) == 0 {
		return errors.New("checks: at least one is needed")
	}
	return nil
}

func (t Target) validate() error {
	if err := first(oneOf("accepts", t.Accepts, TrustRaw, TrustMasked), oneOf("profile", t.Profile, "clone", "recover", "migrate")); err != nil {
		return err
	}
	if len(t.Components) == 0 {
		return errors.New("components: at least one is needed")
	}
	for i, c := range t.Components {
		if err := validResource(fmt.Sprintf("components[%d]", i), c); err != nil {
			return err
		}
	}
	return nil
}
