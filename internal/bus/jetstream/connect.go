package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
)

// Oldest server that has everything the bus needs: message schedules with time zones.
const (
	oldestMajor = 2
	oldestMinor = 14
)

// Signer is the key with which a service connects.
type Signer interface {
	PublicKey() string
	Sign(nonce []byte) ([]byte, error)
}

// ConnectConfig says where to connect to and as whom.
type ConnectConfig struct {
	Service   string                     // one of bus.Services
	URL       string                     // of an external server, or several joined by commas; ignored with InProcess
	InProcess nats.InProcessConnProvider // an embedded server of this process
	RootCAs   []string                   // PEM files to trust besides the system's
	Timeout   time.Duration              // for the first connection; 0: 15 s
}

// ConnectDeps are what Connect needs.
type ConnectDeps struct {
	Key Signer
	Log *zap.Logger
}

// connectTimeout is longer than the ten seconds after which an embedded server gives up on telling a client that it refuses
// its key: on a connection within the process both sides write at once and wait for each other.
const connectTimeout = 15 * time.Second

// Connect opens a connection that reconnects for as long as it lives, and refuses a server that is too old with an error
// of code nats.version. An unreachable server is a transient error, a refused key an error of class denied.
func Connect(ctx context.Context, cfg ConnectConfig, deps ConnectDeps) (*nats.Conn, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = connectTimeout
	}
	if deadline, ok := ctx.Deadline(); ok {
		cfg.Timeout = min(cfg.Timeout, time.Until(deadline))
	}
	log := deps.Log.With(zap.String("service", cfg.Service))
	opts := []nats.Option{
		nats.Name("tranship " + cfg.Service),
		nats.Nkey(deps.Key.PublicKey(), deps.Key.Sign),
		nats.CustomInboxPrefix(bus.InboxPrefix(cfg.Service)),
		nats.Timeout(cfg.Timeout),
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(false),
		nats.PermissionErrOnSubscribe(true),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // nil: closed by this process
				log.Warn("lost the connection to NATS", zap.Error(err))
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.Info("connected to NATS again", zap.String("server", nc.ConnectedServerName()))
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("NATS reports an error", zap.Error(err)) // a violation of permissions, above all
		}),
	}
	if cfg.InProcess != nil {
		opts = append(opts, nats.InProcessServer(cfg.InProcess))
		cfg.URL = ""
	}
	if len(cfg.RootCAs) > 0 {
		opts = append(opts, nats.RootCAs(cfg.RootCAs...))
	}
	nc, err := nats.Connect(cfg.URL, opts...)
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrNkeysNotSupported),
		cfg.InProcess != nil && errors.Is(err, io.ErrClosedPipe):
		return nil, fault.New(fault.Denied, "nats.denied", "connect to NATS as %s: %w", cfg.Service, err).
			WithHint("the server must know the public key %s of %s", deps.Key.PublicKey(), cfg.Service)
	case err != nil:
		return nil, fault.New(fault.Transient, "nats.connect", "connect to NATS as %s: %w", cfg.Service, err).
			WithHint("check that the NATS server runs and that its address is right")
	}
	if err := checkVersion(nc.ConnectedServerVersion()); err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}

var versionPattern = regexp.MustCompile(`^v?(\d+)\.(\d+)`)

func checkVersion(version string) error {
	m := versionPattern.FindStringSubmatch(version)
	if m == nil {
		return fault.New(fault.Permanent, "nats.version", "the NATS server calls itself version %q", version).
			WithHint("use nats-server %d.%d or later", oldestMajor, oldestMinor)
	}
	major, errMajor := strconv.Atoi(m[1])
	minor, errMinor := strconv.Atoi(m[2])
	if err := errors.Join(errMajor, errMinor); err != nil {
		return fmt.Errorf("read the version of the NATS server: %w", err)
	}
	if major < oldestMajor || major == oldestMajor && minor < oldestMinor {
		return fault.New(fault.Permanent, "nats.version", "the NATS server is of version %s, %d.%d is the oldest that can be used",
			version, oldestMajor, oldestMinor).
			WithHint("upgrade the server: message schedules are missing in older ones")
	}
	return nil
}
