package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/client"
)

// waiting are the flags of commands that can wait for a run's end.
type waiting struct {
	wait    bool
	timeout time.Duration
}

func (w *waiting) register(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&w.wait, "wait", "w", false, "wait for the run's end and show how it goes on: bars on a terminal, one line of JSON per event elsewhere")
	cmd.Flags().DurationVar(&w.timeout, "timeout", 0, "longest `time` to wait, such as 30m; the run itself goes on (exit code 4)")
}

const waitingLong = `

With --wait the program shows how the run goes on, and its exit code says how it ended: 0 completed, 1 failed,
3 canceled, 4 timed out waiting. An interrupt ends the waiting and not the run.`

func newRunCommand(m *Main) *cobra.Command {
	var w waiting
	var application string
	var params []string
	cmd := &cobra.Command{
		Use:   "run POLICY",
		Short: "Start a run of a policy",
		Long:  "Starts a run of a policy, for each application that it selects or for one of them. The run of the first, by name, is the\none that is printed and waited for; tranship runs ls lists all." + waitingLong,
		Example: `  tranship run nightly --wait
  tranship run per-pr --param env=pr-1234 --application shop -o json`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			values, err := parseParams(params)
			if err != nil {
				return err
			}
			return m.start(cmd.Context(), client.RunRequest{Policy: args[0], Application: application, Params: values}, w)
		},
	}
	cmd.Flags().StringVar(&application, "application", "", "`name` of the one application to run for")
	cmd.Flags().StringArrayVar(&params, "param", nil, "parameter of the run as `name=value`; may be repeated; never a secret")
	w.register(cmd)
	return cmd
}

func parseParams(words []string) (map[string]string, error) {
	values := map[string]string{}
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return nil, misuse("--param takes name=value")
		}
		if _, twice := values[name]; twice {
			return nil, misuse("--param %s is given twice", name)
		}
		values[name] = value
	}
	return values, nil
}

func newCaptureCommand(m *Main) *cobra.Command {
	var w waiting
	var to string
	cmd := &cobra.Command{
		Use:     "capture APPLICATION --to LOCATION",
		Short:   "Capture an application into a location",
		Long:    "Captures an application into a raw location, as a run of this one step." + waitingLong,
		Example: "  tranship capture shop --to vault --wait",
		Args:    wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			inline, err := inlinePolicy(args[0], api.Step{Capture: &api.CaptureStep{To: to}})
			if err != nil {
				return err
			}
			return m.start(cmd.Context(), client.RunRequest{Inline: inline, Application: args[0]}, w)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "raw `location` that the capture goes to")
	if err := cmd.MarkFlagRequired("to"); err != nil {
		panic(err)
	}
	w.register(cmd)
	return cmd
}

// inlineName is the name of a policy that is sent with the request; it is not kept.
const inlineName = "inline"

// inlinePolicy returns the JSON of a policy of one application and one step, checked as far as it can be here.
func inlinePolicy(application string, step api.Step) (json.RawMessage, error) {
	p := &api.Policy{
		ObjectMeta: api.ObjectMeta{Name: inlineName},
		Spec:       api.PolicySpec{Applications: api.ApplicationSelector{Names: []string{application}}, Steps: []api.Step{step}},
	}
	p.Default()
	if errs := p.Validate(); len(errs) > 0 {
		return nil, &failure{code: exitMisuse, what: "the step cannot be run", err: errs}
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, failed(err, "writing the step")
	}
	return text, nil
}

// start starts a run and, when that was asked for, waits for its end.
func (m *Main) start(ctx context.Context, request client.RunRequest, w waiting) error {
	c, err := m.gateway()
	if err != nil {
		return err
	}
	request.Cause = "cli"
	started, err := c.StartRun(ctx, request)
	if err != nil {
		if f := m.refused(err); f != nil {
			return f
		}
		return failed(err, "starting the run")
	}
	if w.wait {
		return m.follow(ctx, c, started.Run, w.timeout)
	}
	if m.flags.output.structured() {
		return writeValue(m.Stdout, started, m.flags.output)
	}
	printLine(m.Stdout, "%s", started.Run)
	m.note("watch it with: tranship runs watch %s", started.Run)
	return nil
}
