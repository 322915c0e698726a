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

	"golang.org/x/sync/errgroup"

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
	hub            = "hub"        // NATS and gateway in one process
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
	// NoFiles leaves the directory of invoices out.
	NoFiles bool
	// Raw lets the restorer have raw captures, as for a migration: it gets the vault's key and accepts them.
	Raw bool
	// Lanes are further ways through the same stages: each has locations of its own, which Lane describes, and a database
	// to restore to, which the reference fromFile: NAME.dsn leads to.
	Lanes []string
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

// locations are those of the world's policy.
var locations = []string{Vault, Masked, TestCloud}

// beside returns the names of the locations of the lanes that stand beside one of the policy's.
func (w *World) beside(location string) []string {
	names := make([]string, len(w.cfg.Lanes))
	for i, lane := range w.cfg.Lanes {
		names[i] = location + "-" + lane
	}
	return names
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
	for _, location := range locations {
		for _, name := range append([]string{location}, w.beside(location)...) {
			key, err := keyfile.GenerateLocation()
			if err != nil {
				return err
			}
			w.publics[name] = key.Public().String()
			if err := keyfile.Write(filepath.Join(all, name+".key"), key); err != nil {
				return err
			}
		}
		cloud := w.cloudOf(location)
		err := errors.Join(
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
	for _, lane := range w.cfg.Lanes {
		if err := os.WriteFile(filepath.Join(all, lane+".dsn"), []byte(w.Postgres.DSN(lane)), 0o600); err != nil {
			return err
		}
	}
	for service, files := range w.needs() {
		if err := w.hand(service, files); err != nil {
			return fmt.Errorf("hand out the keys of %s: %w", service, err)
		}
	}
	return nil
}

// needs lists the files that each service gets, besides its own keys: nothing that opens raw captures leaves the first
// cloud, and no writer can read.
func (w *World) needs() map[string][]string {
	s3 := func(locations ...string) []string {
		var files []string
		for _, l := range locations {
			files = append(files, l+".s3.id", l+".s3.secret")
		}
		return files
	}
	private := func(location string) []string {
		files := []string{location + ".key"}
		for _, name := range w.beside(location) {
			files = append(files, name+".key")
		}
		return files
	}
	restorer := slices.Concat(s3(TestCloud), private(TestCloud), []string{"restorer.signing.key", "target.dsn"})
	for _, lane := range w.cfg.Lanes {
		restorer = append(restorer, lane+".dsn")
	}
	if w.cfg.Raw {
		restorer = slices.Concat(restorer, s3(Vault), private(Vault))
	}
	return map[string][]string{
		bus.ServiceScheduler:  nil,
		bus.ServiceCapturer:   append(s3(Vault), "capturer.signing.key", Vault+".writer.key", "source.dsn"),
		bus.ServiceMasker:     slices.Concat(s3(Vault, Masked), private(Vault), []string{"masker.signing.key", Masked + ".writer.key", "mask-1.key"}),
		bus.ServiceVerifier:   slices.Concat(s3(Vault, Masked), private(Vault), private(Masked), []string{"verifier.signing.key"}),
		bus.ServiceTransferer: slices.Concat(s3(Masked, TestCloud), private(Masked), []string{"transferer.signing.key", TestCloud + ".writer.key"}),
		bus.ServiceRestorer:   restorer,
		hub:                   append(s3(Vault, Masked, TestCloud), serverKeys()...),
	}
}

// serverKeys are the public halves of every service's key, which the NATS server is to let in, and the keys of those that
// run beside it.
func serverKeys() []string {
	files := nkeys(bus.ServiceScheduler, bus.ServiceGateway)
	for _, service := range bus.Services() {
		files = append(files, service+".nk.pub")
	}
	return files
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

// startServices starts the hub and the scheduler, then the workers, each in a process of its own.
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
	w.cfg.Say("starting NATS, gateway and scheduler")
	// The gateway is up only when the scheduler has made the streams, so the two start at once.
	g, gctx := errgroup.WithContext(ctx)
	g.Go(w.starter(gctx, hub, hub, "--target=nats,gateway", "--nats-listen="+nats, "--listen="+api, "--accept=raw,masked", "--token-file="+w.TokenFile))
	g.Go(w.starter(gctx, bus.ServiceScheduler, bus.ServiceScheduler, "--target="+bus.ServiceScheduler, "--nats="+w.nats))
	if err := g.Wait(); err != nil {
		return err
	}
	type worker struct{ name, service, accept string }
	restorer := "masked"
	if w.cfg.Raw {
		restorer = "raw,masked"
	}
	workers := []worker{{"capturer", bus.ServiceCapturer, "raw"}}
	for i := range w.cfg.Maskers {
		workers = append(workers, worker{fmt.Sprintf("masker-%d", i+1), bus.ServiceMasker, "raw,masked"})
	}
	workers = append(workers,
		worker{"verifier", bus.ServiceVerifier, "raw,masked"},
		worker{"transferer", bus.ServiceTransferer, "masked"},
		worker{"restorer", bus.ServiceRestorer, restorer})
	g, gctx = errgroup.WithContext(ctx)
	for _, x := range workers {
		w.cfg.Say("starting %s", x.name)
		g.Go(w.starter(gctx, x.name, x.service, "--target="+x.service, "--nats="+w.nats, "--accept="+x.accept))
	}
	return g.Wait()
}

// starter adds a process and returns the function that starts it.
func (w *World) starter(ctx context.Context, name, service string, args ...string) func() error {
	args = append([]string{"up", "--state-dir=" + filepath.Join(w.Dir, "state"), "--secrets-dir=" + w.secrets(service), "--log-format=json", "--slots=1"}, args...)
	if w.cfg.Workers > 0 {
		args = append(args, fmt.Sprintf("--workers=%d", w.cfg.Workers))
	}
	p := &Process{Name: name, bin: w.cfg.Binary, args: args, log: filepath.Join(w.Dir, "logs", name+".log")}
	w.Processes = append(w.Processes, p)
	return func() error { return p.Start(ctx) }
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
	source := "\n    - {name: db, postgres: {dsn: {fromFile: source.dsn}}}"
	target := "\n            - {name: db, postgres: {dsn: {fromFile: target.dsn}}}"
	if !w.cfg.NoFiles {
		source += fmt.Sprintf("\n    - {name: invoices, files: {path: %q}}", w.Invoices)
		target += fmt.Sprintf("\n            - {name: invoices, files: {path: %q}}", w.Restored)
	}
	docs := []string{
		w.location(Vault, Vault, ""), w.location(Masked, Masked, ""), w.location(TestCloud, TestCloud, ""),
		fmt.Sprintf(`apiVersion: tranship.io/v1alpha1
kind: Application
metadata: {name: %s}
spec:
  components:%s`, Application, source),
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
          components:%s
    - verify: {checks: [rows, files]}`, Policy, Application, Vault, MaskingPolicy, Masked, TestCloud, target),
	}
	return strings.Join(docs, "\n---\n") + "\n"
}

// Lane returns the locations of a lane: vault-NAME, masked-NAME and test-cloud-NAME. Each has a key pair and a prefix of its
// own, so nothing that is stored in another lane is there; the writer keys are the same, so roots can be compared.
func (w *World) Lane(lane string) string {
	docs := make([]string, len(locations))
	for i, location := range locations {
		docs[i] = w.location(location+"-"+lane, location, lane)
	}
	return strings.Join(docs, "\n---\n") + "\n"
}

// location writes a Location that lies in the bucket of one of the policy's.
func (w *World) location(name, bucket, prefix string) string {
	trust, region := "masked", "eu-central-1"
	switch bucket {
	case Vault:
		trust = "raw"
	case TestCloud:
		region = "eu-west-1"
	}
	var signers strings.Builder
	for _, role := range []string{"capturer", "masker", "verifier", "transferer", "restorer"} {
		fmt.Fprintf(&signers, "\n    - {role: %s, publicKey: %s}", role, w.publics[role])
	}
	cloud := w.cloudOf(bucket)
	return fmt.Sprintf(`apiVersion: tranship.io/v1alpha1
kind: Location
metadata: {name: %[1]s}
spec:
  trust: %[2]s
  region: %[3]s
  s3:
    bucket: %[4]s
    prefix: %[5]q
    endpoint: %[6]s
    region: %[7]s
    pathStyle: true
    credentials: {accessKeyID: {fromFile: %[4]s.s3.id}, secretAccessKey: {fromFile: %[4]s.s3.secret}}
  encryption: {publicKey: %[8]s, privateKey: {fromFile: %[1]s.key}, writerKey: {fromFile: %[4]s.writer.key}}
  signers:%[9]s`, name, trust, region, bucket, prefix, cloud.Endpoint, cloud.Region, w.publics[name], signers.String())
}
