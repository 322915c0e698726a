package deploy

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

const drain = 25 * time.Second // that services take to hand their work back

func project(t *testing.T) *types.Project {
	t.Helper()
	file := filepath.Join(repository, "docker-compose.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir: repository, ConfigFiles: []types.ConfigFile{{Filename: file, Content: text}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestComposeRunsEveryService(t *testing.T) {
	p := project(t)
	for _, name := range append([]string{"nats"}, services...) {
		s, ok := p.Services[name]
		if !ok {
			t.Errorf("there is no service %s", name)
			continue
		}
		if got := checkArgs(t, name, s.Command)["target"]; got != name {
			t.Errorf("%s runs the target %q", name, got)
		}
		if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < 2*drain {
			t.Errorf("%s is killed before it could hand its work back", name)
		}
		if !s.ReadOnly || len(s.CapDrop) != 1 || s.CapDrop[0] != "ALL" || s.User == "0" {
			t.Errorf("%s may do more than it needs", name)
		}
		if name != "nats" && s.DependsOn["nats"].Condition != types.ServiceConditionHealthy {
			t.Errorf("%s does not wait for nats", name)
		}
		if name != "nats" && *s.Environment["TRANSHIP_NATS"] != "nats://nats:4222" {
			t.Errorf("%s does not use the bus", name)
		}
	}
}

func TestComposeServicesAreWatched(t *testing.T) {
	for name, s := range project(t).Services {
		if name == "keys" {
			continue // runs once
		}
		if s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) < 2 {
			t.Errorf("%s has no health check", name)
		}
		if s.Environment["TRANSHIP_OPS_LISTEN"] != nil && !strings.HasSuffix(s.HealthCheck.Test[len(s.HealthCheck.Test)-1], *s.Environment["TRANSHIP_OPS_LISTEN"]+"/readyz") {
			t.Errorf("%s is asked at %s and answers at %s", name, s.HealthCheck.Test, *s.Environment["TRANSHIP_OPS_LISTEN"])
		}
		if s.Build == nil && (!strings.Contains(s.Image, ":") || strings.HasSuffix(s.Image, ":latest")) {
			t.Errorf("%s runs whatever %s is today", name, s.Image)
		}
	}
}

func TestComposeOpensTheGatewayOnTheLoopbackAndNothingElse(t *testing.T) {
	p := project(t)
	for name, s := range p.Services {
		for _, port := range s.Ports {
			if ip, err := netip.ParseAddr(port.HostIP); name != "gateway" || err != nil || !ip.IsLoopback() {
				t.Errorf("%s opens %s:%s", name, port.HostIP, port.Published)
			}
		}
		for network := range s.Networks {
			if !p.Networks[network].Internal && name != "gateway" {
				t.Errorf("%s can reach the world by %s", name, network)
			}
		}
	}
	if len(p.Services["gateway"].Ports) != 1 {
		t.Error("the gateway cannot be reached")
	}
}

func TestComposeHoldsNoSecrets(t *testing.T) {
	for name, s := range project(t).Services {
		environment := map[string]string{}
		for k, v := range s.Environment {
			if v != nil {
				environment[k] = *v
			}
		}
		checkEnvironment(t, name, environment)
	}
}

// Every container mounts the volume of its own keys, and all of them but the one that makes keys read only.
func TestComposeContainersSeeTheirOwnKeysOnly(t *testing.T) {
	p := project(t)
	made := map[string]bool{}
	for _, v := range p.Services["keys"].Volumes {
		made[v.Source] = true
	}
	for name, s := range p.Services {
		if name == "keys" {
			continue
		}
		own := 0
		for _, v := range s.Volumes {
			if !made[v.Source] {
				continue
			}
			own++
			if v.Source != "keys-"+name || !v.ReadOnly {
				t.Errorf("%s mounts %s, read only: %t", name, v.Source, v.ReadOnly)
			}
		}
		if own != 1 {
			t.Errorf("%s mounts %d volumes of keys", name, own)
		}
	}
}

// The script runs with the program of this repository. Who must not read raw captures gets no key that opens them.
func TestComposeKeysGoWhereTheyBelong(t *testing.T) {
	root := t.TempDir()
	for _, v := range project(t).Services["keys"].Volumes {
		if err := os.Mkdir(filepath.Join(root, filepath.Base(v.Target)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./cmd/tranship")
	build.Dir = repository
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for range 2 { // the second time it changes nothing
		cmd := exec.Command("sh", filepath.Join(repository, "deploy", "compose", "keys.sh"))
		cmd.Env = append(os.Environ(), "KEYS_ROOT="+root, "PATH="+bin+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for _, name := range services {
		files, err := os.ReadDir(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		has := map[string]bool{}
		for _, f := range files {
			has[f.Name()] = true
			if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s of %s: mode %v, %v", f.Name(), name, info.Mode(), err)
			}
			if strings.HasSuffix(f.Name(), ".nk") && f.Name() != name+".nk" {
				t.Errorf("%s holds %s", name, f.Name())
			}
			if strings.HasSuffix(f.Name(), ".signing.key") && f.Name() != name+".signing.key" {
				t.Errorf("%s holds %s", name, f.Name())
			}
		}
		if !has[name+".nk"] {
			t.Errorf("%s cannot connect", name)
		}
		for key, holders := range map[string][]string{
			"vault.key": {"masker", "verifier"}, "vault.writer.key": {"capturer"},
			"masked.key": {"verifier", "transferer"}, "masked.writer.key": {"masker"},
			"cloud.key": {"restorer"}, "cloud.writer.key": {"transferer"}, "mask-1.key": {"masker"},
		} {
			if has[key] != slices.Contains(holders, name) {
				t.Errorf("%s holds %s: %t, want it for %q", name, key, has[key], holders)
			}
		}
		if name == "scheduler" && len(has) != 1 {
			t.Errorf("the scheduler holds %v", has)
		}
	}
}
