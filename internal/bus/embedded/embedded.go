// Package embedded runs nats-server inside this process: with no port at all for one process that runs every service, or
// with a listener for several.
//
// Nobody connects without a key: connections within the process and over loopback authenticate as every other one does,
// and get the permissions of their service.
package embedded

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
)

// MaxPayload is the largest message, in bytes, that the server takes. It leaves room for headers above the largest event.
const MaxPayload = 1 << 20

// User is one service that may connect.
type User struct {
	Service   string
	PublicKey string // nkey of a user
	Grant     bus.Grant
}

// Config says where the server keeps its data, who may connect and where it listens.
type Config struct {
	Dir    string // created 0700; held by one server at a time
	Users  []User
	Listen string // host:port; port 0 picks a free one; empty: no listener
}

// Deps are what a Server needs.
type Deps struct {
	Log *zap.Logger
}

// Server is a running nats-server. It acknowledges a message only after it is synced to disk.
type Server struct {
	ns   *server.Server
	lock *os.File // of the directory
}

// readyTimeout bounds the recovery of the streams on disk.
const readyTimeout = time.Minute

// Start starts a server and returns when it takes connections. A directory that another server holds is a fault of class
// conflict.
func Start(ctx context.Context, cfg Config, deps Deps) (*Server, error) {
	opts, err := options(cfg)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the directory of the NATS server: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		_ = lock.Close()
		return nil, fault.New(fault.Permanent, "nats.config", "configure the NATS server: %w", err)
	}
	ns.SetLoggerV2(logger{deps.Log.Sugar()}, false, false, false)
	ns.Start()
	s := &Server{ns, lock}
	wait := readyTimeout
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline))
	}
	if !ns.ReadyForConnections(wait) {
		s.Close()
		return nil, fault.New(fault.Transient, "nats.start", "the NATS server takes no connections after %s", wait).
			WithHint("see the log of the server; another process may listen on %q", cfg.Listen)
	}
	if !ns.JetStreamEnabled() {
		s.Close()
		return nil, fault.New(fault.Permanent, "nats.start", "the NATS server started without JetStream").
			WithHint("see the log of the server; check that %s can be written", cfg.Dir)
	}
	return s, nil
}

// Close stops the server, waits until its files are closed, and lets another server have its directory.
func (s *Server) Close() {
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
	_ = s.lock.Close()
}

// URL returns the address of the listener, or "" when there is none.
func (s *Server) URL() string {
	if a := s.ns.Addr(); a != nil {
		return "nats://" + a.String()
	}
	return ""
}

// InProcessConn opens a connection that does not leave this process.
func (s *Server) InProcessConn() (net.Conn, error) { return s.ns.InProcessConn() }

var _ nats.InProcessConnProvider = (*Server)(nil)

func options(cfg Config) (*server.Options, error) {
	opts := &server.Options{
		ServerName:            "tranship",
		DontListen:            cfg.Listen == "",
		JetStream:             true,
		StoreDir:              cfg.Dir,
		SyncAlways:            true,
		MaxPayload:            MaxPayload,
		NoSigs:                true,
		DisableShortFirstPing: true,
	}
	if len(cfg.Users) == 0 {
		return nil, fault.New(fault.Permanent, "nats.config", "users: empty; a server that anybody may use is not started")
	}
	for _, u := range cfg.Users {
		if !nkeys.IsValidPublicUserKey(u.PublicKey) {
			return nil, fault.New(fault.Permanent, "nats.config", "users[%s].publicKey: not the public nkey of a user", u.Service)
		}
		opts.Nkeys = append(opts.Nkeys, &server.NkeyUser{
			Nkey: u.PublicKey,
			Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Allow: u.Grant.Publish},
				Subscribe: &server.SubjectPermission{Allow: u.Grant.Subscribe},
			},
		})
	}
	if cfg.Listen != "" {
		host, port, err := net.SplitHostPort(cfg.Listen)
		if err != nil {
			return nil, fault.New(fault.Permanent, "nats.config", "listen: %w", err)
		}
		n, err := net.LookupPort("tcp", port)
		if err != nil {
			return nil, fault.New(fault.Permanent, "nats.config", "listen: %w", err)
		}
		if n == 0 {
			n = server.RANDOM_PORT
		}
		opts.Host, opts.Port = host, n
	}
	return opts, nil
}
