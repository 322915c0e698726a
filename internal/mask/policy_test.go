package mask_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/mask"
)

func TestLintTellsErrorsAndWarnings(t *testing.T) {
	text := strings.Replace(shopPolicy, "expires: 2030-12-31", "expires: 2026-03-20", 1)
	text = strings.Replace(text, "        card: {mask: card}\n", "", 1)
	text = strings.Replace(text, "notes: {mask: text}", "nots: {mask: text}", 1)
	findings, err := mask.Lint(parsePolicy(t, text), []mask.ComponentSchema{{Name: "db", Catalogue: shop()}}, masks(), now)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range findings {
		lines = append(lines, string(f.Severity)+" "+f.Code+" "+f.String())
	}
	golden(t, "lint.txt", strings.Join(lines, "\n")+"\n")
}

func TestProposalIsAPolicyThatLeavesOnlyDecisionsOpen(t *testing.T) {
	components := []mask.ComponentSchema{
		{Name: "db", Catalogue: shop()},
		{Name: "wide", Catalogue: wideTable()},
		{Name: "invoices", Catalogue: dataservice.Catalogue{Engine: "files", Objects: []dataservice.Object{{ID: "2026/1.pdf", Name: "1.pdf", Kind: "file"}}}},
	}
	proposal := mask.Propose(mask.Proposal{Name: "start", KeyFile: "mask-1.key"}, components, masks())
	golden(t, "proposal.yaml", string(proposal))
	policy := parsePolicy(t, strings.Replace(string(proposal), "apiVersion: tranship.io/v1alpha1\n", "", 1))
	_, err := mask.Compile(policy, components, deps())
	var wrong *mask.CompileError
	if errors.As(err, &wrong) {
		t.Errorf("the proposal is refused: %v", wrong)
	}
	if len(mask.UnclassifiedIn(err)) == 0 {
		t.Errorf("nothing is left to decide: %v", err)
	}
}
