// Package archtest holds the rules about which package may import which, and checks them over the source, so that plain
// "go test ./..." fails when a layer is broken. The linter holds the same rules for the editor.
package archtest

import "strings"

const module = "github.com/tranship/tranship/"

// Rule forbids imports to a group of packages.
type Rule struct {
	Name    string
	Applies func(pkg string) bool // pkg is relative to the module
	Forbids func(imported string) bool
	Reason  string
}

// ports are the packages of layer 1 in the order in which they may import one another: a port imports only those of an
// earlier rank.
var ports = map[string]int{
	"internal/fault": 0, "internal/failpoint": 0, "internal/registry": 0, "internal/clock": 0,
	"internal/keyfile": 1, "internal/blob": 2, "internal/api": 2,
	"internal/secret": 3, "internal/artifact": 3,
	"internal/dataservice":          4,
	"internal/dataservice/copytext": 4, "internal/dataservice/tree": 4, // formats, pure
	"internal/mask": 5, "internal/mask/ff1": 4, "internal/mask/permute": 4, "internal/mask/leak": 5,
	"internal/location": 6, "internal/proof": 6, "internal/saga": 6, "internal/bus": 6,
	"internal/stage":  7,
	"internal/client": 8,
}

// sdks are what only drivers may import.
var sdks = []string{
	"github.com/nats-io/", "github.com/aws/", "github.com/jackc/", "k8s.io/", "go.uber.org/zap",
	"github.com/prometheus/", "github.com/spf13/", "github.com/vbauerster/",
}

// Rules returns all rules.
func Rules() []Rule {
	return []Rule{
		{
			Name:    "contract",
			Applies: func(p string) bool { return p == "pkg/events" },
			Forbids: func(i string) bool {
				return local(i) != "" || (strings.Contains(i, ".") && !strings.HasPrefix(i, "github.com/cloudevents/sdk-go/v2/event"))
			},
			Reason: "pkg/events is the public contract: it must be importable without anything of ours or of our suppliers",
		},
		{
			Name:    "ports have no suppliers",
			Applies: func(p string) bool { _, ok := ports[p]; return ok },
			Forbids: func(i string) bool { return hasPrefix(i, sdks) },
			Reason:  "a port that imports a supplier's SDK leaks it into everything above",
		},
		{
			Name:    "drivers keep to themselves",
			Applies: isDriver,
			Forbids: func(i string) bool {
				l := local(i)
				return strings.HasPrefix(l, "services/") || strings.HasPrefix(l, "internal/app") || strings.HasPrefix(l, "cmd/")
			},
			Reason: "a driver knows its port and its SDK; who uses it is none of its business",
		},
		{
			Name:    "services meet on the bus",
			Applies: func(p string) bool { return strings.HasPrefix(p, "services/") },
			Forbids: func(i string) bool {
				l := local(i)
				return strings.HasPrefix(l, "services/") || isDriver(l) || strings.HasPrefix(l, "internal/app") ||
					hasPrefix(i, []string{"github.com/nats-io/", "github.com/aws/", "github.com/jackc/", "k8s.io/"})
			},
			Reason: "services meet only on the bus, and get drivers through ports from the composition root",
		},
		{
			Name:    "the scanner shares no code with the masker",
			Applies: func(p string) bool { return p == "internal/mask/leak" },
			Forbids: func(i string) bool {
				l := local(i)
				return l == "internal/mask" || (strings.HasPrefix(l, "internal/mask/") && l != "internal/mask/leak") || l == "internal/dataservice/copytext"
			},
			Reason: "a mistake that both share is a leak that nobody sees",
		},
		{
			Name: "the root is not imported",
			Applies: func(p string) bool {
				return !strings.HasPrefix(p, "cmd/") && !strings.HasPrefix(p, "internal/app") && !strings.HasPrefix(p, "test/")
			},
			Forbids: func(i string) bool {
				return strings.HasPrefix(local(i), "internal/app") || strings.HasPrefix(local(i), "cmd/")
			},
			Reason: "the composition root knows everything, so nothing may know it",
		},
	}
}

// Ranks reports whether port p may import port q.
func Ranks(p, q string) bool {
	rp, ok := ports[p]
	rq, okq := ports[q]
	return !ok || !okq || rq < rp || sameConcept(p, q)
}

// sameConcept lets a concept's top package and its pure subpackages import one another as Go allows.
func sameConcept(p, q string) bool {
	concept := func(s string) string { return strings.Join(strings.SplitN(s, "/", 3)[:2], "/") }
	return concept(p) == concept(q)
}

// isDriver: a subfolder of a port that is neither a pure part of it, a suite for tests, nor a registry.
func isDriver(p string) bool {
	parts := strings.Split(p, "/")
	if len(parts) < 3 || parts[0] != "internal" {
		return false
	}
	if _, pure := ports[p]; pure {
		return false
	}
	if _, port := ports[parts[0]+"/"+parts[1]]; !port {
		return false
	}
	return !strings.HasSuffix(parts[2], "test") && parts[2] != "all"
}

func local(pkg string) string {
	l, ok := strings.CutPrefix(pkg, module)
	if !ok {
		return ""
	}
	return l
}

func hasPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
