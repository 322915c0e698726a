package deploy

import (
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
)

const repository = "../.."

// services are the targets that a deployment has, beside nats.
var services = []string{"scheduler", "capturer", "masker", "verifier", "transferer", "restorer", "gateway"}

var help = sync.OnceValues(func() (string, error) {
	cmd := exec.Command("go", "run", "./cmd/tranship", "up", "--help")
	cmd.Dir = repository
	out, err := cmd.Output()
	return string(out), err
})

var flagPattern = regexp.MustCompile(`(?m)^\s+(?:-\w, )?--([a-z-]+)`)

// flags are those that "tranship up" takes.
func flags(t *testing.T) map[string]bool {
	t.Helper()
	text, err := help()
	if err != nil {
		t.Fatalf("tranship up --help: %v", err)
	}
	known := map[string]bool{}
	for _, m := range flagPattern.FindAllStringSubmatch(text, -1) {
		known[m[1]] = true
	}
	if !known["target"] || !known["token-file"] {
		t.Fatalf("these are not the flags of tranship up:\n%s", text)
	}
	return known
}

// checkArgs checks that a command line is one of tranship up, and returns its flags.
func checkArgs(t *testing.T, who string, args []string) map[string]string {
	t.Helper()
	known, got := flags(t), map[string]string{}
	if len(args) == 0 || args[0] != "up" {
		t.Errorf("%s runs %q", who, args)
		return got
	}
	for _, a := range args[1:] {
		name, value, ok := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		if !ok || !known[name] {
			t.Errorf("%s: tranship up takes no %s", who, a)
		}
		got[name] = value
	}
	return got
}

// checkEnvironment checks that every TRANSHIP_ variable is that of a flag, and that none holds a secret.
func checkEnvironment(t *testing.T, who string, environment map[string]string) {
	t.Helper()
	known := flags(t)
	for name, value := range environment {
		flag, ok := strings.CutPrefix(name, "TRANSHIP_")
		if ok && !known[strings.ReplaceAll(strings.ToLower(flag), "_", "-")] {
			t.Errorf("%s: %s is the variable of no flag", who, name)
		}
		if secretName.MatchString(name) && !strings.HasPrefix(value, "/") {
			t.Errorf("%s: %s holds a secret in plain text", who, name)
		}
	}
}

// secretName matches variables whose value must be a path at most.
var secretName = regexp.MustCompile(`(?i)(password|secret|token|access_key|dsn|credential)`)
