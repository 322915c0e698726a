package mask

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/registry"
)

// ComponentSchema is what a policy is compiled against: one component as it was captured.
type ComponentSchema struct {
	Name      string
	Driver    string // name of the data service's Spec
	Catalogue dataservice.Catalogue
}

// CompileDeps are what a policy is compiled with.
type CompileDeps struct {
	Masks *registry.Registry[Spec]
	Epoch *Epoch
	Now   time.Time // decides which keep decisions have expired
}

// Program is a policy that was proven against the catalogues of its components. It is immutable and safe for concurrent
// use.
type Program struct {
	policy     *api.MaskingPolicy
	deps       CompileDeps
	identities map[string]*identity
	components map[string]*componentProgram
	statement  Statement
	warnings   []Finding
}

// componentProgram is the part of a Program that is about one component.
type componentProgram struct {
	schema  ComponentSchema
	objects map[string]*dataservice.Object // by ID
	tables  map[string]*tableProgram       // by ID of the table; partitions are under their root
	files   *fileProgram                   // nil without files
	masked  dataservice.Catalogue
}

// tableProgram says what happens to the rows of one table and its partitions.
type tableProgram struct {
	component string
	table     *dataservice.Object
	dropped   bool // no row is written
	bindings  map[string]*binding
	subject   *subject
}

// subject is the column that says whom a row is about.
type subject struct {
	column   string
	identity *identity
	canon    Canon
}

// Severity says whether a finding stops a run.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Finding is something that a policy gets wrong or that its reader should know. It holds no values.
type Finding struct {
	Severity  Severity `json:"severity"`
	Code      string   `json:"code"` // stable: unique, foreign-key, type, …
	Field     string   `json:"field,omitempty"`
	Component string   `json:"component,omitempty"`
	Object    string   `json:"object,omitempty"`
	Column    string   `json:"column,omitempty"`
	Message   string   `json:"message"`
	Fix       string   `json:"fix,omitempty"`
}

// String returns the finding in one line: where, what, and what to do.
func (f Finding) String() string {
	var b strings.Builder
	if at := place(f.Component, f.Object, f.Column); at != "" {
		b.WriteString(at + ": ")
	}
	if f.Field != "" {
		b.WriteString(f.Field + ": ")
	}
	b.WriteString(f.Message)
	if f.Fix != "" {
		b.WriteString("; " + f.Fix)
	}
	return b.String()
}

// place writes component/object.column, as far as they are known.
func place(component, object, column string) string {
	at := component
	if object != "" {
		at = strings.TrimPrefix(at+"/"+object, "/")
	}
	if column != "" {
		at += "." + column
	}
	return at
}

// CompileError is everything that is wrong with a policy for the given components, apart from what it does not classify.
type CompileError struct {
	Findings []Finding
}

// Error lists the findings, one on a line.
func (e *CompileError) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Compile resolves the rules of a policy for every column and file of the components and proves what can be proven before
// a row is read: every column is classified, masks accept their columns, results fit, unique keys stay unique, foreign
// keys stay satisfied. It collects all problems: the error's chain holds a *CompileError, an *UnclassifiedError, or both,
// and is permanent. The policy must be valid by itself.
func Compile(policy *api.MaskingPolicy, components []ComponentSchema, deps CompileDeps) (*Program, error) {
	if deps.Epoch == nil {
		return nil, fault.New(fault.Permanent, "mask.compile", "policy %s: no key epoch is given", policy.Name)
	}
	c := newCompiler(policy, deps)
	p, err := c.run(components)
	if err != nil {
		return nil, err
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	for _, component := range p.components {
		component.masked = component.maskedCatalogue()
	}
	p.warnings = c.findings
	statement, err := p.newStatement()
	if err != nil {
		return nil, err
	}
	p.statement = statement
	return p, nil
}

func newCompiler(policy *api.MaskingPolicy, deps CompileDeps) *compiler {
	return &compiler{policy: policy, deps: deps, identities: map[string]*identity{}, used: map[int]bool{}}
}

// run resolves and proves everything. What is wrong is among the compiler's findings afterwards.
func (c *compiler) run(components []ComponentSchema) (*Program, error) {
	p := &Program{policy: c.policy, deps: c.deps, identities: c.identities, components: map[string]*componentProgram{}}
	c.declareIdentities()
	for _, schema := range components {
		if _, twice := p.components[schema.Name]; twice {
			return nil, fault.New(fault.Permanent, "mask.compile", "two components are named %q", schema.Name)
		}
		p.components[schema.Name] = c.component(schema)
	}
	c.unusedRules(components)
	for _, schema := range components {
		c.prove(p.components[schema.Name])
	}
	sortFindings(c.findings)
	return p, nil
}

// Warnings returns what the reader of a report should know though it stops nothing.
func (p *Program) Warnings() []Finding { return slices.Clone(p.warnings) }

// Catalogue returns the component's catalogue as it will be in the masked capture: without files that are left out, and
// with sequences of permuted keys restarted behind the keys' domain. It is the zero Catalogue for an unknown component.
func (p *Program) Catalogue(component string) dataservice.Catalogue {
	if c := p.components[component]; c != nil {
		return c.masked
	}
	return dataservice.Catalogue{}
}

// compiler is the state of one compilation.
type compiler struct {
	policy       *api.MaskingPolicy
	deps         CompileDeps
	identities   map[string]*identity
	findings     []Finding
	unclassified []Unclassified
	used         map[int]bool // indexes of rules that applied somewhere
}

func (c *compiler) add(f Finding) {
	if f.Severity == "" {
		f.Severity = SeverityError
	}
	c.findings = append(c.findings, f)
}

// problem returns what an error says to a finding, with the hint as its fix.
func problem(code, field string, err error) Finding {
	return Finding{Code: code, Field: field, Message: err.Error(), Fix: fault.HintOf(err)}
}

// err returns the errors among the findings and removes nothing: warnings stay for the program.
func (c *compiler) err() error {
	var fatal []Finding
	for _, f := range c.findings {
		if f.Severity == SeverityError {
			fatal = append(fatal, f)
		}
	}
	var errs []error
	if len(fatal) > 0 {
		errs = append(errs, &CompileError{Findings: fatal})
	}
	if len(c.unclassified) > 0 {
		errs = append(errs, &UnclassifiedError{Policy: c.policy.Name, Items: c.unclassified})
	}
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return c.classify(errs[0])
	default:
		return c.classify(errors.Join(errs...))
	}
}

func (c *compiler) classify(err error) error {
	code, hint := "mask.compile", "check the policy with: tranship mask lint"
	if len(c.unclassified) > 0 {
		code, hint = "mask.unclassified", "add a rule for each; the report proposes some"
	}
	return fault.New(fault.Permanent, code, "masking policy %s: %w", c.policy.Name, err).WithHint("%s", hint)
}

func sortFindings(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Component, b.Component), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Field, b.Field), cmp.Compare(a.Code, b.Code))
	})
}

// field returns the path of a part of a rule in the policy.
func field(rule int, parts ...string) string {
	return strings.Join(append([]string{fmt.Sprintf("spec.rules[%d]", rule)}, parts...), ".")
}
