package events

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
)

// The values of trust, as a capture, a location or a target states it.
const (
	TrustRaw    = "raw"
	TrustMasked = "masked"
)

// VerdictPassed is the only verdict: whatever does not pass fails its task.
const VerdictPassed = "passed"

var digestPattern = regexp.MustCompile(`^blake3:[0-9a-f]{64}$`)

// under puts a field's name before the path that err starts with.
func under(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s.%w", field, err)
}

// element is under for a field that is a list.
func element(field string, i int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s[%d].%w", field, i, err)
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func needed(field, value string) error {
	if value == "" {
		return fmt.Errorf("%s: missing", field)
	}
	return nil
}

func oneOf(field, value string, known ...string) error {
	for _, k := range known {
		if value == k {
			return nil
		}
	}
	return fmt.Errorf("%s: %q is not one of %v", field, value, known)
}

// validID checks an id that may be absent.
func validID(field, id string) error {
	if id != "" && !idPattern.MatchString(id) {
		return fmt.Errorf("%s: %q is not an id", field, id)
	}
	return nil
}

func validStep(field, name string) error {
	if !dnsLabel.MatchString(name) {
		return fmt.Errorf("%s: %q is not a DNS label", field, name)
	}
	return nil
}

func validTask(field, id string) error { return first(needed(field, id), validID(field, id)) }

// validDigest checks a digest that may be absent.
func validDigest(field, digest string) error {
	if digest != "" && !digestPattern.MatchString(digest) {
		return fmt.Errorf("%s: not \"blake3:\" and 64 hex digits", field)
	}
	return nil
}

func validResource(field string, r Resource) error {
	switch text := bytes.TrimLeft(r, " \t\r\n"); {
	case len(text) == 0 || bytes.Equal(text, []byte("null")):
		return fmt.Errorf("%s: missing", field)
	case text[0] != '{':
		return fmt.Errorf("%s: not a JSON object", field)
	}
	return nil
}

func validDetail(field string, detail []byte) error {
	if len(detail) > MaxDetail {
		return fmt.Errorf("%s: %d bytes, at most %d are allowed", field, len(detail), MaxDetail)
	}
	return nil
}

func validNumber(field string, n int) error {
	if n < 1 {
		return fmt.Errorf("%s: counts from 1", field)
	}
	return nil
}

func validAttempt(n int) error { return validNumber("attempt", n) }

func validClaim(attempt int, claim string) error {
	return first(validAttempt(attempt), needed("claim", claim))
}

// validCapture checks a reference that may be absent.
func validCapture(field string, c *CaptureRef) error {
	if c == nil {
		return nil
	}
	return under(field, c.validate())
}

func (c CaptureRef) validate() error {
	return first(
		needed("id", c.ID), validID("id", c.ID), needed("application", c.Application), needed("location", c.Location),
		oneOf("trust", c.Trust, TrustRaw, TrustMasked), validDigest("digest", c.Digest), validDigest("root", c.Root),
	)
}

func (p PlanRef) validate() error {
	if p.Count < 0 || p.Count > MaxTasks {
		return fmt.Errorf("count: %d is not within 0 to %d", p.Count, MaxTasks)
	}
	return first(needed("ref", p.Ref), needed("digest", p.Digest), validDigest("digest", p.Digest))
}

func (s Stats) validate() error {
	for _, n := range []struct {
		field string
		count int64
	}{{"items", s.Items}, {"rows", s.Rows}, {"bytes", s.Bytes}, {"stored", s.Stored}, {"skipped", s.Skipped}} {
		if n.count < 0 {
			return fmt.Errorf("%s: %d is negative", n.field, n.count)
		}
	}
	return nil
}

func (o Outcome) validate() error {
	if o.Plan != nil {
		if err := o.Plan.validate(); err != nil {
			return under("plan", err)
		}
	}
	if o.Verdict != "" {
		if err := oneOf("verdict", o.Verdict, VerdictPassed); err != nil {
			return err
		}
	}
	return first(
		validCapture("capture", o.Capture), validDigest("digest", o.Digest), under("stats", o.Stats.validate()),
		validDetail("detail", o.Detail),
	)
}

func (f Fault) validate() error {
	return first(needed("class", f.Class), needed("message", f.Message), validDetail("details", f.Details))
}

func (c Cause) validate() error { return needed("kind", c.Kind) }

// Validate checks the part that commands share.
func (a Assignment) Validate() error {
	err := first(validAttempt(a.Attempt), validNumber("generation", a.Generation), needed("replySubject", a.ReplySubject))
	if err != nil {
		return err
	}
	if _, _, _, err := ParseTaskSubject(a.ReplySubject); err != nil {
		return fmt.Errorf("replySubject: %w", err)
	}
	switch {
	case a.Deadline.IsZero():
		return errors.New("deadline: missing")
	case a.Index < 0 || a.Index > MaxTasks:
		return fmt.Errorf("index: %d is not within 0 to %d", a.Index, MaxTasks)
	case a.Index > 0 && a.Plan == nil:
		return errors.New("plan: missing")
	case a.Plan != nil && a.Index > a.Plan.Count:
		return fmt.Errorf("index: %d of a plan of %d", a.Index, a.Plan.Count)
	}
	if a.Plan != nil {
		if err := under("plan", a.Plan.validate()); err != nil {
			return err
		}
	}
	for i, id := range a.Abandoned {
		if err := validTask(fmt.Sprintf("abandoned[%d]", i), id); err != nil {
			return err
		}
	}
	for i, o := range a.Outcomes {
		if err := element("outcomes", i, o.validate()); err != nil {
			return err
		}
	}
	return first(validCapture("input", a.Input), validID("output", a.Output))
}

// Validate checks the command.
func (p CaptureRequested) Validate() error {
	return first(p.Assignment.Validate(), under("work", p.Work.validate()))
}

// Validate checks the command.
func (p MaskRequested) Validate() error {
	return first(p.Assignment.Validate(), under("work", p.Work.validate()))
}

// Validate checks the command.
func (p ScanRequested) Validate() error {
	return first(p.Assignment.Validate(), under("work", p.Work.validate()))
}

// Validate checks the command.
func (p TransferRequested) Validate() error {
	return first(p.Assignment.Validate(), under("work", p.Work.validate()))
}

// Validate checks the command.
func (p RestoreRequested) Validate() error {
	return first(p.Assignment.Validate(), under("work", p.Work.validate()))
}

// Validate checks the command.
func (p VerifyRequested) Validate() error {
	return first(p.Assignment.Validate(), under("work", p.Work.validate()))
}

// Validate checks the command.
func (p CaptureCompensate) Validate() error { return p.validate(StepCapture) }

// Validate checks the command.
func (p MaskCompensate) Validate() error { return p.validate(StepMask) }

// Validate checks the command.
func (p TransferCompensate) Validate() error { return p.validate(StepTransfer) }

// Validate checks the command.
func (p RestoreCompensate) Validate() error { return p.validate(StepRestore) }

func (c Compensation) validate(kind StepKind) error {
	return first(c.Assignment.Validate(), under("work", c.Work.validate(kind)))
}
