package client

import (
	"net/http"
	"strings"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/fault"
)

// Problem is the body of every answer that is no success, below the key "error".
type Problem struct {
	Class   fault.Class     `json:"class"`
	Code    string          `json:"code"` // stable and dotted
	Message string          `json:"message"`
	Hint    string          `json:"hint,omitempty"`   // what a person should do next
	Fields  api.FieldErrors `json:"fields,omitempty"` // what is wrong with a resource
	Run     string          `json:"run,omitempty"`    // that the request led to nevertheless
}

// ProblemBody is the document that a Problem travels in.
type ProblemBody struct {
	Error Problem `json:"error"`
}

// Codes that both sides know.
const (
	CodeUnauthorized = "token.refused"
	CodeUnreachable  = "server.unreachable"
)

// Error returns the message, followed by one line per field.
func (p *Problem) Error() string {
	if len(p.Fields) == 0 {
		return p.Message
	}
	var b strings.Builder
	b.WriteString(p.Message)
	for _, f := range p.Fields {
		b.WriteString("\n  " + f.Error())
	}
	return b.String()
}

// fault gives a problem the class that it was born with, or the one that its status tells.
func (p *Problem) fault(status int) *fault.Error {
	class := p.Class
	if class == "" {
		class = classOf(status)
	}
	return &fault.Error{Class: class, Code: p.Code, Hint: p.Hint, Err: p}
}

func classOf(status int) fault.Class {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fault.Denied
	case status == http.StatusNotFound:
		return fault.NotFound
	case status == http.StatusConflict:
		return fault.Conflict
	case status == http.StatusTooManyRequests:
		return fault.Throttled
	case status >= 500:
		return fault.Transient
	}
	return fault.Permanent
}
