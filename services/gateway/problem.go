package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

// refusal is an error with the status of its answer.
type refusal struct {
	status  int
	problem client.Problem
}

// Error implements error.
func (r *refusal) Error() string { return r.problem.Error() }

func refuse(status int, class fault.Class, code, format string, args ...any) *refusal {
	return &refusal{status, client.Problem{Class: class, Code: code, Message: fmt.Sprintf(format, args...)}}
}

// WithHint tells the reader what to do next.
func (r *refusal) WithHint(format string, args ...any) *refusal {
	r.problem.Hint = fmt.Sprintf(format, args...)
	return r
}

// refused turns the reason for which a run was refused or failed into an answer.
func refused(run string, f events.Fault) *refusal {
	r := refuse(statusOf(fault.Class(f.Class)), fault.Class(f.Class), f.Code, "%s", f.Message)
	r.problem.Hint, r.problem.Run = f.Hint, run
	return r
}

// errInternal stands for what only the log tells.
var errInternal = errors.New("an internal error")

// problemOf returns the answer to an error, and whether it is one that only the log may tell.
func problemOf(err error) (status int, p client.Problem, internal bool) {
	var r *refusal
	var fields api.FieldErrors
	var tooLarge *http.MaxBytesError
	var classified *fault.Error
	switch {
	case errors.As(err, &r):
		return r.status, r.problem, false
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, client.Problem{
			Class: fault.Permanent, Code: "body.large", Message: fmt.Sprintf("the body is larger than %d KiB", tooLarge.Limit>>10),
		}, false
	case errors.As(err, &fields):
		return http.StatusUnprocessableEntity, invalid(fields), false
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, client.Problem{
			Class: fault.Transient, Code: "server.slow", Message: "the request took too long", Hint: "try again; if it stays so, look at the server's log",
		}, false
	case errors.As(err, &classified):
		class := fault.ClassOf(err)
		p := client.Problem{Class: class, Code: fault.CodeOf(err), Message: err.Error(), Hint: fault.HintOf(err)}
		if p.Code == "" {
			p.Code = "server." + string(class)
		}
		return statusOf(class), p, false
	}
	return http.StatusInternalServerError, client.Problem{
		Class: fault.Transient, Code: "server.internal", Message: "the server met an error of its own", Hint: "look at the server's log",
	}, true
}

func invalid(fields api.FieldErrors) client.Problem {
	message := "1 problem was found"
	if len(fields) > 1 {
		message = strconv.Itoa(len(fields)) + " problems were found"
	}
	return client.Problem{Class: fault.Permanent, Code: "resource.invalid", Message: message + "", Fields: fields}
}

func statusOf(c fault.Class) int {
	switch c {
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Denied:
		return http.StatusForbidden
	case fault.Throttled:
		return http.StatusTooManyRequests
	case fault.Permanent:
		return http.StatusUnprocessableEntity
	}
	return http.StatusServiceUnavailable
}

// fail answers with an error, unless the answer has begun: then the connection is cut, so that nobody takes it for whole.
func (s *Server) fail(w *recorder, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody listens
	}
	if errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	status, p, internal := problemOf(err)
	switch {
	case internal:
		s.deps.Log.Error("a request failed", zap.String("method", r.Method), zap.String("route", r.Pattern), zap.Error(err))
	case status >= 500:
		s.deps.Log.Warn("a request failed", zap.String("method", r.Method), zap.String("route", r.Pattern), zap.Error(err))
	}
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "2")
	}
	_ = answer(w, status, client.ProblemBody{Error: p})
}

// answer writes a document. What goes wrong then is the connection's end.
func answer(w http.ResponseWriter, status int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n'))
	return nil
}
