package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
)

const applicationText = `apiVersion: tranship.io/v1alpha1
kind: Application
metadata: {name: shop}
spec:
  components:
    - {name: invoices, files: {path: ./invoices}}
`

const policyText = `apiVersion: tranship.io/v1alpha1
kind: Policy
metadata: {name: nightly, labels: {team: shop}}
spec:
  applications: {names: [shop]}
  schedule: {cron: "0 2 * * *"}
  steps:
    - capture: {to: vault}
`

// decoded reads resources as the server would hold them.
func decoded(t *testing.T, text string) []api.Resource {
	t.Helper()
	list, err := api.Decode(strings.NewReader(text), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		r.Meta().CreatedAt, r.Meta().ResourceVersion = now.Add(-72*time.Hour), "12"
	}
	return list
}

func TestGetInEveryFormat(t *testing.T) {
	g := newGateway(t)
	g.resources = append(decoded(t, policyText), decoded(t, applicationText)...)
	for _, format := range formats {
		r := g.do(t, "get", "policies", "-o", format)
		golden(t, "get_policies_"+format, r.text())
		r = g.do(t, "get", "pol", "nightly", "-o", format)
		golden(t, "get_policy_"+format, r.text())
	}
	golden(t, "get_all", g.do(t, "get", "all").text())
	golden(t, "get_none", g.do(t, "get", "locations").text())
	golden(t, "get_none_json", g.do(t, "get", "locations", "-o", "json").text())
	golden(t, "get_missing", g.do(t, "get", "policy", "nihgtly").text())
	golden(t, "describe_application", g.do(t, "describe", "app", "shop").text())
}

func TestWhatGetPrintsCanBeApplied(t *testing.T) {
	g := newGateway(t)
	g.resources = append(decoded(t, policyText), decoded(t, applicationText)...)
	printed := g.do(t, "get", "all", "-o", "yaml")
	r := g.call(t, call{args: []string{"apply", "-f", "-"}, stdin: printed.stdout})
	if r.code != exitCompleted || r.stdout != "application/shop created\npolicy/nightly created\n" {
		t.Errorf("unexpected:\n%s", r.text())
	}
}

func TestTablesAreCutToTheTerminal(t *testing.T) {
	g := newGateway(t)
	g.resources = decoded(t, strings.Replace(applicationText, "./invoices}}", "./invoices}}\n    - {name: a-component-with-a-rather-long-name, files: {path: ./x}}", 1))
	r := g.call(t, call{args: []string{"get", "applications"}, env: []string{"COLUMNS=30"}})
	if want := "NAME  ABOUT                AGE\nshop  invoices (files), …  3d\n"; r.stdout != want {
		t.Errorf("got:\n%swant:\n%s", r.stdout, want)
	}
	for line := range strings.Lines(r.stdout) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 30 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestApplyTellsFileLineAndPathOfEveryProblem(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	writeFile(t, dir, "a.yaml", strings.Replace(applicationText, "files:", "flies:", 1))
	writeFile(t, dir, "b.yaml", strings.Replace(policyText, "capture: {to: vault}", "capture: {to: Vault}", 1))
	r := newGateway(t).do(t, "apply", "-f", "a.yaml", "-f", "b.yaml")
	golden(t, "apply_invalid", r.text())
}

func TestApplyPlacesWhatTheServerFinds(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	writeFile(t, dir, "a.yaml", applicationText)
	writeFile(t, dir, "b.yaml", policyText)
	g := newGateway(t)
	// The server counts the lines of the whole text: those of a.yaml, the separator, and of b.yaml up to its eighth.
	line := strings.Count(applicationText+separator, "\n") + 8
	g.problem = &client.Problem{Class: fault.Permanent, Code: "resource.invalid", Message: "the resources are not valid", Fields: api.FieldErrors{
		{Line: line, Resource: "Policy/nightly", Path: "spec.steps[0].capture.to", Message: "there is no such Location in the tenant", Suggestion: "vaults"},
	}}
	r := g.do(t, "apply", "-f", ".")
	golden(t, "apply_refused", r.text())
	sent := g.last(t, "POST", "/v1/resources").body
	if got := strings.Split(string(sent), "\n")[line-1]; got != "    - capture: {to: vault}" {
		t.Errorf("line %d of what was sent is %q", line, got)
	}
}

func TestApplyDryRunAsksTheServerAndSaysSo(t *testing.T) {
	g := newGateway(t)
	r := g.call(t, call{args: []string{"apply", "-f", "-", "--dry-run", "--tenant", "blue"}, stdin: policyText})
	if r.code != exitCompleted || r.stdout != "policy/nightly created (dry run)\n" {
		t.Errorf("unexpected:\n%s", r.text())
	}
	if a := g.last(t, "POST", "/v1/resources"); a.query != "dryRun=true" || a.tenant != "blue" {
		t.Errorf("asked %+v", a)
	}
}

func TestDeleteByFileStartsWithWhatNamesOthers(t *testing.T) {
	g := newGateway(t)
	path := writeFile(t, t.TempDir(), "all.yaml", applicationText+"---\n"+policyText)
	r := g.do(t, "delete", "-f", path)
	if r.code != exitCompleted || r.stderr != "policy/nightly deleted\napplication/shop deleted\n" {
		t.Errorf("unexpected:\n%s", r.text())
	}
	if r := g.do(t, "delete", "-f", path, "policy", "x"); r.code != exitMisuse {
		t.Errorf("file and words together should be refused:\n%s", r.text())
	}
}

func TestDeleteGoesOnBehindAProblem(t *testing.T) {
	g := newGateway(t)
	g.problem = &client.Problem{Class: fault.Conflict, Code: "resource.used", Message: "policy nightly names it", Hint: "delete that first, or use --force"}
	r := g.do(t, "delete", "location", "vault", "masked")
	golden(t, "delete_used", r.text())
}

func TestExitCodesOfWrongUse(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.yaml")
	empty := writeFile(t, dir, "empty.yaml", "# nothing\n")
	g := newGateway(t)
	for name, args := range map[string][]string{
		"missing file":       {"apply", "-f", missing},
		"file without any":   {"apply", "-f", empty},
		"required flag":      {"apply"},
		"empty directory":    {"apply", "-f", t.TempDir()},
		"too few words":      {"describe", "policy"},
		"too many words":     {"get", "policy", "a", "b"},
		"bad parameter":      {"run", "nightly", "--param", "x"},
		"parameter twice":    {"run", "nightly", "--param", "x=1", "--param", "x=2"},
		"bad server address": {"get", "policies", "--server", "nonsense"},
		"missing token file": {"get", "policies", "--token-file", missing},
		"limit out of range": {"runs", "ls", "--limit", "0"},
		"bad duration":       {"run", "nightly", "--timeout", "soon"},
	} {
		t.Run(name, func(t *testing.T) {
			r := g.do(t, args...)
			if r.code != exitMisuse || r.stdout != "" || !strings.HasPrefix(r.stderr, "Error: ") {
				t.Errorf("want exit code 2 and an error:\n%s", r.text())
			}
		})
	}
}

func TestServerProblemsAreTold(t *testing.T) {
	g := newGateway(t)
	r := do(t, call{args: []string{"get", "policies", "--server", g.url}, env: []string{"TRANSHIP_TOKEN=another"}})
	if r.code != exitFailed {
		t.Errorf("want exit code 1:\n%s", r.text())
	}
	contains(t, r.stderr, "Error: listing resources of kind Policy", "because the token is not the server's", "hint: ")

	r = do(t, call{args: []string{"get", "policies"}, env: []string{"XDG_STATE_HOME=" + t.TempDir()}})
	contains(t, r.stderr, "there is no token for the server", `hint: start the server with "tranship up"`)
}
