package gateway

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
)

// endpoint answers a request, or returns why it cannot; it has then written nothing.
type endpoint func(w http.ResponseWriter, r *http.Request) error

// methods are the endpoints of a path.
type methods map[string]endpoint

// access says what a request to a path needs.
type access int

const (
	open      access = iota // nothing: for probes
	bounded                 // a token, and Config.Request of time
	unbounded               // a token
)

// route is a path with what it takes.
type route struct {
	path    string
	access  access
	methods methods
}

// routes lists the API; docs/api.md describes it.
func (s *Server) routes() []route {
	return []route{
		{"/healthz", open, methods{http.MethodGet: s.health}},
		{"/readyz", open, methods{http.MethodGet: s.ready}},
		{"/v1/version", bounded, methods{http.MethodGet: s.version}},
		{"/v1/resources", bounded, methods{http.MethodPost: s.applyResources}},
		{"/v1/resources/{kind}", bounded, methods{http.MethodGet: s.listResources}},
		{"/v1/resources/{kind}/{name}", bounded, methods{http.MethodGet: s.getResource, http.MethodDelete: s.deleteResource}},
		{"/v1/runs", bounded, methods{http.MethodGet: s.listRuns, http.MethodPost: s.startRun}},
		{"/v1/runs/{run}", bounded, methods{http.MethodGet: s.getRun}},
		{"/v1/runs/{run}/events", unbounded, methods{http.MethodGet: s.streamRun}},
		{"/v1/runs/{run}/{action}", bounded, methods{http.MethodPost: s.controlRun}},
		{"/v1/captures", bounded, methods{http.MethodGet: s.listCaptures}},
		{"/v1/captures/{capture}", bounded, methods{http.MethodGet: s.getCapture}},
	}
}

// Handler returns the API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.Handle(r.path, s.wrap(r.access, r.methods))
	}
	mux.Handle("/", s.wrap(bounded, nil))
	return mux
}

// wrap puts around the endpoints of a path what they share: who may ask, for how long, what becomes of errors and panics.
func (s *Server) wrap(a access, m methods) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.deps.Clock.Now()
		rec := &recorder{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				s.deps.Log.Error("a request panicked", zap.String("route", r.Pattern), zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
				s.fail(rec, r, errInternal)
			}
			s.deps.Log.Debug("request", zap.String("method", r.Method), zap.String("route", r.Pattern), zap.Int("status", rec.status),
				zap.Duration("took", s.deps.Clock.Now().Sub(start)))
		}()
		if err := s.serve(rec, r, a, m); err != nil {
			s.fail(rec, r, err)
		}
	})
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, a access, m methods) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if a != open {
		if err := s.guard.admit(r); err != nil {
			return err
		}
		tenant, err := tenantOf(r)
		if err != nil {
			return err
		}
		ctx := context.WithValue(r.Context(), tenantKey{}, tenant)
		if a == bounded {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, s.cfg.Request)
			defer cancel()
		}
		r = r.WithContext(ctx)
	}
	if m == nil {
		return refuse(http.StatusNotFound, fault.NotFound, "path.unknown", "there is nothing at this path").WithHint("the paths of this version start with /v1/")
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	do, ok := m[method]
	if !ok {
		allowed := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
		w.Header().Set("Allow", allowed)
		return refuse(http.StatusMethodNotAllowed, fault.Permanent, "method.unknown", "this path takes %s", allowed)
	}
	return do(w, r)
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

const readyTimeout = 5 * time.Second

func (s *Server) ready(w http.ResponseWriter, r *http.Request) error {
	if s.deps.Ready != nil {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := s.deps.Ready(ctx); err != nil {
			s.deps.Log.Warn("not ready", zap.Error(err))
			return refuse(http.StatusServiceUnavailable, fault.Transient, "server.starting", "not ready yet")
		}
	}
	return answer(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, client.Version{Version: s.cfg.Version, Go: runtime.Version()})
}
