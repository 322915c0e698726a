package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commands returns every command below cmd as the words that call it.
func commands(cmd *cobra.Command, words []string) [][]string {
	var all [][]string
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		path := append(append([]string{}, words...), c.Name())
		all = append(all, path)
		all = append(all, commands(c, path)...)
	}
	return all
}

// serverCommands run services; what they say follows from the machine and the targets, and their own tests look at it.
var serverCommands = map[string]bool{"up": true, "demo": true}

func TestHelpOfEveryCommand(t *testing.T) {
	for _, words := range commands((&Main{}).newRootCommand(), nil) {
		if serverCommands[words[0]] {
			continue
		}
		t.Run(strings.Join(words, "_"), func(t *testing.T) {
			r := tranship(t, append(words, "--help")...)
			if r.code != exitCompleted || r.stderr != "" {
				t.Fatalf("help failed:\n%s", r.text())
			}
			golden(t, "help/"+strings.Join(words, "_"), r.stdout)
		})
	}
}

func TestHelpNamesEveryCommandAndExitCode(t *testing.T) {
	r := tranship(t)
	if r.code != exitCompleted {
		t.Fatalf("no words should print the help:\n%s", r.text())
	}
	for _, words := range commands((&Main{}).newRootCommand(), nil) {
		contains(t, r.stdout, "\n  "+words[0]+" ")
	}
	contains(t, r.stdout, "0 completed", "1 failed", "2 wrong use", "3 the run was canceled", "4 timed out")
}

func TestEveryFlagCanBeSetInTheEnvironment(t *testing.T) {
	r := do(t, call{args: []string{"version"}, env: []string{"TRANSHIP_OUTPUT=json"}})
	contains(t, r.stdout, `"apiVersion": "tranship.io/v1alpha1"`)

	r = do(t, call{args: []string{"version", "-o", "table"}, env: []string{"TRANSHIP_OUTPUT=json"}})
	if strings.Contains(r.stdout, "{") {
		t.Errorf("the command line should win:\n%s", r.text())
	}

	r = do(t, call{args: []string{"version"}, env: []string{"TRANSHIP_OUTPUT=s3cret"}})
	if r.code != exitMisuse || strings.Contains(r.stderr, "s3cret") {
		t.Errorf("a bad variable is wrong use, and is not repeated:\n%s", r.text())
	}
	contains(t, r.stderr, "TRANSHIP_OUTPUT", "--output")

	r = do(t, call{args: []string{"capture", "shop"}, env: []string{"TRANSHIP_TO=Not-A-Label"}})
	contains(t, r.stderr, "spec.steps[0].capture.to")
}

func TestTyposAreAnsweredWithSuggestions(t *testing.T) {
	for _, c := range []struct {
		words string
		want  string
	}{
		{"aply", `did you mean "apply"?`},
		{"aply -f x.yaml", `did you mean "apply"?`},
		{"runs shwo x", `did you mean "show"?`},
		{"keys generate --locaton x", "did you mean --location?"},
		{"version --outptu json", "did you mean --output?"},
		{"version -o jsno", `did you mean "json"?`},
		{"get polices", `did you mean "policies"?`},
		{"get runs", "tranship runs --help"},
		{"keys generate --signer capturrer", `did you mean "capturer"?`},
		{"runs", "tranship runs needs a command"},
	} {
		t.Run(c.words, func(t *testing.T) {
			r := tranship(t, strings.Fields(c.words)...)
			if r.code != exitMisuse || r.stdout != "" {
				t.Errorf("want exit code 2 and nothing on stdout:\n%s", r.text())
			}
			contains(t, r.stderr, c.want)
		})
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		r := tranship(t, "completion", shell)
		if r.code != exitCompleted {
			t.Errorf("%s:\n%s", shell, r.stderr)
		}
		contains(t, r.stdout, "tranship")
	}
	r := tranship(t, "__complete", "get", "")
	contains(t, r.stdout, "location\n", "policy\n")
}
