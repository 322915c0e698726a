package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/fault"
)

// Server serves the API. It is safe for concurrent use.
type Server struct {
	cfg     Config
	deps    Deps
	guard   guard
	streams chan struct{} // one element per open stream
	closing chan struct{} // closed when open streams are to end
}

// New returns a server. A configuration without a token is refused.
func New(cfg Config, deps Deps) (*Server, error) {
	if cfg.Token.Reveal() == "" {
		return nil, fault.New(fault.Permanent, "token.missing", "the API needs a token")
	}
	cfg = cfg.withDefaults()
	return &Server{
		cfg: cfg, deps: deps, guard: newGuard(cfg), streams: make(chan struct{}, cfg.MaxStreams), closing: make(chan struct{}),
	}, nil
}

// Limits of a connection. Reading goes on during a request, to notice when the client leaves: its deadline has to be later
// than the request's.
const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	stopTimeout   = 10 * time.Second
)

// Serve answers requests on l until ctx ends, then ends open streams and waits up to ten seconds for requests under way.
// It is called once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ReadTimeout: bodyTimeout + s.cfg.Request, WriteTimeout: bodyTimeout + s.cfg.Request + s.cfg.SlowClient, ErrorLog: zap.NewStdLog(s.deps.Log),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve the API: %w", err)
	case <-ctx.Done():
	}
	close(s.closing)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		_ = srv.Close()
		if !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("stop serving the API: %w", err)
		}
		s.deps.Log.Warn("requests under way were cut off")
	}
	return nil
}
