package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/progress"
	"github.com/tranship/tranship/internal/saga"
)

func newRunsCommand(m *Main) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List, show, watch and control runs",
	}
	cmd.AddCommand(newRunsListCommand(m), newRunsShowCommand(m), newRunsWatchCommand(m),
		newControlCommand(m, client.ActionCancel, "End a run and undo what it did", "The run ends when its steps are undone; captures that were committed stay."),
		newControlCommand(m, client.ActionPause, "Hand out no further task of a run", "Tasks that a worker holds are finished."),
		newControlCommand(m, client.ActionResume, "Go on with a paused run", ""),
		newControlCommand(m, client.ActionRetry, "Try a failed run again", "What was done stays done: the run goes on at the step that failed, or at --from."))
	return cmd
}

func newRunsListCommand(m *Main) *cobra.Command {
	var limit int
	var before uint64
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List runs, the one that moved last first",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > client.MaxRuns {
				return misuse("--limit must be from 1 to %d", client.MaxRuns)
			}
			c, err := m.gateway()
			if err != nil {
				return err
			}
			list, err := c.Runs(cmd.Context(), client.RunsQuery{Limit: limit, Before: saga.Seq(before)})
			if err != nil {
				return failed(err, "listing runs")
			}
			if err := m.print(list, func(wide bool) *table { return m.runsTable(list, wide) }); err != nil {
				return err
			}
			if list.Next != 0 && !m.flags.output.structured() {
				m.note("more with: --before %d", list.Next)
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "most `runs` to list")
	cmd.Flags().Uint64Var(&before, "before", 0, "go on behind this `place`, which an earlier list named")
	return cmd
}

func (m *Main) runsTable(list client.RunList, wide bool) *table {
	header := []string{"RUN", "POLICY", "APPLICATION", "STATE", "STEPS", "STEP", "AGE"}
	if wide {
		header = append(header, "TOOK", "ROWS", "BYTES", "CAUSE", "FAILURE")
	}
	t := newTable(header...)
	t.empty = "There are no runs in tenant " + m.flags.tenant + "."
	for _, r := range list.Items {
		row := []string{r.Run, orNone(r.Policy), r.Application, string(r.Status), strconv.Itoa(r.StepsDone) + "/" + strconv.Itoa(r.StepsTotal), r.Step, m.since(r.RequestedAt)}
		if wide {
			failure := ""
			if r.Failure != nil {
				failure = r.Failure.Error.Message
			}
			row = append(row, took(r.RequestedAt, r.FinishedAt), number(r.Stats.Rows), size(r.Stats.Bytes), r.Cause.Kind, failure)
		}
		t.add(row...)
	}
	return t
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func took(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return ""
	}
	return progress.Took(to.Sub(from))
}

func newRunsShowCommand(m *Main) *cobra.Command {
	return &cobra.Command{
		Use:   "show RUN",
		Short: "Show where a run stands: its steps, attempts and errors",
		Args:  wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := m.gateway()
			if err != nil {
				return err
			}
			run, err := c.Run(cmd.Context(), args[0])
			if err != nil {
				return failed(err, "reading run %s", args[0])
			}
			if m.flags.output.structured() {
				return writeValue(m.Stdout, run, m.flags.output)
			}
			return m.showRun(run)
		},
	}
}

func (m *Main) showRun(run client.Run) error {
	field := func(name, value string) {
		if value != "" {
			printLine(m.Stdout, "%-13s %s", name+":", oneLine(value))
		}
	}
	field("Run", run.Run)
	if r := run.Request; r != nil {
		field("Policy", r.Policy)
		field("Application", r.Application)
		field("Parameters", labelText(r.Params))
		field("Cause", r.Cause.Kind)
	}
	field("State", string(run.Status))
	if !run.RequestedAt.IsZero() {
		field("Requested", run.RequestedAt.UTC().Format(time.RFC3339)+" ("+m.since(run.RequestedAt)+" ago)")
	}
	field("Took", took(run.RequestedAt, run.FinishedAt))
	if f := run.Failure; f != nil {
		field("Failure", faultError(f.Error).Error())
		field("Class", f.Error.Class)
		field("Hint", f.Error.Hint)
	}
	p := palette{on: m.colours(m.Stdout)}
	if len(run.Steps) > 0 {
		printLine(m.Stdout, "")
		if err := summaryTable(run.State).write(m.Stdout, m.width(), p); err != nil {
			return err
		}
	}
	if t := tasksTable(run.State, m.flags.output == formatWide); len(t.rows) > 0 {
		printLine(m.Stdout, "")
		return t.write(m.Stdout, m.width(), p)
	}
	return nil
}

// tasksTable lists the tasks that are worth a look: those in flight and those with a failed attempt, or all of them.
func tasksTable(s saga.State, all bool) *table {
	t := newTable("STEP", "TASK", "STATE", "ATTEMPT", "WORKER", "LAST ERROR")
	for _, st := range s.Steps {
		for _, task := range st.Tasks {
			if !all && !task.InFlight() && task.Fault == nil {
				continue
			}
			problem := ""
			if task.Fault != nil {
				problem = strings.TrimSpace(task.Fault.Class + ": " + task.Fault.Message)
			}
			t.add(st.Name, task.ID, string(task.Status), strconv.Itoa(task.Attempt), task.Worker, problem)
		}
	}
	return t
}

func newRunsWatchCommand(m *Main) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "watch RUN",
		Short: "Show how a run goes on, until it ends",
		Long: `Shows how a run goes on, from its beginning: bars on a terminal, one line of JSON per event elsewhere.

The exit code says how the run ended: 0 completed, 1 failed, 3 canceled, 4 timed out waiting. An interrupt ends the
watching and not the run.`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := m.gateway()
			if err != nil {
				return err
			}
			return m.follow(cmd.Context(), c, args[0], timeout)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "longest `time` to wait, such as 30m; the run itself goes on (exit code 4)")
	return cmd
}

// done says what an action did.
var done = map[client.Action]string{
	client.ActionCancel: "is being canceled", client.ActionPause: "is paused", client.ActionResume: "goes on", client.ActionRetry: "is tried again",
}

func newControlCommand(m *Main, action client.Action, short, long string) *cobra.Command {
	var how client.Control
	var w waiting
	cmd := &cobra.Command{
		Use:   string(action) + " RUN",
		Short: short,
		Long:  strings.TrimSpace(short + ".\n\n" + long),
		Args:  wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.control(cmd.Context(), args[0], action, how, w)
		},
	}
	cmd.Flags().StringVar(&how.Reason, "reason", "", "`text` that the run's journal keeps")
	if action == client.ActionRetry {
		cmd.Flags().StringVar(&how.From, "from", "", "`step` to go on at (default: the one that failed)")
	}
	if action != client.ActionPause {
		w.register(cmd)
	}
	return cmd
}

func (m *Main) control(ctx context.Context, id string, action client.Action, how client.Control, w waiting) error {
	c, err := m.gateway()
	if err != nil {
		return err
	}
	run, err := c.Control(ctx, id, action, how)
	if err != nil {
		return failed(err, "asking run %s to %s", id, action)
	}
	if w.wait {
		err := m.follow(ctx, c, id, w.timeout)
		if action == client.ActionCancel && exitCode(err) == exitCanceled {
			return nil // what was asked for
		}
		return err
	}
	if m.flags.output.structured() {
		return writeValue(m.Stdout, run, m.flags.output)
	}
	m.note("run %s %s", id, done[action])
	return nil
}
