// Package app is the composition root: it knows every service, every driver and how they go together, and starts and stops
// them in order.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/bus/embedded"
	"github.com/tranship/tranship/internal/bus/identity"
	"github.com/tranship/tranship/internal/bus/jetstream"
	"github.com/tranship/tranship/internal/bus/router"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/fault"
)

// Started tells the caller where a running program can be reached.
type Started struct {
	NATSURL string // of the embedded server's listener, or ""
	HTTPURL string // of the gateway, or ""
	OpsURL  string // of health and metrics, or ""
}

// Deps are what a program needs from its surroundings.
type Deps struct {
	Log   *zap.Logger
	Clock clock.Clock
	// Ready is called once when everything runs. Optional.
	Ready func(Started)
}

// drain bounds how long stopping may take: workers save how far they are and hand their tasks back.
const drain = 25 * time.Second

// Run runs the configured targets until ctx ends, then stops them in order: services stop taking work and hand back what
// they have, connections close, the embedded server last. It returns nil when it was stopped by ctx.
func Run(ctx context.Context, cfg Config, deps Deps) error {
	if err := cfg.withDefaults(); err != nil {
		return err
	}
	if deps.Clock == nil {
		deps.Clock = clock.Real{}
	}
	p := &program{cfg: cfg, deps: deps, metrics: newMetrics(), health: &health{}}
	defer p.close()
	if err := p.start(ctx); err != nil {
		return err
	}
	return p.serve(ctx)
}

// program is what runs in this process.
type program struct {
	cfg     Config
	deps    Deps
	metrics *metrics
	health  *health
	server  *embedded.Server
	started Started
	conns   []*nats.Conn
	routers []*message.Router
	tasks   []func(context.Context) error // run beside the routers until they return
	closers []func() error
}

// start brings everything up to the point where serve takes work: the embedded server, then connections and services. The
// scheduler goes first, because it creates the streams that the others look for.
func (p *program) start(ctx context.Context) error {
	if p.cfg.runs(TargetNATS) {
		if err := p.startServer(ctx); err != nil {
			return err
		}
	}
	if p.cfg.OpsListen != "" {
		if err := p.startOps(); err != nil {
			return err
		}
	}
	for _, service := range bus.Services() {
		if !p.cfg.runs(service) {
			continue
		}
		js, err := p.connect(ctx, service)
		if err != nil {
			return fmt.Errorf("service %s: %w", service, err)
		}
		if err := p.services()[service](ctx, js); err != nil {
			return fmt.Errorf("service %s: %w", service, err)
		}
	}
	return nil
}

// startServer starts the embedded server. Every service gets the permissions of its name, also within this process.
func (p *program) startServer(ctx context.Context) error {
	cfg := embedded.Config{Dir: p.cfg.StateDir + "/nats"}
	if !p.cfg.single() || p.cfg.NATSListen != "" {
		cfg.Listen = cmp.Or(p.cfg.NATSListen, "127.0.0.1:4222")
	}
	for _, service := range bus.Services() {
		public, err := identity.PublicKey(p.cfg.KeysDir, service)
		if errors.Is(err, identity.ErrMissing) {
			var id *identity.Identity
			if id, err = identity.LoadOrCreate(p.cfg.KeysDir, service); err == nil {
				public = id.PublicKey()
			}
		}
		if err != nil {
			return err
		}
		grant, err := bus.Permissions(service, p.cfg.clusters()...)
		if err != nil {
			return err
		}
		cfg.Users = append(cfg.Users, embedded.User{Service: service, PublicKey: public, Grant: grant})
	}
	server, err := embedded.Start(ctx, cfg, embedded.Deps{Log: p.deps.Log.Named("nats")})
	if err != nil {
		return err
	}
	p.server, p.started.NATSURL = server, server.URL()
	return nil
}

// connect connects a service under its own key.
func (p *program) connect(ctx context.Context, service string) (natsjs.JetStream, error) {
	id, err := identity.Load(p.cfg.KeysDir, service)
	if err != nil {
		return nil, err
	}
	cfg := jetstream.ConnectConfig{Service: service, URL: p.cfg.NATSURL, RootCAs: p.cfg.NATSCAs}
	if p.server != nil {
		cfg.InProcess = p.server
	}
	log := p.deps.Log.Named(service)
	var nc *nats.Conn
	err = await(ctx, log, func(ctx context.Context) (err error) {
		nc, err = jetstream.Connect(ctx, cfg, jetstream.ConnectDeps{Key: id, Log: log})
		return err
	})
	if err != nil {
		return nil, err
	}
	p.conns = append(p.conns, nc)
	p.health.add(service, func() error {
		if !nc.IsConnected() {
			return errors.New("not connected to NATS")
		}
		return nil
	})
	js, err := natsjs.New(nc)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return js, nil
}

// await calls f until it succeeds, is denied or will never succeed: services start in any order, and one may be there before
// the NATS server or before the scheduler has made the streams.
func await(ctx context.Context, log *zap.Logger, f func(context.Context) error) error {
	const patience = time.Minute
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := f(ctx)
		if err == nil || fault.Is(err, fault.Denied) || fault.Is(err, fault.Permanent) {
			return err
		}
		log.Debug("not there yet", zap.Error(err))
		select {
		case <-time.After(wait):
		case <-deadline.C:
			return fmt.Errorf("after %s: %w", patience, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// router returns a new router for a service. Its handlers run from serve on.
func (p *program) router(service string) (*message.Router, error) {
	r, err := router.New(router.Config{CloseTimeout: drain}, router.Deps{Log: p.deps.Log.Named(service), Metrics: p.metrics, Clock: p.deps.Clock})
	if err != nil {
		return nil, err
	}
	p.routers = append(p.routers, r)
	return r, nil
}

// serve runs until ctx ends or something fails for good.
func (p *program) serve(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, r := range p.routers {
		g.Go(func() error { return r.Run(gctx) })
	}
	for _, task := range p.tasks {
		g.Go(func() error { return task(gctx) })
	}
	g.Go(func() error {
		for _, r := range p.routers {
			select {
			case <-r.Running():
			case <-gctx.Done():
				return nil
			}
		}
		p.health.set(true)
		if p.deps.Ready != nil {
			p.deps.Ready(p.started)
		}
		<-gctx.Done()
		p.health.set(false)
		return nil
	})
	err := g.Wait()
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}

// close stops what is left, in the reverse order of start.
func (p *program) close() {
	for _, c := range p.closers {
		if err := c(); err != nil {
			p.deps.Log.Warn("closing failed", zap.Error(err))
		}
	}
	for _, nc := range p.conns {
		nc.Close()
	}
	if p.server != nil {
		p.server.Close()
	}
}

// workerName names this process for people.
func workerName(service string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host"
	}
	return fmt.Sprintf("%s@%s/%d", service, host, os.Getpid())
}
