package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/progress"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// errTimedOut ends a wait at its timeout.
var errTimedOut = errors.New("the time to wait is over")

// follow shows how a run goes on until it ends, and returns how it ended as an error with its exit code. An interrupt or
// the timeout ends the waiting; the run goes on.
func (m *Main) follow(ctx context.Context, c *client.Client, run string, timeout time.Duration) error {
	watch := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		watch, cancel = context.WithTimeoutCause(ctx, timeout, errTimedOut)
		defer cancel()
	}
	steps, err := m.watch(watch, c, run)
	if cause := context.Cause(watch); cause != nil {
		return m.detached(run, cause, timeout)
	}
	if err != nil {
		return failed(err, "watching run %s", run).hinted("it goes on; watch it with: tranship runs watch %s", run)
	}
	state, err := c.Run(ctx, run)
	if err != nil {
		return failed(err, "reading how run %s ended", run)
	}
	return m.conclude(state, steps)
}

// watch feeds a display until the run ends, and returns what it learned about the steps.
func (m *Main) watch(ctx context.Context, c *client.Client, run string) (*progress.Run, error) {
	display := m.display()
	defer display.Close()
	var seen progress.Run
	for e, err := range c.Events(ctx, run, client.EventsOptions{}) {
		switch {
		case err != nil:
			return &seen, err
		case e.Journal != nil:
			seen.Apply(*e.Journal)
			if err := display.Event(*e.Journal); err != nil {
				return &seen, err
			}
		case e.Progress != nil:
			display.Progress(*e.Progress)
		}
	}
	return &seen, nil
}

// display chooses how a run is shown: bars for people, lines of JSON for programs.
func (m *Main) display() progress.Display {
	switch {
	case m.watchesPeople() && m.flags.quiet:
		return progress.NewDiscard()
	case m.watchesPeople():
		return progress.NewTerminal(m.Stdout, progress.Config{Color: m.colours(m.Stdout)}, progress.Deps{Clock: m.Clock})
	}
	return progress.NewLines(m.Stdout)
}

// watchesPeople reports whether the output of waiting is for people.
func (m *Main) watchesPeople() bool {
	return !m.flags.output.structured() && isTerminal(m.Stdout)
}

func (m *Main) detached(run string, cause error, timeout time.Duration) error {
	hint := fmt.Sprintf("watch it with: tranship runs watch %s; cancel it with: tranship runs cancel %s", run, run)
	if errors.Is(cause, errTimedOut) {
		return (&failure{code: exitTimedOut, what: fmt.Sprintf("run %s did not end within %s, and goes on", run, timeout)}).hinted("%s", hint)
	}
	return (&failure{code: exitInterrupted, what: fmt.Sprintf("the waiting was interrupted; run %s goes on", run)}).hinted("%s", hint)
}

// conclude prints the summary of a run that ended, and returns its end as an error unless it completed.
func (m *Main) conclude(run client.Run, seen *progress.Run) error {
	out := m.Stdout
	if !m.watchesPeople() {
		out = m.Stderr // programs read the events from Stdout
	}
	if !m.flags.quiet {
		printLine(out, "")
		if err := summaryTable(run.State).write(out, m.width(), palette{on: m.colours(out)}); err != nil {
			return err
		}
		if run.Status == saga.RunCompleted {
			if err := writeProof(out, run.State, seen); err != nil {
				return err
			}
		}
	}
	switch run.Status {
	case saga.RunCompleted:
		return nil
	case saga.RunCanceled:
		return &failure{code: exitCanceled, what: fmt.Sprintf("run %s was canceled", run.Run)}
	case saga.RunFailed:
		return m.runFailure(run)
	}
	return &failure{code: exitFailed, what: fmt.Sprintf("run %s is %s, though nothing more is to come from it", run.Run, run.Status)}
}

// runFailure turns a run's failure into an error with the reason, and leaves what a person needs to mend it in files.
func (m *Main) runFailure(run client.Run) error {
	what := fmt.Sprintf("run %s failed", run.Run)
	if run.Failure == nil {
		return &failure{code: exitFailed, what: what}
	}
	if run.Failure.Step != "" {
		what += " in step " + run.Failure.Step
	}
	f := run.Failure.Error
	if files := m.writeUnclassified(f); files != "" {
		f.Hint = files
	}
	if f.Hint == "" && run.Failure.Step != "" {
		f.Hint = fmt.Sprintf("see: tranship runs show %s; try again with: tranship runs retry %s", run.Run, run.Run)
	}
	return &failure{code: exitFailed, what: what, err: faultError(f), hint: f.Hint}
}

// faultError is a fault of the journal as an error.
func faultError(f events.Fault) error {
	text := f.Message
	if f.Code != "" {
		text += " (" + f.Code + ")"
	}
	return &fault.Error{Class: fault.Class(f.Class), Code: f.Code, Hint: f.Hint, Err: errors.New(text)}
}

// refused turns the refusal of a run, which has a journal with the reason, into an error; nil for any other error.
func (m *Main) refused(err error) error {
	var p *client.Problem
	if !errors.As(err, &p) || p.Run == "" {
		return nil
	}
	return failed(err, "run %s was refused", p.Run)
}

// summaryTable is a table of the steps of a run.
func summaryTable(s saga.State) *table {
	t := newTable("STEP", "STATE", "PARTS", "ROWS", "BYTES", "STORED", "TIME", "RESULT")
	for _, st := range s.Steps {
		took := ""
		if !st.StartedAt.IsZero() && !st.FinishedAt.IsZero() {
			took = progress.Took(st.FinishedAt.Sub(st.StartedAt))
		}
		t.add(st.Name, string(st.Status), number(st.Stats.Items), number(st.Stats.Rows), size(st.Stats.Bytes), size(st.Stats.Stored), took, stepResult(st))
	}
	return t
}

// stepResult says what came of a step. The capture comes first: a narrow terminal cuts the end.
func stepResult(st saga.Step) string {
	switch {
	case st.Fault != nil:
		return st.Fault.Message
	case st.Status != saga.StepCompleted || st.Capture == nil:
		return ""
	case st.Kind == events.StepRestore:
		return st.Capture.ID + " restored"
	case st.Kind == events.StepVerify:
		return st.Capture.ID + " proven equal"
	}
	return st.Capture.ID + ", " + st.Capture.Trust + ", in " + st.Capture.Location
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return progress.Count(n)
}

func size(n int64) string {
	if n == 0 {
		return ""
	}
	return progress.Bytes(n)
}
