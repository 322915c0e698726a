package main

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/app"
	"github.com/tranship/tranship/internal/failpoint"
)

const upLong = `Runs every service in this process, with an embedded NATS server that keeps its state on disk.

With --target it runs just the named ones: scheduler, capturer, masker, verifier, transferer, restorer, gateway, and nats,
which is the embedded server with a listener for the others. They meet on the NATS server that --nats names (2.14 or later).

Every service connects with a key of its own (NAME.nk) and signs with a key of its role (ROLE.signing.key), both in
--keys-dir; "tranship keys generate" and "tranship init" make them.`

// newUpCommand returns the command that runs services.
func newUpCommand(m *Main) *cobra.Command {
	var cfg app.Config
	var accept []string
	var logFormat, logLevel string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the services",
		Long:  upLong,
		Example: `  tranship up
  tranship up --target=nats,scheduler,gateway --nats-listen=0.0.0.0:4222
  tranship up --target=capturer --nats=nats://hub:4222 --accept=raw`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, a := range accept {
				if t := api.Trust(a); t != api.TrustRaw && t != api.TrustMasked {
					return misuse("--accept takes raw and masked, not %q", a)
				}
				cfg.Accept = append(cfg.Accept, api.Trust(a))
			}
			log, err := newLogger(m.Stderr, logFormat, logLevel)
			if err != nil {
				return err
			}
			defer func() { _ = log.Sync() }()
			// Only tests set the variable: it makes the process die at a named place.
			if err := failpoint.Arm(m.env(failpoint.Env)); err != nil {
				return misuse("%s: %v", failpoint.Env, err)
			}
			cfg.Version = buildVersion().Version
			if cfg.KeysDir == "" {
				cfg.KeysDir = cfg.SecretsDir
			}
			if cfg.TokenFile = m.flags.tokenFile; cfg.TokenFile == "" {
				cfg.TokenFile = filepath.Join(cfg.StateDir, "token")
			}
			return app.Run(cmd.Context(), cfg, app.Deps{Log: log, Clock: m.Clock, Ready: func(s app.Started) { m.announceUp(s, cfg) }})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&cfg.Targets, "target", []string{app.TargetAll}, "`services` to run: all, or some of "+strings.Join(app.Targets(), ", "))
	f.StringVar(&cfg.NATSURL, "nats", "", "`URL` of the NATS server to use instead of the embedded one")
	f.StringSliceVar(&cfg.NATSCAs, "nats-ca", nil, "PEM `files` of authorities to trust for --nats, besides the system's")
	f.StringVar(&cfg.NATSListen, "nats-listen", "", "`address` that the embedded NATS server listens on; 127.0.0.1:4222 when other processes need it")
	f.StringVar(&cfg.HTTPListen, "listen", "127.0.0.1:7480", "`address` that the gateway listens on")
	f.StringSliceVar(&cfg.Hosts, "hosts", nil, "`names` under which the gateway may be asked, besides localhost: a web page cannot reach it under others; * admits any")
	f.StringVar(&cfg.OpsListen, "ops-listen", "", "`address` for /healthz, /readyz and /metrics; none when empty")
	f.StringVar(&cfg.StateDir, "state-dir", m.stateDir(), "`directory` for the state of the embedded NATS server and the token of the gateway")
	f.StringVar(&cfg.SecretsDir, "secrets-dir", defaultKeyDir, "`directory` that secret references with fromFile lead to")
	f.StringVar(&cfg.KeysDir, "keys-dir", "", "`directory` of the keys of services; that of --secrets-dir when empty")
	f.StringVar(&cfg.Cluster, "cluster", api.LocalCluster, "`name` of the cluster that workers work near")
	f.StringSliceVar(&accept, "accept", []string{string(api.TrustRaw), string(api.TrustMasked)}, "`trust` of the locations that workers may open: raw, masked")
	f.IntVar(&cfg.Slots, "slots", 2, "`tasks` of a stage that this process works on at once")
	f.IntVar(&cfg.Workers, "workers", runtime.GOMAXPROCS(0), "`goroutines` that work on one task, each with a connection where it needs one")
	f.StringVar(&logFormat, "log-format", "console", "`format` of the log: console or json")
	f.StringVar(&logLevel, "log-level", "info", "least `level` that is logged: debug, info, warn or error")
	complete(cmd, "target", append([]string{app.TargetAll}, app.Targets()...)...)
	complete(cmd, "accept", string(api.TrustRaw), string(api.TrustMasked))
	complete(cmd, "log-format", "console", "json")
	complete(cmd, "log-level", "debug", "info", "warn", "error")
	return cmd
}

// announceUp tells people where things are. Programs wait for /readyz instead.
func (m *Main) announceUp(s app.Started, cfg app.Config) {
	var parts []string
	if s.HTTPURL != "" {
		parts = append(parts, fmt.Sprintf("API on %s, token in %s", s.HTTPURL, cfg.TokenFile))
	}
	if s.NATSURL != "" {
		parts = append(parts, "NATS on "+s.NATSURL)
	}
	if s.OpsURL != "" {
		parts = append(parts, "health and metrics on "+s.OpsURL)
	}
	if len(parts) == 0 {
		parts = []string{strings.Join(cfg.Targets, ", ")}
	}
	m.note("tranship is up: %s", strings.Join(parts, "; "))
}

// newLogger logs to w. Nothing that is logged holds a secret or a value of the data.
func newLogger(w io.Writer, format, level string) (*zap.Logger, error) {
	l, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, misuse("--log-level takes debug, info, warn or error, not %q", level)
	}
	var encoder zapcore.Encoder
	switch format {
	case "console":
		cfg := zap.NewDevelopmentEncoderConfig()
		cfg.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		encoder = zapcore.NewConsoleEncoder(cfg)
	case "json":
		cfg := zap.NewProductionEncoderConfig()
		cfg.EncodeTime = zapcore.RFC3339NanoTimeEncoder
		encoder = zapcore.NewJSONEncoder(cfg)
	default:
		return nil, misuse("--log-format takes console or json, not %q", format)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), l)), nil
}
