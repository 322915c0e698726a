package api

import (
	"fmt"
	"strings"
)

// FieldError is one problem with one field. Its texts hold names of fields and resources, never values that could be secret.
type FieldError struct {
	File       string `json:"file,omitempty"`       // as given to Decode; empty when unknown
	Line       int    `json:"line,omitempty"`       // from 1; 0 when unknown
	Resource   string `json:"resource,omitempty"`   // kind/name; empty when the document does not say
	Path       string `json:"path,omitempty"`       // for example spec.steps[1].mask.policy; empty for the whole document
	Message    string `json:"message"`              // what is wrong
	Suggestion string `json:"suggestion,omitempty"` // what was probably meant: one name, without quotes
}

// Error returns `file:line: kind/name: path: message, did you mean "suggestion"?` without the parts that are unknown.
func (e FieldError) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		b.WriteString(": ")
	} else if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Resource != "" {
		b.WriteString(e.Resource + ": ")
	}
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Message)
	if e.Suggestion != "" {
		fmt.Fprintf(&b, ", did you mean %q?", e.Suggestion)
	}
	return b.String()
}

// FieldErrors are all problems that were found, in the order of the file.
type FieldErrors []FieldError

// Error returns one problem per line.
func (e FieldErrors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Err returns e, or nil when it is empty.
func (e FieldErrors) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// add appends a problem with the field at path.
func (e *FieldErrors) add(path, format string, args ...any) {
	*e = append(*e, FieldError{Path: path, Message: fmt.Sprintf(format, args...)})
}

// suggest appends a problem with the field at path and what was probably meant.
func (e *FieldErrors) suggest(path, suggestion, format string, args ...any) {
	*e = append(*e, FieldError{Path: path, Message: fmt.Sprintf(format, args...), Suggestion: suggestion})
}
