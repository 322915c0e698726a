package app

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/registry"
	"github.com/tranship/tranship/pkg/events"
)

// The targets: parts of the program that can run in processes of their own. TargetNATS is the embedded server with a
// listener, the others are the services of package bus.
const (
	TargetAll  = "all"
	TargetNATS = "nats"
)

// Targets lists every target but TargetAll.
func Targets() []string { return append([]string{TargetNATS}, bus.Services()...) }

// Config says which targets run and with what.
type Config struct {
	Targets []string // of Targets(), or TargetAll alone
	Cluster string   // near which the workers work; empty: events.LocalCluster
	Version string

	StateDir   string // of the embedded server, and of the gateway's token
	KeysDir    string // keys of services: NAME.nk and ROLE.signing.key
	SecretsDir string // where secret references with fromFile lead

	NATSURL    string   // of the server to connect to; empty: the embedded one of this process
	NATSCAs    []string // PEM files of authorities to trust for NATSURL, besides the system's
	NATSListen string   // of the embedded server, when TargetNATS runs; host:port
	HTTPListen string   // of the gateway; host:port
	Hosts      []string // names under which the gateway may be asked, besides the loopback's; "*": any
	OpsListen  string   // of health and metrics; host:port; empty: none
	TokenFile  string   // of the gateway

	Accept  []api.Trust // of the locations that workers may open
	Slots   int         // tasks of a stage in work at once in this process
	Workers int         // goroutines within a task
}

func (c *Config) withDefaults() error {
	if slices.Equal(c.Targets, []string{TargetAll}) || len(c.Targets) == 0 {
		c.Targets = Targets()
		if c.NATSURL != "" {
			c.Targets = bus.Services()
		}
	}
	for i, t := range c.Targets {
		if !slices.Contains(Targets(), t) {
			err := fault.New(fault.Permanent, "config.target", "target[%d]: there is no target %q", i, t)
			if near := registry.Nearest(t, Targets()); near != "" {
				return err.WithHint("did you mean %q?", near)
			}
			return err.WithHint("the targets are %s, %s", TargetAll, strings.Join(Targets(), ", "))
		}
	}
	if !c.runs(TargetNATS) && c.NATSURL == "" {
		return fault.New(fault.Permanent, "config.nats", "no NATS server: these targets meet others on one").
			WithHint("name it with --nats, or run the target nats in this process too")
	}
	if c.runs(TargetNATS) && c.NATSURL != "" {
		return fault.New(fault.Permanent, "config.nats", "two NATS servers: the target nats runs one, and --nats names another")
	}
	if c.runs(bus.ServiceGateway) {
		if err := loopback(c.HTTPListen); err != nil {
			return err
		}
	}
	if c.Cluster == "" {
		c.Cluster = events.LocalCluster
	}
	c.Slots, c.Workers = max(1, c.Slots), max(1, c.Workers)
	return nil
}

// loopback checks that the address can be read. Listening on more than the loopback is the operator's explicit choice.
func loopback(listen string) error {
	if _, _, err := net.SplitHostPort(listen); err != nil {
		return fault.New(fault.Permanent, "config.listen", "listen address: %w", err)
	}
	return nil
}

func (c *Config) runs(target string) bool { return slices.Contains(c.Targets, target) }

// single reports whether everything runs in this process, so that nobody else needs to reach the bus.
func (c *Config) single() bool { return c.runs(TargetNATS) && len(c.Targets) == len(Targets()) }

// clusters are those near which workers can be reached: the local one, where all steps are done but captures of applications
// elsewhere, and this program's.
func (c *Config) clusters() []string {
	if c.Cluster == events.LocalCluster {
		return []string{c.Cluster}
	}
	return []string{events.LocalCluster, c.Cluster}
}

func (c *Config) String() string { return fmt.Sprintf("targets %s", strings.Join(c.Targets, ", ")) }
