package api

// Step is one stage of a policy. Exactly one of the five kinds is set.
type Step struct {
	Name    string   `json:"name,omitempty" jsonschema_description:"Name within the policy; the kind of the step when absent."`
	Input   string   `json:"input,omitempty" jsonschema_description:"Earlier step whose output this one takes; the nearest that fits when absent."`
	Timeout Duration `json:"timeout,omitempty" jsonschema_description:"Longest time that the step may take."`

	Capture  *CaptureStep  `json:"capture,omitempty" jsonschema_description:"Take a copy of the application."`
	Mask     *MaskStep     `json:"mask,omitempty" jsonschema_description:"Make a masked capture from a raw one."`
	Transfer *TransferStep `json:"transfer,omitempty" jsonschema_description:"Copy a capture to another location of the same trust."`
	Restore  *RestoreStep  `json:"restore,omitempty" jsonschema_description:"Make an application from a capture."`
	Verify   *VerifyStep   `json:"verify,omitempty" jsonschema_description:"Prove that what was restored equals the capture."`
}

// StepKind is what a step does.
type StepKind string

// The kinds of steps.
const (
	StepCapture  StepKind = "capture"
	StepMask     StepKind = "mask"
	StepTransfer StepKind = "transfer"
	StepRestore  StepKind = "restore"
	StepVerify   StepKind = "verify"
)

// Kind returns the kind that is set, or "" when not exactly one is.
func (s Step) Kind() StepKind {
	if kinds := s.kinds(); len(kinds) == 1 {
		return kinds[0]
	}
	return ""
}

func (s Step) kinds() []StepKind {
	var set []StepKind
	for _, k := range []struct {
		is   bool
		kind StepKind
	}{
		{s.Capture != nil, StepCapture}, {s.Mask != nil, StepMask}, {s.Transfer != nil, StepTransfer},
		{s.Restore != nil, StepRestore}, {s.Verify != nil, StepVerify},
	} {
		if k.is {
			set = append(set, k.kind)
		}
	}
	return set
}

// Location returns the location that the step writes a capture to, or "".
func (s Step) Location() string {
	switch {
	case s.Capture != nil:
		return s.Capture.To
	case s.Mask != nil:
		return s.Mask.To
	case s.Transfer != nil:
		return s.Transfer.To
	}
	return ""
}

// CaptureStep takes a raw capture.
type CaptureStep struct {
	To string `json:"to" jsonschema_description:"Raw location that the capture goes to."`
}

// MaskStep makes a masked capture.
type MaskStep struct {
	Policy string `json:"policy" jsonschema_description:"Masking policy."`
	To     string `json:"to" jsonschema_description:"Masked location that the result goes to."`
}

// TransferStep copies a capture.
type TransferStep struct {
	To string `json:"to" jsonschema_description:"Location that the copy goes to."`
}

// VerifyStep compares a restored application with its capture. When it passes, the target is unsealed.
type VerifyStep struct {
	Checks []VerifyCheck `json:"checks,omitempty" jsonschema:"enum=resources,enum=rows,enum=files,enum=leaks" jsonschema_description:"What is compared; resources, rows and files when absent."`
}

// VerifyCheck is one comparison of a verify step. A check about something that the application does not have passes.
type VerifyCheck string

// The checks of a verify step.
const (
	CheckResources VerifyCheck = "resources" // the Kubernetes objects
	CheckRows      VerifyCheck = "rows"      // row counts, row digests, sequences, constraints and indexes of databases
	CheckFiles     VerifyCheck = "files"     // names, sizes and digests of files
	CheckLeaks     VerifyCheck = "leaks"     // the target holds no canary and nothing that looks like an identifier
)
