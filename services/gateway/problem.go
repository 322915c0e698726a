package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"

	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/location"
	"github.com/tranship/tranship/pkg/events"
)

var _ Locations = (*location.Opener)(nil)

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

const maxBody = 1 << 20

// decode reads a JSON object of at most 1 MiB with known fields only. An empty body leaves v as it is.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return err
	case errors.Is(err, io.EOF): // an empty body
	case err != nil:
		return refuse(http.StatusBadRequest, fault.Permanent, "body.invalid", "the body is not the JSON object that is expected: %s", why(err))
	case d.More():
		return refuse(http.StatusBadRequest, fault.Permanent, "body.invalid", "something follows the JSON object in the body")
	}
	return nil
}

// why tells what is wrong with a JSON document without repeating it.
func why(err error) string {
	var syntax *json.SyntaxError
	var typed *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("syntax error at byte %d", syntax.Offset)
	case errors.As(err, &typed):
		return fmt.Sprintf("%s: must be %s", typed.Field, typed.Type)
	}
	return err.Error()
}

// number reads a whole number from the query; absent gives fallback.
func number(r *http.Request, name string, fallback, least, most uint64) (uint64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, refuse(http.StatusBadRequest, fault.Permanent, "query.invalid", "%s: must be a whole number from %d to %d", name, least, most)
	}
	return n, nil
}

// flag reads true or false from the query; absent is false.
func flag(r *http.Request, name string) (bool, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, refuse(http.StatusBadRequest, fault.Permanent, "query.invalid", "%s: must be true or false", name)
	}
	return b, nil
}

func goVersion() string { return runtime.Version() }
