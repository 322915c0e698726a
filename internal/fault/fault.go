// Package fault gives errors a class where they are born, so that nobody has to guess later from their text whether to
// try again.
//
// An error keeps its chain: New and Wrap add class, code and hint, and errors.Is and errors.As see through them.
package fault

import (
	"errors"
	"fmt"
)

// Class says what a caller may do about an error.
type Class string

// The closed set of classes.
const (
	// Transient errors may vanish by themselves: try again with backoff.
	Transient Class = "transient"
	// Throttled means the other side asked for patience: try again later, and slower.
	Throttled Class = "throttled"
	// Permanent errors stay until a person changes something.
	Permanent Class = "permanent"
	// NotFound means that the named thing does not exist.
	NotFound Class = "not-found"
	// Conflict means that somebody else was there first.
	Conflict Class = "conflict"
	// Denied means missing or refused credentials, permissions or trust. It is never retried.
	Denied Class = "denied"
)

// Retryable reports whether trying the same again can help.
func (c Class) Retryable() bool { return c == Transient || c == Throttled }

// Error is an error with a class, a stable code and a hint.
type Error struct {
	Class Class
	Code  string // stable and dotted, for example "secret.missing"; may be empty
	Hint  string // what a person should do next; may be empty
	Err   error
}

// Error returns the text of the wrapped error; class, code and hint are for programs and for the CLI's rendering.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the wrapped error.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error of a class with a code and a formatted message; %w works as in fmt.Errorf.
func New(class Class, code, format string, args ...any) *Error {
	return &Error{Class: class, Code: code, Err: fmt.Errorf(format, args...)}
}

// WithHint returns a copy of e that tells the reader what to do next.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// Wrap gives err a class without changing its text. A nil err stays nil.
func Wrap(class Class, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Class: class, Err: err}
}

// Is reports whether the outermost class of err is class.
func Is(err error, class Class) bool { return err != nil && ClassOf(err) == class }

// ClassOf returns the outermost class in err's chain. Errors that carry none, cancellation among them, are transient: a fault
// that nobody classified is tried again rather than given up.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) && e.Class != "" {
		return e.Class
	}
	return Transient
}

// CodeOf returns the outermost code in err's chain, or "".
func CodeOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Code != "" {
			return e.Code
		}
		err = e.Err
	}
	return ""
}

// HintOf returns the outermost hint in err's chain, or "".
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
