package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
)

// The exit codes of the process.
const (
	exitCompleted   = 0
	exitFailed      = 1
	exitMisuse      = 2
	exitCanceled    = 3
	exitTimedOut    = 4
	exitInterrupted = 130 // as a shell reports a process that an interrupt ended
)

// failure is an error as people see it: what could not be done, why, and what to do about it.
type failure struct {
	code int
	what string // may be empty: then the cause says it all
	err  error  // why; may be nil
	hint string // may be empty: then the cause's own hint counts
}

// Error returns what and why in one line.
func (f *failure) Error() string {
	switch {
	case f.err == nil:
		return f.what
	case f.what == "":
		return f.err.Error()
	}
	return f.what + ": " + f.err.Error()
}

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.err }

// hinted returns a copy that tells the reader what to do.
func (f *failure) hinted(format string, args ...any) *failure {
	c := *f
	c.hint = fmt.Sprintf(format, args...)
	return &c
}

// misuse is an error of the one who typed the command.
func misuse(format string, args ...any) *failure {
	return &failure{code: exitMisuse, what: fmt.Sprintf(format, args...)}
}

// failed says what could not be done because of err.
func failed(err error, format string, args ...any) *failure {
	return &failure{code: codeOf(err), what: fmt.Sprintf(format, args...), err: err}
}

// exitCode returns the exit code that an error asks for.
func exitCode(err error) int {
	if err == nil {
		return exitCompleted
	}
	return codeOf(err)
}

func codeOf(err error) int {
	var f *failure
	var fields api.FieldErrors
	var problem *client.Problem
	switch {
	case errors.As(err, &f):
		return f.code
	case errors.As(err, &fields), errors.As(err, &problem) && len(problem.Fields) > 0:
		return exitMisuse
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailed
}

// printError writes an error to Stderr: what, why, and what to do next.
func (m *Main) printError(err error) {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) && !isFailure(err) {
		for _, e := range joined.Unwrap() {
			m.printError(e)
		}
		return
	}
	p := palette{on: m.colours(m.Stderr)}
	what, why, hint := explain(err)
	printLine(m.Stderr, "%s %s", p.red("Error:"), what)
	var fields api.FieldErrors
	list := errors.As(err, &fields)
	for i, line := range why {
		if i == 0 && !list {
			line = "because " + line
		}
		printLine(m.Stderr, "  %s", line)
	}
	if hint != "" {
		printLine(m.Stderr, "  %s %s", p.bold("hint:"), hint)
	}
}

func isFailure(err error) bool {
	var f *failure
	return errors.As(err, &f)
}

// explain takes an error apart into what could not be done, why, line by line, and what to do.
func explain(err error) (what string, why []string, hint string) {
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{err: err}
	}
	what, hint = f.what, f.hint
	if f.err != nil {
		if hint == "" {
			hint = fault.HintOf(f.err)
		}
		lines := strings.Split(strings.TrimRight(f.err.Error(), "\n"), "\n")
		if what == "" {
			what, lines = lines[0], lines[1:]
		}
		why = lines
	}
	return what, why, hint
}

// printLine writes one line. What a terminal or a pipe does with it is not this program's to handle.
func printLine(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, format+"\n", args...)
}
