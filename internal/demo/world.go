// Package demo builds a small world on this machine, with real parts: a PostgreSQL server, two S3 stores that stand for two
// clouds, and every service in a process of its own with just the keys that it needs. The demonstration and the end-to-end
// tests live in it.
package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob/s3/s3server"
	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/bus/identity"
	"github.com/tranship/tranship/internal/dataservice/postgres/pgserver"
	"github.com/tranship/tranship/internal/keyfile"
)

// Names of what the world holds.
const (
	Application    = "shop"
	Policy         = "shop-clone"
	MaskingPolicy  = "shop-pii"
	Vault          = "vault"      // raw captures, in the first cloud
	Masked         = "masked"     // masked captures, in the first cloud
	TestCloud      = "test-cloud" // masked captures, in the second cloud
	SourceDatabase = "shop"       //
	TargetDatabase = "shop_clone" //
	hub            = "hub"        // NATS, scheduler and gateway in one process
	grace          = 20 * time.Second
)

// Config says what the world is made of.
type Config struct {
	Binary    string // the program
	Dir       string // everything lies below it
	Versitygw string // the S3 server's program; found by itself when empty
	Maskers   int    // processes; 0: 2
	// Workers is how many goroutines work on a task; 0: the program's default.
	Workers int
	// Masking is the MaskingPolicy's YAML document.
	Masking string
	// Say is told what happens, a line at a time. Optional.
	Say func(format string, args ...any)
}

// World is what runs. Close stops it.
type World struct {
	Dir       string
	Postgres  *pgserver.Server
	Clouds    [2]*s3server.Server
	Processes []*Process
	Server    string // URL of the gateway
	TokenFile string
	Resources string // YAML of everything that is applied
	Invoices  string // directory of the application's files
	Restored  string // directory that they are restored to

	cfg     Config
	nats    string
	publics map[string]string // by location or role
}

// New starts the servers and the services. What was started is stopped when it fails.
func New(ctx context.Context, cfg Config) (_ *World, err error) {
	if cfg.Maskers == 0 {
		cfg.Maskers = 2
	}
	if cfg.Say == nil {
		cfg.Say = func(string, ...any) {}
	}
	w := &World{Dir: cfg.Dir, cfg: cfg, publics: map[string]string{}, Invoices: filepath.Join(cfg.Dir, "shop", "invoices"), Restored: filepath.Join(cfg.Dir, "clone", "invoices")}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	for _, dir := range []string{cfg.Dir, w.secrets("all"), filepath.Join(cfg.Dir, "logs"), filepath.Dir(w.Restored)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the directories: %w", err)
		}
	}
	cfg.Say("starting PostgreSQL")
	// Volatile: what the servers hold was made for this and can be made again.
	if w.Postgres, err = pgserver.Start(ctx, pgserver.Config{Volatile: true, Settings: map[string]string{
		"max_wal_size": "4GB", "checkpoint_timeout": "30min", "maintenance_work_mem": "256MB", "shared_buffers": "256MB",
	}}); err != nil {
		return nil, err
	}
	if err := w.startClouds(ctx); err != nil {
		return nil, err
	}
	if err := w.makeKeys(); err != nil {
		return nil, err
	}
	w.Resources = w.resources()
	if err := os.WriteFile(filepath.Join(cfg.Dir, "tranship.yaml"), []byte(w.Resources), 0o600); err != nil {
		return nil, err
	}
	return w, w.startServices(ctx)
}

func (w *World) startClouds(ctx context.Context) error {
	path := w.cfg.Versitygw
	if path == "" {
		var err error
		if path, err = findVersitygw(w.cfg.Binary); err != nil {
			return err
		}
	}
	for i, buckets := range [][]string{{Vault, Masked}, {TestCloud}} {
		w.cfg.Say("starting S3 store %d of 2", i+1)
		cloud, err := s3server.Start(ctx, s3server.Config{Binary: path, Dir: filepath.Join(w.Dir, fmt.Sprintf("cloud-%d", i+1))})
		if err != nil {
			return err
		}
		w.Clouds[i] = cloud
		for _, b := range buckets {
			if err := cloud.CreateBucket(ctx, b, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// findVersitygw looks beside the program and in the source tree.
func findVersitygw(binary string) (string, error) {
	for _, dir := range []string{".", filepath.Dir(binary)} {
		if path, err := s3server.Find(dir); err == nil {
			return path, nil
		}
	}
	return s3server.Find(".")
}

// cloudOf returns the store that holds a location.
func (w *World) cloudOf(location string) *s3server.Server {
	if location == TestCloud {
		return w.Clouds[1]
	}
	return w.Clouds[0]
}

// secrets is the directory of what one service may know; "all" holds everything and is no service's.
func (w *World) secrets(service string) string { return filepath.Join(w.Dir, "secrets", service) }

// makeKeys makes all keys in one place and hands each service what it needs.
func (w *World) makeKeys() error {
	all := w.secrets("all")
	for _, role := range []artifact.Role{artifact.Capturer, artifact.Masker, artifact.Verifier, artifact.Transferer, artifact.Restorer} {
		key := keyfile.GenerateSigning()
		w.publics[string(role)] = key.Public().String()
		if err := keyfile.Write(filepath.Join(all, string(role)+".signing.key"), key); err != nil {
			return err
		}
	}
	for _, location := range []string{Vault, Masked, TestCloud} {
		key, err := keyfile.GenerateLocation()
		if err != nil {
			return err
		}
		w.publics[location] = key.Public().String()
		cloud := w.cloudOf(location)
		err = errors.Join(
			keyfile.Write(filepath.Join(all, location+".key"), key),
			keyfile.Write(filepath.Join(all, location+".writer.key"), keyfile.GenerateWriter()),
			os.WriteFile(filepath.Join(all, location+".s3.id"), []byte(cloud.AccessKeyID), 0o600),
			os.WriteFile(filepath.Join(all, location+".s3.secret"), []byte(cloud.SecretAccessKey.Reveal()), 0o600),
		)
		if err != nil {
			return err
		}
	}
	for _, service := range bus.Services() {
		if _, err := identity.LoadOrCreate(all, service); err != nil {
			return err
		}
	}
	err := errors.Join(
		keyfile.Write(filepath.Join(all, "mask-1.key"), keyfile.GenerateMasking()),
		os.WriteFile(filepath.Join(all, "source.dsn"), []byte(w.Postgres.DSN(SourceDatabase)), 0o600),
		os.WriteFile(filepath.Join(all, "target.dsn"), []byte(w.Postgres.DSN(TargetDatabase)), 0o600),
	)
	if err != nil {
		return err
	}
	for service, files := range needs() {
		if err := w.hand(service, files); err != nil {
			return fmt.Errorf("hand out the keys of %s: %w", service, err)
		}
	}
	return nil
}

// needs lists the files that each service gets, besides its own keys: nothing that opens raw captures leaves the first
// cloud, and no writer can read.
func needs() map[string][]string {
	s3 := func(locations ...string) []string {
		var files []string
		for _, l := range locations {
			files = append(files, l+".s3.id", l+".s3.secret")
		}
		return files
	}
	return map[string][]string{
		bus.ServiceCapturer:   append(s3(Vault), "capturer.signing.key", Vault+".writer.key", "source.dsn"),
		bus.ServiceMasker:     append(s3(Vault, Masked), "masker.signing.key", Vault+".key", Masked+".writer.key", "mask-1.key"),
		bus.ServiceVerifier:   append(s3(Vault, Masked), "verifier.signing.key", Vault+".key", Masked+".key"),
		bus.ServiceTransferer: append(s3(Masked, TestCloud), "transferer.signing.key", Masked+".key", TestCloud+".writer.key"),
		bus.ServiceRestorer:   append(s3(TestCloud), "restorer.signing.key", TestCloud+".key", "target.dsn"),
		hub:                   append(s3(Vault, Masked, TestCloud), nkeys(bus.Services()...)...),
	}
}

func nkeys(services ...string) []string {
	files := make([]string, len(services))
	for i, s := range services {
		files[i] = s + ".nk"
	}
	return files
}

func (w *World) hand(service string, files []string) error {
	dir := w.secrets(service)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if slices.Contains(bus.Services(), service) {
		files = append(files, nkeys(service)...)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(w.secrets("all"), f))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, f), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// startServices starts the hub, then the workers, each in a process of its own.
func (w *World) startServices(ctx context.Context) error {
	nats, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	api, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	w.nats, w.Server, w.TokenFile = "nats://"+nats, "http://"+api, filepath.Join(w.Dir, "state", "token")
	w.cfg.Say("starting NATS, scheduler and gateway")
	err = w.start(ctx, hub, hub, "--target=nats,scheduler,gateway", "--nats-listen="+nats, "--listen="+api, "--accept=raw,masked", "--token-file="+w.TokenFile)
	if err != nil {
		return err
	}
	type worker struct{ name, service, accept string }
	workers := []worker{{"capturer", bus.ServiceCapturer, "raw"}}
	for i := range w.cfg.Maskers {
		workers = append(workers, worker{fmt.Sprintf("masker-%d", i+1), bus.ServiceMasker, "raw,masked"})
	}
	workers = append(workers,
		worker{"verifier", bus.ServiceVerifier, "raw,masked"},
		worker{"transferer", bus.ServiceTransferer, "masked"},
		worker{"restorer", bus.ServiceRestorer, "masked"})
	for _, x := range workers {
		w.cfg.Say("starting %s", x.name)
		if err := w.start(ctx, x.name, x.service, "--target="+x.service, "--nats="+w.nats, "--accept="+x.accept); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) start(ctx context.Context, name, service string, args ...string) error {
	args = append([]string{"up", "--state-dir=" + filepath.Join(w.Dir, "state"), "--secrets-dir=" + w.secrets(service), "--log-format=json", "--slots=1"}, args...)
	if w.cfg.Workers > 0 {
		args = append(args, fmt.Sprintf("--workers=%d", w.cfg.Workers))
	}
	p := &Process{Name: name, bin: w.cfg.Binary, args: args, log: filepath.Join(w.Dir, "logs", name+".log")}
	w.Processes = append(w.Processes, p)
	return p.Start(ctx)
}

// Process returns the process of that name, or nil.
func (w *World) Process(name string) *Process {
	i := slices.IndexFunc(w.Processes, func(p *Process) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return w.Processes[i]
}

// Close stops services and servers. It is safe to call on a world that did not start.
func (w *World) Close() {
	for _, p := range slices.Backward(w.Processes) {
		p.Stop(grace)
	}
	for _, c := range w.Clouds {
		if c != nil {
			_ = c.Close()
		}
	}
	if w.Postgres != nil {
		w.Postgres.Stop()
	}
}

func freeAddress(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// resources writes everything that is applied.
func (w *World) resources() string {
	docs := []string{w.location(Vault, "raw", "eu-central-1"), w.location(Masked, "masked", "eu-central-1"), w.location(TestCloud, "masked", "eu-west-1"),
		fmt.Sprintf(`apiVersion: tranship.io/v1alpha1
kind: Application
metadata: {name: %s}
spec:
  components:
    - {name: db, postgres: {dsn: {fromFile: source.dsn}}}
    - {name: invoices, files: {path: %q}}`, Application, w.Invoices),
		strings.TrimSpace(w.cfg.Masking),
		fmt.Sprintf(`apiVersion: tranship.io/v1alpha1
kind: Policy
metadata: {name: %s}
spec:
  applications: {names: [%s]}
  steps:
    - capture: {to: %s}
    - mask: {policy: %s, to: %s}
    - transfer: {to: %s}
    - restore:
        to:
          accepts: masked
          components:
            - {name: db, postgres: {dsn: {fromFile: target.dsn}}}
            - {name: invoices, files: {path: %q}}
    - verify: {checks: [rows, files]}`, Policy, Application, Vault, MaskingPolicy, Masked, TestCloud, w.Restored)}
	return strings.Join(docs, "\n---\n") + "\n"
}

func (w *World) location(name, trust, region string) string {
	var signers strings.Builder
	for _, role := range []string{"capturer", "masker", "verifier", "transferer", "restorer"} {
		fmt.Fprintf(&signers, "\n    - {role: %s, publicKey: %s}", role, w.publics[role])
	}
	cloud := w.cloudOf(name)
	return fmt.Sprintf(`apiVersion: tranship.io/v1alpha1
kind: Location
metadata: {name: %[1]s}
spec:
  trust: %[2]s
  region: %[3]s
  s3:
    bucket: %[1]s
    endpoint: %[4]s
    region: %[5]s
    pathStyle: true
    credentials: {accessKeyID: {fromFile: %[1]s.s3.id}, secretAccessKey: {fromFile: %[1]s.s3.secret}}
  encryption: {publicKey: %[6]s, privateKey: {fromFile: %[1]s.key}, writerKey: {fromFile: %[1]s.writer.key}}
  signers:%[7]s`, name, trust, region, cloud.Endpoint, cloud.Region, w.publics[name], signers.String())
}
