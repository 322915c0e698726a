package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob"
	bloball "github.com/tranship/tranship/internal/blob/all"
	"github.com/tranship/tranship/internal/blob/observe"
	"github.com/tranship/tranship/internal/blob/retry"
	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/bus/jetstream"
	"github.com/tranship/tranship/internal/bus/router"
	"github.com/tranship/tranship/internal/dataservice"
	dataall "github.com/tranship/tranship/internal/dataservice/all"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/keyfile"
	"github.com/tranship/tranship/internal/location"
	maskall "github.com/tranship/tranship/internal/mask/all"
	"github.com/tranship/tranship/internal/saga/natsjournal"
	"github.com/tranship/tranship/internal/secret"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/internal/stage/natscheckpoint"
	"github.com/tranship/tranship/pkg/events"
	"github.com/tranship/tranship/services/capturer"
	"github.com/tranship/tranship/services/gateway"
	"github.com/tranship/tranship/services/masker"
	"github.com/tranship/tranship/services/restorer"
	"github.com/tranship/tranship/services/scheduler"
	"github.com/tranship/tranship/services/transferer"
)

// services says how each service is put together.
func (p *program) services() map[string]func(context.Context, natsjs.JetStream) error {
	return map[string]func(context.Context, natsjs.JetStream) error{
		bus.ServiceScheduler:  p.startScheduler,
		bus.ServiceCapturer:   p.startCapturer,
		bus.ServiceMasker:     p.startMasker,
		bus.ServiceVerifier:   p.startVerifier,
		bus.ServiceTransferer: p.startTransferer,
		bus.ServiceRestorer:   p.startRestorer,
		bus.ServiceGateway:    p.startGateway,
	}
}

func (p *program) startScheduler(ctx context.Context, js natsjs.JetStream) error {
	clusters := p.cfg.clusters()
	if err := jetstream.Ensure(ctx, js, jetstream.Topology{Clusters: clusters}); err != nil {
		return err
	}
	log := p.deps.Log.Named(bus.ServiceScheduler)
	resources, err := jetstream.NewResources(ctx, js)
	if err != nil {
		return err
	}
	journal := p.journal(js)
	s := scheduler.New(scheduler.Config{Clusters: clusters}, scheduler.Deps{
		Journal: journal, Feed: journal, Commands: jetstream.NewCommands(js),
		Checkpoints: natscheckpoint.New(natscheckpoint.Deps{JetStream: js}),
		Resources:   scheduler.BusResources{Bus: resources, Log: log},
		Saga:        p.subscriber(js, log, jetstream.SubscriberConfig{Stream: bus.StreamSaga, Slots: 8}),
		Work:        p.subscriber(js, log, jetstream.SubscriberConfig{Slots: 4}),
		Clock:       p.deps.Clock, Log: log,
	})
	r, err := p.router(bus.ServiceScheduler)
	if err != nil {
		return err
	}
	s.Register(r)
	p.tasks = append(p.tasks, s.Run)
	return nil
}

func (p *program) startCapturer(_ context.Context, js natsjs.JetStream) error {
	signer, err := p.signer(artifact.Capturer)
	if err != nil {
		return err
	}
	log := p.deps.Log.Named(bus.ServiceCapturer)
	c := capturer.New(capturer.Config{Workers: p.cfg.Workers, Version: p.cfg.Version}, capturer.Deps{
		Locations: p.opener(), Drivers: dataall.Drivers(), Sources: p.dataDeps(log), Signer: signer, Clock: p.deps.Clock, Log: log,
	})
	return p.work(js, bus.ServiceCapturer, events.StageCapture,
		stage.On(stage.HandlerFunc[events.CaptureRequested](c.Handle)),
		stage.OnCompensate(stage.CompensatorFunc[events.CaptureCompensate](c.Compensate)))
}

func (p *program) startMasker(_ context.Context, js natsjs.JetStream) error {
	signer, err := p.signer(artifact.Masker)
	if err != nil {
		return err
	}
	m := masker.New(masker.Config{Workers: p.cfg.Workers, Version: p.cfg.Version}, masker.Deps{
		Locations: p.opener(), Masks: maskall.Masks(), Secrets: p.secrets(), Signer: signer, Clock: p.deps.Clock, Log: p.deps.Log.Named(bus.ServiceMasker),
	})
	return p.work(js, bus.ServiceMasker, events.StageMask,
		stage.On(stage.HandlerFunc[events.MaskRequested](m.Handle)),
		stage.OnCompensate(stage.CompensatorFunc[events.MaskCompensate](m.Compensate)))
}

func (p *program) startVerifier(_ context.Context, js natsjs.JetStream) error {
	signer, err := p.signer(artifact.Verifier)
	if err != nil {
		return err
	}
	v := masker.NewVerifier(masker.VerifierConfig{Workers: p.cfg.Workers}, masker.VerifierDeps{
		Locations: p.opener(), Masks: maskall.Masks(), Signer: signer, Clock: p.deps.Clock, Log: p.deps.Log.Named(bus.ServiceVerifier),
	})
	return p.work(js, bus.ServiceVerifier, events.StageScan, stage.On(stage.HandlerFunc[events.ScanRequested](v.Handle)))
}

func (p *program) startTransferer(_ context.Context, js natsjs.JetStream) error {
	signer, err := p.signer(artifact.Transferer)
	if err != nil {
		return err
	}
	t := transferer.New(transferer.Config{Version: p.cfg.Version}, transferer.Deps{
		Locations: p.opener(), Signer: signer, Clock: p.deps.Clock, Log: p.deps.Log.Named(bus.ServiceTransferer),
	})
	return p.work(js, bus.ServiceTransferer, events.StageTransfer,
		stage.On(stage.HandlerFunc[events.TransferRequested](t.Handle)),
		stage.OnCompensate(stage.CompensatorFunc[events.TransferCompensate](t.Compensate)))
}

func (p *program) startRestorer(_ context.Context, js natsjs.JetStream) error {
	signer, err := p.signer(artifact.Restorer)
	if err != nil {
		return err
	}
	log := p.deps.Log.Named(bus.ServiceRestorer)
	r := restorer.New(restorer.Config{Workers: p.cfg.Workers}, restorer.Deps{
		Locations: p.opener(), Drivers: dataall.Drivers(), Targets: p.dataDeps(log), Signer: signer, Clock: p.deps.Clock, Log: log,
	})
	if err := p.work(js, bus.ServiceRestorer, events.StageRestore,
		stage.On(stage.HandlerFunc[events.RestoreRequested](r.Restore)),
		stage.OnCompensate(stage.CompensatorFunc[events.RestoreCompensate](r.Compensate))); err != nil {
		return err
	}
	return p.work(js, bus.ServiceRestorer, events.StageVerify, stage.On(stage.HandlerFunc[events.VerifyRequested](r.Verify)))
}

func (p *program) startGateway(ctx context.Context, js natsjs.JetStream) error {
	token, err := tokenFrom(p.cfg.TokenFile)
	if err != nil {
		return err
	}
	var resources *jetstream.Resources
	err = await(ctx, p.deps.Log.Named(bus.ServiceGateway), func(ctx context.Context) (err error) {
		resources, err = jetstream.NewResources(ctx, js)
		return err
	})
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Config{Version: p.cfg.Version, Token: token, Hosts: p.cfg.Hosts}, gateway.Deps{
		Journal: p.journal(js), Requests: jetstream.NewCommands(js),
		Resources: resources, Checkpoints: natscheckpoint.New(natscheckpoint.Deps{JetStream: js}),
		Locations: p.opener(), Ready: func(context.Context) error { return p.health.ready() },
		Clock: p.deps.Clock, Log: p.deps.Log.Named(bus.ServiceGateway),
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", p.cfg.HTTPListen)
	if err != nil {
		return fault.New(fault.Permanent, "config.listen", "listen for the API: %w", err).WithHint("another program may listen there: choose with --listen")
	}
	p.started.HTTPURL = "http://" + l.Addr().String()
	p.tasks = append(p.tasks, func(ctx context.Context) error { return g.Serve(ctx, l) })
	return nil
}

// work registers a worker of a stage.
func (p *program) work(js natsjs.JetStream, service string, s events.Stage, routes ...stage.Route) error {
	log := p.deps.Log.Named(service)
	r, err := p.router(service)
	if err != nil {
		return err
	}
	w := stage.New(stage.Config{Service: service, Name: workerName(service), Stage: s, Cluster: p.cfg.Cluster}, stage.Deps{
		Journal:     p.journal(js),
		Checkpoints: natscheckpoint.New(natscheckpoint.Deps{JetStream: js}),
		Clock:       p.deps.Clock, Log: router.Logger(log),
	}, routes...)
	w.Register(r, p.subscriber(js, log, jetstream.SubscriberConfig{Slots: p.cfg.Slots, Grace: drain}))
	return nil
}

func (p *program) subscriber(js natsjs.JetStream, log *zap.Logger, cfg jetstream.SubscriberConfig) *jetstream.Subscriber {
	return jetstream.NewSubscriber(cfg, jetstream.SubscriberDeps{JetStream: js, Log: log})
}

func (p *program) journal(js natsjs.JetStream) journal {
	return journal{natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: js}), p.metrics}
}

func (p *program) secrets() *secret.Resolver {
	return secret.New(secret.Config{Dir: p.cfg.SecretsDir}, secret.Deps{})
}

func (p *program) opener() *location.Opener {
	return location.NewOpener(location.Config{Accepts: p.cfg.Accept}, location.Deps{
		Stores: bloball.Stores(), Secrets: p.secrets(), Clock: p.deps.Clock,
		Wrap: func(s blob.Store) blob.Store {
			observed := observe.Wrap(s, observe.Config{KeyClass: keyClass}, observe.Deps{Observer: p.metrics, Clock: p.deps.Clock})
			return retry.Wrap(observed, retry.Config{}, retry.Deps{})
		},
	})
}

// dataDeps resolve the secrets of components and targets.
func (p *program) dataDeps(log *zap.Logger) dataservice.Deps {
	secrets := p.secrets()
	sugar := log.Sugar()
	return dataservice.Deps{
		Secret: func(ctx context.Context, ref json.RawMessage) (string, error) {
			var r api.SecretRef
			if err := json.Unmarshal(ref, &r); err != nil {
				return "", fault.New(fault.Permanent, secret.CodeInvalid, "a secret reference that cannot be read: %w", err)
			}
			v, err := secrets.Resolve(ctx, "a component", r)
			return v.Reveal(), err
		},
		Logf: sugar.Infof,
	}
}

// SigningKeyFile is where the signing key of a role lies in a directory of keys.
func SigningKeyFile(dir string, role artifact.Role) string {
	return filepath.Join(dir, string(role)+".signing.key")
}

// signer loads the key that a role signs with.
func (p *program) signer(role artifact.Role) (*artifact.Signer, error) {
	path := SigningKeyFile(p.cfg.KeysDir, role)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "key.missing", "the signing key %s does not exist", path).
			WithHint("create it with: tranship keys generate --signer %s --dir %s, and list its public key under the signers of your locations", role, p.cfg.KeysDir)
	}
	if err != nil {
		return nil, fmt.Errorf("load the signing key of the %s: %w", role, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.New(fault.Denied, "key.mode", "the key %s can be read by others (mode %04o)", path, info.Mode().Perm()).WithHint("run: chmod 600 %s", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load the signing key of the %s: %w", role, err)
	}
	key, err := keyfile.ParseSigning(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return artifact.NewSigner(role, key.Private().Seed())
}
