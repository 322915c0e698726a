package main

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tranship/tranship/internal/clock"
)

// Main is one call of the program. Tests fill in the fields and run it within their own process.
type Main struct {
	Args   []string // without the program's name
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Env    []string    // as os.Environ returns it; the last of several equal names counts
	Clock  clock.Clock // the wall clock when nil

	flags   globalFlags
	started bool // a command began its work: what fails from then on is no misuse of the command line
}

// Run runs the command that Args name and returns the exit code of the process. What went wrong is on Stderr.
func (m *Main) Run(ctx context.Context) int {
	if m.Clock == nil {
		m.Clock = clock.Real{}
	}
	root := m.newRootCommand()
	root.SetArgs(append([]string{}, m.Args...)) // for nil, the library would take those of the process
	root.SetIn(m.Stdin)
	root.SetOut(m.Stdout)
	root.SetErr(m.Stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !m.started && !isFailure(err) {
		err = misuse("%v", err) // the library's own: a flag that is missing, two that exclude each other
	}
	if err != nil {
		m.printError(err)
	}
	return exitCode(err)
}

const rootLong = `Tranship captures whole applications, pseudonymizes them, moves them to another store and restores them there.

Every flag can be set in the environment: --server is TRANSHIP_SERVER, --token-file is TRANSHIP_TOKEN_FILE, and so on.
A flag on the command line wins. Secrets are never given on a command line: they are read from files and from variables.

Exit codes: 0 completed, 1 failed, 2 wrong use, 3 the run was canceled, 4 timed out waiting, 130 interrupted.`

// The groups of commands in the help.
const (
	groupStart     = "start"
	groupResources = "resources"
	groupRuns      = "runs"
	groupTools     = "tools"
)

func (m *Main) newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:               "tranship",
		Short:             "Capture, mask, move, restore and verify applications",
		Long:              rootLong,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return m.prepare(cmd) },
	}
	m.flags.register(root)
	root.AddGroup(
		&cobra.Group{ID: groupStart, Title: "Getting started:"},
		&cobra.Group{ID: groupResources, Title: "Resources:"},
		&cobra.Group{ID: groupRuns, Title: "Runs and captures:"},
		&cobra.Group{ID: groupTools, Title: "Tools:"},
	)
	for _, g := range []struct {
		id       string
		commands []*cobra.Command
	}{
		{groupStart, []*cobra.Command{newInitCommand(m), newUpCommand(m), newDemoCommand(m)}},
		{groupResources, []*cobra.Command{newApplyCommand(m), newGetCommand(m), newDescribeCommand(m), newDeleteCommand(m)}},
		{groupRuns, []*cobra.Command{newRunCommand(m), newCaptureCommand(m), newRestoreCommand(m), newRunsCommand(m), newCapturesCommand(m)}},
		{groupTools, []*cobra.Command{newMaskCommand(m), newKeysCommand(m), newVersionCommand(m)}},
	} {
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
	root.SetHelpCommandGroupID(groupTools)
	root.SetCompletionCommandGroupID(groupTools)
	root.SetFlagErrorFunc(flagError)
	refuseUnknownCommands(root)
	m.announce(root)
	return root
}

// prepare runs before every command.
func (m *Main) prepare(cmd *cobra.Command) error { return bindEnv(cmd, m.lookupEnv) }

// announce makes every command say when it begins its work.
func (m *Main) announce(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		m.announce(c)
	}
	if work := cmd.RunE; work != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			m.started = true
			return work(cmd, args)
		}
	}
}

// lookupEnv returns the value of a variable of the environment.
func (m *Main) lookupEnv(name string) (string, bool) {
	for i := len(m.Env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(m.Env[i], name+"="); ok {
			return value, true
		}
	}
	return "", false
}

func (m *Main) env(name string) string {
	value, _ := m.lookupEnv(name)
	return value
}

// note writes a line for people to Stderr, unless they asked for silence.
func (m *Main) note(format string, args ...any) {
	if !m.flags.quiet {
		printLine(m.Stderr, format, args...)
	}
}

// fileOf returns the file behind a stream, or nil: only a file can be a terminal.
func fileOf(stream any) *os.File {
	f, _ := stream.(*os.File)
	return f
}
