package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/mask"
	maskall "github.com/tranship/tranship/internal/mask/all"
	"github.com/tranship/tranship/internal/secret"
)

func newMaskCommand(m *Main) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mask",
		Short: "Work with masking policies",
	}
	cmd.AddCommand(newMaskLintCommand(m), newMasksCommand(m))
	return cmd
}

// lintWanted is what mask lint was asked for.
type lintWanted struct {
	files                           []string
	connect                         bool
	policy, application, secretsDir string
}

func newMaskLintCommand(m *Main) *cobra.Command {
	var want lintWanted
	cmd := &cobra.Command{
		Use:   "lint -f FILE",
		Short: "Check masking policies without running anything",
		Long: `Checks the masking policies of files: their fields, identities and rules. No server is asked.

With --connect, the schemas of the databases that the files' applications consist of are read, and the policies are proven
against them as a run would: every column is covered, masks fit their columns, keys stay unique, references stay valid. No
row is read. References to secrets are resolved here, as on a worker: from --secrets-dir and variables TRANSHIP_SECRET_….

The exit code is 1 when a run would be refused; warnings do not change it.`,
		Example: `  tranship mask lint -f tranship.yaml
  tranship mask lint -f tranship.yaml --connect --application shop -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return m.lint(cmd.Context(), want) },
	}
	f := cmd.Flags()
	f.StringSliceVarP(&want.files, "file", "f", nil, "`file` or directory with resources, or -; may be repeated")
	f.BoolVar(&want.connect, "connect", false, "read the schemas of the applications' components and check against them")
	f.StringVar(&want.policy, "policy", "", "`name` of the one masking policy to check")
	f.StringVar(&want.application, "application", "", "`name` of the one application to check against")
	f.StringVar(&want.secretsDir, "secrets-dir", defaultKeyDir, "`directory` that secret references with fromFile lead to")
	if err := cmd.MarkFlagRequired("file"); err != nil {
		panic(err)
	}
	return cmd
}

// lintResult is what was found in one policy, against one application or by itself.
type lintResult struct {
	Policy      string         `json:"policy"`
	Application string         `json:"application,omitempty"` // empty: checked by itself
	Findings    []mask.Finding `json:"findings"`
}

func (m *Main) lint(ctx context.Context, want lintWanted) error {
	b, err := m.readResources(want.files)
	if err != nil {
		return err
	}
	policies := named[*api.MaskingPolicy](b.set, want.policy)
	if len(policies) == 0 {
		return misuse("there is no masking policy %s in what was given", want.policy)
	}
	applications := named[*api.Application](b.set, want.application)
	if len(applications) == 0 && (want.connect || want.application != "") {
		return misuse("there is no application %s in what was given", want.application).hinted("add the file that holds it with -f")
	}
	results := []lintResult{}
	for _, p := range policies {
		if !want.connect {
			findings, err := mask.Lint(p, nil, maskall.Masks(), m.Clock.Now())
			if err != nil {
				return failed(err, "checking masking policy %s", p.Name)
			}
			findings = slices.DeleteFunc(findings, needsSchema)
			results = append(results, lintResult{Policy: p.Name, Findings: findings})
			continue
		}
		for _, a := range applications {
			findings, err := m.lintAgainst(ctx, p, a, want.secretsDir)
			if err != nil {
				return err
			}
			results = append(results, lintResult{Policy: p.Name, Application: a.Name, Findings: findings})
		}
	}
	return m.printLint(results)
}

// needsSchema reports whether a finding says only that no schema was looked at: that a rule matches nothing.
func needsSchema(f mask.Finding) bool {
	return slices.Contains([]string{"unknown-component", "unknown-table", "unknown-column", "unknown-file"}, f.Code)
}

// lintAgainst proves a policy against an application as it is now.
func (m *Main) lintAgainst(ctx context.Context, p *api.MaskingPolicy, a *api.Application, secretsDir string) ([]mask.Finding, error) {
	reader := catalogues{secrets: secret.New(secret.Config{Dir: secretsDir}, secret.Deps{LookupEnv: m.lookupEnv}), logf: m.note}
	var schemas []mask.ComponentSchema
	for _, component := range a.Spec.Components {
		schema, err := reader.read(ctx, component)
		if err != nil {
			return nil, failed(err, "reading the schema of application %s", a.Name)
		}
		schemas = append(schemas, schema)
	}
	findings, err := mask.Lint(p, schemas, maskall.Masks(), m.Clock.Now())
	if err != nil {
		return nil, failed(err, "checking masking policy %s against application %s", p.Name, a.Name)
	}
	return findings, nil
}

// named returns the resources of type T in a set, or the one of that name.
func named[T api.Resource](set *api.Set, name string) []T {
	var found []T
	for _, r := range set.Resources() {
		if t, ok := r.(T); ok && (name == "" || r.Meta().Name == name) {
			found = append(found, t)
		}
	}
	return found
}

// printLint prints findings and returns an error when one of them stops runs.
func (m *Main) printLint(results []lintResult) error {
	errors, warnings := 0, 0
	for i, r := range results {
		if r.Findings == nil {
			results[i].Findings = []mask.Finding{}
		}
		for _, f := range r.Findings {
			if f.Severity == mask.SeverityError {
				errors++
			} else {
				warnings++
			}
		}
	}
	if m.flags.output.structured() {
		if err := writeValue(m.Stdout, results, m.flags.output); err != nil {
			return err
		}
	} else {
		m.printFindings(results)
	}
	if errors > 0 {
		return &failure{code: exitFailed, what: "runs would be refused: " + count(errors, "problem") + " and " + count(warnings, "warning")}
	}
	return nil
}

func (m *Main) printFindings(results []lintResult) {
	p := palette{on: m.colours(m.Stdout)}
	for _, r := range results {
		title := r.Policy
		if r.Application != "" {
			title += " for " + r.Application
		}
		if len(r.Findings) == 0 {
			printLine(m.Stdout, "%s: no problem found", title)
			continue
		}
		printLine(m.Stdout, "%s: %s", title, count(len(r.Findings), "finding"))
		for _, f := range r.Findings {
			severity := string(f.Severity)
			if f.Severity == mask.SeverityError {
				severity = p.red(severity)
			}
			text, _, _ := strings.Cut(oneLine(f.String()), "; "+oneLine(f.Fix))
			printLine(m.Stdout, "  %s: %s [%s]", severity, text, f.Code)
			if f.Fix != "" {
				printLine(m.Stdout, "    fix: %s", oneLine(f.Fix))
			}
		}
	}
}
