package api

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tranship/tranship/internal/registry"
)

// A pipeline is the list of a policy's steps; each takes the output of an earlier one.

// inputKinds says whose output a kind of step can take; a capture takes none.
var inputKinds = map[StepKind][]StepKind{
	StepMask:     {StepCapture, StepTransfer},
	StepTransfer: {StepCapture, StepMask, StepTransfer},
	StepRestore:  {StepCapture, StepMask, StepTransfer},
	StepVerify:   {StepRestore},
}

// takesInput reports whether the step works on the output of an earlier one.
func (s Step) takesInput() bool {
	switch s.Kind() {
	case "", StepCapture:
		return false
	case StepRestore:
		return s.Restore.From == nil
	}
	return true
}

func defaultSteps(steps []Step) []Step {
	for i := range steps {
		s := &steps[i]
		if s.Name == "" {
			s.Name = string(s.Kind())
		}
		if s.Input == "" && s.takesInput() {
			s.Input = nearestInput(steps[:i], s.Kind())
		}
		s.defaultKind()
	}
	return append(steps, missingVerifies(steps)...)
}

// nearestInput returns the name of the last step whose output the kind can take, or "".
func nearestInput(earlier []Step, kind StepKind) string {
	for _, s := range slices.Backward(earlier) {
		if slices.Contains(inputKinds[kind], s.Kind()) {
			return s.Name
		}
	}
	return ""
}

func (s *Step) defaultKind() {
	if r := s.Restore; r != nil {
		if r.Profile == "" {
			r.Profile = ProfileClone
		}
		if r.To.Cluster == "" && r.To.Namespace != "" {
			r.To.Cluster = LocalCluster
		}
		if r.To.Accepts == "" && len(r.To.Components) > 0 {
			r.To.Accepts = TrustMasked
		}
		if f := r.From; f != nil && f.Pick == "" && f.Policy != "" {
			f.Pick = PickLatestVerified
		}
	}
	if v := s.Verify; v != nil && len(v.Checks) == 0 {
		v.Checks = []VerifyCheck{CheckResources, CheckRows, CheckFiles}
	}
}

// missingVerifies returns a verify for each restore that nobody verifies: its target would stay sealed.
func missingVerifies(steps []Step) []Step {
	verified, names := map[string]bool{}, map[string]bool{}
	for _, s := range steps {
		names[s.Name] = true
		if s.Verify != nil {
			verified[s.Input] = true
		}
	}
	var added []Step
	for _, s := range steps {
		if s.Kind() != StepRestore || s.Name == "" || verified[s.Name] {
			continue
		}
		v := Step{Name: string(StepVerify), Input: s.Name, Verify: &VerifyStep{}}
		if names[v.Name] {
			v.Name = string(StepVerify) + "-" + s.Name
		}
		v.defaultKind()
		verified[s.Name], names[v.Name] = true, true
		added = append(added, v)
	}
	return added
}

func validateSteps(errs *FieldErrors, at string, steps []Step, params map[string]Param) {
	if len(steps) == 0 {
		errs.add(at, "is missing: a policy needs at least one step")
	}
	for i := range steps {
		s, at := &steps[i], element(at, i)
		requireExactlyOne(errs, at, choice{"capture", s.Capture != nil}, choice{"mask", s.Mask != nil}, choice{"transfer", s.Transfer != nil},
			choice{"restore", s.Restore != nil}, choice{"verify", s.Verify != nil})
		optionalLabel(errs, child(at, "name"), s.Name)
		requireNatural(errs, child(at, "timeout"), s.Timeout)
		validateInput(errs, child(at, "input"), steps, i)
		s.validateKind(errs, at, params)
	}
	duplicates(steps, func(s Step) string { return s.Name }, func(i, first int) {
		if steps[i].Name != "" {
			errs.add(child(element(at, i), "name"), "is the name of %s already: give each a name of its own", element(at, first))
		}
	})
}

func validateInput(errs *FieldErrors, at string, steps []Step, i int) {
	s := steps[i]
	if s.Kind() == "" {
		return
	}
	if !s.takesInput() {
		if s.Input != "" && s.Kind() == StepCapture {
			errs.add(at, "a capture takes no input")
		} else if s.Input != "" {
			errs.add(at, "the restore has a from: only one of them can be meant")
		}
		return
	}
	kinds := kindNames(inputKinds[s.Kind()])
	if s.Input == "" {
		errs.add(at, "a %s needs the output of an earlier %s", s.Kind(), oneOf(kinds))
		return
	}
	var earlier []string
	for _, e := range steps[:i] {
		if e.Name != s.Input {
			earlier = append(earlier, e.Name)
			continue
		}
		if e.Kind() != "" && !slices.Contains(inputKinds[s.Kind()], e.Kind()) {
			errs.add(at, "a %s cannot take the output of a %s: it needs a %s", s.Kind(), e.Kind(), oneOf(kinds))
		}
		return
	}
	for _, later := range steps[i:] {
		if later.Name == s.Input {
			errs.add(at, "names a step that does not come before this one")
			return
		}
	}
	errs.suggest(at, registry.Nearest(s.Input, earlier), "no earlier step has that name")
}

func kindNames(kinds []StepKind) []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return names
}

func (s *Step) validateKind(errs *FieldErrors, at string, params map[string]Param) {
	if s.Capture != nil {
		requireLabel(errs, below(at, "capture.to"), s.Capture.To)
	}
	if s.Mask != nil {
		requireLabel(errs, below(at, "mask.policy"), s.Mask.Policy)
		requireLabel(errs, below(at, "mask.to"), s.Mask.To)
	}
	if s.Transfer != nil {
		requireLabel(errs, below(at, "transfer.to"), s.Transfer.To)
	}
	if s.Restore != nil {
		s.Restore.validate(errs, child(at, "restore"), params)
	}
	if s.Verify != nil {
		at := below(at, "verify.checks")
		for i, check := range s.Verify.Checks {
			requireOneOf(errs, element(at, i), check, CheckResources, CheckRows, CheckFiles, CheckLeaks)
		}
		duplicates(s.Verify.Checks, func(c VerifyCheck) VerifyCheck { return c }, func(i, first int) {
			errs.add(element(at, i), "is the same as %s", element(at, first))
		})
	}
}

// describe names a step for messages.
func (s Step) describe() string {
	if kind := string(s.Kind()); !strings.EqualFold(kind, s.Name) {
		return fmt.Sprintf("%s step %q", kind, s.Name)
	}
	return fmt.Sprintf("step %q", s.Name)
}
