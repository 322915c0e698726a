package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

type goPackage struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}

func TestLayers(t *testing.T) {
	for _, p := range packages(t) {
		name := local(p.ImportPath)
		for _, r := range Rules() {
			if !r.Applies(name) {
				continue
			}
			for _, i := range p.Imports {
				if r.Forbids(i) {
					t.Errorf("%s imports %s: %s (%s)", name, i, r.Reason, r.Name)
				}
			}
		}
		for _, i := range p.Imports {
			if q := local(i); q != "" && !Ranks(name, q) {
				t.Errorf("%s imports %s: ports import only ports of an earlier rank", name, q)
			}
			if q := local(i); isDriver(name) && isDriver(q) && !under(name, q) {
				t.Errorf("driver %s imports its sibling %s: drivers know their port alone", name, q)
			}
			if q := local(i); isSuite(q) && !isSuite(name) && !strings.HasPrefix(name, "test/") {
				t.Errorf("%s imports the test suite %s outside a test", name, q)
			}
		}
	}
}

// isSuite: a conformance suite, whose package is named for its port and "test".
func isSuite(p string) bool {
	parts := strings.Split(p, "/")
	if len(parts) < 3 || !strings.HasPrefix(p, "internal/") {
		return false
	}
	return strings.HasSuffix(parts[2], "test")
}

// under: a part of the same driver, or a wrapper that a driver's folder holds.
func under(p, q string) bool {
	concept := func(s string) string {
		parts := strings.SplitN(s, "/", 4)
		return strings.Join(parts[:min(3, len(parts))], "/")
	}
	return concept(p) == concept(q)
}

func TestRulesCatchViolations(t *testing.T) {
	cases := []struct{ pkg, imported, rule string }{
		{"pkg/events", module + "internal/saga", "contract"},
		{"internal/blob", "github.com/aws/aws-sdk-go-v2/aws", "ports have no suppliers"},
		{"internal/blob/s3", module + "services/capturer", "drivers keep to themselves"},
		{"services/masker", module + "internal/blob/s3", "services meet on the bus"},
		{"services/masker", module + "services/capturer", "services meet on the bus"},
		{"internal/mask/leak", module + "internal/mask", "the scanner shares no code with the masker"},
		{"services/masker", module + "internal/app", "the root is not imported"},
	}
	for _, c := range cases {
		found := false
		for _, r := range Rules() {
			found = found || (r.Name == c.rule && r.Applies(c.pkg) && r.Forbids(c.imported))
		}
		if !found {
			t.Errorf("no rule %q stops %s from importing %s", c.rule, c.pkg, c.imported)
		}
	}
	if Ranks("internal/blob", "internal/artifact") {
		t.Error("blob may import artifact")
	}
}
