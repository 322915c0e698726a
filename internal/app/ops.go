package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// health knows whether this process can do its work.
type health struct {
	mu     sync.Mutex
	up     bool
	checks map[string]func() error
}

func (h *health) add(name string, check func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.checks == nil {
		h.checks = map[string]func() error{}
	}
	h.checks[name] = check
}

func (h *health) set(up bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up = up
}

// ready returns why work cannot be done, or nil.
func (h *health) ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.up {
		return errors.New("not started, or stopping")
	}
	for name, check := range h.checks {
		if err := check(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// startOps serves /healthz, /readyz and /metrics, without credentials: they hold no names and no data.
func (p *program) startOps() error {
	l, err := net.Listen("tcp", p.cfg.OpsListen)
	if err != nil {
		return fmt.Errorf("listen for health and metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := p.health.ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	p.started.OpsURL = "http://" + l.Addr().String()
	p.tasks = append(p.tasks, func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve health and metrics: %w", err)
		}
		return nil
	})
	return nil
}
